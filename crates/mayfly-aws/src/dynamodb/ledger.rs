//! The ledger table.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;
use mayfly_core::error::{Chain, PortError};
use mayfly_core::fleet::Fleet;
use mayfly_core::ids::JobKey;
use mayfly_core::ledger::{LedgerRecord, LedgerState};
use mayfly_core::ports::{Ledger, Written};
use mayfly_core::runner_name::RunnerName;

use super::attributes::{Item, text};
use super::errors::{never, port_error};
use super::fleet_item::{self, to_fleet};
use super::ledger_item::{KEY_PREFIX, partition_key_of, shown_key_of, to_item, to_record};
use super::{EXPIRES_AT, PARTITION_KEY, RUNNER_INDEX, RUNNER_NAME};

/// A record that was never written may go where nothing is, or where what is there has expired.
const IS_FREE: &str = "attribute_not_exists(#pk) OR #expires_at <= :now";
/// A record goes over the version it was made from, unless that has expired: then there is no version any more.
const IS_UNCHANGED: &str = "#version = :version AND #expires_at > :now";
const IS_UNFINISHED: &str = "begins_with(#pk, :job) AND #state IN (:seen, :claimed, :launched, :running)";

/// The ledger in a DynamoDB table: one item a job, its partition key `job#<host>/<project>/<job>`, and for a day one a call that
/// starts machines, `fleet#<token>`.
///
/// Reads are consistent, but for [`by_runner`](Ledger::by_runner), which reads an index that follows within a moment.
/// `expires_at` is kept in whole seconds, every other time as it is.
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
}

#[async_trait]
impl Ledger for DynamoLedger {
    async fn get(&self, key: &JobKey, now: Timestamp) -> Result<Option<LedgerRecord>, PortError> {
        let partition_key = partition_key_of(key);
        let Some(item) = self.item(&partition_key).await? else { return Ok(None) };
        let record = to_record(item).map_err(|error| never(&format!("get item {partition_key}"), error))?;
        Ok(Some(record).filter(|record| is_alive(record, now)))
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
        for item in items {
            let key = shown_key_of(&item);
            let record =
                to_record(item).map_err(|error| never(&format!("{operation}: item {key}"), error))?;
            // Should two name one runner, it is the one's whose runner lives.
            if is_alive(&record, now) && (found.is_none() || record.live_runner().is_some()) {
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

    /// An item that cannot be read is logged and left out: one bad record must not keep all others from being repaired.
    async fn unfinished(&self, now: Timestamp) -> Result<Vec<LedgerRecord>, PortError> {
        let items: Vec<Item> = self
            .client
            .scan()
            .table_name(&self.table)
            .filter_expression(IS_UNFINISHED)
            .expression_attribute_names("#pk", PARTITION_KEY)
            .expression_attribute_names("#state", "state")
            .set_expression_attribute_values(Some(unfinished_values()))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send()
            .try_collect()
            .await
            .map_err(|error| port_error("scan for unfinished jobs", &self.table, error))?;
        Ok(items.into_iter().filter_map(readable_or_logged).filter(|record| is_alive(record, now)).collect())
    }
}

fn is_alive(record: &LedgerRecord, now: Timestamp) -> bool {
    record.expires_at > now
}

fn unfinished_values() -> HashMap<String, AttributeValue> {
    let states = [LedgerState::Seen, LedgerState::Claimed, LedgerState::Launched, LedgerState::Running];
    let mut values: HashMap<String, AttributeValue> =
        states.into_iter().map(|state| (format!(":{state}"), text(state.as_str()))).collect();
    values.insert(":job".to_owned(), text(KEY_PREFIX));
    values
}

fn readable_or_logged(item: Item) -> Option<LedgerRecord> {
    let key = shown_key_of(&item);
    to_record(item)
        .inspect_err(
            |error| tracing::error!(item = key, error = %Chain(error), "a ledger item cannot be read"),
        )
        .ok()
}
