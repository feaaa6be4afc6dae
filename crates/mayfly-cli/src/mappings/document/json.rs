//! Reads JSON, with the place of everything. YAML's reader does not take all of JSON: neither `"\ud83d\ude80"` nor tabs.

use super::Complaint;
use super::node::{Key, Node, Position, Value};
use super::yaml::MOST_LEVELS;

pub(super) fn read(text: &str) -> Result<Node, Complaint> {
    let mut reader = Reader { rest: text, at: Position { line: 1, column: 1 }, level: 0 };
    let root = reader.node()?;
    match reader.peek() {
        None => Ok(root),
        Some(_) => Err(reader.complaint("the document is over, and here is more")),
    }
}

struct Reader<'a> {
    rest: &'a str,
    /// Where the rest begins.
    at: Position,
    level: usize,
}

impl<'a> Reader<'a> {
    fn complaint(&self, reason: &str) -> Complaint {
        Complaint::new(self.at, format!("this is no JSON: {reason}"))
    }

    /// Goes on by so many bytes.
    fn skip(&mut self, bytes: usize) -> &'a str {
        let (skipped, rest) = self.rest.split_at(bytes);
        for character in skipped.chars() {
            if character == '\n' {
                self.at = Position { line: self.at.line + 1, column: 1 };
            } else {
                self.at.column += 1;
            }
        }
        self.rest = rest;
        skipped
    }

    /// The next character that is no space.
    fn peek(&mut self) -> Option<char> {
        let spaces = self.rest.len() - self.rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        self.skip(spaces);
        self.rest.chars().next()
    }

    fn takes(&mut self, character: char) -> bool {
        let is_next = self.peek() == Some(character);
        if is_next {
            self.skip(character.len_utf8());
        }
        is_next
    }

    fn node(&mut self) -> Result<Node, Complaint> {
        let next = self.peek();
        let at = self.at;
        self.level += 1;
        if self.level > MOST_LEVELS {
            return Err(Complaint::new(at, "values lie too deep in each other"));
        }
        let value = match next {
            Some('{') => self.map()?,
            Some('[') => self.list()?,
            Some('"') => Value::Text(self.text()?),
            Some(_) => self.word()?,
            None => return Err(self.complaint("it ends where a value should be")),
        };
        self.level -= 1;
        Ok(Node { at, value })
    }

    fn map(&mut self) -> Result<Value, Complaint> {
        self.takes('{');
        let mut fields: Vec<(Key, Node)> = Vec::new();
        if self.takes('}') {
            return Ok(Value::Map(fields));
        }
        loop {
            if self.peek() != Some('"') {
                return Err(self.complaint("the name of an attribute, in quotes, is expected here"));
            }
            let at = self.at;
            let name = self.text()?;
            if fields.iter().any(|(key, _)| key.name == name) {
                return Err(Complaint::new(at, format!("the name `{name}` is there twice")));
            }
            if !self.takes(':') {
                return Err(self.complaint("`:` is expected here"));
            }
            fields.push((Key { at, name }, self.node()?));
            if self.takes('}') {
                return Ok(Value::Map(fields));
            }
            if !self.takes(',') {
                return Err(self.complaint("`,` or `}` is expected here"));
            }
        }
    }

    fn list(&mut self) -> Result<Value, Complaint> {
        self.takes('[');
        let mut nodes = Vec::new();
        if self.takes(']') {
            return Ok(Value::List(nodes));
        }
        loop {
            nodes.push(self.node()?);
            if self.takes(']') {
                return Ok(Value::List(nodes));
            }
            if !self.takes(',') {
                return Err(self.complaint("`,` or `]` is expected here"));
            }
        }
    }

    fn text(&mut self) -> Result<String, Complaint> {
        let mut is_escaped = false;
        let end = self.rest.char_indices().skip(1).find(|(_, character)| {
            let is_end = *character == '"' && !is_escaped;
            is_escaped = *character == '\\' && !is_escaped;
            is_end
        });
        let Some((end, _)) = end else {
            return Err(self.complaint("the text that begins here does not end"));
        };
        let complaint = self.complaint("this text has a broken escape or a control character");
        serde_json::from_str(self.skip(end + 1)).map_err(|_| complaint)
    }

    /// `null`, `true`, `false` or a number.
    fn word(&mut self) -> Result<Value, Complaint> {
        let is_part =
            |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '+' | '.');
        let length = self.rest.len() - self.rest.trim_start_matches(is_part).len();
        let word = &self.rest[..length];
        let value = match word {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            number if serde_json::from_str::<serde_json::Number>(number).is_ok() || is_large(number) => {
                Value::Number(number.to_owned())
            }
            _ => return Err(self.complaint("a value is expected here")),
        };
        self.skip(length);
        Ok(value)
    }
}

/// Numbers beyond what `serde_json` takes. That they are too large for DynamoDB as well is said by whoever reads the value.
fn is_large(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_digit() || first == '-')
        && word.parse::<f64>().is_ok_and(f64::is_infinite)
}
