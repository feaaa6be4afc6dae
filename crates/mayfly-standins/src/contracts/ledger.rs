//! What every ledger must do.
#![expect(clippy::expect_used, reason = "a contract suite is a test")]

mod bad_items;
mod many;

use std::sync::Arc;

use jiff::SignedDuration;
use mayfly_core::fleet::Fleet;
use mayfly_core::ids::JobKey;
use mayfly_core::launch::ClientToken;
use mayfly_core::ledger::{LedgerRecord, LedgerState};
use mayfly_core::ports::{Ledger, Written};
use mayfly_core::reconcile::Memory;
use mayfly_core::runner_name::RunnerName;
use tokio::task::JoinSet;

use super::machine_backend::fleet_order;
use super::samples::{ABSURD_NAMES, NOW, full_memory, full_record, new_record};

/// How many write at once in the race.
const WRITERS: usize = 16;

/// How something stored in the place of a record is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// Its job, version and runner can be read still.
    Part,
    /// Only its job can be read.
    Most,
}

/// Asserts what [`Ledger`] promises. Needs a Tokio runtime; the race is one only with several threads. `damage` makes the
/// stored record of a job, which is open, unreadable.
///
/// It expects [`Ledger::by_runner`] and [`Ledger::open`] to know of a write at once, as the fakes and the embedded store do.
///
/// # Panics
///
/// Where the ledger does something else.
pub async fn ledger(ledger: Arc<dyn Ledger>, damage: impl AsyncFn(&JobKey, Damage)) {
    records_are_read_back(&*ledger).await;
    absurd_keys_are_kept_apart(&*ledger).await;
    large_records_are_read_back(&*ledger).await;
    a_write_needs_the_version_that_is_stored(&*ledger).await;
    of_concurrent_writers_exactly_one_wins(&ledger).await;
    an_expired_record_is_none_and_makes_room(&*ledger).await;
    a_record_is_found_by_its_runner(&*ledger).await;
    a_call_is_frozen_once(&*ledger).await;
    of_concurrent_calls_one_is_frozen(&ledger).await;
    a_memory_is_the_one_that_was_kept_last(&*ledger).await;
    many::suite(&*ledger).await;
    bad_items::suite(&*ledger, &damage).await;
}

async fn put(ledger: &dyn Ledger, record: &LedgerRecord) -> Written {
    ledger.put(record, NOW).await.expect("the write has an answer")
}

async fn get(ledger: &dyn Ledger, key: &JobKey) -> Option<LedgerRecord> {
    ledger.get(key, NOW).await.expect("the read has an answer")
}

fn as_stored(record: &LedgerRecord) -> LedgerRecord {
    LedgerRecord { version: record.version + 1, ..record.clone() }
}

async fn records_are_read_back(ledger: &dyn Ledger) {
    let mut without_runner = full_record("read.example.com/1/3", "mayfly-ec2-i-0read3");
    without_runner.runner = None;
    let mut without_claim = full_record("read.example.com/1/4", "mayfly-ec2-i-0read4");
    without_claim.claim = None;
    for record in [
        new_record("read.example.com/1/1", "build"),
        full_record("read.example.com/1/2", "mayfly-ec2-i-0read2"),
        without_runner,
        without_claim,
    ] {
        assert_eq!(get(ledger, &record.key).await, None, "never written");
        assert_eq!(put(ledger, &record).await, Written::Yes);
        assert_eq!(get(ledger, &record.key).await, Some(as_stored(&record)));
    }
}

async fn absurd_keys_are_kept_apart(ledger: &dyn Ledger) {
    let keys = [
        "absurd.example.com/1/23",
        "absurd.example.com/12/3",
        "absurd.example.com:8443/1/23",
        "xn--absrd-lva.example.com/1/23",
        "[::1]:3005/1/23",
        "192.168.64.1/1/23",
        "absurd.example.com/18446744073709551615/18446744073709551615",
        "absurd.example.com/0/0",
    ];
    let mut records: Vec<LedgerRecord> = keys.iter().map(|key| new_record(key, &"ü".repeat(255))).collect();
    for (job, name) in ABSURD_NAMES.iter().enumerate() {
        let mut record = new_record(&format!("absurd.example.com/2/{job}"), name);
        record.project = Some("group/project with spaces".parse().expect("a project path"));
        records.push(record);
    }
    for record in &records {
        assert_eq!(put(ledger, record).await, Written::Yes, "{}", record.key);
    }
    for record in &records {
        assert_eq!(get(ledger, &record.key).await, Some(as_stored(record)));
    }
}

async fn large_records_are_read_back(ledger: &dyn Ledger) {
    let mut record = full_record("large.example.com/1/1", "mayfly-ec2-i-0large");
    for number in 0..50 {
        record.enter(LedgerState::Seen, format!("no capacity {number}: {}", "🚀".repeat(500)), NOW);
    }
    assert_eq!(record.transitions.len(), 50);
    assert_eq!(put(ledger, &record).await, Written::Yes);
    assert_eq!(get(ledger, &record.key).await, Some(as_stored(&record)));
}

async fn a_write_needs_the_version_that_is_stored(ledger: &dyn Ledger) {
    let first = new_record("version.example.com/1/1", "build");
    let missing = LedgerRecord { version: 3, ..first.clone() };
    assert_eq!(put(ledger, &missing).await, Written::Conflict, "nothing is stored yet");
    assert_eq!(get(ledger, &first.key).await, None);

    assert_eq!(put(ledger, &first).await, Written::Yes);
    let mut second = as_stored(&first);
    second.enter(LedgerState::Claimed, "a job waits", NOW);
    assert_eq!(put(ledger, &second).await, Written::Yes);

    let third = as_stored(&second);
    let ahead = LedgerRecord { version: 3, ..second.clone() };
    for (stale, why) in [(&first, "one is stored"), (&second, "it was overtaken"), (&ahead, "it is ahead")] {
        assert_eq!(put(ledger, stale).await, Written::Conflict, "{why}");
        assert_eq!(get(ledger, &first.key).await.as_ref(), Some(&third), "a conflict changes nothing");
    }
    assert_eq!(put(ledger, &third).await, Written::Yes);
}

async fn of_concurrent_writers_exactly_one_wins(ledger: &Arc<dyn Ledger>) {
    let mut base = new_record("race.example.com/1/1", "build");
    for round in 0..5 {
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let mut record = base.clone();
            record.explanation = Some(format!("round {round}, writer {writer}"));
            let ledger = Arc::clone(ledger);
            writers.spawn(async move { (put(&*ledger, &record).await, record) });
        }
        let written = writers.join_all().await;
        let winners: Vec<&LedgerRecord> = written
            .iter()
            .filter(|(written, _)| *written == Written::Yes)
            .map(|(_, record)| record)
            .collect();
        assert_eq!(winners.len(), 1, "round {round}");
        let stored = get(&**ledger, &base.key).await;
        assert_eq!(stored, winners.first().map(|winner| as_stored(winner)));
        base = stored.expect("the winner's record");
    }
}

async fn an_expired_record_is_none_and_makes_room(ledger: &dyn Ledger) {
    let mut old = full_record("expiry.example.com/1/1", "mayfly-ec2-i-0expiry");
    let end = NOW + SignedDuration::from_secs(10);
    let before_end = end - SignedDuration::from_millis(1);
    old.expires_at = end;
    assert_eq!(put(ledger, &old).await, Written::Yes);
    let runner = old.runner.as_ref().map(|runner| runner.name.clone()).expect("a runner");
    let fresh = new_record("expiry.example.com/1/1", "build");

    assert_eq!(
        ledger.get(&old.key, before_end).await.expect("an answer"),
        Some(as_stored(&old)),
        "not expired yet"
    );
    assert_eq!(ledger.put(&fresh, before_end).await.expect("an answer"), Written::Conflict);

    assert_eq!(ledger.get(&old.key, end).await.expect("an answer"), None);
    assert_eq!(ledger.by_runner(&runner, end).await.expect("an answer"), None);
    assert_eq!(
        ledger.put(&as_stored(&old), end).await.expect("an answer"),
        Written::Conflict,
        "an expired record has no version any more"
    );

    assert_eq!(ledger.put(&fresh, end).await.expect("an answer"), Written::Yes);
    assert_eq!(ledger.get(&old.key, end).await.expect("an answer"), Some(as_stored(&fresh)));
}

async fn a_record_is_found_by_its_runner(ledger: &dyn Ledger) {
    let names = ["mayfly-ec2-i-0aa", "mayfly-lambda-i-0aa", "mayfly-local-i-0aa", "mayfly-ec2-i-0a"];
    let names = names.map(|name| name.parse::<RunnerName>().expect("a runner name"));
    let found = async |name: &RunnerName| ledger.by_runner(name, NOW).await.expect("an answer");
    for (job, name) in names.iter().enumerate() {
        assert_eq!(found(name).await, None, "{name} has no record yet");
        let record = full_record(&format!("runner.example.com/1/{job}"), &name.to_string());
        assert_eq!(put(ledger, &record).await, Written::Yes);
        assert_eq!(found(name).await, Some(as_stored(&record)));
    }

    let [first, ..] = &names;
    let mut record = found(first).await.expect("the record of the first runner");
    let second = "mayfly-ec2-i-0second".parse::<RunnerName>().expect("a runner name");
    record.runner.as_mut().expect("a runner").name = second.clone();
    assert_eq!(put(ledger, &record).await, Written::Yes);
    assert_eq!(found(first).await, None, "the record has another runner now");
    assert_eq!(found(&second).await, Some(as_stored(&record)));

    record.version += 1;
    record.runner = None;
    assert_eq!(put(ledger, &record).await, Written::Yes);
    assert_eq!(found(&second).await, None, "the record has no runner any more");
}

async fn a_memory_is_the_one_that_was_kept_last(ledger: &dyn Ledger) {
    for memory in [full_memory(), Memory::default(), full_memory()] {
        ledger.remember(&memory).await.expect("an answer");
        assert_eq!(ledger.memory().await.expect("an answer"), memory);
    }
}

fn fleet_token(number: u32) -> ClientToken {
    ClientToken::new(&"freeze.example.com/1/1".parse().expect("a job key"), number, 0)
}

async fn a_call_is_frozen_once(ledger: &dyn Ledger) {
    let freeze = async |fleet: &Fleet, now| ledger.freeze(fleet, now).await.expect("an answer");
    let first = Fleet { token: fleet_token(0), order: Some(fleet_order([1, 2])) };
    let given_up = Fleet::given_up(first.token.clone());
    assert_eq!(freeze(&first, NOW).await, first);
    assert_eq!(freeze(&given_up, NOW).await, first, "it is too late to give it up");
    let last_moment = NOW + SignedDuration::from_hours(24) - SignedDuration::from_secs(1);
    assert_eq!(freeze(&given_up, last_moment).await, first, "it is kept for a day");
    let next_day = NOW + SignedDuration::from_hours(24);
    assert_eq!(freeze(&given_up, next_day).await, given_up, "and no longer");
    assert_eq!(freeze(&first, next_day).await, given_up, "what was given up is never made");

    let full = Fleet { token: fleet_token(1), order: Some(fleet_order(0..100)) };
    assert_eq!(freeze(&full, NOW).await, full, "another token is another call");
    assert_eq!(freeze(&Fleet::given_up(full.token.clone()), NOW).await, full, "a large one is kept whole");
}

async fn of_concurrent_calls_one_is_frozen(ledger: &Arc<dyn Ledger>) {
    for round in 0..5 {
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let order = (writer > 0).then(|| fleet_order([u64::try_from(writer).expect("a number")]));
            let fleet = Fleet { token: fleet_token(10 + round), order };
            let ledger = Arc::clone(ledger);
            writers.spawn(async move { ledger.freeze(&fleet, NOW).await.expect("an answer") });
        }
        let answers = writers.join_all().await;
        assert_eq!(answers.len(), WRITERS);
        assert!(answers.iter().all(|answer| *answer == answers[0]), "round {round}: {answers:?}");
    }
}
