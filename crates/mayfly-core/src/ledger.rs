//! The ledger's record: every job we know and the runner started for it.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::event::{EventRunner, JobEvent};
use crate::ids::{JobKey, JobName, ProjectPath, RunnerId};
use crate::launch::Claim;
use crate::runner_name::RunnerName;
use crate::status::{JobStatus, Rank};

/// How long a record is kept after its last change. Longer than GitLab keeps a job pending (a day) and than its own
/// delivery log (7 days), so that an event resent by hand still finds its tombstone.
pub const RETENTION: SignedDuration = SignedDuration::from_hours(8 * 24);

/// How many transitions a record keeps; the oldest go first. A job that waits for capacity for a day stays small.
const MAX_TRANSITIONS: usize = 50;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LedgerState {
    /// Known, and nobody acts on it.
    Seen,
    /// One dispatcher may start a runner for it.
    Claimed,
    /// A runner was started for it.
    Launched,
    /// Some runner has it.
    Running,
    /// It is over; nothing is started for it any more.
    Finished,
    /// Given up: somebody must look.
    Parked,
    /// Not ours.
    Ignored,
}

impl LedgerState {
    /// The word in the ledger table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Claimed => "claimed",
            Self::Launched => "launched",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Parked => "parked",
            Self::Ignored => "ignored",
        }
    }
}

impl fmt::Display for LedgerState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// One change of a record: when it happened and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// When.
    pub at: Timestamp,
    /// The state from then on.
    pub to: LedgerState,
    /// Why.
    pub reason: String,
}

/// The runner that was started for a record's job. It may have taken another job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerRecord {
    /// Its name; the ledger's index finds the record by it.
    pub name: RunnerName,
    /// Its registration, in modes that register one for each job.
    pub registered: Option<RunnerId>,
    /// When it was started; for a machine, when it was asked for.
    pub launched_at: Timestamp,
    /// What was seen of its start since.
    pub moments: Moments,
    /// The job it took, as far as events tell.
    pub took: Option<JobKey>,
    /// When its compute was ended by us; its end is written only once its registration is gone too.
    pub stopped_at: Option<Timestamp>,
    /// When it was gone, and why.
    pub ended: Option<Ended>,
}

impl RunnerRecord {
    /// A runner that was started just now.
    pub fn new(name: RunnerName, registered: Option<RunnerId>, now: Timestamp) -> Self {
        Self {
            name,
            registered,
            launched_at: now,
            moments: Moments::default(),
            took: None,
            stopped_at: None,
            ended: None,
        }
    }

    /// True if an event that names this runner is about it. A launch that is repeated registers its runner anew, under the
    /// same name: events of the first registration are of a runner that is no more.
    pub fn is_meant_by(&self, named: &EventRunner) -> bool {
        self.registered.is_none_or(|id| id == named.id)
    }
}

/// What was seen of a runner's start, each the first time it was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Moments {
    /// EC2 called its machine running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<Timestamp>,
    /// Its agent read its assignment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignment_read: Option<Timestamp>,
    /// GitLab said that it has a job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_picked_up: Option<Timestamp>,
}

/// A retry of a job in GitLab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Retry {
    /// It is to be asked for.
    Owed,
    /// It was asked for, or GitLab refused it.
    Done,
}

/// The end of a runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When it was known to be gone.
    pub at: Timestamp,
    /// Why it ended.
    pub reason: String,
}

/// Everything known of one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRecord {
    /// The job.
    pub key: JobKey,
    /// Counts the writes; 0 for a record that was never written. A write succeeds only over the version it was made from.
    pub version: u64,
    /// The job's name.
    pub name: JobName,
    /// The job's project, if an event named it.
    pub project: Option<ProjectPath>,
    /// When it was heard of first.
    pub known_since: Timestamp,
    /// Where the job stands.
    pub state: LedgerState,
    /// The highest status any event told.
    pub rank: Rank,
    /// The mapping chosen, and why.
    pub explanation: Option<String>,
    /// The right to start its runner, while the state is `claimed`; kept afterwards for what it froze.
    pub claim: Option<Claim>,
    /// Before this time no other try to start its runner makes sense; counts in state `seen`.
    pub not_before: Option<Timestamp>,
    /// The runner started for it last.
    pub runner: Option<RunnerRecord>,
    /// Runners started for it before, which took other jobs and are not known to be gone.
    pub former: Vec<RunnerRecord>,
    /// How many jobs were given up for it: each a retry of the one before, whose machine died under it.
    pub retries: u32,
    /// Whether GitLab is to be asked for a retry of this job, because its machine died under it.
    pub retry: Option<Retry>,
    /// Every change, the oldest first.
    pub transitions: Vec<Transition>,
    /// When the record may be forgotten.
    pub expires_at: Timestamp,
}

impl LedgerRecord {
    /// The record of a job never heard of before.
    pub fn new(event: &JobEvent, now: Timestamp) -> Self {
        let mut record = Self {
            key: event.key.clone(),
            version: 0,
            name: event.name.clone(),
            project: event.project.clone(),
            known_since: event.received_at,
            state: LedgerState::Seen,
            rank: Rank::Created,
            explanation: None,
            claim: None,
            not_before: None,
            runner: None,
            former: Vec::new(),
            retries: 0,
            retry: None,
            transitions: Vec::new(),
            expires_at: now + RETENTION,
        };
        record.enter(LedgerState::Seen, format!("webhook `{}` received", event.status), event.received_at);
        record.expires_at = now + RETENTION;
        record.learn(event);
        record
    }

    /// Takes in what an event tells, whatever order events come in: the rank only rises.
    pub fn learn(&mut self, event: &JobEvent) {
        self.rank = self.rank.max(event.status.rank());
        if self.project.is_none() {
            self.project.clone_from(&event.project);
        }
    }

    /// Moves to a state (or stays there) for a reason, and lives on from now.
    pub fn enter(&mut self, state: LedgerState, reason: impl Into<String>, now: Timestamp) {
        let reason = reason.into();
        let is_repeated =
            self.transitions.last().is_some_and(|last| last.to == state && last.reason == reason);
        self.state = state;
        self.expires_at = now + RETENTION;
        if is_repeated {
            return;
        }
        if self.transitions.len() >= MAX_TRANSITIONS {
            self.transitions.remove(0);
        }
        self.transitions.push(Transition { at: now, to: state, reason });
    }

    /// The job's runner, if it was started and is not known to be gone.
    pub fn live_runner(&self) -> Option<&RunnerRecord> {
        self.runner.as_ref().filter(|runner| runner.ended.is_none())
    }

    /// True if something may still have to be done for the job or a runner of it.
    pub fn is_open(&self) -> bool {
        let is_job_open = match self.state {
            LedgerState::Seen | LedgerState::Claimed | LedgerState::Launched | LedgerState::Running => true,
            LedgerState::Finished | LedgerState::Parked | LedgerState::Ignored => false,
        };
        is_job_open || self.retry == Some(Retry::Owed) || self.live_runners().next().is_some()
    }

    /// All runners started for the job that are not known to be gone; the one started last comes first.
    pub fn live_runners(&self) -> impl Iterator<Item = &RunnerRecord> {
        self.runner.iter().chain(&self.former).filter(|runner| runner.ended.is_none())
    }

    /// When something of the record changed last.
    pub fn changed_at(&self) -> Timestamp {
        self.transitions.last().map_or(self.known_since, |last| last.at)
    }

    /// How long the job has been known.
    pub fn waited(&self, now: Timestamp) -> SignedDuration {
        now.duration_since(self.known_since)
    }

    /// The event that says once more that the job waits, and since when: what a repair feeds back into `start`.
    pub fn as_pending_event(&self) -> JobEvent {
        JobEvent {
            key: self.key.clone(),
            name: self.name.clone(),
            status: JobStatus::Pending,
            project: self.project.clone(),
            pipeline: None,
            runner: None,
            queued_seconds: None,
            failure_reason: None,
            received_at: self.known_since,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> LedgerRecord {
        let event = JobEvent {
            key: "gitlab.com/1/2".parse().unwrap(),
            name: "test".parse().unwrap(),
            status: JobStatus::Running,
            project: None,
            pipeline: None,
            runner: None,
            queued_seconds: None,
            failure_reason: None,
            received_at: Timestamp::UNIX_EPOCH,
        };
        LedgerRecord::new(&event, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn the_rank_never_falls() {
        let mut record = record();
        record.learn(&record.as_pending_event());
        assert_eq!(record.rank, Rank::Running);
    }

    #[test]
    fn a_repeated_transition_is_kept_once_and_old_ones_make_room() {
        let mut record = record();
        for _ in 0..3 {
            record.enter(LedgerState::Seen, "no capacity", Timestamp::UNIX_EPOCH);
        }
        assert_eq!(record.transitions.len(), 2);
        for number in 0..100 {
            record.enter(LedgerState::Seen, format!("reason {number}"), Timestamp::UNIX_EPOCH);
        }
        assert_eq!(record.transitions.len(), MAX_TRANSITIONS);
        assert_eq!(record.transitions.last().unwrap().reason, "reason 99");
    }
}
