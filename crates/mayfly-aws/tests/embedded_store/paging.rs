//! A page of an answer holds at most 1 MB: what is larger comes in several.

use mayfly_core::ledger::LedgerState;
use mayfly_core::machine::MachineSpec;
use mayfly_core::mapping::{RunnerSettings, StoredMapping, Target};
use mayfly_core::ports::{Ledger, MappingStore, Written};
use mayfly_standins::contracts;

use crate::server::{LEDGER_TABLE, MAPPING_TABLE, Server};
use crate::{job, ledger_of, mapping, mappings_of};

async fn assert_one_page_is_not_enough(server: &Server, table: &str) {
    let page = server.client().scan().table_name(table).send().await.unwrap();
    assert!(page.last_evaluated_key().is_some());
}

#[tokio::test]
async fn mappings_of_several_pages_are_all_found() {
    let server = Server::in_memory().await;
    let store = mappings_of(&server);
    for number in 0..8 {
        let mut row = mapping("job#build", &format!("tags#{number}"), Target::Ec2(MachineSpec::default()));
        row.settings = RunnerSettings { pass_env: vec!["x".repeat(300_000)], ..row.settings };
        store.put(&row).await.unwrap();
        row.key.pattern = mapping("job#*", "tags#", Target::Ec2(MachineSpec::default())).key.pattern;
        store.put(&row).await.unwrap();
    }
    assert_one_page_is_not_enough(&server, MAPPING_TABLE).await;
    let all = store.list().await.unwrap();
    assert_eq!(all.len(), 16);
    assert!(all.iter().all(|row| matches!(row, StoredMapping::Readable(_))));
    assert_eq!(store.candidates(None, &job("build")).await.unwrap().len(), 16);
    assert_eq!(store.candidates(None, &job("test")).await.unwrap().len(), 8);
}

#[tokio::test]
async fn unfinished_records_of_several_pages_are_all_listed() {
    let server = Server::in_memory().await;
    let ledger = ledger_of(&server);
    for number in 0..8 {
        let mut record = contracts::new_record(&format!("gitlab.example.com/1/{number}"), "build");
        let state = if number % 2 == 0 { LedgerState::Seen } else { LedgerState::Finished };
        record.enter(state, "x".repeat(300_000), contracts::NOW);
        assert_eq!(ledger.put(&record, contracts::NOW).await.unwrap(), Written::Yes);
    }
    assert_one_page_is_not_enough(&server, LEDGER_TABLE).await;
    assert_eq!(ledger.unfinished(contracts::NOW).await.unwrap().len(), 4);
}
