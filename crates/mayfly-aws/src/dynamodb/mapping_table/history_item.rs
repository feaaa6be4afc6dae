//! Changes in the history table: one item for each transaction of a change, all in one partition, in the order of time.
//!
//! `pk` is `changes`, `sk` is `<change>#<part>`.

use aws_sdk_dynamodb::types::AttributeValue;
use mayfly_core::mapping_edit::{ChangeHead, ChangeSet, RowChange};
use mayfly_core::row::MappingRow;

use super::super::attributes::{InvalidAttribute, Item, required, text};
use super::super::mapping_row::{key_item, map_of, to_value};
use super::super::{PARTITION_KEY, SORT_KEY};

/// The one partition key.
pub(super) const HISTORY_KEY: &str = "changes";

/// What one transaction writes of a change.
pub(super) struct Part<'a> {
    pub(super) head: &'a ChangeHead,
    /// Which of the change's transactions it is.
    pub(super) index: usize,
    pub(super) rows: &'a [RowChange],
}

impl Part<'_> {
    /// The token by which DynamoDB knows a repeated transaction, at most 36 characters (API reference, `TransactWriteItems`).
    pub(super) fn token(&self) -> String {
        format!("{}-{:04}", self.head.id(), self.index)
    }

    pub(super) fn key(&self) -> Item {
        key_item(HISTORY_KEY, &format!("{}#{:04}", self.head.id(), self.index))
    }

    pub(super) fn to_item(&self) -> Item {
        let mut item = self.key();
        let rows = self.rows.iter().map(|change| AttributeValue::M(row_item(change))).collect();
        item.extend([
            ("at".to_owned(), text(self.head.at.to_string())),
            ("who".to_owned(), text(&self.head.who)),
            ("command".to_owned(), text(&self.head.command)),
            ("planned".to_owned(), AttributeValue::N(self.head.planned.to_string())),
            ("rows".to_owned(), AttributeValue::L(rows)),
        ]);
        item
    }
}

fn row_item(change: &RowChange) -> Item {
    let (partition_key, sort_key) = change.id();
    let mut item = key_item(partition_key, sort_key);
    for (name, row) in [("before", change.before()), ("after", change.after())] {
        if let Some(row) = row {
            let attributes = row.attributes.iter().map(|(name, value)| (name.clone(), to_value(value)));
            item.insert(name.to_owned(), AttributeValue::M(attributes.collect()));
        }
    }
    item
}

/// What one item says.
pub(super) struct ReadPart {
    head: ChangeHead,
    pub(super) rows: Vec<RowChange>,
}

impl ReadPart {
    /// True if it says the same.
    pub(super) fn is(&self, part: &Part<'_>) -> bool {
        self.head == *part.head && self.rows == part.rows
    }
}

pub(super) fn read(mut item: Item) -> Result<ReadPart, InvalidAttribute> {
    let at: String = required(&mut item, "at")?;
    let head = ChangeHead {
        at: at.parse().map_err(|error: jiff::Error| InvalidAttribute::unreadable("at", error))?,
        who: required(&mut item, "who")?,
        command: required(&mut item, "command")?,
        planned: required(&mut item, "planned")?,
    };
    let Some(AttributeValue::L(rows)) = item.remove("rows") else {
        return Err(InvalidAttribute::Missing("rows"));
    };
    let rows: Option<Vec<RowChange>> = rows.into_iter().map(read_row_item).collect();
    let rows =
        rows.ok_or_else(|| InvalidAttribute::unreadable("rows", "one of them is no change of a row"))?;
    Ok(ReadPart { head, rows })
}

fn read_row_item(value: AttributeValue) -> Option<RowChange> {
    let AttributeValue::M(mut item) = value else { return None };
    let mut key = |name| match item.remove(name) {
        Some(AttributeValue::S(text)) => Some(text),
        _ => None,
    };
    let (partition_key, sort_key) = (key(PARTITION_KEY)?, key(SORT_KEY)?);
    let mut row = |name| match item.remove(name) {
        Some(AttributeValue::M(attributes)) => Some(MappingRow {
            partition_key: partition_key.clone(),
            sort_key: sort_key.clone(),
            attributes: map_of(attributes),
        }),
        _ => None,
    };
    RowChange::between(row("before"), row("after"))
}

/// Parts put together to changes. They come with the last part of the newest change first.
#[derive(Default)]
pub(super) struct Collected {
    changes: Vec<ChangeSet>,
}

impl Collected {
    pub(super) fn is_last(&self, part: &ReadPart) -> bool {
        self.changes.last().is_some_and(|change| change.head == part.head)
    }

    /// True if the part is of a further change and there are enough.
    pub(super) fn is_full(&self, limit: usize, part: &ReadPart) -> bool {
        self.changes.len() >= limit && !self.is_last(part)
    }

    pub(super) fn add(&mut self, part: ReadPart) {
        match self.changes.last_mut() {
            Some(change) if change.head == part.head => {
                let later = std::mem::replace(&mut change.rows, part.rows);
                change.rows.extend(later);
            }
            _ => self.changes.push(ChangeSet { head: part.head, rows: part.rows }),
        }
    }

    /// Forgets the last change if nothing in it is asked for.
    pub(super) fn keep_last_if(&mut self, is_asked: impl Fn(&RowChange) -> bool) {
        if self.changes.last().is_some_and(|change| !change.rows.iter().any(is_asked)) {
            self.changes.pop();
        }
    }

    pub(super) fn into_changes(self) -> Vec<ChangeSet> {
        self.changes
    }
}
