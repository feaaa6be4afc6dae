//! `decide_finish`: a job is over. Its tombstone is set, and the runner that the event *names* is ended.
//!
//! A runner is never ended because "its" job ended elsewhere: it may have another job by now.

use jiff::{SignedDuration, Timestamp};

use crate::event::JobEvent;
use crate::ids::RunnerId;
use crate::ledger::{Ended, LedgerRecord, LedgerState};
use crate::runner_name::RunnerName;
use crate::status::JobStatus;

use super::record::learned;

/// Everything the decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct FinishInput<'a> {
    /// The present moment.
    pub now: Timestamp,
    /// The final event.
    pub event: &'a JobEvent,
    /// What the ledger knows of the event's job.
    pub record: Option<&'a LedgerRecord>,
    /// The record for whose job the event's runner was started. `None` if the event names no runner, or one we did not start.
    pub owner: Option<&'a LedgerRecord>,
}

/// What to write, and the runner to end then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishDecision {
    /// The records to write first, each on the condition that nobody else did.
    pub writes: Vec<LedgerRecord>,
    /// The runner to end; repeated until [`decide_runner_ended`] is written.
    pub end: Option<EndRunner>,
}

/// How long EC2 may say that an instance does not exist which does (EC2 User Guide, "Eventual consistency").
pub(super) const FRESH: SignedDuration = SignedDuration::from_mins(5);

/// A runner to end. Each part may be done twice, and a part that was done is not asked for again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndRunner {
    /// The runner.
    pub runner: RunnerName,
    /// Its registration, if one was made for it alone and is still there.
    pub registered: Option<RunnerId>,
    /// True if its compute was ended before.
    pub is_stopped: bool,
    /// True if it was started so lately that its service may not know it yet.
    pub is_fresh: bool,
    /// Its registration, if GitLab must be asked first whether it has another job by now.
    pub unless_busy: Option<RunnerId>,
    /// Why it is ended.
    pub reason: String,
}

/// Decides what a final event means.
pub fn decide_finish(input: &FinishInput<'_>) -> FinishDecision {
    let took_before = input.owner.and_then(|owner| owner.runner.as_ref()?.took.clone());
    let (mut job, owner) = learned(input.record, input.owner, input.event, input.now);
    if job.state != LedgerState::Finished {
        job.enter(LedgerState::Finished, format!("the job is over: {}", input.event.status), input.now);
    }
    let record = match &owner {
        Some(owner) => Some(owner),
        None => input.owner.map(|_| &job),
    };
    let runner = record.and_then(LedgerRecord::live_runner);
    // Of a machine that took a job before its launch was written down, only the claim knows the registration.
    let of_claim = record.and_then(|record| record.claim.as_ref()?.registered);
    // A runner whose job was canceled before its script began waits for another one, and may have taken it since.
    let may_have_another = input.event.status == JobStatus::Canceled;
    // What has succeeded was its last.
    let is_busy_elsewhere =
        input.event.status != JobStatus::Success && took_before.is_some_and(|took| took != input.event.key);
    let end = runner.filter(|_| !is_busy_elsewhere).map(|runner| EndRunner {
        runner: runner.name.clone(),
        registered: runner.registered,
        is_stopped: runner.stopped_at.is_some(),
        is_fresh: input.now.duration_since(runner.launched_at) < FRESH,
        unless_busy: runner.registered.or(of_claim).filter(|_| may_have_another),
        reason: format!("job {} is over: {}", input.event.key, input.event.status),
    });
    let mut writes = vec![job];
    writes.extend(owner.filter(|_| !is_busy_elsewhere));
    writes.retain(|write| [input.record, input.owner].into_iter().flatten().all(|read| read != write));
    FinishDecision { writes, end }
}

/// The record once some parts of its runner's end are done and others are not: the next try does only those.
/// `None` if that was known before.
pub fn decide_partly_ended(
    record: &LedgerRecord,
    is_unregistered: bool,
    is_stopped: bool,
    now: Timestamp,
) -> Option<LedgerRecord> {
    let mut next = record.clone();
    let runner = next.runner.as_mut().filter(|runner| runner.ended.is_none())?;
    if is_unregistered {
        runner.registered = None;
    }
    if is_stopped {
        runner.stopped_at.get_or_insert(now);
    }
    (next != *record).then_some(next)
}

/// The record once its runner is known to be gone; `None` if that was known before.
pub fn decide_runner_ended(record: &LedgerRecord, reason: &str, now: Timestamp) -> Option<LedgerRecord> {
    let mut record = record.clone();
    let runner = record.runner.as_mut().filter(|runner| runner.ended.is_none())?;
    runner.ended = Some(Ended { at: now, reason: reason.to_owned() });
    record.enter(record.state, format!("its runner ended: {reason}"), now);
    Some(record)
}
