//! The ledger table.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;
use mayfly_core::error::{Chain, PortError};
use mayfly_core::fleet::Fleet;
use mayfly_core::ids::JobKey;
use mayfly_core::ledger::LedgerRecord;
use mayfly_core::ports::{BrokenRecord, Ledger, Sweep, Written};
use mayfly_core::reconcile::Memory;
use mayfly_core::runner_name::RunnerName;

use super::attributes::{Item, text};
use super::batch::read_items;
use super::errors::{never, port_error, unreadable};
use super::fleet_item::{self, to_fleet};
use super::ledger_item::{
    has_expired, partition_key_of, shown_key_of, to_broken, to_item, to_record, version_of,
};
use super::memory_item;
use super::{EXPIRES_AT, IS_OPEN, OPEN, OPEN_INDEX, PARTITION_KEY, RUNNER_INDEX, RUNNER_NAME};

/// A record that was never written may go where nothing is, or where what is there has expired.
const IS_FREE: &str = "attribute_not_exists(#pk) OR #expires_at <= :now";
/// A record goes over the version it was made from, unless that has expired: then there is no version any more.
const IS_UNCHANGED: &str = "#version = :version AND #expires_at > :now";
/// Whatever else became of it: it is the version that was read.
const IS_AS_READ: &str = "#version = :version";
const HAS_NO_VERSION: &str = "attribute_exists(#pk) AND attribute_not_exists(#version)";

/// The ledger in a DynamoDB table: one item a job, its partition key `job#<host>/<project>/<job>`, and for a day one a call that
/// starts machines, `fleet#<token>`. What the reconciler remembers is one item more.
///
/// Reads are consistent, but for [`by_runner`](Ledger::by_runner), which reads an index that follows within a moment, and for
/// which records [`open`](Ledger::open) looks at: those it tells are as they are.
/// `expires_at` is kept in whole seconds, every other time as it is.
///
/// The index of open records has only their keys. So a job costs two small writes there, when it opens and when it closes,
/// and not one with each change of its record. It has one partition, and therefore takes a thousand such writes a second.
#[derive(Debug, Clone)]
pub struct DynamoLedger {
    client: Client,
    table: String,
}

impl DynamoLedger {
    /// The ledger in this table.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    async fn item(&self, partition_key: &str) -> Result<Option<Item>, PortError> {
        let request = self.client.get_item().table_name(&self.table).key(PARTITION_KEY, text(partition_key));
        let output = request.consistent_read(true).send().await;
        output
            .map(|output| output.item)
            .map_err(|error| port_error(&format!("get item {partition_key}"), &self.table, error))
    }

    async fn open_keys(&self) -> Result<BTreeSet<String>, PortError> {
        let items: Vec<Item> = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(OPEN_INDEX)
            .key_condition_expression("#open = :open")
            .expression_attribute_names("#open", OPEN)
            .expression_attribute_values(":open", text(IS_OPEN))
            .into_paginator()
            .items()
            .send()
            .try_collect()
            .await
            .map_err(|error| port_error(&format!("query index {OPEN_INDEX}"), &self.table, error))?;
        let key = |item: Item| item.get(PARTITION_KEY)?.as_s().ok().cloned();
        Ok(items.into_iter().filter_map(key).collect())
    }
}

#[async_trait]
impl Ledger for DynamoLedger {
    async fn get(&self, key: &JobKey, now: Timestamp) -> Result<Option<LedgerRecord>, PortError> {
        let partition_key = partition_key_of(key);
        let item = self.item(&partition_key).await?.filter(|item| !has_expired(item, now));
        item.map(to_record)
            .transpose()
            .map_err(|error| unreadable(&format!("get item {partition_key}"), error))
    }

    async fn put(&self, record: &LedgerRecord, now: Timestamp) -> Result<Written, PortError> {
        let operation = format!("put item {}", partition_key_of(&record.key));
        let item = to_item(record).map_err(|error| never(&operation, error))?;
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .expression_attribute_names("#expires_at", EXPIRES_AT)
            .expression_attribute_values(":now", AttributeValue::N(now.as_second().to_string()));
        let request = if record.version == 0 {
            request.condition_expression(IS_FREE).expression_attribute_names("#pk", PARTITION_KEY)
        } else {
            request
                .condition_expression(IS_UNCHANGED)
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":version", AttributeValue::N(record.version.to_string()))
        };
        match request.send().await {
            Ok(_) => Ok(Written::Yes),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(Written::Conflict),
                _ => Err(port_error(&operation, &self.table, error)),
            },
        }
    }

    async fn by_runner(
        &self,
        runner: &RunnerName,
        now: Timestamp,
    ) -> Result<Option<LedgerRecord>, PortError> {
        let operation = format!("query index {RUNNER_INDEX} for {runner}");
        let items: Vec<Item> = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(RUNNER_INDEX)
            .key_condition_expression("#runner = :runner")
            .expression_attribute_names("#runner", RUNNER_NAME)
            .expression_attribute_values(":runner", text(runner.to_string()))
            .into_paginator()
            .items()
            .send()
            .try_collect()
            .await
            .map_err(|error| port_error(&operation, &self.table, error))?;
        let mut found: Option<LedgerRecord> = None;
        for item in items.into_iter().filter(|item| !has_expired(item, now)) {
            let key = shown_key_of(&item);
            let record =
                to_record(item).map_err(|error| unreadable(&format!("{operation}: item {key}"), error))?;
            // Should two name one runner, it is the one's whose runner lives.
            if found.is_none() || record.live_runner().is_some() {
                found = Some(record);
            }
        }
        Ok(found)
    }

    /// One write; a refused one answers with what is stored.
    async fn freeze(&self, fleet: &Fleet, now: Timestamp) -> Result<Fleet, PortError> {
        let partition_key = fleet_item::partition_key_of(&fleet.token);
        let operation = format!("put item {partition_key}");
        let item = fleet_item::to_item(fleet, now).map_err(|error| never(&operation, error))?;
        let written = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(IS_FREE)
            .expression_attribute_names("#pk", PARTITION_KEY)
            .expression_attribute_names("#expires_at", EXPIRES_AT)
            .expression_attribute_values(":now", AttributeValue::N(now.as_second().to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = written else { return Ok(fleet.clone()) };
        let Some(PutItemError::ConditionalCheckFailedException(refusal)) = error.as_service_error() else {
            return Err(port_error(&operation, &self.table, error));
        };
        let stored = match refusal.item() {
            Some(item) => item.clone(),
            None => self.item(&partition_key).await?.ok_or_else(|| {
                PortError::later(format!("DynamoDB: {operation}"), "what was in its place is gone")
            })?,
        };
        to_fleet(stored).map_err(|error| never(&operation, error))
    }

    /// One call if nothing is open, and one more for each hundred records that are.
    async fn open(&self) -> Result<Sweep, PortError> {
        let keys = self.open_keys().await?;
        let mut sweep = sorted(read_items(&self.client, &self.table, &keys).await?);
        // The index may not have heard yet.
        sweep.records.retain(LedgerRecord::is_open);
        Ok(sweep)
    }

    async fn get_many(&self, keys: &[JobKey], now: Timestamp) -> Result<Sweep, PortError> {
        let partition_keys: BTreeSet<String> = keys.iter().map(partition_key_of).collect();
        let items = read_items(&self.client, &self.table, &partition_keys).await?;
        Ok(sorted(items.into_iter().filter(|item| !has_expired(item, now))))
    }

    async fn forget(&self, record: &LedgerRecord) -> Result<Written, PortError> {
        let partition_key = partition_key_of(&record.key);
        let deleted = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key(PARTITION_KEY, text(&partition_key))
            .condition_expression(IS_AS_READ)
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":version", AttributeValue::N(record.version.to_string()))
            .send()
            .await;
        match deleted {
            Ok(_) => Ok(Written::Yes),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(Written::Conflict),
                _ => Err(port_error(&format!("delete item {partition_key}"), &self.table, error)),
            },
        }
    }

    /// One read more than a write: a version that cannot be read may be anything, and the write is only over just that.
    async fn mend(&self, broken: &BrokenRecord, record: &LedgerRecord) -> Result<Written, PortError> {
        let partition_key = partition_key_of(&broken.key);
        let operation = format!("put item {partition_key} over one that cannot be read");
        let Some(stored) = self.item(&partition_key).await? else { return Ok(Written::Conflict) };
        if version_of(&stored) != broken.version || to_record(stored.clone()).is_ok() {
            return Ok(Written::Conflict);
        }
        let record =
            LedgerRecord { key: broken.key.clone(), version: broken.version.unwrap_or(0), ..record.clone() };
        let item = to_item(&record).map_err(|error| never(&operation, error))?;
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .expression_attribute_names("#version", "version");
        let request = match stored.get("version") {
            Some(version) => request
                .condition_expression(IS_AS_READ)
                .expression_attribute_values(":version", version.clone()),
            None => {
                request.condition_expression(HAS_NO_VERSION).expression_attribute_names("#pk", PARTITION_KEY)
            }
        };
        match request.send().await {
            Ok(_) => Ok(Written::Yes),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(Written::Conflict),
                _ => Err(port_error(&operation, &self.table, error)),
            },
        }
    }

    async fn memory(&self) -> Result<Memory, PortError> {
        let item = self.item(memory_item::KEY).await?;
        Ok(item.map(memory_item::to_memory).unwrap_or_default())
    }

    async fn remember(&self, memory: &Memory) -> Result<(), PortError> {
        let operation = format!("put item {}", memory_item::KEY);
        let item = memory_item::to_item(memory).map_err(|error| never(&operation, error))?;
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let written = request.send().await;
        written.map(|_| ()).map_err(|error| port_error(&operation, &self.table, error))
    }
}

/// Items as what can be read of them. One whose key is no job's cannot be mended either, so it is only spoken of.
fn sorted(items: impl IntoIterator<Item = Item>) -> Sweep {
    let mut sweep = Sweep::default();
    for item in items {
        let error = match to_record(item.clone()) {
            Ok(record) => {
                sweep.records.push(record);
                continue;
            }
            Err(error) => error,
        };
        let shown = shown_key_of(&item);
        if let Some(broken) = to_broken(item, &error) {
            sweep.broken.push(broken);
        } else {
            tracing::error!(item = shown, error = %Chain(&error), "a ledger item is no job's");
        }
    }
    sweep
}
