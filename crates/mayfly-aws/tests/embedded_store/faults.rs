//! A store that is not there, lacks a table, refuses, or is locked.

use std::time::Duration;

use mayfly_aws::dynamodb::{DynamoLedger, embedded_client};
use mayfly_core::error::Chain;
use mayfly_core::ledger::LedgerState;
use mayfly_core::ports::Ledger;
use mayfly_standins::contracts;

use crate::ledger_of;
use crate::server::Server;

/// After this GitLab gives up a webhook.
const GITLAB_WAITS: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_missing_table_is_an_error_that_stays_and_names_it() {
    let server = Server::in_memory().await;
    let ledger = DynamoLedger::new(server.client(), "legder");
    let record = contracts::new_record("gitlab.example.com/380/1977", "build");
    for error in [
        ledger.get(&record.key, contracts::NOW).await.unwrap_err(),
        ledger.put(&record, contracts::NOW).await.unwrap_err(),
        ledger.open().await.unwrap_err(),
        ledger.get_many(std::slice::from_ref(&record.key), contracts::NOW).await.unwrap_err(),
        ledger.forget(&record).await.unwrap_err(),
        ledger.memory().await.unwrap_err(),
        ledger.remember(&contracts::full_memory()).await.unwrap_err(),
    ] {
        assert!(!error.is_transient());
        let text = Chain(&error).to_string();
        assert!(text.contains("`legder`") && text.contains("check the table's name"), "{text}");
    }
}

#[tokio::test]
async fn an_item_that_is_too_large_is_an_error_that_stays_with_the_words_of_the_store() {
    let server = Server::in_memory().await;
    let mut record = contracts::new_record("gitlab.example.com/380/1977", "build");
    record.enter(LedgerState::Seen, "x".repeat(500_000), contracts::NOW);
    let error = ledger_of(&server).put(&record, contracts::NOW).await.unwrap_err();
    assert!(!error.is_transient());
    let text = Chain(&error).to_string();
    let beginning =
        "DynamoDB: put item job#gitlab.example.com/380/1977 failed: ValidationException: Item size";
    assert!(text.starts_with(beginning), "{text}");
}

#[tokio::test]
async fn a_store_that_is_gone_is_an_error_that_may_pass() {
    let server = Server::in_memory().await;
    let ledger = ledger_of(&server);
    server.stop();
    let key = "gitlab.example.com/380/1977".parse().unwrap();
    let answer = tokio::time::timeout(GITLAB_WAITS, ledger.get(&key, contracts::NOW)).await;
    assert!(answer.expect("an answer in time").unwrap_err().is_transient());
}

#[tokio::test]
async fn a_store_that_never_answers_is_an_error_that_may_pass_and_comes_in_time() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = embedded_client(&format!("http://{}", silent.local_addr().unwrap()));
    let ledger = DynamoLedger::new(client, "ledger");
    let record = contracts::new_record("gitlab.example.com/380/1977", "build");
    let answer = tokio::time::timeout(GITLAB_WAITS, ledger.put(&record, contracts::NOW)).await;
    assert!(answer.expect("an answer in time").unwrap_err().is_transient());
}

#[tokio::test]
async fn a_store_locked_by_another_process_is_an_error_that_may_pass_and_comes_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let server = Server::in_file(&file).await;
    let ledger = ledger_of(&server);
    let record = contracts::new_record("gitlab.example.com/380/1977", "build");

    let other = rusqlite::Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = tokio::time::timeout(GITLAB_WAITS, ledger.put(&record, contracts::NOW)).await;
    let error = answer.expect("an answer in time").unwrap_err();
    assert!(error.is_transient(), "{}", Chain(&error));
}
