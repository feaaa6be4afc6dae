//! What is worth counting.

use jiff::SignedDuration;

use crate::decide::RunnerOutcome;
use crate::ledger::{LedgerRecord, RunnerRecord};
use crate::mapping::TargetType;
use crate::reconcile::Reason;

/// Counts what happens to jobs and runners. Nothing hangs on it: what cannot be counted is lost.
pub trait Meter: Send + Sync {
    /// Something happened.
    fn note(&self, fact: &Fact);
}

/// Something that happened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fact {
    /// A runner was started.
    RunnerStarted(TargetType),
    /// A runner has a job.
    JobTaken(Queueing),
    /// A runner took another job than the one it was started for.
    RunnerRobbed,
    /// A runner left, or was ended, without a job of its own: the job gets another.
    Relaunched,
    /// A runner ended by itself.
    RunnerLeft(RunnerOutcome),
    /// A runner was ended because its job was over.
    RunnerEnded(TargetType),
    /// A job was given up.
    JobParked,
    /// The reconciler repaired something, or tried to.
    Repaired {
        /// What it did.
        act: &'static str,
        /// Why.
        reason: Reason,
        /// False if it failed.
        is_done: bool,
    },
}

/// How long a job waited, and what for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Queueing {
    /// In all, in seconds, as GitLab counts.
    pub in_gitlab: Option<f64>,
    /// From the first event until its runner was asked for.
    pub until_asked: Option<SignedDuration>,
    /// From then until the runner's agent was up.
    pub until_up: Option<SignedDuration>,
    /// From then (or from the asking, if that is unknown) until it had the job.
    pub until_taken: Option<SignedDuration>,
}

impl Queueing {
    /// What the record of a job tells of it, whose own runner has it.
    pub fn of(record: &LedgerRecord, runner: &RunnerRecord, in_gitlab: Option<f64>) -> Self {
        let moments = &runner.moments;
        let since = moments.assignment_read.unwrap_or(runner.launched_at);
        Self {
            in_gitlab,
            until_asked: Some(runner.launched_at.duration_since(record.known_since)),
            until_up: moments.assignment_read.map(|up| up.duration_since(runner.launched_at)),
            until_taken: moments.job_picked_up.map(|taken| taken.duration_since(since)),
        }
    }
}

/// Counts nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMeter;

impl Meter for NoMeter {
    fn note(&self, _: &Fact) {}
}
