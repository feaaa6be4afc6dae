//! What a pass has decided: repairs, each with its reason.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::decide::RunnerOutcome;
use crate::event::JobEvent;
use crate::ids::{JobKey, RunnerId};
use crate::ledger::LedgerRecord;
use crate::ports::BrokenRecord;
use crate::runner_name::RunnerName;

use super::memory::{Memory, Suspect};
use super::policy::ReconcilePolicy;

/// What one pass has decided.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// What is to be repaired, in this order.
    pub repairs: Vec<Repair>,
    /// What would have to be repaired too and is left to the next pass, because it is too much at once.
    pub held_back: Vec<Repair>,
    /// What the next pass should know.
    pub memory: Memory,
}

/// One thing that is out of order, and what puts it right.
#[derive(Debug, Clone, PartialEq)]
pub struct Repair {
    /// What to do.
    pub act: Act,
    /// Why.
    pub reason: Reason,
}

/// What puts something right.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Handle an event that GitLab's state shows and that never came.
    Learn(JobEvent),
    /// Start a runner for a job that waits.
    Start(JobEvent),
    /// Start another runner for a job whose own is of no use to it any more.
    Relaunch(JobKey),
    /// Write down that a runner is gone. If its job still waits, it gets another.
    Lost {
        /// The job it was started for.
        job: JobKey,
        /// The runner.
        runner: RunnerName,
        /// How it ended.
        outcome: RunnerOutcome,
        /// Its registration, if it is only believed to be gone: GitLab is asked first whether it has a job after all.
        unless_busy: Option<RunnerId>,
    },
    /// End a runner. If the job it was started for still waits, that gets another.
    End {
        /// The runner.
        runner: RunnerName,
        /// The job it was started for, if that is known.
        job: Option<JobKey>,
        /// Its registration, if that is known.
        registered: Option<RunnerId>,
        /// What must be true at the moment it is ended.
        only_if: EndOnlyIf,
    },
    /// Remove a registration that nobody uses.
    Unregister {
        /// The registration.
        id: RunnerId,
        /// The runner it was for.
        runner: RunnerName,
    },
    /// Have GitLab retry a job whose machine died under it.
    Retry(JobKey),
    /// Give a job up.
    Park(JobKey),
    /// Remove a record whose time has passed.
    Forget(Box<LedgerRecord>),
    /// Write a record in the place of one that cannot be read.
    Mend {
        /// What is there.
        broken: BrokenRecord,
        /// What belongs there.
        record: Box<LedgerRecord>,
    },
}

/// What must be true at the moment a runner is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndOnlyIf {
    /// Nothing.
    Always,
    /// It has not read its assignment: then it can have no job.
    Unread,
    /// GitLab, once it gives the runner no more jobs, shows none on it.
    Idle,
}

/// Why something is repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// GitLab shows what no event has told.
    EventLost,
    /// The job waits, and nobody is about to start a runner for it.
    NobodyAtIt,
    /// A runner of ours that was started for it has taken another job.
    Robbed,
    /// Its runner ended without it.
    RunnerEnded,
    /// The runner is not there any more.
    NotThere,
    /// The runner must have left by now: it took no job in its time.
    NeverPickedUp,
    /// The runner is there and took no job in its time.
    IdleTooLong,
    /// The machine never read what it is for.
    NeverCameUp,
    /// The runner is past its maximum life.
    PastMaximumLife,
    /// The runner's job is over.
    JobOver,
    /// Nothing in the ledger says what it is for.
    OwnerUnknown,
    /// The registration belongs to no runner that lives.
    NoRunner,
    /// The machine died under its job.
    DiedUnderJob,
    /// The job was given up because its runners left without it, and GitLab shows it waiting still.
    StillWaits,
    /// The job has waited for longer than GitLab lets one wait.
    WaitedTooLong,
    /// GitLab does not have the job any more.
    Deleted,
    /// What the ledger has of the job cannot be read.
    Unreadable,
    /// The record has expired.
    Expired,
}

impl Reason {
    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EventLost => "event-lost",
            Self::NobodyAtIt => "nobody-at-it",
            Self::Robbed => "robbed",
            Self::RunnerEnded => "runner-ended",
            Self::NotThere => "not-there",
            Self::NeverPickedUp => "never-picked-up",
            Self::IdleTooLong => "idle-too-long",
            Self::NeverCameUp => "never-came-up",
            Self::PastMaximumLife => "past-maximum-life",
            Self::JobOver => "job-over",
            Self::OwnerUnknown => "owner-unknown",
            Self::NoRunner => "no-runner",
            Self::DiedUnderJob => "died-under-job",
            Self::StillWaits => "still-waits",
            Self::WaitedTooLong => "waited-too-long",
            Self::Deleted => "deleted",
            Self::Unreadable => "unreadable",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::EventLost => "GitLab shows what no event has told",
            Self::NobodyAtIt => "it waits, and nobody is about to start a runner for it",
            Self::Robbed => "the runner that was started for it has taken another job",
            Self::RunnerEnded => "its runner ended without it",
            Self::NotThere => "it is not there any more",
            Self::NeverPickedUp => "it took no job in its time and must have left",
            Self::IdleTooLong => "it took no job in its time",
            Self::NeverCameUp => "it never read what it is for",
            Self::PastMaximumLife => "it is past its maximum life",
            Self::JobOver => "its job is over",
            Self::OwnerUnknown => "nothing in the ledger says what it is for",
            Self::NoRunner => "no runner that lives has it",
            Self::DiedUnderJob => "its machine died under it",
            Self::StillWaits => "it was given up, and GitLab shows it waiting still",
            Self::WaitedTooLong => "it has waited for longer than GitLab lets a job wait",
            Self::Deleted => "GitLab does not have it any more",
            Self::Unreadable => "what the ledger has of it cannot be read",
            Self::Expired => "its time has passed",
        })
    }
}

impl Act {
    /// The word in metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Learn(_) => "learn",
            Self::Start(_) => "start",
            Self::Relaunch(_) => "relaunch",
            Self::Lost { .. } => "lost",
            Self::End { .. } => "end",
            Self::Unregister { .. } => "unregister",
            Self::Retry(_) => "retry",
            Self::Park(_) => "park",
            Self::Forget(_) => "forget",
            Self::Mend { .. } => "mend",
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Learn(event) => write!(formatter, "learn that job {} is `{}`", event.key, event.status),
            Self::Start(event) => write!(formatter, "start a runner for job {}", event.key),
            Self::Relaunch(key) => write!(formatter, "start another runner for job {key}"),
            Self::Lost { runner, job, .. } => {
                write!(formatter, "write down that runner {runner} of job {job} is gone")
            }
            Self::End { runner, .. } => write!(formatter, "end runner {runner}"),
            Self::Unregister { id, runner } => {
                write!(formatter, "remove registration {id} of runner {runner}")
            }
            Self::Retry(key) => write!(formatter, "have GitLab retry job {key}"),
            Self::Park(key) => write!(formatter, "give up job {key}"),
            Self::Forget(record) => write!(formatter, "forget job {}", record.key),
            Self::Mend { broken, .. } => write!(formatter, "mend the record of job {}", broken.key),
        }
    }
}

impl Repair {
    /// What must seem out of order twice before this is done; `None` if it is sure the first time.
    pub(super) fn suspect(&self) -> Option<Suspect> {
        match (&self.act, self.reason) {
            (Act::Learn(event), _) => Some(Suspect::Job(event.key.clone())),
            (Act::Lost { runner, .. }, Reason::JobOver)
            | (Act::End { runner, .. }, Reason::JobOver | Reason::OwnerUnknown) => {
                Some(Suspect::Compute(runner.resource.clone()))
            }
            (Act::Unregister { id, .. }, _) => Some(Suspect::Registration(*id)),
            _ => None,
        }
    }
}

impl fmt::Display for Repair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.act, self.reason)
    }
}

impl Plan {
    /// The repairs as far as they may be done in one pass; the most urgent ends come first.
    pub(super) fn within_limits(mut repairs: Vec<Repair>, memory: Memory, policy: &ReconcilePolicy) -> Self {
        repairs.sort_by_key(|repair| match (&repair.act, repair.reason) {
            (Act::End { .. }, Reason::PastMaximumLife) => 0,
            (Act::End { .. }, _) => 1,
            _ => 2,
        });
        let (mut ends, mut unregistered) = (0, 0);
        let (repairs, held_back) = repairs.into_iter().partition(|repair| match &repair.act {
            Act::End { .. } => {
                ends += 1;
                ends <= policy.max_ends
            }
            Act::Unregister { .. } => {
                unregistered += 1;
                unregistered <= policy.max_unregistered
            }
            _ => true,
        });
        Self { repairs, held_back, memory }
    }
}
