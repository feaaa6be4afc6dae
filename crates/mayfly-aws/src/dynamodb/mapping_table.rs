//! The mapping table as an operator edits it: whole rows, written with conditions, and with the history of what was changed.

mod condition;
mod history_item;

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, Put, TransactWriteItem};
use mayfly_core::error::PortError;
use mayfly_core::mapping_edit::{ChangeHead, ChangeSet, RowChange};
use mayfly_core::row::MappingRow;

use self::history_item::{HISTORY_KEY, Part};
use super::attributes::text;
use super::errors::{never, port_error};
use super::mapping_row::{key_item, row_of};
use super::{PARTITION_KEY, SORT_KEY};
use crate::sdk_error::Refusal;

/// The most rows of one transaction: it has 100 actions at most (DynamoDB API reference, `TransactWriteItems`), and one of
/// them is for the history.
const MOST_ROWS_AT_ONCE: usize = 99;
/// The most bytes of history in one item, which may have 400 KB (DynamoDB Developer Guide, "quotas"); names and the form of
/// the item are counted roughly.
const MOST_HISTORY_BYTES: usize = 300_000;
/// The most attributes of a row: what its condition may say has 4 KB (same place).
const MOST_ATTRIBUTES: usize = 120;
/// How often a transaction is tried that another one is in the way of, or that the table has no room for, and how long to wait
/// after the first try; each wait is twice the one before.
const TRIES: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Reads and writes mappings as rows.
pub struct MappingTable {
    client: Client,
    table: String,
    history: String,
}

/// Why not all of a change was written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Rows are not any more what was read.
    #[error("{} changed meanwhile", some_of(.0))]
    Changed(Vec<String>),
    /// DynamoDB could not take the row. Nothing was written.
    #[error("the row {row} cannot be written: {reason}")]
    TooLarge {
        /// Its keys.
        row: String,
        /// What is too much.
        reason: String,
    },
    /// The call failed.
    #[error(transparent)]
    Failed(#[from] PortError),
}

/// The names, or the first of them and how many more there are.
pub fn some_of(names: &[String]) -> String {
    const MOST_NAMES: usize = 5;
    match names.split_at_checked(MOST_NAMES) {
        Some((first, rest)) if !rest.is_empty() => format!("{} and {} more", first.join(", "), rest.len()),
        _ => names.join(" and "),
    }
}

impl MappingTable {
    /// The rows in `table`, the changes of which are kept in `history`.
    pub fn new(client: Client, table: impl Into<String>, history: impl Into<String>) -> Self {
        Self { client, table: table.into(), history: history.into() }
    }

    /// The table's name.
    pub fn name(&self) -> &str {
        &self.table
    }

    /// All rows in the order of their keys. `on_page` hears how many were read so far.
    pub async fn rows(&self, mut on_page: impl FnMut(usize)) -> Result<Vec<MappingRow>, PortError> {
        let scan = self.client.scan().table_name(&self.table).consistent_read(true);
        let mut pages = scan.into_paginator().send();
        let mut rows = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| port_error("scan for all mappings", &self.table, error))?;
            rows.extend(page.items.into_iter().flatten().map(row_of));
            on_page(rows.len());
        }
        rows.sort_unstable_by(|one: &MappingRow, other: &MappingRow| one.id().cmp(&other.id()));
        Ok(rows)
    }

    /// The row with these keys, if there is one.
    pub async fn row(&self, partition_key: &str, sort_key: &str) -> Result<Option<MappingRow>, PortError> {
        let operation = format!("get item {partition_key} {sort_key}");
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let answer = request.set_key(Some(key_item(partition_key, sort_key))).send().await;
        let answer = answer.map_err(|error| port_error(&operation, &self.table, error))?;
        Ok(answer.item.map(row_of))
    }

    /// Writes changes in their order, each together with its history and only if its row still is what it was before. As many
    /// as DynamoDB lets are all or nothing; `on_written` hears how many are written after each such transaction.
    ///
    /// # Errors
    ///
    /// What was written before the error stays.
    pub async fn write(
        &self,
        head: &ChangeHead,
        changes: &[RowChange],
        mut on_written: impl FnMut(usize),
    ) -> Result<(), WriteError> {
        let transactions = transactions(changes)?;
        let mut written = 0;
        for (index, rows) in transactions.into_iter().enumerate() {
            self.write_at_once(&Part { head, index, rows }).await?;
            written += rows.len();
            on_written(written);
        }
        Ok(())
    }

    async fn write_at_once(&self, part: &Part<'_>) -> Result<(), WriteError> {
        let operation = format!("write {} mappings", part.rows.len());
        let actions = self.actions(part).map_err(|error| never(&operation, error))?;
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let request = self.client.transact_write_items().set_transact_items(Some(actions.clone()));
            // An attempt whose answer is lost may be repeated with the same token.
            let Err(error) = request.client_request_token(part.token()).send().await else { return Ok(()) };
            let reasons = match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                    canceled.cancellation_reasons().to_vec()
                }
                _ => Vec::new(),
            };
            let changed = changed_rows(part, &reasons);
            if !changed.is_empty() {
                // An attempt may have been written whose answer was lost.
                return if self.is_written(part).await? { Ok(()) } else { Err(WriteError::Changed(changed)) };
            }
            let passes = error.code().is_some_and(passes)
                || reasons.iter().filter_map(|reason| reason.code()).any(passes);
            if attempt == TRIES || !passes {
                return Err(self.write_error(&operation, &reasons, error).into());
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Ok(())
    }

    /// True if the history has this part of the change: then its rows are written too.
    async fn is_written(&self, part: &Part<'_>) -> Result<bool, PortError> {
        let operation = "get item of the history";
        let request = self.client.get_item().table_name(&self.history).consistent_read(true);
        let answer = request.set_key(Some(part.key())).send().await;
        let answer = answer.map_err(|error| port_error(operation, &self.history, error))?;
        let read =
            answer.item.map(history_item::read).transpose().map_err(|error| never(operation, error))?;
        Ok(read.is_some_and(|read| read.is(part)))
    }

    fn actions(&self, part: &Part<'_>) -> Result<Vec<TransactWriteItem>, BuildError> {
        let mut actions: Vec<_> = part
            .rows
            .iter()
            .map(|change| condition::action(&self.table, change))
            .collect::<Result<_, _>>()?;
        let history = Put::builder()
            .table_name(&self.history)
            .set_item(Some(part.to_item()))
            .condition_expression("attribute_not_exists(pk)")
            .build()?;
        actions.push(TransactWriteItem::builder().put(history).build());
        Ok(actions)
    }

    /// A canceled transaction says why only in its reasons.
    fn write_error(
        &self,
        operation: &str,
        reasons: &[CancellationReason],
        error: aws_sdk_dynamodb::error::SdkError<TransactWriteItemsError>,
    ) -> PortError {
        let mut told = reasons.iter().filter(|reason| reason.code().is_some_and(|code| code != "None"));
        let told =
            told.next().and_then(|reason| Some((reason.code()?.to_owned(), reason.message()?.to_owned())));
        let mut error = port_error(operation, &format!("{}` or `{}", self.table, self.history), error);
        if let Some((code, message)) = told {
            if passes(&code) {
                error.retry = mayfly_core::error::Retry::Later(None);
            }
            error.source = Box::new(Refusal::new(None, code, message));
        }
        error
    }

    /// Changes, the newest first, with a row for which `is_asked` is true, until there are `limit`.
    pub async fn changes(
        &self,
        limit: usize,
        is_asked: impl Fn(&RowChange) -> bool,
    ) -> Result<Vec<ChangeSet>, PortError> {
        let mut changes = history_item::Collected::default();
        self.read_parts(None, |part| {
            if !changes.is_last(&part) {
                changes.keep_last_if(&is_asked);
            }
            let is_wanted = !changes.is_full(limit, &part);
            if is_wanted {
                changes.add(part);
            }
            is_wanted
        })
        .await?;
        changes.keep_last_if(&is_asked);
        Ok(changes.into_changes())
    }

    /// The change of this name, if there is one.
    pub async fn change(&self, id: &str) -> Result<Option<ChangeSet>, PortError> {
        let mut changes = history_item::Collected::default();
        self.read_parts(Some(&format!("{id}#")), |part| {
            changes.add(part);
            true
        })
        .await?;
        Ok(changes.into_changes().pop())
    }

    /// Reads parts of changes, the newest first, until `take` has enough.
    async fn read_parts(
        &self,
        prefix: Option<&str>,
        mut take: impl FnMut(history_item::ReadPart) -> bool,
    ) -> Result<(), PortError> {
        let operation = "query changes of mappings";
        let mut query = self
            .client
            .query()
            .table_name(&self.history)
            .consistent_read(true)
            .scan_index_forward(false)
            .expression_attribute_names("#pk", PARTITION_KEY)
            .expression_attribute_values(":pk", text(HISTORY_KEY));
        query = match prefix {
            None => query.key_condition_expression("#pk = :pk"),
            Some(prefix) => query
                .key_condition_expression("#pk = :pk AND begins_with(#sk, :sk)")
                .expression_attribute_names("#sk", SORT_KEY)
                .expression_attribute_values(":sk", text(prefix)),
        };
        let mut pages = query.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| port_error(operation, &self.history, error))?;
            for item in page.items.into_iter().flatten() {
                let part = history_item::read(item).map_err(|error| never(operation, error))?;
                if !take(part) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// True for reasons that are gone after a while.
fn passes(code: &str) -> bool {
    code == "TransactionConflict"
        || code == "ThrottlingError"
        || code == "ProvisionedThroughputExceeded"
        || code == "TransactionInProgressException"
        || crate::error_codes::is_passing_code(code)
}

/// The rows whose condition did not hold. The reasons are in the order of the actions, of which the history's is the last.
fn changed_rows(part: &Part<'_>, reasons: &[CancellationReason]) -> Vec<String> {
    let names = part.rows.iter().map(|change| format!("the row {} {}", change.id().0, change.id().1));
    let names = names.chain(["the history".to_owned()]);
    names
        .zip(reasons)
        .filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"))
        .map(|(name, _)| name)
        .collect()
}

/// How many transactions the changes take.
pub fn transactions_of(changes: &[RowChange]) -> Result<usize, WriteError> {
    transactions(changes).map(|transactions| transactions.len())
}

/// The changes, cut into what one transaction can hold.
fn transactions(changes: &[RowChange]) -> Result<Vec<&[RowChange]>, WriteError> {
    let mut found = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, change) in changes.iter().enumerate() {
        let size = checked_size(change)?;
        if index - start == MOST_ROWS_AT_ONCE || bytes + size > MOST_HISTORY_BYTES {
            found.push(&changes[start..index]);
            (start, bytes) = (index, 0);
        }
        bytes += size;
    }
    if start < changes.len() {
        found.push(&changes[start..]);
    }
    Ok(found)
}

/// How many bytes a change takes in the history.
fn checked_size(change: &RowChange) -> Result<usize, WriteError> {
    let rows = [change.before(), change.after()];
    let too_large = |reason| {
        let (partition_key, sort_key) = change.id();
        WriteError::TooLarge { row: format!("{partition_key} {sort_key}"), reason }
    };
    let mut size = 2 * (change.id().0.len() + change.id().1.len()) + 50;
    for row in rows.into_iter().flatten() {
        if row.attributes.len() > MOST_ATTRIBUTES {
            let count = row.attributes.len();
            return Err(too_large(format!(
                "it has {count} attributes, and may have {MOST_ATTRIBUTES}: remove some in the AWS console first"
            )));
        }
        size += row.attributes.iter().map(|(name, value)| 3 + name.len() + value.size()).sum::<usize>();
    }
    if size > MOST_HISTORY_BYTES {
        return Err(too_large(format!(
            "before and after it has {size} bytes, and the history has room for {MOST_HISTORY_BYTES}: remove large attributes in \
             the AWS console first"
        )));
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use mayfly_core::row::Attribute;

    use super::*;

    fn add(name: &str, attributes: impl IntoIterator<Item = (String, Attribute)>) -> RowChange {
        RowChange::Add(MappingRow {
            partition_key: format!("job#{name}"),
            sort_key: "tags#".to_owned(),
            attributes: attributes.into_iter().collect(),
        })
    }

    #[test]
    fn a_transaction_holds_99_rows_or_what_the_history_has_room_for() {
        let small: Vec<_> = (0..250).map(|index| add(&index.to_string(), [])).collect();
        let sizes = |changes: &[RowChange]| -> Vec<usize> {
            transactions(changes).unwrap().into_iter().map(<[RowChange]>::len).collect()
        };
        assert_eq!(sizes(&small), [99, 99, 52]);
        assert_eq!(sizes(&small[..99]), [99]);
        assert_eq!(sizes(&[]), [] as [usize; 0]);
        let note = |bytes| [("note".to_owned(), Attribute::text("x".repeat(bytes)))];
        let large: Vec<_> = ["a", "b", "c"].map(|name| add(name, note(120_000))).into();
        assert_eq!(sizes(&large), [2, 1]);
        let refused = transactions(&[add("a", note(300_000))]).unwrap_err().to_string();
        assert!(
            refused.contains("the row job#a tags# cannot be written: before and after it has 300"),
            "{refused}"
        );
        let many = (0..121).map(|index| (format!("a{index}"), Attribute::Null));
        let refused = transactions(&[add("a", many)]).unwrap_err().to_string();
        assert!(refused.contains("it has 121 attributes, and may have 120: remove"), "{refused}");
    }
}
