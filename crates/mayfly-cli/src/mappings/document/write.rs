//! Writes a document.

use std::fmt::Write;

use serde::ser::{Serialize, SerializeMap, Serializer};

/// What is written, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mappings) enum Tree {
    Null,
    Bool(bool),
    /// Its digits.
    Number(String),
    Text(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

/// As JSON.
impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            // At most 15 digits: a double keeps them.
            Self::Number(digits) => match (digits.parse::<i64>(), digits.parse::<f64>()) {
                (Ok(whole), _) => serializer.serialize_i64(whole),
                (_, Ok(value)) => serializer.serialize_f64(value),
                _ => serializer.serialize_str(digits),
            },
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(values) => serializer.collect_seq(values),
            Self::Map(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

/// The longest name that YAML lets stand before its colon is 1024 characters; escapes count.
const LONGEST_SIMPLE_NAME: usize = 1000;

/// As YAML, with a newline at the end.
pub(in crate::mappings) fn yaml_of(tree: &Tree) -> String {
    let mut text = String::new();
    match tree {
        Tree::Map(fields) if !fields.is_empty() => write_fields(&mut text, fields, 0),
        Tree::List(values) if !values.is_empty() => write_list(&mut text, values, 0),
        scalar => {
            text.push_str(&yaml_line(scalar));
            text.push('\n');
        }
    }
    text
}

/// In one line, for what is small and for messages.
pub(in crate::mappings) fn yaml_line(tree: &Tree) -> String {
    match tree {
        Tree::Null => "null".to_owned(),
        Tree::Bool(value) => value.to_string(),
        Tree::Number(digits) => digits.clone(),
        Tree::Text(text) => scalar(text),
        Tree::List(values) => {
            let values: Vec<String> = values.iter().map(yaml_line).collect();
            format!("[{}]", values.join(", "))
        }
        Tree::Map(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{}: {}", scalar(name), yaml_line(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

/// Each field on lines of its own; the first begins where the text ends.
fn write_fields(text: &mut String, fields: &[(String, Tree)], indent: usize) {
    for (index, (name, value)) in fields.iter().enumerate() {
        if index > 0 {
            text.push_str(&" ".repeat(indent));
        }
        let name = scalar(name);
        if name.len() > LONGEST_SIMPLE_NAME {
            // Writing to a String cannot fail.
            let _ = write!(text, "? {name}\n{}:", " ".repeat(indent));
        } else {
            let _ = write!(text, "{name}:");
        }
        match value {
            Tree::Map(fields) if !fields.is_empty() => {
                let _ = write!(text, "\n{}", " ".repeat(indent + 2));
                write_fields(text, fields, indent + 2);
            }
            Tree::List(values) if !values.iter().all(is_scalar) => {
                let _ = write!(text, "\n{}", " ".repeat(indent + 2));
                write_list(text, values, indent + 2);
            }
            small => {
                let _ = writeln!(text, " {}", yaml_line(small));
            }
        }
    }
}

fn write_list(text: &mut String, values: &[Tree], indent: usize) {
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            text.push_str(&" ".repeat(indent));
        }
        text.push_str("- ");
        match value {
            Tree::Map(fields) if !fields.is_empty() => write_fields(text, fields, indent + 2),
            Tree::List(values) if !values.iter().all(is_scalar) => write_list(text, values, indent + 2),
            small => {
                text.push_str(&yaml_line(small));
                text.push('\n');
            }
        }
    }
}

fn is_scalar(tree: &Tree) -> bool {
    match tree {
        Tree::List(values) => values.is_empty(),
        Tree::Map(fields) => fields.is_empty(),
        _ => true,
    }
}

/// A text as it is if nobody can take it for something else, and in quotes if somebody could.
fn scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

/// Words that some reader of YAML takes for something else than a text.
const WORDS: [&str; 10] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan"];

fn is_plain(text: &str) -> bool {
    let is_inner = |character: char| character.is_alphanumeric() || "_-./@+*=:#$ ".contains(character);
    text.starts_with(|first: char| first.is_alphabetic() || matches!(first, '/' | '_' | '$'))
        && text.chars().all(is_inner)
        && !text.ends_with([':', ' '])
        && !text.contains(": ")
        && !text.contains(" #")
        && !WORDS.contains(&text.to_lowercase().as_str())
}

fn quoted(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 2);
    written.push('"');
    for character in text.chars() {
        // Writing to a String cannot fail.
        let _ = match character {
            '"' => write!(written, "\\\""),
            '\\' => write!(written, "\\\\"),
            '\n' => write!(written, "\\n"),
            '\t' => write!(written, "\\t"),
            ' '..='~' => write!(written, "{character}"),
            // Emoji and letters of all scripts; what a reader of YAML may refuse or fold is escaped.
            _ if character.is_alphanumeric() || is_symbol(character) => write!(written, "{character}"),
            _ => match u32::from(character) {
                code @ ..=0xffff => write!(written, "\\u{code:04X}"),
                code => write!(written, "\\U{code:08X}"),
            },
        };
    }
    written.push('"');
    written
}

fn is_symbol(character: char) -> bool {
    matches!(character, '\u{a1}'..='\u{17f}' | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' | '\u{1f300}'..='\u{1faff}')
}
