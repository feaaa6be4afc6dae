//! The adapters against the embedded store: the contract suites, and what only a real store can show.
#![expect(clippy::unwrap_used, reason = "all of this is tests")]

mod bad_items;
mod cost;
mod faults;
mod foreign_rows;
mod machines;
mod older_table;
mod paging;
mod server;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mayfly_aws::dynamodb::{
    DynamoLedger, DynamoMappingStore, MappingTable, create_history_table, create_tables,
};
use mayfly_core::clock::{Clock, FixedClock};
use mayfly_core::ids::{JobKey, JobName};
use mayfly_core::machine::MachineSpec;
use mayfly_core::mapping::{Mapping, MappingKey, RunnerSettings, StoredMapping, Target};
use mayfly_core::mapping_edit::{ChangeHead, RowChange};
use mayfly_core::ports::{Ledger, MappingStore, Written};
use mayfly_core::row::MappingRow;
use mayfly_standins::contracts::{self, Damage};
use server::{LEDGER_TABLE, MAPPING_TABLE, Server};

fn ledger_of(server: &Server) -> DynamoLedger {
    DynamoLedger::new(server.client(), LEDGER_TABLE)
}

/// A mapping store that reads everything each time.
fn mappings_of(server: &Server) -> DynamoMappingStore {
    DynamoMappingStore::new(
        server.client(),
        MAPPING_TABLE,
        Duration::ZERO,
        Arc::new(FixedClock(contracts::NOW)),
    )
}

/// Writes new mappings as an operator does.
async fn add_mappings(server: &Server, mappings: &[Mapping]) {
    const HISTORY_TABLE: &str = "history";
    create_history_table(&server.client(), HISTORY_TABLE).await.unwrap();
    let table = MappingTable::new(server.client(), MAPPING_TABLE, HISTORY_TABLE);
    let changes: Vec<_> = mappings.iter().map(|mapping| RowChange::Add(MappingRow::from(mapping))).collect();
    let [who, command] = ["a test", "add"].map(str::to_owned);
    // Each change has a time of its own.
    let rows = table.rows(|_| {}).await.unwrap().len();
    let at = contracts::NOW + Duration::from_secs(rows.try_into().unwrap());
    let head = ChangeHead { at, who, command, planned: changes.len() };
    table.write(&head, &changes, |_| {}).await.unwrap();
}

fn mapping(partition_key: &str, sort_key: &str, target: Target) -> Mapping {
    let key = MappingKey::parse(partition_key, sort_key).unwrap();
    Mapping { key, target, settings: RunnerSettings::default(), paused: None }
}

/// What makes an item of this store unreadable.
fn damage(server: &Server) -> impl AsyncFn(&JobKey, Damage) {
    async |key, damage| {
        let mut item = bad_items::stored(server, key).await.unwrap();
        match damage {
            Damage::Part => drop(item.insert("state".to_owned(), bad_items::text("of a later version"))),
            Damage::Most => item.retain(|attribute, _| ["pk", "open"].contains(&attribute.as_str())),
        }
        bad_items::store(server, item).await;
    }
}

fn job(name: &str) -> JobName {
    name.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_keeps_the_contract_in_memory() {
    let server = Server::in_memory().await;
    contracts::ledger(Arc::new(ledger_of(&server)), damage(&server)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_keeps_the_contract_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::in_file(&folder.path().join("store.db")).await;
    contracts::ledger(Arc::new(ledger_of(&server)), damage(&server)).await;
}

#[tokio::test]
async fn the_mapping_store_keeps_the_contract() {
    let server = Server::in_memory().await;
    let clock = Arc::new(FixedClock(contracts::NOW));
    let store = DynamoMappingStore::new(server.client(), MAPPING_TABLE, Duration::from_mins(1), clock);
    add_mappings(&server, &contracts::mapping_rows()).await;
    contracts::mapping_store(&store).await;
}

#[tokio::test]
async fn a_file_that_was_closed_and_opened_again_has_everything() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let mut record = contracts::full_record("gitlab.example.com/380/1977", "mayfly-ec2-i-0abc");
    let row = mapping("project#group/app#job#c%23*", "tags#docker#linux", Target::Local);

    let server = Server::in_file(&file).await;
    assert_eq!(ledger_of(&server).put(&record, contracts::NOW).await.unwrap(), Written::Yes);
    add_mappings(&server, std::slice::from_ref(&row)).await;
    server.stop();

    let server = Server::in_file(&file).await;
    record.version = 1;
    let ledger = ledger_of(&server);
    assert_eq!(ledger.get(&record.key, contracts::NOW).await.unwrap().as_ref(), Some(&record));
    let runner = &record.runner.as_ref().unwrap().name;
    assert_eq!(ledger.by_runner(runner, contracts::NOW).await.unwrap().as_ref(), Some(&record));
    assert_eq!(mappings_of(&server).list().await.unwrap(), [StoredMapping::Readable(row)]);
    assert_eq!(ledger.put(&record, contracts::NOW).await.unwrap(), Written::Yes);
}

#[tokio::test]
async fn making_tables_that_are_there_changes_nothing() {
    let server = Server::in_memory().await;
    let row = mapping("job#build", "tags#", Target::Ec2(MachineSpec::default()));
    add_mappings(&server, std::slice::from_ref(&row)).await;
    create_tables(&server.client(), MAPPING_TABLE, LEDGER_TABLE).await.unwrap();
    assert_eq!(mappings_of(&server).list().await.unwrap(), [StoredMapping::Readable(row)]);
}

#[tokio::test]
async fn the_ledger_table_forgets_by_the_attribute_the_ledger_writes() {
    let server = Server::in_memory().await;
    let described = server.client().describe_time_to_live().table_name(LEDGER_TABLE).send().await.unwrap();
    let description = described.time_to_live_description.unwrap();
    assert_eq!(description.attribute_name.as_deref(), Some("expires_at"));
    assert_eq!(description.time_to_live_status.unwrap().as_str(), "ENABLED");
}

#[derive(Debug)]
struct HandClock(Mutex<Timestamp>);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

#[tokio::test]
async fn rows_are_kept_for_the_given_time() {
    let server = Server::in_memory().await;
    let clock = Arc::new(HandClock(Mutex::new(contracts::NOW)));
    let keep_for = Duration::from_secs(30);
    let store = DynamoMappingStore::new(server.client(), MAPPING_TABLE, keep_for, clock.clone());
    let found = async || store.candidates(None, &job("build")).await.unwrap().len();
    assert_eq!(found().await, 0);

    let rows = ["job#b*", "job#build"].map(|key| mapping(key, "tags#", Target::Local));
    add_mappings(&server, &rows).await;
    assert_eq!(found().await, 0, "kept");
    *clock.0.lock().unwrap() += SignedDuration::from_millis(29_999);
    assert_eq!(found().await, 0, "still kept");
    *clock.0.lock().unwrap() += SignedDuration::from_millis(1);
    assert_eq!(found().await, 2, "read again");

    add_mappings(&server, &[mapping("job#bu*", "tags#", Target::Local)]).await;
    *clock.0.lock().unwrap() -= SignedDuration::from_hours(1);
    assert_eq!(found().await, 3, "a clock that was set back keeps nothing");
}
