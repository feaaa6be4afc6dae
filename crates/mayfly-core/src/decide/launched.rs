//! `decide_after_launch`: what became of a launch, and what that means for the claim.

use jiff::{SignedDuration, Timestamp};

use crate::ids::ResourceId;
use crate::ledger::{Ended, LedgerRecord, LedgerState, RunnerRecord};
use crate::mapping::Target;
use crate::ports::LaunchOutcome;
use crate::runner_name::RunnerName;

/// How long things last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaunchPolicy {
    /// How long a claim lasts. Longer than one launch may take with all its timeouts, so that it cannot run out under a
    /// dispatcher that is alive.
    pub lease: SignedDuration,
    /// When to try again after a launch whose outcome nobody knows. A job that has waited for long waits longer, up to a
    /// minute: a service that is down for minutes is not asked by every job each few seconds.
    pub unknown_retry: SignedDuration,
    /// When to try again after a call was throttled; a job that has waited for long waits longer, as above.
    pub busy_retry: SignedDuration,
    /// When to look for capacity again; doubled with each refusal, up to five minutes.
    pub capacity_retry: SignedDuration,
    /// When to look again whether a paused mapping is resumed.
    pub pause_retry: SignedDuration,
    /// When to start another runner after one was lost, times the number lost so far.
    pub lost_runner_retry: SignedDuration,
    /// How many runners may be started for one job that leave without taking it.
    pub max_runners: u32,
}

impl LaunchPolicy {
    /// How many runners are started for a job that leave without taking it, before it is given up.
    pub(crate) const MAX_RUNNERS: u32 = 3;
}

impl Default for LaunchPolicy {
    fn default() -> Self {
        Self {
            lease: SignedDuration::from_secs(120),
            unknown_retry: SignedDuration::from_secs(5),
            busy_retry: SignedDuration::from_secs(2),
            capacity_retry: SignedDuration::from_secs(15),
            pause_retry: SignedDuration::from_secs(60),
            lost_runner_retry: SignedDuration::from_secs(2),
            max_runners: Self::MAX_RUNNERS,
        }
    }
}

/// The longest wait for capacity. Room that becomes free is noticed sooner: an event says so.
const LONGEST_CAPACITY_RETRY: SignedDuration = SignedDuration::from_mins(5);

pub(super) fn capacity_wait(policy: &LaunchPolicy, refusals: u32) -> SignedDuration {
    let doubled = policy.capacity_retry.checked_mul(1 << refusals.saturating_sub(1).min(10));
    doubled.unwrap_or(LONGEST_CAPACITY_RETRY).min(LONGEST_CAPACITY_RETRY)
}

/// The longest wait after a launch whose outcome nobody knows.
const LONGEST_UNKNOWN_RETRY: SignedDuration = SignedDuration::from_secs(60);

pub(super) fn unknown_wait(policy: &LaunchPolicy, waited: SignedDuration) -> SignedDuration {
    longer_with_time(policy.unknown_retry, waited)
}

fn longer_with_time(first: SignedDuration, waited: SignedDuration) -> SignedDuration {
    first.max((waited / 4).min(LONGEST_UNKNOWN_RETRY))
}

/// What to do after a launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterLaunch {
    /// Nothing: the runner is on its way, or the job needs none any more.
    Done,
    /// The next step of the plan, with its own token.
    NextStep,
    /// Nothing now; ask again at this time.
    Wait {
        /// When.
        until: Timestamp,
        /// Why.
        reason: String,
    },
    /// Nothing any more: given up.
    GivenUp {
        /// Why.
        reason: String,
    },
}

/// Decides how a claim goes on. A definite refusal moves to the next step and its new token; an unknown outcome stays at
/// the step and its token.
///
/// Events may have overtaken the launch: a job that is running or over by now keeps that state.
pub fn decide_after_launch(
    record: &LedgerRecord,
    outcome: &LaunchOutcome,
    policy: &LaunchPolicy,
    now: Timestamp,
) -> (LedgerRecord, AfterLaunch) {
    let mut record = record.clone();
    let waited = record.waited(now);
    let Some(claim) = record.claim.as_mut() else {
        return (record, AfterLaunch::GivenUp { reason: "the record holds no claim".to_owned() });
    };
    let is_open = record.state == LedgerState::Claimed;
    let is_over = !matches!(outcome, LaunchOutcome::Started { .. } | LaunchOutcome::Unknown { .. });
    if let Some(machine) =
        record.runner.as_mut().filter(|runner| is_open && is_over && runner.ended.is_none())
    {
        machine.ended = Some(Ended { at: now, reason: "it was not needed".to_owned() });
    }
    let after = match outcome {
        LaunchOutcome::Started { resource } => return (started(record, resource, now), AfterLaunch::Done),
        LaunchOutcome::Refused { reason } => {
            claim.forget_step();
            claim.step += 1;
            if claim.launch_step().is_some() {
                claim.lease_until = now + policy.lease;
                record.enter(record.state, format!("refused, next step: {reason}"), now);
                AfterLaunch::NextStep
            } else {
                claim.refusals += 1;
                let until = now + capacity_wait(policy, claim.refusals);
                let is_woken = claim.request.target == Target::Local;
                wait_for_another_try(&mut record, is_open, format!("refused, waits: {reason}"), now);
                record.not_before = Some(until).filter(|_| !is_woken);
                AfterLaunch::Wait { until, reason: reason.clone() }
            }
        }
        LaunchOutcome::Unusable { reason } => {
            claim.refusals += 1;
            let until = now + capacity_wait(policy, claim.refusals);
            wait_for_another_try(&mut record, is_open, format!("of no use, waits: {reason}"), now);
            record.not_before = Some(until);
            AfterLaunch::Wait { until, reason: reason.clone() }
        }
        LaunchOutcome::Busy { reason } => {
            wait_for_another_try(&mut record, is_open, format!("not now, waits: {reason}"), now);
            let until = now + longer_with_time(policy.busy_retry, waited);
            record.not_before = Some(until);
            AfterLaunch::Wait { until, reason: reason.clone() }
        }
        LaunchOutcome::Unknown { reason } => {
            claim.lease_until = now;
            record.enter(record.state, format!("outcome unknown, same step again: {reason}"), now);
            AfterLaunch::Wait { until: now + unknown_wait(policy, waited), reason: reason.clone() }
        }
        LaunchOutcome::Impossible { reason } => {
            let state = if is_open { LedgerState::Parked } else { record.state };
            record.enter(state, reason.clone(), now);
            AfterLaunch::GivenUp { reason: reason.clone() }
        }
    };
    if is_open { (record, after) } else { (record, AfterLaunch::Done) }
}

/// The record of a claim whose runner was started, perhaps noted before.
fn started(mut record: LedgerRecord, resource: &ResourceId, now: Timestamp) -> LedgerRecord {
    let Some(claim) = record.claim.as_mut() else { return record };
    claim.refusals = 0;
    let name = RunnerName { target: claim.request.target.target_type(), resource: resource.clone() };
    let reason = format!("runner {name} was started");
    record.runner = Some(match record.runner.take().filter(|noted| noted.name == name) {
        Some(noted) => RunnerRecord { registered: claim.registered, ..noted },
        None => RunnerRecord::new(name, claim.registered, now),
    });
    let is_open = record.state == LedgerState::Claimed;
    let state = if is_open { LedgerState::Launched } else { record.state };
    record.enter(state, reason, now);
    record
}

/// Nothing is left of this attempt; the next one has tokens of its own, and anybody may make it.
fn wait_for_another_try(record: &mut LedgerRecord, is_open: bool, reason: String, now: Timestamp) {
    if let Some(claim) = record.claim.as_mut() {
        claim.begin_again();
    }
    let state = if is_open { LedgerState::Seen } else { record.state };
    record.enter(state, reason, now);
}
