//! Items that we would not have written: of another version, half written, or of nobody knows what.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::SignedDuration;
use mayfly_aws::dynamodb::DynamoLedger;
use mayfly_core::error::Chain;
use mayfly_core::ids::JobKey;
use mayfly_core::ledger::{LedgerRecord, LedgerState};
use mayfly_core::ports::{BrokenRecord, Ledger, Sweep, Written};
use mayfly_core::reconcile::Memory;
use mayfly_standins::contracts::{NOW, full_memory, full_record, new_record};

use crate::ledger_of;
use crate::server::{LEDGER_TABLE, Server};

type Item = HashMap<String, AttributeValue>;

const KEY: &str = "gitlab.example.com/380/1977";
const RUNNER: &str = "mayfly-ec2-i-0abc";

pub(crate) fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(digits: &str) -> AttributeValue {
    AttributeValue::N(digits.to_owned())
}

/// The item of a job as it is stored.
pub(crate) async fn stored(server: &Server, key: &JobKey) -> Option<Item> {
    let request = server.client().get_item().table_name(LEDGER_TABLE).key("pk", text(&format!("job#{key}")));
    request.consistent_read(true).send().await.unwrap().item
}

/// Stores an item over what is there.
pub(crate) async fn store(server: &Server, item: Item) {
    server.client().put_item().table_name(LEDGER_TABLE).set_item(Some(item)).send().await.unwrap();
}

/// The item that a record is stored as.
async fn item_of(server: &Server, record: &LedgerRecord) -> Item {
    assert_eq!(ledger_of(server).put(record, NOW).await.unwrap(), Written::Yes);
    stored(server, &record.key).await.unwrap()
}

fn set(item: &mut Item, attribute: &str, value: Option<AttributeValue>) {
    match value {
        Some(value) => item.insert(attribute.to_owned(), value),
        None => item.remove(attribute),
    };
}

/// What is told of the one item in the table that cannot be read.
async fn broken(ledger: &DynamoLedger) -> BrokenRecord {
    let Sweep { records, mut broken } = ledger.open().await.unwrap();
    assert_eq!((records, broken.len()), (Vec::new(), 1));
    broken.remove(0)
}

#[tokio::test]
async fn an_item_of_an_older_version_is_read_and_written_over() {
    let server = Server::in_memory().await;
    let ledger = ledger_of(&server);
    let mut record = full_record(KEY, RUNNER);
    record.known_since = NOW - SignedDuration::from_hours(1);
    let mut item = item_of(&server, &record).await;
    for attribute in ["known_since", "not_before", "former", "retries", "retry", "open"] {
        assert!(item.remove(attribute).is_some(), "{attribute}");
    }
    let Some(AttributeValue::M(claim)) = item.get_mut("claim") else { unreachable!("a claim") };
    assert!(claim.remove("refusals").is_some());
    let Some(AttributeValue::M(request)) = claim.get_mut("request") else { unreachable!("a request") };
    let Some(AttributeValue::M(settings)) = request.get_mut("settings") else { unreachable!("settings") };
    assert!(settings.remove("retries_after_loss").is_some());
    store(&server, item).await;

    record.version = 1;
    record.known_since = record.transitions[0].at;
    record.not_before = None;
    record.former.clear();
    record.retries = 0;
    record.retry = None;
    let claim = record.claim.as_mut().unwrap();
    claim.refusals = 0;
    Arc::make_mut(&mut claim.request).settings.retries_after_loss = 0;
    assert_eq!(ledger.get(&record.key, NOW).await.unwrap().as_ref(), Some(&record));
    assert_eq!(ledger.open().await.unwrap(), Sweep::default(), "it does not say yet that it is open");
    assert_eq!(ledger.put(&record, NOW).await.unwrap(), Written::Yes);
    record.version = 2;
    assert_eq!(ledger.open().await.unwrap().records, [record]);
}

#[tokio::test]
async fn attributes_of_a_later_version_are_passed_over_and_gone_with_the_next_write() {
    let server = Server::in_memory().await;
    let ledger = ledger_of(&server);
    let mut record = full_record(KEY, RUNNER);
    let mut item = item_of(&server, &record).await;
    set(&mut item, "new_in_version_9", Some(AttributeValue::L(vec![AttributeValue::Bool(true)])));
    set(&mut item, "schema", Some(number("9")));
    store(&server, item).await;
    record.version = 1;
    assert_eq!(ledger.get(&record.key, NOW).await.unwrap().as_ref(), Some(&record));
    assert_eq!(ledger.put(&record, NOW).await.unwrap(), Written::Yes);
    let item = stored(&server, &record.key).await.unwrap();
    assert_eq!((item.get("new_in_version_9"), &item["schema"]), (None, &number("1")));
}

/// An item that is whole but for this attribute is told as broken, mended, and a record like any other from then on.
async fn check_mended(attribute: &str, value: Option<AttributeValue>, version: Option<u64>) {
    let case = format!("{attribute}: {value:?}");
    let server = Server::in_memory().await;
    let ledger = ledger_of(&server);
    let record = full_record(KEY, RUNNER);
    let mut item = item_of(&server, &record).await;
    set(&mut item, attribute, value);
    store(&server, item).await;

    let error = Chain(&ledger.get(&record.key, NOW).await.unwrap_err()).to_string();
    let beginning = format!("DynamoDB: get item job#{KEY} failed: the item cannot be read: the reconciler");
    assert!(error.starts_with(&beginning), "{error}");
    assert!(error.contains(&format!("delete the item: attribute `{attribute}` ")), "{error}");
    let broken = broken(&ledger).await;
    assert_eq!((&broken.key, broken.version), (&record.key, version), "{case}");
    assert!(broken.reason.starts_with(&format!("attribute `{attribute}` ")), "{}", broken.reason);
    let has_runner = attribute != "runner_name";
    assert_eq!(broken.runner, has_runner.then(|| RUNNER.parse().unwrap()), "{case}");

    let mut new = new_record(KEY, "build");
    assert_eq!(ledger.put(&new, NOW).await.unwrap(), Written::Conflict, "{case}");
    assert_eq!(ledger.mend(&broken, &new).await.unwrap(), Written::Yes, "{case}");
    assert_eq!(ledger.mend(&broken, &new).await.unwrap(), Written::Conflict, "{case}");
    new.version = version.unwrap_or(0) + 1;
    assert_eq!(ledger.open().await.unwrap(), Sweep { records: vec![new.clone()], broken: vec![] }, "{case}");
    new.enter(LedgerState::Finished, "for the test", NOW);
    assert_eq!(ledger.put(&new, NOW).await.unwrap(), Written::Yes, "{case}");
    assert_eq!(ledger.open().await.unwrap(), Sweep::default(), "{case}");
}

#[tokio::test]
async fn an_item_without_a_part_that_it_needs_is_mended() {
    for attribute in ["job_name", "state", "rank", "transitions", "expires_at", "runner_name"] {
        check_mended(attribute, None, Some(1)).await;
    }
    check_mended("version", None, None).await;
}

#[tokio::test]
async fn an_item_with_a_part_of_another_kind_is_mended() {
    for attribute in [
        "job_name",
        "project",
        "known_since",
        "state",
        "rank",
        "explanation",
        "claim",
        "not_before",
        "runner",
        "former",
        "retries",
        "retry",
        "transitions",
        "expires_at",
    ] {
        check_mended(attribute, Some(AttributeValue::Bool(true)), Some(1)).await;
    }
}

#[tokio::test]
async fn an_item_with_a_part_that_says_what_nobody_knows_is_mended() {
    let no_runner = AttributeValue::L(vec![AttributeValue::M([("name".to_owned(), text(RUNNER))].into())]);
    for (attribute, value) in [
        ("state", text("paused")),
        ("rank", text("skipped")),
        ("retry", text("perhaps")),
        ("known_since", text("yesterday")),
        ("not_before", text("")),
        ("retries", number("-1")),
        ("runner_name", text("i-0abc")),
        ("former", no_runner),
        ("claim", AttributeValue::M(HashMap::new())),
        ("expires_at", number("99999999999999999")),
    ] {
        check_mended(attribute, Some(value), Some(1)).await;
    }
}

#[tokio::test]
async fn an_item_whose_version_does_not_count_is_mended_whatever_stands_there() {
    for value in [
        number("-1"),
        number("1.5"),
        number("18446744073709551615"),
        number("18446744073709551616"),
        text("1"),
        AttributeValue::Null(true),
        AttributeValue::L(vec![number("1")]),
    ] {
        check_mended("version", Some(value), None).await;
    }
}

#[tokio::test]
async fn a_broken_item_that_expired_makes_room_like_any() {
    let server = Server::in_memory().await;
    let ledger = ledger_of(&server);
    let record = full_record(KEY, RUNNER);
    let mut item = item_of(&server, &record).await;
    set(&mut item, "state", None);
    store(&server, item).await;
    let end = record.expires_at;
    let key = std::slice::from_ref(&record.key);
    let before_end = end - SignedDuration::from_millis(1);
    assert_eq!(ledger.get_many(key, before_end).await.unwrap().broken.len(), 1);
    assert_eq!(ledger.get_many(key, end).await.unwrap(), Sweep::default());
    assert_eq!(ledger.get(&record.key, end).await.unwrap(), None);
    assert_eq!(ledger.by_runner(&RUNNER.parse().unwrap(), end).await.unwrap(), None);
    assert_eq!(broken(&ledger).await.key, record.key, "it is there still");
    assert_eq!(ledger.put(&new_record(KEY, "build"), end).await.unwrap(), Written::Yes);
}

#[tokio::test]
async fn an_item_that_is_no_jobs_is_in_nobodys_way() {
    let server = Server::in_memory().await;
    let ledger = ledger_of(&server);
    let record = new_record(KEY, "build");
    let mut item = item_of(&server, &record).await;
    for pk in ["job#1977", "AROAEXAMPLE:i-0abc", "fleet#0", "reconciler#memory"] {
        set(&mut item, "pk", Some(text(pk)));
        store(&server, item.clone()).await;
    }
    let open = ledger.open().await.unwrap();
    assert_eq!(open, Sweep { records: vec![LedgerRecord { version: 1, ..record }], broken: vec![] });
}

#[tokio::test]
async fn a_memory_that_cannot_be_read_is_none_and_is_written_over() {
    let server = Server::in_memory().await;
    let ledger = ledger_of(&server);
    assert_eq!(ledger.memory().await.unwrap(), Memory::default());
    for (attribute, value) in [("memory", text("{")), ("memory", number("1")), ("recollection", text("{}"))] {
        let item = [("pk".to_owned(), text("reconciler#memory")), (attribute.to_owned(), value)];
        store(&server, item.into()).await;
        assert_eq!(ledger.memory().await.unwrap(), Memory::default());
        ledger.remember(&full_memory()).await.unwrap();
        assert_eq!(ledger.memory().await.unwrap(), full_memory());
    }
}
