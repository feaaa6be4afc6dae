//! How rows and changes of rows are shown.

use std::fmt::Write;

use mayfly_core::ids::ProjectPath;
use mayfly_core::machine::MachineSpec;
use mayfly_core::mapping::{MappingKey, StoredMapping, Target, TargetType};
use mayfly_core::mapping_edit::{RowChange, differences};
use mayfly_core::row::MappingRow;
use serde::Serialize;
use serde::ser::Serializer;

use super::document::{Tree, entry_of, name_of, tree_of, yaml_line};
use crate::output::{Report, counted, printable, table};

/// Rows of the table.
#[derive(Debug, Serialize)]
pub(super) struct Listing {
    mappings: Vec<Listed>,
    /// Rows of the table that were not asked for.
    others: usize,
    /// Why all jobs are kept waiting, if they are. The row that says so is no mapping.
    all_paused: Option<String>,
}

#[derive(Debug, Serialize)]
struct Listed {
    #[serde(rename = "mapping", serialize_with = "as_entry")]
    row: MappingRow,
    /// Why it cannot be used.
    problem: Option<String>,
    /// Why its jobs are kept waiting.
    paused: Option<String>,
    #[serde(skip)]
    key: Option<MappingKey>,
    #[serde(skip)]
    target: Option<TargetType>,
    #[serde(skip)]
    details: String,
}

fn as_entry<S: Serializer>(row: &MappingRow, serializer: S) -> Result<S::Ok, S::Error> {
    entry_of(row).serialize(serializer)
}

impl Listing {
    pub(super) fn of(
        rows: Vec<MappingRow>,
        project: Option<&ProjectPath>,
        job: Option<&str>,
        target: Option<TargetType>,
    ) -> Self {
        let is_asked = |listed: &Listed| {
            let key = listed.key.as_ref();
            let is_of_project = |key: &MappingKey| key.project.as_ref() == project;
            (project.is_none() || key.is_some_and(is_of_project))
                && job.is_none_or(|job| key.is_some_and(|key| name_of(&key.pattern).starts_with(job)))
                && (target.is_none() || listed.target == target)
        };
        let (mut mappings, mut others, mut all_paused) = (Vec::new(), 0, None);
        for row in rows {
            if let StoredMapping::Pause { reason } = row.read() {
                all_paused = Some(reason);
                continue;
            }
            let listed = Listed::of(row);
            if is_asked(&listed) {
                mappings.push(listed);
            } else {
                others += 1;
            }
        }
        Self { mappings, others, all_paused }
    }
}

impl Listed {
    fn of(row: MappingRow) -> Self {
        let read = row.read();
        let listed =
            Self { row, problem: None, paused: None, key: None, target: None, details: String::new() };
        match read {
            StoredMapping::Readable(mapping) => Self {
                paused: mapping.paused,
                details: details(&mapping.target),
                target: Some(mapping.target.target_type()),
                key: Some(mapping.key),
                ..listed
            },
            StoredMapping::Unreadable { key, reason, .. } => Self { problem: Some(reason), key, ..listed },
            // It is no mapping, and is told beside them.
            StoredMapping::Pause { .. } => listed,
        }
    }

    fn cells(&self) -> [String; 6] {
        let (job, project, tags) = match &self.key {
            Some(key) => {
                let project = key.project.as_ref().map(ToString::to_string).unwrap_or_default();
                (name_of(&key.pattern), project, key.tags.iter().collect::<Vec<_>>().join(","))
            }
            None => (self.row.partition_key.clone(), String::new(), self.row.sort_key.clone()),
        };
        let target = self.target.map(|target| target.to_string()).unwrap_or_default();
        let paused = self.paused.as_ref().map(|reason| format!("paused: {reason}"));
        let note = self.problem.clone().or(paused).unwrap_or_default();
        [job, project, tags, target, self.details.clone(), note]
    }
}

/// What tells one target from another of its type.
fn details(target: &Target) -> String {
    match target {
        Target::Lambda { arn } => {
            arn.split_once(":function:").map_or(arn.as_str(), |(_, name)| name).to_owned()
        }
        Target::Local => String::new(),
        Target::Ec2(spec) => machine(spec),
    }
}

fn machine(spec: &MachineSpec) -> String {
    let mut parts = vec![spec.purchase.as_str().to_owned()];
    parts.extend(spec.architecture.map(|architecture| architecture.to_string()));
    parts.extend(spec.instance_types.iter().map(ToString::to_string));
    parts.extend(spec.image.as_ref().map(ToString::to_string));
    parts.join(" ")
}

impl Report for Listing {
    fn to_text(&self, width: Option<u16>) -> String {
        let mut text = if self.mappings.is_empty() {
            "No mappings.\n".to_owned()
        } else {
            let header = ["JOB", "PROJECT", "TAGS", "TYPE", "TARGET", "NOTE"];
            table(width, header, self.mappings.iter().map(Listed::cells))
        };
        if self.others > 0 {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}: not asked for.", counted(self.others, "further mapping"));
        }
        if let Some(reason) = &self.all_paused {
            let _ = writeln!(text, "All jobs are kept waiting: {}; `mayfly resume`", printable(reason));
        }
        text
    }
}

/// What a row is called in texts.
pub(super) fn title(row: &MappingRow) -> String {
    let Ok(key) = MappingKey::parse(&row.partition_key, &row.sort_key) else {
        return printable(&format!("row {} {}", row.partition_key, row.sort_key));
    };
    let mut title = format!("job {}", name_of(&key.pattern));
    // Writing to a String cannot fail.
    if let Some(project) = &key.project {
        let _ = write!(title, " of {project}");
    }
    if !key.tags.is_empty() {
        let _ = write!(title, " with tags {}", key.tags.iter().collect::<Vec<_>>().join(","));
    }
    if key.partition_key() != row.partition_key || key.sort_key() != row.sort_key {
        let _ = write!(title, " (row {} {})", row.partition_key, row.sort_key);
    }
    printable(&title)
}

/// Changes, attribute by attribute, with how many there are at the end.
pub(super) fn changes_text(changes: &[RowChange]) -> String {
    let mut text = String::new();
    for change in changes {
        write_change(&mut text, change);
    }
    let count = |kind: &str| changes.iter().filter(|change| word(change) == kind).count();
    let [adds, edits, removals] = ["add", "change", "remove"].map(count);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{adds} to add, {edits} to change, {removals} to remove.");
    text
}

fn write_change(text: &mut String, change: &RowChange) {
    let line = |text: &mut String, sign: char, name: &str, value: &Tree| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    {sign} {}: {}", printable(name), printable(&yaml_line(value)));
    };
    match change {
        RowChange::Add(row) | RowChange::Remove(row) => {
            let sign = if matches!(change, RowChange::Add(_)) { '+' } else { '-' };
            let _ = writeln!(text, "{sign} {}", title(row));
            for (name, value) in &row.attributes {
                line(text, sign, name, &tree_of(value));
            }
        }
        RowChange::Change { before, after } => {
            let _ = writeln!(text, "~ {}", title(before));
            for difference in differences(&before.attributes, &after.attributes) {
                for (sign, value) in [('-', difference.before), ('+', difference.after)] {
                    if let Some(value) = value {
                        line(text, sign, difference.attribute, &tree_of(value));
                    }
                }
            }
        }
    }
}

fn word(change: &RowChange) -> &'static str {
    match change {
        RowChange::Add(_) => "add",
        RowChange::Change { .. } => "change",
        RowChange::Remove(_) => "remove",
    }
}

/// Changes for programs.
pub(super) fn changes_tree(changes: &[RowChange]) -> Tree {
    Tree::List(changes.iter().map(change_tree).collect())
}

fn change_tree(change: &RowChange) -> Tree {
    let mut fields = vec![("change".to_owned(), Tree::Text(word(change).to_owned()))];
    for (name, row) in [("before", change.before()), ("after", change.after())] {
        fields.push((name.to_owned(), row.map_or(Tree::Null, entry_of)));
    }
    Tree::Map(fields)
}
