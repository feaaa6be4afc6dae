//! What is open, several records at once, and the end of one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use mayfly_core::ids::JobKey;
use mayfly_core::ledger::{Ended, LedgerRecord, LedgerState, Retry};
use mayfly_core::ports::{Ledger, Written};

use super::super::samples::{NOW, full_record, new_record};
use super::{as_stored, get, put};

pub(super) async fn suite(ledger: &dyn Ledger) {
    open_lists_what_is_open(ledger).await;
    what_closes_is_not_listed_any_more(ledger).await;
    many_are_read_as_each_is(ledger).await;
    a_record_is_forgotten_at_its_version(ledger).await;
    a_forgotten_record_is_nowhere(ledger).await;
}

/// The records of this host that are listed as open.
async fn open_at(ledger: &dyn Ledger, host: &str) -> BTreeMap<JobKey, LedgerRecord> {
    let listed = ledger.open().await.expect("an answer").records;
    let mut open = BTreeMap::new();
    for record in listed.into_iter().filter(|record| record.key.host.as_str() == host) {
        let twice = open.insert(record.key.clone(), record);
        assert_eq!(twice, None, "each is listed once");
    }
    open
}

/// A finished record whose runners are gone.
fn closed(job: usize) -> LedgerRecord {
    let mut record = full_record(&format!("open.example.com/1/{job}"), &format!("mayfly-ec2-i-0open{job}"));
    let ended = Some(Ended { at: NOW, reason: "it left".to_owned() });
    record.former.iter_mut().for_each(|runner| runner.ended.clone_from(&ended));
    enter(&mut record, LedgerState::Finished);
    record
}

type Change = fn(&mut LedgerRecord);

/// What makes a record of a closed one, and whether that is open.
const CHANGES: [(Change, bool); 13] = [
    (|record| enter(record, LedgerState::Seen), true),
    (|record| enter(record, LedgerState::Claimed), true),
    (|record| enter(record, LedgerState::Launched), true),
    (|record| enter(record, LedgerState::Running), true),
    (|record| enter(record, LedgerState::Finished), false),
    (|record| enter(record, LedgerState::Parked), false),
    (|record| enter(record, LedgerState::Ignored), false),
    (|record| record.runner.as_mut().expect("a runner").ended = None, true),
    (|record| record.former[1].ended = None, true),
    (|record| record.retry = Some(Retry::Owed), true),
    (|record| record.retry = None, false),
    (|record| (record.runner, record.former) = (None, Vec::new()), false),
    (
        |record| {
            enter(record, LedgerState::Seen);
            record.expires_at = NOW - SignedDuration::from_hours(1);
        },
        true,
    ),
];

fn enter(record: &mut LedgerRecord, state: LedgerState) {
    record.enter(state, "for the test", NOW);
}

async fn open_lists_what_is_open(ledger: &dyn Ledger) {
    let mut expected = BTreeMap::new();
    for (job, (change, is_open)) in CHANGES.into_iter().enumerate() {
        let mut record = closed(job);
        change(&mut record);
        assert_eq!(record.is_open(), is_open, "{job}");
        assert_eq!(put(ledger, &record).await, Written::Yes);
        if is_open {
            expected.insert(record.key.clone(), as_stored(&record));
        }
    }
    assert_eq!(open_at(ledger, "open.example.com").await, expected);
}

async fn what_closes_is_not_listed_any_more(ledger: &dyn Ledger) {
    let host = "closing.example.com";
    let mut record = new_record("closing.example.com/1/1", "build");
    for (state, is_open) in [
        (LedgerState::Seen, true),
        (LedgerState::Finished, false),
        (LedgerState::Running, true),
        (LedgerState::Parked, false),
    ] {
        record.enter(state, "for the test", NOW);
        assert_eq!(put(ledger, &record).await, Written::Yes);
        record = as_stored(&record);
        let listed: Vec<LedgerRecord> = open_at(ledger, host).await.into_values().collect();
        let expected: &[LedgerRecord] = if is_open { std::slice::from_ref(&record) } else { &[] };
        assert_eq!(listed, expected, "{state}");
    }
}

async fn many_are_read_as_each_is(ledger: &dyn Ledger) {
    let mut keys = Vec::new();
    let mut expected = BTreeMap::new();
    for job in 0..250 {
        let mut record = new_record(&format!("many.example.com/1/{job}"), "build");
        keys.push(record.key.clone());
        match job % 5 {
            0 => continue,
            1 => record.enter(LedgerState::Finished, "for the test", NOW),
            2 => record.expires_at = NOW,
            _ => {}
        }
        assert_eq!(put(ledger, &record).await, Written::Yes);
        if job % 5 != 2 {
            expected.insert(record.key.clone(), as_stored(&record));
        }
    }
    keys.extend_from_within(..10);
    let found = ledger.get_many(&keys, NOW).await.expect("an answer");
    assert_eq!(found.broken, []);
    assert_eq!(found.records.len(), expected.len(), "each is told once, however often it is asked for");
    let found: BTreeMap<JobKey, LedgerRecord> =
        found.records.into_iter().map(|record| (record.key.clone(), record)).collect();
    assert_eq!(found, expected);
    let nothing = ledger.get_many(&[], NOW).await.expect("an answer");
    assert_eq!((nothing.records, nothing.broken), (Vec::new(), Vec::new()));
}

async fn forget(ledger: &dyn Ledger, record: &LedgerRecord) -> Written {
    ledger.forget(record).await.expect("an answer")
}

async fn a_record_is_forgotten_at_its_version(ledger: &dyn Ledger) {
    let first = new_record("forget.example.com/1/1", "build");
    let neighbour = new_record("forget.example.com/1/11", "build");
    assert_eq!(forget(ledger, &first).await, Written::Conflict, "nothing is stored");
    for record in [&first, &as_stored(&first), &neighbour] {
        assert_eq!(put(ledger, record).await, Written::Yes);
    }
    let stored = as_stored(&as_stored(&first));
    for stale in [&first, &as_stored(&first), &as_stored(&stored)] {
        assert_eq!(forget(ledger, stale).await, Written::Conflict, "version {}", stale.version);
        assert_eq!(get(ledger, &first.key).await.as_ref(), Some(&stored), "a conflict changes nothing");
    }
    assert_eq!(forget(ledger, &stored).await, Written::Yes);
    assert_eq!(get(ledger, &first.key).await, None);
    assert_eq!(forget(ledger, &stored).await, Written::Conflict, "it is gone");
    assert_eq!(get(ledger, &neighbour.key).await, Some(as_stored(&neighbour)), "another stays");
    assert_eq!(put(ledger, &first).await, Written::Yes, "there is room for a new one");
}

async fn a_forgotten_record_is_nowhere(ledger: &dyn Ledger) {
    let mut record = full_record("forget.example.com/1/2", "mayfly-ec2-i-0forget");
    record.expires_at = NOW + SignedDuration::from_secs(1);
    assert!(record.is_open());
    assert_eq!(put(ledger, &record).await, Written::Yes);
    let later = NOW + SignedDuration::from_hours(1);
    assert_eq!(ledger.get(&record.key, later).await.expect("an answer"), None, "it has expired");
    let listed = open_at(ledger, "forget.example.com").await;
    assert_eq!(listed.get(&record.key), Some(&as_stored(&record)), "and is there still");
    assert_eq!(forget(ledger, &as_stored(&record)).await, Written::Yes, "also one that has expired");
    let listed: BTreeSet<JobKey> = open_at(ledger, "forget.example.com").await.into_keys().collect();
    assert!(!listed.contains(&record.key));
    let runner = record.runner.as_ref().map(|runner| runner.name.clone()).expect("a runner");
    assert_eq!(ledger.by_runner(&runner, NOW).await.expect("an answer"), None);
    let many = ledger.get_many(std::slice::from_ref(&record.key), NOW).await.expect("an answer");
    assert_eq!(many.records, []);
}
