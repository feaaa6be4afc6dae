//! What events other than `pending` do, and what the end of a runner does.

use jiff::Timestamp;
use mayfly_core::decide::{
    EndRunner, FinishInput, RecordInput, RunnerEnd, StartAgain, decide_finish, decide_gone,
    decide_partly_ended, decide_record, decide_runner_ended,
};
use mayfly_core::error::{Chain, PortError};
use mayfly_core::event::JobEvent;
use mayfly_core::ids::JobId;
use mayfly_core::ledger::{LedgerRecord, LedgerState};
use mayfly_core::mapping::TargetType;
use mayfly_core::ports::{Fact, Queueing, RunnerJob, Written};
use mayfly_core::runner_name::RunnerName;
use mayfly_core::status::Rank;
use tracing::{error, info, warn};

use crate::busy::jobs_of_paused;
use crate::dispatcher::Dispatcher;
use crate::start::{Delivery, Handled, MAX_CONFLICTS, start};

/// Does what an event asks for: [`start`], [`record`] or [`finish`].
pub async fn handle(
    dispatcher: &Dispatcher,
    event: &JobEvent,
    delivery: Delivery,
) -> Result<Handled, PortError> {
    match event.status.rank() {
        Rank::Created => Ok(Handled::done("a job that was only created starts nothing")),
        Rank::Pending => start(dispatcher, event, delivery).await,
        Rank::Running => record(dispatcher, event).await,
        Rank::Finished => finish(dispatcher, event).await,
    }
}

/// Writes down that a runner has a job. Twice, or after the job's end, it changes nothing.
pub async fn record(dispatcher: &Dispatcher, event: &JobEvent) -> Result<Handled, PortError> {
    for _ in 0..MAX_CONFLICTS {
        let known = gather(dispatcher, event).await?;
        let now = dispatcher.clock.now();
        let input = RecordInput { now, event, record: known.record.as_ref(), owner: known.owner.as_ref() };
        let writes = decide_record(&input).writes;
        if write_all(dispatcher, &writes).await? {
            count_taken(dispatcher, event, &known, &writes);
            info!(job.key = %event.key, "Job {} is {}", event.key, event.status);
            return Ok(Handled::done(format!("recorded `{}`", event.status)));
        }
    }
    Err(conflict(event))
}

/// Counts a job that a runner of ours has from now on.
fn count_taken(dispatcher: &Dispatcher, event: &JobEvent, known: &Known, writes: &[LedgerRecord]) {
    let had_taken = known.owner.as_ref().and_then(|owner| owner.runner.as_ref()?.took.as_ref()).is_some();
    let Some(owner) = known.owner.as_ref().filter(|_| !had_taken) else { return };
    if owner.key != event.key {
        dispatcher.meter.note(&Fact::RunnerRobbed);
    } else if let Some(record) = writes.iter().find(|record| record.key == event.key)
        && let Some(runner) = &record.runner
    {
        dispatcher.meter.note(&Fact::JobTaken(Queueing::of(record, runner, event.queued_seconds)));
    }
}

/// Leaves a tombstone, and ends the runner that the event names. Twice, it ends a runner that is gone, which is `Ok`.
pub async fn finish(dispatcher: &Dispatcher, event: &JobEvent) -> Result<Handled, PortError> {
    for _ in 0..MAX_CONFLICTS {
        let known = gather(dispatcher, event).await?;
        let now = dispatcher.clock.now();
        let input = FinishInput { now, event, record: known.record.as_ref(), owner: known.owner.as_ref() };
        let decision = decide_finish(&input);
        if !write_all(dispatcher, &decision.writes).await? {
            continue;
        }
        info!(job.key = %event.key, "Job {} is over: {}", event.key, event.status);
        return match decision.end {
            None => Ok(Handled::done(format!("recorded `{}`", event.status))),
            Some(end) => end_unless_busy(dispatcher, event, &end).await,
        };
    }
    Err(conflict(event))
}

/// Ends the runner of a job that is over, unless it has another one by now: then that one's end is for its runner too.
async fn end_unless_busy(
    dispatcher: &Dispatcher,
    event: &JobEvent,
    end: &EndRunner,
) -> Result<Handled, PortError> {
    if let Some(id) = end.unless_busy {
        match jobs_of_paused(dispatcher, id).await.map(|jobs| another(&jobs, event)) {
            Ok(Some(job)) => {
                info!(runner.name = %end.runner, job.key = %event.key, "Runner {} has job {job} by now", end.runner);
                return Ok(Handled::done(format!("runner {} has job {job} by now", end.runner)));
            }
            Ok(None) => {}
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => {
                warn!(runner.name = %end.runner, error = %Chain(&error), "GitLab does not tell whether runner {} has a job", end.runner);
            }
        }
    }
    end_runner(dispatcher, end).await
}

fn another(jobs: &[RunnerJob], event: &JobEvent) -> Option<JobId> {
    jobs.iter().map(|job| job.job).find(|job| *job != event.key.job)
}

/// What the ledger knows of a runner that left.
#[derive(Debug, Clone, PartialEq)]
pub enum RunnerGone {
    /// Nothing: it was never ours, or its start is not written down yet.
    Unknown,
    /// Its end is written down.
    Recorded {
        /// Its job still waits: the event to feed into [`start()`], and when.
        start_again: Option<Box<StartAgain>>,
    },
}

/// A runner left: its registration goes. If its job still waits, the event to feed into [`start`] comes back.
///
/// Twice, it finds the runner's end written down and does nothing. A caller that loses the event finds the job again with
/// [`recover`](crate::recover()).
pub async fn runner_gone(
    dispatcher: &Dispatcher,
    runner: &RunnerName,
    end: &RunnerEnd,
) -> Result<RunnerGone, PortError> {
    for _ in 0..MAX_CONFLICTS {
        let now = dispatcher.clock.now();
        let Some(owner) = dispatcher.ledger.by_runner(runner, now).await? else {
            return Ok(RunnerGone::Unknown);
        };
        let decision = decide_gone(&owner, end, &dispatcher.policy, now);
        if let Some(id) = decision.unregister {
            // First, because nobody knows of it once the end is written. For good refused is said and left behind.
            forgive_never(dispatcher.gitlab.delete_runner(id).await, runner)?;
        }
        if !write_all(dispatcher, decision.record.as_slice()).await? {
            continue;
        }
        if let Some(record) = &decision.record {
            log_gone(runner, end, record);
            let is_parked = record.state == LedgerState::Parked && owner.state != LedgerState::Parked;
            count_gone(dispatcher, end, decision.start_again.is_some(), is_parked);
        }
        return Ok(RunnerGone::Recorded { start_again: decision.start_again.map(Box::new) });
    }
    Err(PortError::later(format!("end of runner {runner}"), "the ledger's record changed again and again"))
}

/// Ends a runner in both places. A part that failed for now is repeated with the event; both parts bear repetition.
pub(crate) async fn end_runner(dispatcher: &Dispatcher, end: &EndRunner) -> Result<Handled, PortError> {
    let unregistered = match end.registered {
        Some(id) => dispatcher.gitlab.delete_runner(id).await,
        None => Ok(()),
    };
    let stopped = if end.is_stopped { Ok(()) } else { stop(dispatcher, end).await };
    let unregistered = forgive_never(unregistered, &end.runner);
    let stopped = forgive_never(stopped, &end.runner);
    if unregistered.is_err() || stopped.is_err() {
        let (is_unregistered, is_stopped) = (unregistered.is_ok(), stopped.is_ok());
        let partly = |owner: &LedgerRecord, now| decide_partly_ended(owner, is_unregistered, is_stopped, now);
        write_owner(dispatcher, &end.runner, partly).await?;
        return unregistered.and(stopped).map(|()| Handled::done("ended"));
    }
    write_owner(dispatcher, &end.runner, |owner, now| decide_runner_ended(owner, &end.reason, now)).await?;
    info!(runner.name = %end.runner, "Ended runner {}: {}", end.runner, end.reason);
    dispatcher.meter.note(&Fact::RunnerEnded(end.runner.target));
    Ok(Handled::done(format!("ended runner {}", end.runner)))
}

async fn stop(dispatcher: &Dispatcher, end: &EndRunner) -> Result<(), PortError> {
    if let (TargetType::Ec2, Some(machines)) = (end.runner.target, &dispatcher.machines) {
        return machines.backend.stop(&end.runner.resource, end.is_fresh).await;
    }
    match dispatcher.backend(end.runner.target) {
        Some(backend) => backend.stop(&end.runner, &end.reason).await,
        None => Ok(()),
    }
}

/// A part of a runner's end that failed for good would fail again: it is said, and the rest goes on.
pub(crate) fn forgive_never(part: Result<(), PortError>, runner: &RunnerName) -> Result<(), PortError> {
    match part {
        Err(failed) if !failed.is_transient() => {
            error!(runner.name = %runner, error = %Chain(&failed), "Could not end runner {runner} wholly");
            Ok(())
        }
        other => other,
    }
}

fn count_gone(dispatcher: &Dispatcher, end: &RunnerEnd, is_started_again: bool, is_parked: bool) {
    dispatcher.meter.note(&Fact::RunnerLeft(end.outcome));
    if is_started_again {
        dispatcher.meter.note(&Fact::Relaunched);
    } else if is_parked {
        dispatcher.meter.note(&Fact::JobParked);
    }
}

fn log_gone(runner: &RunnerName, end: &RunnerEnd, record: &LedgerRecord) {
    info!(runner.name = %runner, job.key = %record.key, "Runner {runner} of job {} left: {}", record.key, end.outcome);
    match (record.state, record.transitions.last()) {
        (LedgerState::Seen, _) => {
            warn!(job.key = %record.key, "Job {} still waits: it gets another runner", record.key);
        }
        (LedgerState::Parked, Some(last)) => {
            error!(job.key = %record.key, "Job {} is parked: {}", record.key, last.reason);
        }
        _ => {}
    }
}

/// Writes what a decision makes of the record of a runner.
pub(crate) async fn write_owner(
    dispatcher: &Dispatcher,
    runner: &RunnerName,
    decide: impl Fn(&LedgerRecord, Timestamp) -> Option<LedgerRecord>,
) -> Result<(), PortError> {
    for _ in 0..MAX_CONFLICTS {
        let now = dispatcher.clock.now();
        let Some(owner) = dispatcher.ledger.by_runner(runner, now).await? else { return Ok(()) };
        if write_all(dispatcher, decide(&owner, now).as_slice()).await? {
            return Ok(());
        }
    }
    Err(PortError::later(format!("end of runner {runner}"), "the ledger's record changed again and again"))
}

struct Known {
    record: Option<LedgerRecord>,
    /// The record of the runner the event names, if it is one of ours.
    owner: Option<LedgerRecord>,
}

async fn gather(dispatcher: &Dispatcher, event: &JobEvent) -> Result<Known, PortError> {
    let now = dispatcher.clock.now();
    let record = dispatcher.ledger.get(&event.key, now).await?;
    let named =
        event.runner.as_ref().and_then(|runner| runner.description.as_deref()?.parse::<RunnerName>().ok());
    let owner = match named {
        None => None,
        // The index may lag behind; the job's own record does not.
        Some(name) => match &record {
            Some(own) if own.runner.as_ref().is_some_and(|runner| runner.name == name) => record.clone(),
            _ => dispatcher.ledger.by_runner(&name, now).await?,
        },
    };
    let is_meant = |owner: &LedgerRecord| {
        let (runner, named) = (owner.runner.as_ref(), event.runner.as_ref());
        runner.zip(named).is_some_and(|(runner, named)| runner.is_meant_by(named))
    };
    Ok(Known { record, owner: owner.filter(is_meant) })
}

/// False if somebody else wrote in between. Records written before the conflict are found as they are, next time.
async fn write_all(dispatcher: &Dispatcher, records: &[LedgerRecord]) -> Result<bool, PortError> {
    for record in records {
        if dispatcher.ledger.put(record, dispatcher.clock.now()).await? == Written::Conflict {
            return Ok(false);
        }
    }
    Ok(true)
}

fn conflict(event: &JobEvent) -> PortError {
    PortError::later(
        format!("`{}` of job {}", event.status, event.key),
        "the ledger's record changed again and again",
    )
}
