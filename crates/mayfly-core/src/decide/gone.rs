//! `decide_gone`: a runner left. Did it do its work, or does a job still wait for one?

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::JobEvent;
use crate::ids::{JobId, JobKey, RunnerId};
use crate::ledger::{LedgerRecord, LedgerState};
use crate::status::Rank;

use super::finish::decide_runner_ended;
use super::launched::{LaunchPolicy, capacity_wait};

/// What a runner's agent reports at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerEnd {
    /// How it ended.
    pub outcome: RunnerOutcome,
    /// The job it took, if it took one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
}

/// How a runner ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunnerOutcome {
    /// Its job is over; whether well or badly, GitLab knows.
    JobDone,
    /// No job came within its wait time.
    NoJob,
    /// GitLab refused its token.
    TokenRefused,
    /// It was stopped at its deadline.
    Deadline,
    /// It was told to stop.
    Stopped,
    /// It could not run, or died.
    Failed,
    /// Its machine is gone; why, only its log can tell.
    MachineGone,
}

impl fmt::Display for RunnerOutcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::JobDone => "its job is over",
            Self::NoJob => "no job came",
            Self::TokenRefused => "GitLab refused its token",
            Self::Deadline => "it was stopped at its deadline",
            Self::Stopped => "it was told to stop",
            Self::Failed => "it failed",
            Self::MachineGone => "its machine is gone",
        })
    }
}

/// What to write, and what to do then.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GoneDecision {
    /// A registration that nobody uses any more; to be removed first, because afterwards nobody knows of it.
    pub unregister: Option<RunnerId>,
    /// The record to write; `None` if nothing changed.
    pub record: Option<LedgerRecord>,
    /// The job that needs another runner.
    pub start_again: Option<StartAgain>,
}

/// A job that needs another runner.
#[derive(Debug, Clone, PartialEq)]
pub struct StartAgain {
    /// The event to feed into `start`.
    pub event: JobEvent,
    /// Not before this time: what made the last runner fail may need a moment to pass.
    pub not_before: Timestamp,
}

/// Decides what the end of a runner means for the job it was started for. A job that still waits gets another runner, a
/// bounded number of times.
pub fn decide_gone(
    record: &LedgerRecord,
    end: &RunnerEnd,
    policy: &LaunchPolicy,
    now: Timestamp,
) -> GoneDecision {
    // An event may have ended the runner before, because it had taken another job: the job it was started for waits all the
    // same.
    let news = decide_runner_ended(record, &end.outcome.to_string(), now);
    let unregister = news.as_ref().and_then(|gone| {
        let claimed = gone.claim.as_ref().and_then(|claim| claim.registered);
        gone.runner.as_ref()?.registered.or(claimed.filter(|_| gone.state == LedgerState::Claimed))
    });
    let mut gone = news.clone().unwrap_or_else(|| record.clone());
    if let (Some(job), Some(runner)) = (end.job, gone.runner.as_mut()) {
        runner.took.get_or_insert(JobKey { job, ..record.key.clone() });
        if job == record.key.job {
            gone.rank = gone.rank.max(Rank::Running);
        }
    }
    // A machine may be gone before it was told what it is for.
    let had_runner = match gone.state {
        LedgerState::Launched => true,
        LedgerState::Claimed => news.is_some(),
        _ => false,
    };
    let still_waits = had_runner && gone.rank <= Rank::Pending;
    if news.is_none() && gone.state == LedgerState::Seen && gone.rank == Rank::Pending {
        // Told twice: perhaps whoever heard it first did not live to start the job again.
        let again = StartAgain {
            event: gone.as_pending_event(),
            not_before: gone.not_before.unwrap_or(now).max(now),
        };
        return GoneDecision { unregister, record: None, start_again: Some(again) };
    }
    if !still_waits {
        return GoneDecision { unregister, record: news.map(|_| gone), start_again: None };
    }
    let start_again = start_again(&mut gone, end, policy, now);
    GoneDecision { unregister, record: Some(gone), start_again }
}

/// Prepares the record for another runner, or parks the job after too many that did not even try another one.
fn start_again(
    gone: &mut LedgerRecord,
    end: &RunnerEnd,
    policy: &LaunchPolicy,
    now: Timestamp,
) -> Option<StartAgain> {
    let took_another = gone.runner.as_ref().is_some_and(|runner| runner.took.is_some());
    // A machine that could not even be registered says nothing of the job: GitLab was away.
    let was_registered = gone.state == LedgerState::Launched
        || gone.claim.as_ref().is_some_and(|claim| claim.registered.is_some());
    let is_loss = !took_another && was_registered && end.outcome != RunnerOutcome::Stopped;
    let lost = match gone.claim.as_mut() {
        Some(claim) => {
            claim.begin_again();
            claim.refusals += u32::from(!was_registered);
            claim.lost_runners += u32::from(is_loss);
            claim.lost_runners
        }
        None => policy.max_runners,
    };
    if lost >= policy.max_runners {
        gone.enter(
            LedgerState::Parked,
            format!(
                "{lost} runners left without taking it, the last because {}; look at their logs and the job's tags, then \
                 retry it in GitLab",
                end.outcome
            ),
            now,
        );
        return None;
    }
    gone.enter(LedgerState::Seen, format!("its runner left without taking it: {}", end.outcome), now);
    let refusals = gone.claim.as_ref().map_or(1, |claim| claim.refusals.max(1));
    let not_before = if is_loss {
        now + policy.lost_runner_retry * i32::try_from(lost).unwrap_or(1)
    } else if was_registered {
        now
    } else {
        // Each try costs a machine.
        now + capacity_wait(policy, refusals)
    };
    gone.not_before = Some(not_before);
    Some(StartAgain { event: gone.as_pending_event(), not_before })
}
