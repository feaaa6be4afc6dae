//! YAML as GitLab reads it: with merge keys taken in, and the file and line of everything.

use std::rc::Rc;

use anyhow::anyhow;
use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

/// How deep a file may be nested. GitLab has a limit too (its `Gitlab::Config::Loader`), and nobody writes by hand what is deeper.
const MOST_LEVELS: usize = 100;

/// A value and where it begins.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) file: Rc<str>,
    /// The first is 1. For a value under a key, the line of the key.
    pub(super) line: usize,
    pub(super) value: Value,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    /// Also numbers and truth values.
    Text(String),
    List(Vec<Node>),
    Map(Map),
    /// `!reference [.setup, tags]`
    Reference(Vec<String>),
    /// With a tag of YAML that GitLab does not know either.
    Unknown,
}

/// In the order of the file; no key is there twice.
#[derive(Debug, Clone, Default)]
pub(super) struct Map(Vec<(String, Node)>);

impl Map {
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, node)| node)
    }

    /// The value of a key, unless that is null: GitLab takes null for nothing.
    pub(super) fn some(&self, key: &str) -> Option<&Node> {
        self.get(key).filter(|node| !matches!(node.value, Value::Null))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.0.iter().map(|(key, node)| (key.as_str(), node))
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<Node> {
        let place = self.0.iter().position(|(known, _)| known == key)?;
        Some(self.0.remove(place).1)
    }

    fn set(&mut self, key: String, node: Node) {
        match self.0.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = node,
            None => self.0.push((key, node)),
        }
    }

    /// Lays another one over it, as `include` and `extends` do: maps are joined, everything else is replaced.
    pub(super) fn lay_over(&mut self, over: Self) {
        for (key, node) in over.0 {
            let old = self.0.iter_mut().find(|(known, _)| *known == key).map(|(_, old)| old);
            match (old, node) {
                (
                    Some(Node { line, file, value: Value::Map(old) }),
                    Node { value: Value::Map(map), line: new, file: of },
                ) => {
                    (*line, *file) = (new, of);
                    old.lay_over(map);
                }
                (Some(old), node) => *old = node,
                (None, node) => self.0.push((key, node)),
            }
        }
    }
}

impl Node {
    pub(super) fn map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The members of a list; anything else is a list of itself.
    pub(super) fn members(&self) -> &[Self] {
        match &self.value {
            Value::List(members) => members,
            _ => std::slice::from_ref(self),
        }
    }
}

/// Reads a file's text. A file may begin with a document about its inputs (`spec:`); the one that counts is the last.
pub(super) fn parse(file: &str, text: &str) -> anyhow::Result<Map> {
    let documents = MarkedYaml::load_from_str(text).map_err(|error| {
        let (line, column) = (error.marker().line(), error.marker().col() + 1);
        anyhow!("{file}:{line}:{column}: this is no YAML that can be read: {}", error.info())
    })?;
    let Some(document) = documents.last() else { return Ok(Map::default()) };
    let node = convert(document, &Rc::from(file), MOST_LEVELS)
        .ok_or_else(|| anyhow!("{file}: it is nested deeper than {MOST_LEVELS} levels"))?;
    match node.value {
        Value::Map(map) => Ok(map),
        Value::Null => Ok(Map::default()),
        _ => Err(anyhow!(
            "{file}:{}: a GitLab CI file is a mapping of keywords and jobs, and this is none",
            node.line
        )),
    }
}

/// `None` if it is nested too deep.
fn convert(yaml: &MarkedYaml<'_>, file: &Rc<str>, levels: usize) -> Option<Node> {
    let levels = levels.checked_sub(1)?;
    let line = yaml.span.start.line();
    let value = match &yaml.data {
        YamlData::Value(scalar) => scalar_value(scalar),
        YamlData::Representation(text, ..) => Value::Text(text.to_string()),
        YamlData::Sequence(members) => {
            Value::List(members.iter().map(|member| convert(member, file, levels)).collect::<Option<_>>()?)
        }
        YamlData::Mapping(entries) => {
            let (mut map, mut merged) = (Map::default(), Map::default());
            for (key, value) in entries {
                let mut node = convert(value, file, levels)?;
                let Some(key_text) = key_text(key) else { continue };
                if key_text == "<<" {
                    take_in(&mut merged, &node);
                    continue;
                }
                node.line = key.span.start.line();
                map.set(key_text, node);
            }
            for (key, node) in map.0 {
                merged.set(key, node);
            }
            Value::Map(merged)
        }
        YamlData::Tagged(tag, inner) => {
            let inner = convert(inner, file, levels)?;
            if tag.suffix == "reference" { reference(&inner) } else { Value::Unknown }
        }
        YamlData::Alias(_) | YamlData::BadValue => Value::Null,
    };
    Some(Node { file: Rc::clone(file), line, value })
}

/// The first of several merged maps comes before the others (YAML's type `merge`).
fn take_in(merged: &mut Map, node: &Node) {
    for map in node.members().iter().filter_map(Node::map) {
        for (key, node) in map.iter() {
            if merged.get(key).is_none() {
                merged.set(key.to_owned(), node.clone());
            }
        }
    }
}

fn key_text(key: &MarkedYaml<'_>) -> Option<String> {
    match &key.data {
        YamlData::Value(scalar) => match scalar_value(scalar) {
            Value::Text(text) => Some(text),
            _ => None,
        },
        YamlData::Representation(text, ..) => Some(text.to_string()),
        _ => None,
    }
}

fn scalar_value(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => Value::Text(value.to_string()),
        Scalar::Integer(number) => Value::Text(number.to_string()),
        // With a dot also if it is a whole number, as Ruby writes it.
        Scalar::FloatingPoint(number) => Value::Text(format!("{:?}", number.into_inner())),
        Scalar::String(text) => Value::Text(text.to_string()),
    }
}

fn reference(inner: &Node) -> Value {
    let path: Option<Vec<String>> =
        inner.members().iter().map(|part| part.text().map(str::to_owned)).collect();
    path.map_or(Value::Unknown, Value::Reference)
}
