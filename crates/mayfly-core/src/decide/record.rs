//! `decide_record`: some runner has a job. What does that tell of the job, and of the runner?

use jiff::Timestamp;

use crate::event::JobEvent;
use crate::ledger::{LedgerRecord, LedgerState, RunnerRecord};
use crate::status::Rank;

/// Everything the decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct RecordInput<'a> {
    /// The present moment.
    pub now: Timestamp,
    /// The event that is not final.
    pub event: &'a JobEvent,
    /// What the ledger knows of the event's job.
    pub record: Option<&'a LedgerRecord>,
    /// The record for whose job the event's runner was started: the same, or another if runners were swapped.
    pub owner: Option<&'a LedgerRecord>,
}

/// What to write: the job's record, and the runner's if that is another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordDecision {
    /// The records to write, each on the condition that nobody else did.
    pub writes: Vec<LedgerRecord>,
}

/// Decides what an event that is not final tells.
pub fn decide_record(input: &RecordInput<'_>) -> RecordDecision {
    let (mut job, owner) = learned(input.record, input.owner, input.event, input.now);
    let is_news = job.state != LedgerState::Running;
    if input.event.status.rank() == Rank::Running && job.rank == Rank::Running && is_news {
        let reason = match &input.event.runner {
            Some(runner) => format!(
                "taken by runner {} ({})",
                runner.id,
                runner.description.as_deref().unwrap_or("no name")
            ),
            None => "taken by a runner".to_owned(),
        };
        job.enter(LedgerState::Running, reason, input.now);
    }
    let mut writes = vec![job];
    writes.extend(owner);
    writes.retain(|write| [input.record, input.owner].into_iter().flatten().all(|read| read != write));
    RecordDecision { writes }
}

/// The job's record with what the event tells, and the owner's if that is another: its runner took this job.
pub(super) fn learned(
    record: Option<&LedgerRecord>,
    owner: Option<&LedgerRecord>,
    event: &JobEvent,
    now: Timestamp,
) -> (LedgerRecord, Option<LedgerRecord>) {
    let mut job = record.cloned().unwrap_or_else(|| LedgerRecord::new(event, now));
    job.learn(event);
    let Some(owner) = owner else { return (job, None) };
    if owner.key == job.key {
        if let Some(runner) = job.runner.as_mut() {
            picked_up(runner, event);
        }
        return (job, None);
    }
    let mut owner = owner.clone();
    if let Some(runner) = owner.runner.as_mut().filter(|runner| runner.took.as_ref() != Some(&event.key)) {
        runner.took = Some(event.key.clone());
        picked_up(runner, event);
        owner.enter(owner.state, format!("its runner took job {}", event.key), now);
    }
    (job, Some(owner))
}

fn picked_up(runner: &mut RunnerRecord, event: &JobEvent) {
    runner.took.get_or_insert_with(|| event.key.clone());
    if event.status.rank() == Rank::Running {
        runner.moments.job_picked_up.get_or_insert(event.received_at);
    }
}
