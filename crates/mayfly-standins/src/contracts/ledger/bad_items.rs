//! What is stored in the place of a record and cannot be read as one.

use mayfly_core::ids::JobKey;
use mayfly_core::ledger::{LedgerRecord, LedgerState};
use mayfly_core::ports::{BrokenRecord, Ledger, Sweep, Written};
use mayfly_core::runner_name::RunnerName;

use super::super::samples::{NOW, full_record, new_record};
use super::{Damage, as_stored, get, put};

/// How often the records of the suite are written before they are damaged.
const VERSION: u64 = 2;

pub(super) async fn suite(ledger: &dyn Ledger, damage: &impl AsyncFn(&JobKey, Damage)) {
    for (job, kind) in [Damage::Part, Damage::Most].into_iter().enumerate() {
        what_cannot_be_read_is_told_and_hides_nothing(ledger, damage, kind, job).await;
        what_cannot_be_read_is_mended_once(ledger, damage, kind, 10 + job).await;
    }
    a_mended_record_that_is_closed_is_not_open(ledger, damage).await;
    only_what_is_as_it_was_read_is_mended(ledger, damage).await;
}

/// Stores an open record, damages it, and says what is to be told of it, but for the reason.
async fn damaged(
    ledger: &dyn Ledger,
    damage: &impl AsyncFn(&JobKey, Damage),
    kind: Damage,
    job: usize,
) -> BrokenRecord {
    let runner: RunnerName = format!("mayfly-ec2-i-0bad{job}").parse().expect("a runner name");
    let mut record = full_record(&format!("bad.example.com/1/{job}"), &runner.to_string());
    for _ in 0..VERSION {
        assert_eq!(put(ledger, &record).await, Written::Yes);
        record = as_stored(&record);
    }
    damage(&record.key, kind).await;
    let (version, runner) = match kind {
        Damage::Part => (Some(VERSION), Some(runner)),
        Damage::Most => (None, None),
    };
    BrokenRecord { key: record.key, version, runner, reason: String::new() }
}

/// The one that is told of this job, which has a reason.
fn told(sweep: Sweep, key: &JobKey) -> Option<BrokenRecord> {
    let mut told = sweep.broken.into_iter().filter(|broken| broken.key == *key);
    let broken = told.next();
    assert_eq!(told.next(), None, "it is told once");
    if let Some(broken) = &broken {
        assert!(!broken.reason.is_empty());
        assert!(sweep.records.iter().all(|record| record.key != *key), "it is no record");
    }
    broken
}

async fn read(ledger: &dyn Ledger, key: &JobKey) -> Option<BrokenRecord> {
    told(ledger.get_many(std::slice::from_ref(key), NOW).await.expect("an answer"), key)
}

fn without_reason(broken: BrokenRecord) -> BrokenRecord {
    BrokenRecord { reason: String::new(), ..broken }
}

async fn what_cannot_be_read_is_told_and_hides_nothing(
    ledger: &dyn Ledger,
    damage: &impl AsyncFn(&JobKey, Damage),
    kind: Damage,
    job: usize,
) {
    let expected = damaged(ledger, damage, kind, job).await;
    let neighbour = new_record(&format!("bad.example.com/2/{job}"), "build");
    assert_eq!(put(ledger, &neighbour).await, Written::Yes);
    let keys = [expected.key.clone(), neighbour.key.clone()];
    let many = ledger.get_many(&keys, NOW).await.expect("an answer");
    assert_eq!(many.records, [as_stored(&neighbour)]);
    let broken = told(many, &expected.key).expect("it is told");
    assert_eq!(without_reason(broken.clone()), expected);

    let open = ledger.open().await.expect("an answer");
    assert!(open.records.contains(&as_stored(&neighbour)));
    assert_eq!(told(open, &expected.key), Some(broken), "it is told in the same words");

    let error = ledger.get(&expected.key, NOW).await.expect_err("it is no record");
    assert!(!error.is_transient(), "{error:?}");
    if let Some(runner) = &expected.runner {
        let error = ledger.by_runner(runner, NOW).await.expect_err("it is no record");
        assert!(!error.is_transient(), "{error:?}");
    }
    let fresh = new_record(&expected.key.to_string(), "build");
    assert_eq!(put(ledger, &fresh).await, Written::Conflict, "its place is taken");
}

async fn what_cannot_be_read_is_mended_once(
    ledger: &dyn Ledger,
    damage: &impl AsyncFn(&JobKey, Damage),
    kind: Damage,
    job: usize,
) {
    let key = damaged(ledger, damage, kind, job).await.key;
    let broken = read(ledger, &key).await.expect("it is told");
    let mut record = full_record(&key.to_string(), &format!("mayfly-ec2-i-0mended{job}"));
    record.version = 77;
    let mend = async || ledger.mend(&broken, &record).await.expect("an answer");
    assert_eq!(mend().await, Written::Yes);
    let stored = LedgerRecord { version: broken.version.unwrap_or(0) + 1, ..record.clone() };
    assert_eq!(get(ledger, &key).await.as_ref(), Some(&stored));
    assert_eq!(read(ledger, &key).await, None);
    assert_eq!(mend().await, Written::Conflict, "it is broken no more");

    let open = ledger.open().await.expect("an answer");
    assert!(open.records.contains(&stored) && open.broken.iter().all(|broken| broken.key != key));
    let runner = &stored.runner.as_ref().expect("a runner").name;
    assert_eq!(ledger.by_runner(runner, NOW).await.expect("an answer").as_ref(), Some(&stored));
    assert_eq!(put(ledger, &stored).await, Written::Yes, "it is a record like any other");
}

async fn a_mended_record_that_is_closed_is_not_open(
    ledger: &dyn Ledger,
    damage: &impl AsyncFn(&JobKey, Damage),
) {
    let key = damaged(ledger, damage, Damage::Most, 20).await.key;
    let broken = read(ledger, &key).await.expect("it is told");
    let mut record = new_record(&key.to_string(), "build");
    record.enter(LedgerState::Parked, "for the test", NOW);
    assert_eq!(ledger.mend(&broken, &record).await.expect("an answer"), Written::Yes);
    let open = ledger.open().await.expect("an answer");
    assert!(open.records.iter().all(|record| record.key != key));
    assert_eq!(told(open, &key), None);
}

async fn only_what_is_as_it_was_read_is_mended(ledger: &dyn Ledger, damage: &impl AsyncFn(&JobKey, Damage)) {
    let healthy = new_record("bad.example.com/3/1", "build");
    let mend = async |broken: &BrokenRecord| ledger.mend(broken, &healthy).await.expect("an answer");
    let claimed = |key: &JobKey, version| BrokenRecord {
        key: key.clone(),
        version,
        runner: None,
        reason: "it was".to_owned(),
    };
    for version in [None, Some(0), Some(1)] {
        assert_eq!(mend(&claimed(&healthy.key, version)).await, Written::Conflict, "nothing is stored");
    }
    assert_eq!(put(ledger, &healthy).await, Written::Yes);
    for version in [None, Some(0), Some(1), Some(2)] {
        assert_eq!(mend(&claimed(&healthy.key, version)).await, Written::Conflict, "nothing is broken");
    }
    assert_eq!(get(ledger, &healthy.key).await, Some(as_stored(&healthy)));

    for (kind, job, version) in [
        (Damage::Part, 31, None),
        (Damage::Part, 32, Some(VERSION - 1)),
        (Damage::Part, 33, Some(VERSION + 1)),
        (Damage::Most, 34, Some(VERSION)),
    ] {
        let key = damaged(ledger, damage, kind, job).await.key;
        let broken = read(ledger, &key).await.expect("it is told");
        let stale = BrokenRecord { version, ..broken.clone() };
        assert_eq!(mend(&stale).await, Written::Conflict, "{kind:?}, {version:?}");
        assert_eq!(read(ledger, &key).await, Some(broken), "a conflict changes nothing");
    }
}
