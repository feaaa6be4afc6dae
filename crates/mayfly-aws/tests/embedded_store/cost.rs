//! What looking for open records costs, in calls and in the units that DynamoDB charges.

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::{
    BeforeSerializationInterceptorContextMut, FinalizerInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::batch_get_item::{BatchGetItemInput, BatchGetItemOutput};
use aws_sdk_dynamodb::operation::put_item::{PutItemInput, PutItemOutput};
use aws_sdk_dynamodb::operation::query::{QueryInput, QueryOutput};
use aws_sdk_dynamodb::types::{Capacity, ConsumedCapacity, ReturnConsumedCapacity};
use mayfly_aws::dynamodb::DynamoLedger;
use mayfly_core::ledger::{LedgerRecord, LedgerState};
use mayfly_core::ports::{Ledger, Sweep, Written};
use mayfly_standins::contracts::{NOW, new_record};
use serde_json::{Value, json};

use crate::ledger_of;
use crate::server::{LEDGER_TABLE, Server};

/// How many jobs are over.
const FINISHED: usize = 10_000;

/// Every call with what it cost.
#[derive(Debug, Clone, Default)]
struct Bill(Arc<Mutex<Vec<(&'static str, ConsumedCapacity)>>>);

impl Bill {
    fn client(&self, server: &Server) -> Client {
        let config = server.client().config().to_builder().interceptor(self.clone()).build();
        Client::from_conf(config)
    }

    fn take(&self) -> Vec<(&'static str, ConsumedCapacity)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Intercept for Bill {
    fn name(&self) -> &'static str {
        "bill"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let told = Some(ReturnConsumedCapacity::Indexes);
        let input = context.input_mut();
        if let Some(input) = input.downcast_mut::<QueryInput>() {
            input.return_consumed_capacity = told;
        } else if let Some(input) = input.downcast_mut::<BatchGetItemInput>() {
            input.return_consumed_capacity = told;
        } else if let Some(input) = input.downcast_mut::<PutItemInput>() {
            input.return_consumed_capacity = told;
        }
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(Ok(output)) = context.output_or_error() else { return Err("no answer".into()) };
        let (operation, cost) = if let Some(output) = output.downcast_ref::<QueryOutput>() {
            ("Query", output.consumed_capacity().cloned())
        } else if let Some(output) = output.downcast_ref::<BatchGetItemOutput>() {
            ("BatchGetItem", output.consumed_capacity().first().cloned())
        } else if let Some(output) = output.downcast_ref::<PutItemOutput>() {
            ("PutItem", output.consumed_capacity().cloned())
        } else {
            return Err("an operation that nobody expects".into());
        };
        self.0.lock().unwrap().push((operation, cost.ok_or("no cost is told")?));
        Ok(())
    }
}

/// The item of a job that is over, as DynamoDB itself writes items.
fn finished(job: usize) -> Value {
    let transition = json!({
        "at": { "S": "2100-01-01T00:00:00Z" },
        "to": { "S": "finished" },
        "reason": { "S": "webhook `success` received" },
    });
    json!({
        "pk": { "S": format!("job#gitlab.example.com/1/{job}") },
        "version": { "N": "5" },
        "job_name": { "S": "build" },
        "known_since": { "S": "2100-01-01T00:00:00Z" },
        "state": { "S": "finished" },
        "rank": { "S": "finished" },
        "transitions": { "L": [{ "M": transition }] },
        "expires_at": { "N": "4103136000" },
    })
}

#[tokio::test]
async fn looking_for_open_records_costs_nothing_for_those_that_are_over() {
    let server = Server::with_ledger_items((0..FINISHED).map(finished)).await;
    let last = format!("gitlab.example.com/1/{}", FINISHED - 1).parse().unwrap();
    let found = ledger_of(&server).get(&last, NOW).await.unwrap().unwrap();
    assert_eq!((found.state, found.is_open()), (LedgerState::Finished, false));
    let bill = Bill::default();
    let ledger = DynamoLedger::new(bill.client(&server), LEDGER_TABLE);
    assert_eq!(ledger.open().await.unwrap(), Sweep::default());
    let calls = bill.take();
    assert_eq!(calls.iter().map(|(operation, _)| *operation).collect::<Vec<_>>(), ["Query"]);
    assert_eq!(calls[0].1.capacity_units(), Some(0.5), "the least that a query costs");

    let open = new_record("gitlab.example.com/2/1", "build");
    assert_eq!(ledger.put(&open, NOW).await.unwrap(), Written::Yes);
    bill.take();
    let expected = LedgerRecord { version: 1, ..open };
    assert_eq!(ledger.open().await.unwrap().records, [expected]);
    let calls = bill.take();
    assert_eq!(calls.iter().map(|(operation, _)| *operation).collect::<Vec<_>>(), ["Query", "BatchGetItem"]);
    let units = calls.iter().map(|(_, cost)| cost.capacity_units().unwrap());
    assert_eq!(units.collect::<Vec<_>>(), [0.5, 1.0]);
}

#[tokio::test]
async fn a_job_costs_the_index_of_open_records_two_small_writes() {
    let server = Server::in_memory().await;
    let bill = Bill::default();
    let ledger = DynamoLedger::new(bill.client(&server), LEDGER_TABLE);
    let mut record = new_record("gitlab.example.com/2/1", "build");
    let mut written = Vec::new();
    for state in [
        LedgerState::Seen,
        LedgerState::Claimed,
        LedgerState::Claimed,
        LedgerState::Launched,
        LedgerState::Running,
        LedgerState::Finished,
    ] {
        record.enter(state, "x".repeat(3_000), NOW);
        assert_eq!(ledger.put(&record, NOW).await.unwrap(), Written::Yes);
        record.version += 1;
        let [(_, cost)] = &bill.take()[..] else { unreachable!("one call") };
        let index = cost.global_secondary_indexes().and_then(|indexes| indexes.get("by-open"));
        written.push(index.and_then(Capacity::capacity_units).unwrap_or(0.0));
    }
    assert_eq!(written, [1.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
}
