//! One row in a document: its key by `job`, `project` and `tags`, or as it is by `pk` and `sk`.

use std::collections::BTreeMap;

use mayfly_core::ids::{JobName, ProjectPath};
use mayfly_core::mapping::{MappingKey, NamePattern, StoredMapping};
use mayfly_core::row::{Attributes, MappingRow};
use mayfly_core::tags::TagSet;

use super::Complaint;
use super::node::{Key, Node, Position, Value};
use super::value::{attribute_of, map, tree_of};
use super::write::Tree;

/// Names that mean something here. Attributes of a row that have one of them are written within `attributes`.
const TAKEN: [&str; 6] = ["job", "project", "tags", "pk", "sk", "attributes"];
/// The longest keys in bytes (DynamoDB Developer Guide, "quotas").
const LONGEST_PARTITION_KEY: usize = 2048;
const LONGEST_SORT_KEY: usize = 1024;

/// A row as a document gives it.
pub(super) struct Entry {
    pub(super) row: MappingRow,
    /// True if it is given by `pk` and `sk`.
    pub(super) is_raw: bool,
    /// Where its attributes are.
    pub(super) places: BTreeMap<String, Position>,
}

/// The job names as they are written: `build`, `deploy-*` for a beginning, `deploy-\*` for a name that ends with a star.
pub(in crate::mappings) fn name_of(pattern: &NamePattern) -> String {
    match pattern {
        NamePattern::Exact(name) => match name.as_str().strip_suffix('*') {
            Some(rest) => format!("{rest}\\*"),
            None => name.to_string(),
        },
        NamePattern::Prefix(prefix) => format!("{prefix}*"),
    }
}

/// Reads what [`name_of`] writes.
pub(in crate::mappings) fn pattern_of(name: &str) -> Result<NamePattern, String> {
    if let Some(rest) = name.strip_suffix("\\*") {
        return exact(format!("{rest}*"));
    }
    match name.strip_suffix('*') {
        Some(prefix) => Ok(NamePattern::Prefix(prefix.to_owned())),
        None => exact(name.to_owned()),
    }
}

fn exact(name: String) -> Result<NamePattern, String> {
    JobName::new(name).map(NamePattern::Exact).map_err(|error| error.to_string())
}

/// The row as a document says it.
pub(in crate::mappings) fn entry_of(row: &MappingRow) -> Tree {
    let mut fields = key_fields(row);
    let (taken, own): (Vec<_>, Vec<_>) =
        row.attributes.iter().partition(|(name, _)| TAKEN.contains(&name.as_str()));
    // What a person looks for comes first.
    let (first, rest): (Vec<_>, Vec<_>) =
        own.into_iter().partition(|(name, _)| matches!(name.as_str(), "type" | "arn"));
    let ordered = first.into_iter().rev().chain(rest);
    fields.extend(ordered.map(|(name, value)| (name.clone(), tree_of(value))));
    if !taken.is_empty() {
        let taken = taken.into_iter().map(|(name, value)| (name.clone(), tree_of(value))).collect();
        fields.push(("attributes".to_owned(), Tree::Map(taken)));
    }
    Tree::Map(fields)
}

fn key_fields(row: &MappingRow) -> Vec<(String, Tree)> {
    let field = |name: &str, text: &str| (name.to_owned(), Tree::Text(text.to_owned()));
    let Some(key) = written_key(row) else {
        return vec![field("pk", &row.partition_key), field("sk", &row.sort_key)];
    };
    let mut fields = vec![field("job", &name_of(&key.pattern))];
    fields.extend(key.project.iter().map(|project| field("project", project.as_str())));
    if !key.tags.is_empty() {
        let tags = key.tags.iter().map(|tag| Tree::Text(tag.to_owned())).collect();
        fields.push(("tags".to_owned(), Tree::List(tags)));
    }
    fields
}

/// The row's key, if the row can be used and `job`, `project` and `tags` say the key exactly.
fn written_key(row: &MappingRow) -> Option<MappingKey> {
    let StoredMapping::Readable(mapping) = row.read() else { return None };
    let key = mapping.key;
    let is_exact = key.partition_key() == row.partition_key
        && key.sort_key() == row.sort_key
        && pattern_of(&name_of(&key.pattern)).as_ref() == Ok(&key.pattern);
    is_exact.then_some(key)
}

/// Reads a row; all that is wrong with its form goes to the complaints.
pub(super) fn read(node: Node, complaints: &mut Vec<Complaint>) -> Option<Entry> {
    let at = node.at;
    let Value::Map(fields) = node.value else {
        complaints.push(Complaint::new(at, format!("a mapping is a map, and not {}", node.value.kind())));
        return None;
    };
    let before = complaints.len();
    let (keys, own): (Vec<_>, Vec<_>) = fields
        .into_iter()
        .partition(|(key, _)| TAKEN.contains(&key.name.as_str()) && key.name != "attributes");
    let places = own.iter().map(|(key, value)| (key.name.clone(), value.at)).collect();
    let key = read_key(at, keys, complaints);
    let attributes = read_own(at, own, complaints);
    let ((partition_key, sort_key), is_raw) = key?;
    if partition_key.is_empty() || partition_key.len() > LONGEST_PARTITION_KEY {
        complaints.push(Complaint::new(at, "a partition key has 1 to 2048 bytes"));
    }
    if sort_key.is_empty() || sort_key.len() > LONGEST_SORT_KEY {
        complaints.push(Complaint::new(at, "a sort key has 1 to 1024 bytes; this one has too many tags"));
    }
    let row = MappingRow { partition_key, sort_key, attributes };
    (complaints.len() == before).then_some(Entry { row, is_raw, places })
}

/// What is wrong with attributes that say which row they are for: that is said elsewhere, and may be another one.
pub(super) fn key_among(fields: &[(Key, Node)]) -> Vec<Complaint> {
    let is_key = |name: &str| TAKEN.contains(&name) && name != "attributes";
    let keys = fields.iter().filter(|(key, _)| is_key(&key.name));
    let complaint = |(key, _): &(Key, Node)| {
        let within = match key.name.as_str() {
            "pk" | "sk" => "",
            _ => "; an attribute of this name stands within `attributes`",
        };
        Complaint::new(key.at, format!("`{}` belongs to the key, which the flags give{within}", key.name))
    };
    keys.map(complaint).collect()
}

/// Reads the attributes of a row, without those of its key.
pub(super) fn read_own(
    at: Position,
    fields: Vec<(Key, Node)>,
    complaints: &mut Vec<Complaint>,
) -> Attributes {
    let mut attributes = Attributes::new();
    for (key, node) in fields {
        if key.name != "attributes" {
            if let Some(value) = attribute_of(node, complaints) {
                attributes.insert(key.name, value);
            }
            continue;
        }
        let Value::Map(fields) = node.value else {
            complaints.push(Complaint::new(node.at, "`attributes` is not a map"));
            continue;
        };
        for (name, value) in map(fields, complaints).into_iter().flatten() {
            if name == "pk" || name == "sk" {
                complaints.push(Complaint::new(
                    key.at,
                    format!("`{name}` is the row's key and no further attribute"),
                ));
            } else if attributes.insert(name.clone(), value).is_some() {
                complaints.push(Complaint::new(key.at, format!("`{name}` is given twice")));
            }
        }
    }
    if attributes.keys().any(String::is_empty) {
        complaints.push(Complaint::new(at, "an attribute has no name"));
    }
    attributes
}

type ReadKey = ((String, String), bool);

fn read_key(at: Position, fields: Vec<(Key, Node)>, complaints: &mut Vec<Complaint>) -> Option<ReadKey> {
    let mut fields: BTreeMap<String, Node> = fields.into_iter().map(|(key, node)| (key.name, node)).collect();
    let is_raw = fields.contains_key("pk") || fields.contains_key("sk");
    let is_named = ["job", "project", "tags"].iter().any(|name| fields.contains_key(*name));
    let reason = match (is_raw, is_named) {
        (true, true) => "a row is given by `job`, `project` and `tags`, or by `pk` and `sk`, and not by both",
        (true, false) => {
            let partition_key = text_field("pk", at, fields.remove("pk"), complaints);
            let sort_key = text_field("sk", at, fields.remove("sk"), complaints);
            return Some(((partition_key?, sort_key?), true));
        }
        (false, _) if !fields.contains_key("job") => {
            "`job` is missing: the name of a job, or `\"*\"` for every job"
        }
        (false, _) => return read_named(at, fields, complaints).map(|key| (key, false)),
    };
    complaints.push(Complaint::new(at, reason));
    None
}

fn text_field(
    name: &str,
    at: Position,
    node: Option<Node>,
    complaints: &mut Vec<Complaint>,
) -> Option<String> {
    let (at, reason) = match node {
        Some(Node { value: Value::Text(text), .. }) => return Some(text),
        None => (at, format!("`{name}` is missing")),
        Some(node) => (
            node.at,
            format!("`{name}` is a text, and not {}: write it in quotes if it is meant", node.value.kind()),
        ),
    };
    complaints.push(Complaint::new(at, reason));
    None
}

fn read_named(
    at: Position,
    mut fields: BTreeMap<String, Node>,
    complaints: &mut Vec<Complaint>,
) -> Option<(String, String)> {
    let mut place = |name: &str| {
        let node = fields.remove(name);
        (node.as_ref().map_or(at, |node| node.at), node)
    };
    let (job_at, job) = place("job");
    let (project_at, project) = place("project");
    let (_, tags) = place("tags");
    let job = text_field("job", at, job, complaints);
    let pattern = job.and_then(|name| checked(job_at, pattern_of(&name), complaints));
    let project = match project {
        None => Some(None),
        Some(node) => text_field("project", at, Some(node), complaints).and_then(|path| {
            let path = ProjectPath::new(path).map_err(|error| error.to_string());
            checked(project_at, path, complaints).map(Some)
        }),
    };
    let tags = read_tags(tags, complaints);
    let key = MappingKey { project: project?, pattern: pattern?, tags: tags? };
    Some((key.partition_key(), key.sort_key()))
}

fn checked<T>(at: Position, read: Result<T, String>, complaints: &mut Vec<Complaint>) -> Option<T> {
    read.map_err(|reason| complaints.push(Complaint::new(at, reason))).ok()
}

fn read_tags(node: Option<Node>, complaints: &mut Vec<Complaint>) -> Option<TagSet> {
    let Some(node) = node else { return Some(TagSet::default()) };
    let Value::List(nodes) = node.value else {
        complaints.push(Complaint::new(
            node.at,
            format!("`tags` is a list of texts, and not {}", node.value.kind()),
        ));
        return None;
    };
    let read: Vec<Option<String>> = nodes
        .into_iter()
        .map(|node| match node.value {
            Value::Text(tag) if !tag.is_empty() => Some(tag),
            value => {
                let kind = if matches!(value, Value::Text(_)) { "an empty one" } else { value.kind() };
                let reason = format!("a tag is a text, and not {kind}: write it in quotes if it is meant");
                complaints.push(Complaint::new(node.at, reason));
                None
            }
        })
        .collect();
    read.into_iter().collect()
}
