//! `decide_gone`: a runner left. Did it do its work, or does a job still wait for one?

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::JobEvent;
use crate::ids::{JobId, JobKey, RunnerId};
use crate::ledger::{LedgerRecord, LedgerState};
use crate::status::Rank;

use super::finish::decide_runner_ended;
use super::launched::LaunchPolicy;

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
        })
    }
}

/// What to write, and what to do then.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GoneDecision {
    /// The record to write first; `None` if nothing changed.
    pub record: Option<LedgerRecord>,
    /// A registration that nobody uses any more.
    pub unregister: Option<RunnerId>,
    /// The job that needs another runner, as the event to feed into `start`.
    pub start_again: Option<JobEvent>,
}

/// Decides what the end of a runner means for the job it was started for. A job that still waits gets another runner, a
/// bounded number of times.
pub fn decide_gone(
    record: &LedgerRecord,
    end: &RunnerEnd,
    policy: &LaunchPolicy,
    now: Timestamp,
) -> GoneDecision {
    let Some(mut gone) = decide_runner_ended(record, &end.outcome.to_string(), now) else {
        return GoneDecision::default();
    };
    let unregister = gone.runner.as_ref().and_then(|runner| runner.registered);
    if let (Some(job), Some(runner)) = (end.job, gone.runner.as_mut()) {
        runner.took.get_or_insert(JobKey { job, ..record.key.clone() });
        if job == record.key.job {
            gone.rank = gone.rank.max(Rank::Running);
        }
    }
    let still_waits = gone.state == LedgerState::Launched && gone.rank <= Rank::Pending;
    if !still_waits {
        return GoneDecision { record: Some(gone), unregister, start_again: None };
    }
    let lost = gone.claim.as_mut().map_or(policy.max_runners, |claim| {
        claim.attempt += 1;
        claim.step = 0;
        claim.registered = None;
        claim.lost_runners += 1;
        claim.lost_runners
    });
    if lost < policy.max_runners {
        gone.enter(LedgerState::Seen, format!("its runner left without taking it: {}", end.outcome), now);
        let start_again = Some(gone.as_pending_event(now));
        GoneDecision { record: Some(gone), unregister, start_again }
    } else {
        gone.enter(
            LedgerState::Parked,
            format!("{lost} runners left without taking it: {}", end.outcome),
            now,
        );
        GoneDecision { record: Some(gone), unregister, start_again: None }
    }
}
