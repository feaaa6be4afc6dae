//! Changes of the mapping table that an operator asks for: what a document makes of the rows, and what takes a change back.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::ids::ProjectPath;
use crate::mapping::{MappingKey, NamePattern, PAUSE_KEY};
use crate::row::{Attribute, Attributes, MappingRow, PAUSED};
use crate::tags::TagSet;

#[cfg(test)]
mod tests;

/// What becomes of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowChange {
    /// It is new.
    Add(MappingRow),
    /// Its attributes change. Both have the same key.
    Change {
        /// As it was read.
        before: MappingRow,
        /// As it shall be.
        after: MappingRow,
    },
    /// It goes. This is what was read.
    Remove(MappingRow),
}

impl RowChange {
    /// What leads from one state of a row to another; `None` if it is the same state. Both have the same key.
    pub fn between(before: Option<MappingRow>, after: Option<MappingRow>) -> Option<Self> {
        match (before, after) {
            (None, None) => None,
            (None, Some(row)) => Some(Self::Add(row)),
            (Some(row), None) => Some(Self::Remove(row)),
            (Some(before), Some(after)) => (before != after).then_some(Self::Change { before, after }),
        }
    }

    /// The row's partition key and sort key.
    pub fn id(&self) -> (&str, &str) {
        match self {
            Self::Add(row) | Self::Remove(row) | Self::Change { before: row, .. } => row.id(),
        }
    }

    /// The row before it.
    pub fn before(&self) -> Option<&MappingRow> {
        match self {
            Self::Add(_) => None,
            Self::Change { before: row, .. } | Self::Remove(row) => Some(row),
        }
    }

    /// The row after it.
    pub fn after(&self) -> Option<&MappingRow> {
        match self {
            Self::Remove(_) => None,
            Self::Change { after: row, .. } | Self::Add(row) => Some(row),
        }
    }
}

/// What happens to rows that a document does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// They stay.
    Keep,
    /// They go.
    Remove,
}

/// What makes the table have the rows that are wanted, in the order in which it is written: removals come last, so that no job
/// is without its mapping meanwhile, and otherwise by key. Nothing, if it has them already.
///
/// Pauses are no part of a document: a row stays paused, and so does the whole table, unless the document says otherwise.
///
/// No two rows of `current` and no two of `wanted` have the same key.
pub fn plan(current: Vec<MappingRow>, wanted: Vec<MappingRow>, others: Others) -> Vec<RowChange> {
    let mut current = by_id(current);
    let mut changes: Vec<RowChange> = by_id(wanted)
        .into_iter()
        .filter_map(|(id, row)| {
            let before = current.remove(&id);
            let after = still_paused(row, before.as_ref());
            RowChange::between(before, Some(after))
        })
        .collect();
    if others == Others::Remove {
        changes.extend(current.into_values().filter(|row| row.id() != PAUSE_KEY).map(RowChange::Remove));
    }
    changes
}

fn still_paused(mut row: MappingRow, before: Option<&MappingRow>) -> MappingRow {
    if let Some(reason) = before.and_then(|before| before.attributes.get(PAUSED)) {
        row.attributes.entry(PAUSED.to_owned()).or_insert_with(|| reason.clone());
    }
    row
}

/// What is paused: the rows of a name, or of a name and tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paused {
    /// The job name as the rows have it.
    pub pattern: NamePattern,
    /// The project that the rows are for, if only that one's are meant.
    pub project: Option<ProjectPath>,
    /// The tags of the row, if only that one is meant.
    pub tags: Option<TagSet>,
}

impl Paused {
    fn is_meant(&self, key: &MappingKey) -> bool {
        key.pattern == self.pattern
            && (self.project.is_none() || key.project == self.project)
            && self.tags.as_ref().is_none_or(|tags| *tags == key.tags)
    }
}

/// What the table must become for a pause (with a reason) or its end (without), and how many rows it is about. Without `which` it is
/// about all jobs.
pub fn plan_pause(
    current: Vec<MappingRow>,
    which: Option<&Paused>,
    reason: Option<&str>,
) -> (Vec<RowChange>, usize) {
    let Some(which) = which else {
        let before = current.into_iter().find(|row| row.id() == PAUSE_KEY);
        return (RowChange::between(before, reason.map(MappingRow::pause_of_all)).into_iter().collect(), 1);
    };
    let is_meant = |row: &MappingRow| {
        MappingKey::parse(&row.partition_key, &row.sort_key).is_ok_and(|key| which.is_meant(&key))
    };
    let rows: Vec<MappingRow> = current.into_iter().filter(is_meant).collect();
    let count = rows.len();
    let changed = rows.into_iter().filter_map(|before| {
        let mut after = before.clone();
        match reason {
            Some(reason) => after.attributes.insert(PAUSED.to_owned(), Attribute::text(reason)),
            None => after.attributes.remove(PAUSED),
        };
        RowChange::between(Some(before), Some(after))
    });
    (changed.collect(), count)
}

fn by_id(rows: Vec<MappingRow>) -> BTreeMap<(String, String), MappingRow> {
    rows.into_iter().map(|row| ((row.partition_key.clone(), row.sort_key.clone()), row)).collect()
}

/// One attribute that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference<'a> {
    /// Its name.
    pub attribute: &'a str,
    /// Its value before, if it was there.
    pub before: Option<&'a Attribute>,
    /// Its value after, if it is there.
    pub after: Option<&'a Attribute>,
}

/// The attributes that differ, by name.
pub fn differences<'a>(before: &'a Attributes, after: &'a Attributes) -> Vec<Difference<'a>> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names
        .into_iter()
        .map(|name| Difference { attribute: name, before: before.get(name), after: after.get(name) })
        .filter(|difference| difference.before != difference.after)
        .collect()
}

/// What one command changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSet {
    /// Whose change it was, and when.
    pub head: ChangeHead,
    /// What was written, in that order.
    pub rows: Vec<RowChange>,
}

impl ChangeSet {
    /// False if the command was interrupted.
    pub fn is_whole(&self) -> bool {
        self.rows.len() == self.head.planned
    }
}

/// Who changed the table with which command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeHead {
    /// When it began.
    pub at: Timestamp,
    /// Who: the ARN of an AWS identity, or a user of this machine.
    pub who: String,
    /// The command, such as `mappings apply`.
    pub command: String,
    /// How many rows it was to change.
    pub planned: usize,
}

impl ChangeHead {
    /// What the change is known by: its moment, to the microsecond. Two changes that begin at the same have a conflict.
    pub fn id(&self) -> String {
        self.at.strftime("%Y%m%dT%H%M%S.%6fZ").to_string()
    }
}

/// What takes a change back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rollback {
    /// What is to be written. Rows that are as they were before the change are not among them.
    pub changes: Vec<RowChange>,
    /// The keys of rows that somebody changed since; they are among the changes.
    pub changed_since: Vec<(String, String)>,
}

/// What takes a change back, given those rows of now that it changed. A row stays paused or not, as it is now, unless the change
/// itself paused or resumed it.
pub fn rollback(change: &[RowChange], current: Vec<MappingRow>) -> Rollback {
    let mut current = by_id(current);
    let mut back = Rollback::default();
    for row in change.iter().rev() {
        let id = (row.id().0.to_owned(), row.id().1.to_owned());
        let now = current.remove(&id);
        let (before, after) = both_sides(row, now.as_ref());
        let is_changed = now != after;
        if let Some(change) = RowChange::between(now, before) {
            if is_changed {
                back.changed_since.push(id);
            }
            back.changes.push(change);
        }
    }
    back
}

/// A row before and after a change, without what happened to its pause since. A row that the change added goes with its pause, and
/// is another one if that was made since.
fn both_sides(change: &RowChange, now: Option<&MappingRow>) -> (Option<MappingRow>, Option<MappingRow>) {
    let pause = |row: &MappingRow| row.attributes.get(PAUSED).cloned();
    let as_now = |row: &MappingRow, now: &MappingRow| {
        let mut row = row.clone();
        row.attributes.remove(PAUSED);
        row.attributes.extend(pause(now).map(|reason| (PAUSED.to_owned(), reason)));
        row
    };
    match (change, now) {
        (RowChange::Change { before, after }, Some(now)) if pause(before) == pause(after) => {
            (Some(as_now(before, now)), Some(as_now(after, now)))
        }
        (RowChange::Remove(before), Some(now)) => (Some(as_now(before, now)), None),
        _ => (change.before().cloned(), change.after().cloned()),
    }
}
