//! Many records in a few calls, and what a table that has too much to do leaves over.

use std::collections::BTreeSet;

use mayfly_aws::dynamodb::DynamoLedger;
use mayfly_core::ids::JobKey;
use mayfly_core::ports::{Ledger, Sweep};
use mayfly_standins::contracts::NOW;
use serde_json::{Value, json};

use crate::assert_error;
use crate::server::{Answer, Asked, Scripted};

fn keys(jobs: std::ops::Range<u64>) -> Vec<JobKey> {
    jobs.map(|job| format!("gitlab.example.com/1/{job}").parse().unwrap()).collect()
}

fn key(job: u64) -> Value {
    json!({ "pk": { "S": format!("job#gitlab.example.com/1/{job}") } })
}

fn item(job: u64) -> Value {
    let mut item = key(job);
    for (name, value) in [
        ("version", json!({ "N": "1" })),
        ("job_name", json!({ "S": "build" })),
        ("state", json!({ "S": "seen" })),
        ("rank", json!({ "S": "pending" })),
        ("transitions", json!({ "L": [] })),
        ("expires_at", json!({ "N": "4102444801" })),
    ] {
        item[name] = value;
    }
    item
}

/// An answer with these items, in which these jobs are left over.
fn batch(items: &[u64], left: &[u64]) -> Answer {
    let items: Vec<Value> = items.iter().map(|job| item(*job)).collect();
    let mut body = json!({ "Responses": { "ledger": items }, "UnprocessedKeys": {} });
    if !left.is_empty() {
        let keys: Vec<Value> = left.iter().map(|job| key(*job)).collect();
        body["UnprocessedKeys"] = json!({ "ledger": { "Keys": keys, "ConsistentRead": true } });
    }
    Answer::ok(body)
}

/// The jobs that a call asks for.
fn asked_for(asked: &Asked) -> BTreeSet<String> {
    assert_eq!(asked.line(), "POST / DynamoDB_20120810.BatchGetItem");
    let request = &asked.json()["RequestItems"]["ledger"];
    assert_eq!(request["ConsistentRead"], true);
    let keys = request["Keys"].as_array().unwrap().iter();
    let keys: BTreeSet<String> = keys.map(|key| key["pk"]["S"].as_str().unwrap().to_owned()).collect();
    assert_eq!(keys.len(), request["Keys"].as_array().unwrap().len(), "each once");
    keys
}

fn of(jobs: &[u64]) -> BTreeSet<String> {
    jobs.iter().map(|job| format!("job#gitlab.example.com/1/{job}")).collect()
}

fn ledger(server: &Scripted) -> DynamoLedger {
    DynamoLedger::new(server.connection().dynamodb(), "ledger")
}

#[tokio::test]
async fn what_is_left_over_is_asked_for_again() {
    let server = Scripted::start([
        batch(&[2], &[3, 0, 1]),
        batch(&[], &[3, 0, 1]),
        batch(&[1], &[0]),
        batch(&[0], &[]),
    ])
    .await;
    let found = ledger(&server).get_many(&keys(0..4), NOW).await.unwrap();
    assert_eq!(found.broken, []);
    let found: Vec<JobKey> = found.records.into_iter().map(|record| record.key).collect();
    assert_eq!(found, keys(0..3), "in the order of the keys; one has no record");
    let asked: Vec<_> = server.asked().iter().map(asked_for).collect();
    assert_eq!(asked, [of(&[0, 1, 2, 3]), of(&[0, 1, 3]), of(&[0, 1, 3]), of(&[0])]);
}

#[tokio::test]
async fn a_table_that_answers_with_nothing_is_an_error_that_may_pass() {
    let server = Scripted::start([batch(&[], &[0, 1])]).await;
    assert_error(
        &ledger(&server).get_many(&keys(0..2), NOW).await.unwrap_err(),
        true,
        "DynamoDB: batch get 2 items failed: the table answers with none of 2 items: it has too much to do",
    );
    assert_eq!(server.asked().len(), 5);
}

#[tokio::test]
async fn many_records_are_a_hundred_a_call_and_each_is_asked_for_once() {
    let server = Scripted::start([batch(&[], &[])]).await;
    let twice = [keys(0..250), keys(100..200)].concat();
    assert_eq!(ledger(&server).get_many(&twice, NOW).await.unwrap(), Sweep::default());
    let asked: Vec<_> = server.asked().iter().map(asked_for).collect();
    let mut sizes: Vec<usize> = asked.iter().map(BTreeSet::len).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [50, 100, 100]);
    assert_eq!(asked.into_iter().flatten().collect::<BTreeSet<_>>().len(), 250);
}

#[tokio::test]
async fn nothing_open_is_one_call_and_no_jobs_are_none() {
    let server = Scripted::start([Answer::ok(json!({ "Count": 0, "ScannedCount": 0, "Items": [] }))]).await;
    assert_eq!(ledger(&server).open().await.unwrap(), Sweep::default());
    let asked = server.only_asked();
    assert_eq!(asked.line(), "POST / DynamoDB_20120810.Query");
    let request = json!({
        "TableName": "ledger",
        "IndexName": "by-open",
        "KeyConditionExpression": "#open = :open",
        "ExpressionAttributeNames": { "#open": "open" },
        "ExpressionAttributeValues": { ":open": { "S": "yes" } },
    });
    assert_eq!(asked.json(), request);
    assert_eq!(ledger(&server).get_many(&[], NOW).await.unwrap(), Sweep::default());
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn all_pages_of_the_index_are_read() {
    let page = |job, is_last: bool| {
        let mut body = json!({ "Count": 1, "ScannedCount": 1, "Items": [key(job)] });
        if !is_last {
            body["LastEvaluatedKey"] = key(job);
        }
        Answer::ok(body)
    };
    // An index that changes between two pages may tell of a record twice.
    let pages = [page(1, false), page(0, false), page(1, true)];
    let server = Scripted::start(pages.into_iter().chain([batch(&[0, 1], &[])])).await;
    let open = ledger(&server).open().await.unwrap();
    assert_eq!(open.records.into_iter().map(|record| record.key).collect::<Vec<_>>(), keys(0..2));
    assert_eq!(server.asked()[2].json()["ExclusiveStartKey"], key(0));
    assert_eq!(asked_for(&server.asked()[3]), of(&[0, 1]));
}

#[tokio::test]
async fn what_the_index_tells_too_late_is_left_out() {
    let mut closed = item(1);
    closed["state"] = json!({ "S": "finished" });
    let listed = Answer::ok(json!({ "Count": 3, "ScannedCount": 3, "Items": [key(2), key(1), key(0)] }));
    let found = Answer::ok(json!({ "Responses": { "ledger": [closed, item(0)] }, "UnprocessedKeys": {} }));
    let server = Scripted::start([listed, found]).await;
    let open = ledger(&server).open().await.unwrap();
    assert_eq!(open.records.into_iter().map(|record| record.key).collect::<Vec<_>>(), keys(0..1));
}
