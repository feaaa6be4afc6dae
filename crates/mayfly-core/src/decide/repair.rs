//! What the reconciler's repairs make of a record. Each is decided anew when it is made: the record may have changed.

use jiff::Timestamp;

use crate::event::JobEvent;
use crate::ids::{JobId, JobKey};
use crate::ledger::{LedgerRecord, LedgerState, Retry};
use crate::runner_name::RunnerName;
use crate::status::{JobStatus, Rank};

/// The record of a job that gets another runner, because its own is of no use to it any more; `None` if it needs none.
/// A runner that lives on, with another job, stays known.
pub fn decide_relaunch(record: &LedgerRecord, reason: &str, now: Timestamp) -> Option<LedgerRecord> {
    let may_wait = matches!(record.state, LedgerState::Launched | LedgerState::Parked);
    let waits = may_wait && record.rank <= Rank::Pending;
    let is_coming = record.live_runner().is_some_and(|runner| runner.took.is_none());
    if !waits || is_coming {
        return None;
    }
    let mut next = record.clone();
    next.former.extend(next.runner.take().filter(|runner| runner.ended.is_none()));
    if let Some(claim) = next.claim.as_mut() {
        claim.begin_again();
    }
    next.not_before = None;
    next.enter(LedgerState::Seen, format!("gets another runner: {reason}"), now);
    Some(next)
}

/// The record once a runner that was started for its job before is known to be gone; `None` if that was known.
pub fn decide_former_ended(
    record: &LedgerRecord,
    runner: &RunnerName,
    reason: &str,
    now: Timestamp,
) -> Option<LedgerRecord> {
    let mut next = record.clone();
    next.former.retain(|former| former.name != *runner);
    if next.former.len() == record.former.len() {
        return None;
    }
    next.enter(next.state, format!("its former runner {runner} ended: {reason}"), now);
    Some(next)
}

/// The record of a job that is given up; `None` if it does not wait any more.
pub fn decide_park(record: &LedgerRecord, reason: &str, now: Timestamp) -> Option<LedgerRecord> {
    let waits = matches!(record.state, LedgerState::Seen | LedgerState::Claimed | LedgerState::Launched)
        && record.rank <= Rank::Pending;
    waits.then(|| {
        let mut next = record.clone();
        next.enter(LedgerState::Parked, reason, now);
        next
    })
}

/// The record of a job that GitLab is about to be asked to retry; `None` if that was written down, or is done.
pub fn decide_retry(record: &LedgerRecord, now: Timestamp) -> Option<LedgerRecord> {
    record.retry.is_none().then(|| {
        let mut next = record.clone();
        next.retry = Some(Retry::Owed);
        next.enter(next.state, "its machine died under it: it is to be retried", now);
        next
    })
}

/// The record of a job that was retried, or cannot be; `None` if that is known.
pub fn decide_retried(record: &LedgerRecord, retry: Option<JobId>, now: Timestamp) -> Option<LedgerRecord> {
    (record.retry == Some(Retry::Owed)).then(|| {
        let mut next = record.clone();
        next.retry = Some(Retry::Done);
        let reason = match retry {
            Some(job) => format!("retried as job {job}"),
            None => "GitLab does not let it be retried".to_owned(),
        };
        next.enter(next.state, reason, now);
        next
    })
}

/// The record of the new job of a retry, which counts how many were given up before it; `None` if that is known.
pub fn retry_record(
    given_up: &LedgerRecord,
    job: JobId,
    known: Option<&LedgerRecord>,
    now: Timestamp,
) -> Option<LedgerRecord> {
    let retries = given_up.retries + 1;
    let mut record = match known {
        Some(known) if known.retries == retries => return None,
        Some(known) => known.clone(),
        None => {
            let key = JobKey { job, ..given_up.key.clone() };
            let created =
                JobEvent { key, status: JobStatus::Created, received_at: now, ..given_up.as_pending_event() };
            LedgerRecord::new(&created, now)
        }
    };
    record.retries = retries;
    record.enter(
        record.state,
        format!("retry {retries} of job {}, whose machine died", given_up.key.job),
        now,
    );
    Some(record)
}
