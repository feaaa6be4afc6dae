//! Reads YAML, with the place of everything.

use saphyr::{LoadableYamlNode, MarkedYaml, Marker, Scalar, YamlData};

use super::Complaint;
use super::node::{Key, Node, Position, Value};

/// How deep values may lie in each other. DynamoDB takes 32 levels (Developer Guide, "quotas").
pub(super) const MOST_LEVELS: usize = 50;

pub(super) fn read(text: &str) -> Result<Node, Complaint> {
    let documents = MarkedYaml::load_from_str(text).map_err(|error| {
        let reason = error.info();
        // The loader's words are for those who know YAML's specification.
        let reason = if reason == "duplicated key in mapping" { "this name is there twice" } else { reason };
        Complaint::new(position(error.marker()), format!("this is no YAML: {reason}"))
    })?;
    let mut documents = documents.into_iter();
    let root = documents.next();
    if let Some(further) = documents.next() {
        let reason = "a second document begins here, and there may be only one";
        return Err(Complaint::new(position(&further.span.start), reason));
    }
    let source = Source::new(text);
    match root {
        Some(root) => node_of(root, &source, 0),
        None => Err(Complaint::new(Position { line: 1, column: 1 }, "there is nothing in it")),
    }
}

/// The text by the index of its characters, which is what the parser counts.
struct Source<'a> {
    text: &'a str,
    /// Where each character begins; empty if they all have one byte.
    starts: Vec<usize>,
}

impl<'a> Source<'a> {
    fn new(text: &'a str) -> Self {
        let starts =
            if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(start, _)| start).collect() };
        Self { text, starts }
    }

    fn byte(&self, index: usize) -> usize {
        if self.starts.is_empty() {
            return index.min(self.text.len());
        }
        self.starts.get(index).copied().unwrap_or(self.text.len())
    }

    fn written(&self, node: &MarkedYaml<'_>) -> &'a str {
        let range = self.byte(node.span.start.index())..self.byte(node.span.end.index());
        self.text.get(range).unwrap_or_default().trim()
    }
}

fn node_of(node: MarkedYaml<'_>, source: &Source<'_>, level: usize) -> Result<Node, Complaint> {
    let at = position(&node.span.start);
    if level > MOST_LEVELS {
        return Err(Complaint::new(at, "values lie too deep in each other"));
    }
    let written = source.written(&node);
    let value = match node.data {
        YamlData::Value(Scalar::Null) => Value::Null,
        YamlData::Value(Scalar::Boolean(value)) => Value::Bool(value),
        // Its digits and not its value: DynamoDB has more of them than the parser.
        YamlData::Value(Scalar::Integer(_) | Scalar::FloatingPoint(_)) => Value::Number(written.to_owned()),
        YamlData::Value(Scalar::String(text)) => plain_text(text.into_owned(), written),
        YamlData::Sequence(nodes) => Value::List(
            nodes.into_iter().map(|node| node_of(node, source, level + 1)).collect::<Result<_, _>>()?,
        ),
        YamlData::Mapping(fields) => {
            let mut map = Vec::with_capacity(fields.len());
            for (key, value) in fields {
                map.push((key_of(key, source)?, node_of(value, source, level + 1)?));
            }
            Value::Map(map)
        }
        YamlData::Tagged(tag, _) => {
            let tag = &tag.suffix;
            return Err(Complaint::new(
                at,
                format!("the tag `!{tag}` is not known: write the value without it"),
            ));
        }
        YamlData::BadValue | YamlData::Alias(_) | YamlData::Representation(..) => {
            return Err(Complaint::new(at, "this is no value"));
        }
    };
    Ok(Node { at, value })
}

/// The parser takes a number that is too large for it for a text.
fn plain_text(text: String, written: &str) -> Value {
    let is_number = text == written
        && text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E'))
        && text.trim_start_matches(['-', '+', '.']).starts_with(|first: char| first.is_ascii_digit())
        && text.parse::<f64>().is_ok();
    if is_number { Value::Number(text) } else { Value::Text(text) }
}

fn key_of(key: MarkedYaml<'_>, source: &Source<'_>) -> Result<Key, Complaint> {
    let at = position(&key.span.start);
    let written = source.written(&key);
    match key.data {
        YamlData::Value(Scalar::String(name)) => Ok(Key { at, name: name.into_owned() }),
        // A name may look like a number or a word of YAML.
        YamlData::Value(_) if !written.is_empty() => Ok(Key { at, name: written.to_owned() }),
        _ => Err(Complaint::new(at, "the name of an attribute is a text")),
    }
}

/// The parser counts lines from 1 and columns from 0.
fn position(marker: &Marker) -> Position {
    Position { line: marker.line().max(1), column: marker.col() + 1 }
}
