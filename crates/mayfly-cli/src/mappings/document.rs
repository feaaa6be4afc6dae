//! The mappings document: one format for import, export and apply, as YAML and as JSON. Its schema is
//! `helper-scripts/mappings.schema.json`.

mod entry;
mod json;
mod node;
#[cfg(test)]
mod tests;
mod value;
mod write;
mod yaml;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use mayfly_core::mapping::StoredMapping;
use mayfly_core::row::{Attribute, Attributes, MappingRow};

use self::node::{Node, Value};

pub(super) use self::entry::{entry_of, name_of, pattern_of};
pub(super) use self::node::Position;
pub(super) use self::value::tree_of;
pub(super) use self::write::{Tree, yaml_line, yaml_of};

/// The one version of the format so far.
const VERSION: &str = "1";

/// The two ways to write the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Yaml,
    Json,
}

impl Format {
    /// By the file's ending, or else by what a JSON object begins with.
    pub(super) fn of(name: &str, text: &str) -> Self {
        match Path::new(name).extension().and_then(|ending| ending.to_str()) {
            Some("json") => Self::Json,
            Some("yaml" | "yml") => Self::Yaml,
            _ if text.trim_start().starts_with('{') => Self::Json,
            _ => Self::Yaml,
        }
    }
}

/// One thing that is wrong with a document, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Complaint {
    pub(super) at: Position,
    pub(super) reason: String,
}

impl Complaint {
    fn new(at: Position, reason: impl Into<String>) -> Self {
        Self { at, reason: reason.into() }
    }
}

/// All that is wrong with a document, in the order of the lines.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Complaints(pub(super) Vec<Complaint>);

impl Complaints {
    /// Each as `file:line:column: reason`, a line each.
    pub(super) fn told<'a>(&'a self, file: &'a str) -> impl fmt::Display + 'a {
        struct Told<'a>(&'a Complaints, &'a str);
        impl fmt::Display for Told<'_> {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                for (index, Complaint { at, reason }) in self.0.0.iter().enumerate() {
                    let separator = if index == 0 { "" } else { "\n" };
                    write!(formatter, "{separator}{}:{}:{}: {reason}", self.1, at.line, at.column)?;
                }
                Ok(())
            }
        }
        Told(self, file)
    }
}

/// What a document says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) rows: Vec<MappingRow>,
    /// Rows given by `pk` and `sk` are taken as they are. Here is what is wrong with them.
    pub(super) warnings: Vec<Complaint>,
}

impl Document {
    /// Reads all of it, or says all that is wrong.
    pub(super) fn read(text: &str, format: Format) -> Result<Self, Complaints> {
        let root = root_of(text, format)?;
        let mut reader = Reader::default();
        reader.read(root);
        reader.complaints.sort();
        if reader.complaints.is_empty() { Ok(reader.document) } else { Err(Complaints(reader.complaints)) }
    }
}

/// Reads the attributes of one row: a map as in a document, without a key.
pub(super) fn read_attributes(text: &str, format: Format) -> Result<Attributes, Complaints> {
    let root = root_of(text, format)?;
    let (at, Value::Map(fields)) = (root.at, root.value) else {
        return Err(Complaints(vec![Complaint::new(root.at, "the attributes of a row are a map")]));
    };
    let mut complaints = entry::key_among(&fields);
    let read = entry::read_own(at, fields, &mut complaints);
    complaints.sort();
    if complaints.is_empty() { Ok(read) } else { Err(Complaints(complaints)) }
}

/// Reads one value as it could stand in a YAML document.
pub(super) fn read_value(text: &str) -> Result<Attribute, Complaints> {
    let mut complaints = Vec::new();
    let attribute = value::attribute_of(root_of(text, Format::Yaml)?, &mut complaints);
    match attribute {
        Some(attribute) if complaints.is_empty() => Ok(attribute),
        _ => Err(Complaints(complaints)),
    }
}

fn root_of(text: &str, format: Format) -> Result<Node, Complaints> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root = match format {
        Format::Json => json::read(text),
        Format::Yaml => yaml::read(text),
    };
    root.map_err(|complaint| Complaints(vec![complaint]))
}

/// The document of these rows, in their order.
pub(super) fn document_of<'a>(rows: impl IntoIterator<Item = &'a MappingRow>) -> Tree {
    let entries = rows.into_iter().map(entry_of).collect();
    Tree::Map(vec![
        ("version".to_owned(), Tree::Number(VERSION.to_owned())),
        ("mappings".to_owned(), Tree::List(entries)),
    ])
}

#[derive(Default)]
struct Reader {
    document: Document,
    complaints: Vec<Complaint>,
    /// Where each key was seen first.
    seen: BTreeMap<(String, String), Position>,
}

impl Reader {
    fn complain(&mut self, at: Position, reason: impl Into<String>) {
        self.complaints.push(Complaint::new(at, reason));
    }

    fn read(&mut self, root: Node) {
        let at = root.at;
        let Value::Map(fields) = root.value else {
            self.complain(at, "a mappings document is a map with `version` and `mappings`");
            return;
        };
        let (mut has_version, mut has_mappings) = (false, false);
        for (key, value) in fields {
            match key.name.as_str() {
                "version" => {
                    has_version = true;
                    if !matches!(&value.value, Value::Number(version) if version == VERSION) {
                        self.complain(value.at, "the version is not 1, the only one that this command knows");
                    }
                }
                "mappings" => {
                    has_mappings = true;
                    self.read_list(value);
                }
                name => self.complain(
                    key.at,
                    format!("`{name}` does not belong here: a document has `version` and `mappings`"),
                ),
            }
        }
        if !has_version {
            self.complain(at, "`version: 1` is missing");
        }
        if !has_mappings {
            self.complain(at, "`mappings` is missing");
        }
    }

    fn read_list(&mut self, list: Node) {
        let Value::List(entries) = list.value else {
            self.complain(list.at, "`mappings` is not a list");
            return;
        };
        for node in entries {
            let at = node.at;
            let Some(entry) = entry::read(node, &mut self.complaints) else { continue };
            self.check(at, &entry);
            let id = (entry.row.partition_key.clone(), entry.row.sort_key.clone());
            if let Some(first) = self.seen.get(&id) {
                let reason = format!("this is the key of the row in line {} again", first.line);
                self.complain(at, reason);
                continue;
            }
            self.seen.insert(id, at);
            self.document.rows.push(entry.row);
        }
    }

    /// A row must be one that the dispatcher can use, unless it is given as it is.
    fn check(&mut self, at: Position, entry: &entry::Entry) {
        let StoredMapping::Unreadable { reason, .. } = entry.row.read() else { return };
        let attribute = reason.split('`').nth(1).unwrap_or_default();
        let complaint = Complaint::new(entry.places.get(attribute).copied().unwrap_or(at), reason);
        if entry.is_raw {
            self.document.warnings.push(complaint);
        } else {
            self.complaints.push(complaint);
        }
    }
}
