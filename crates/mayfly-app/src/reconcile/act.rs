//! Makes one repair. What it finds changed since the look, it leaves alone.

use jiff::Timestamp;
use mayfly_core::decide::{
    RunnerEnd, RunnerOutcome, StartAgain, decide_former_ended, decide_park, decide_relaunch,
};
use mayfly_core::error::PortError;
use mayfly_core::event::JobEvent;
use mayfly_core::ids::{JobKey, RunnerId};
use mayfly_core::ledger::{LedgerRecord, LedgerState};
use mayfly_core::mapping::TargetType;
use mayfly_core::ports::{BrokenRecord, Fact, RunnerJob, Written};
use mayfly_core::reconcile::{Act, Reason, Repair};
use mayfly_core::runner_name::RunnerName;

use super::Reconciler;
use super::end::end;
use super::retry::retry;
use crate::busy::jobs_of_paused;
use crate::dispatcher::Dispatcher;
use crate::handle::{RunnerGone, finish, forgive_never, record, runner_gone};
use crate::start::MAX_CONFLICTS;

/// What is said of a repair that is not needed any more.
const NOT_NEEDED: &str = "not needed any more";

/// What is said of a registration that another installation has made.
pub(super) const STRANGER: &str = "it is not this installation's";

/// Makes one repair, and says what was done.
pub(super) async fn act(reconciler: &Reconciler, repair: &Repair) -> Result<String, PortError> {
    let dispatcher = &reconciler.dispatcher;
    match &repair.act {
        Act::Learn(event) => learn(dispatcher, event).await,
        Act::Start(event) => start(reconciler, event).await,
        Act::Relaunch(key) => relaunch(reconciler, key, repair.reason).await,
        Act::Lost { .. } => lost(reconciler, repair).await,
        Act::End { .. } => end(reconciler, repair).await,
        Act::Unregister { id, .. } => unregister(dispatcher, *id).await,
        Act::Retry(key) => retry(dispatcher, key).await,
        Act::Park(key) => park(dispatcher, key, repair.reason).await,
        Act::Forget(record) => forget(dispatcher, record).await,
        Act::Mend { broken, record } => mend(dispatcher, broken, record).await,
    }
}

async fn learn(dispatcher: &Dispatcher, event: &JobEvent) -> Result<String, PortError> {
    if event.status.is_final() {
        finish(dispatcher, event).await?;
    } else {
        record(dispatcher, event).await?;
    }
    Ok("learned".to_owned())
}

/// Removes a registration that this installation has made, unless its runner has a job after all.
async fn unregister(dispatcher: &Dispatcher, id: RunnerId) -> Result<String, PortError> {
    if dispatcher.gitlab.installation_of(id).await?.as_ref() != Some(&dispatcher.installation) {
        return Ok(STRANGER.to_owned());
    }
    if let Some(busy) = jobs_of_paused(dispatcher, id).await?.first() {
        return Ok(has_job(busy));
    }
    dispatcher.gitlab.delete_runner(id).await?;
    Ok("removed".to_owned())
}

/// What is said of a repair that would take a runner its job.
pub(super) fn has_job(busy: &RunnerJob) -> String {
    format!("it has job {} of project {}", busy.job, busy.project)
}

async fn start(reconciler: &Reconciler, event: &JobEvent) -> Result<String, PortError> {
    reconciler.starts.publish(event).await?;
    Ok("it is started in turn".to_owned())
}

async fn relaunch(reconciler: &Reconciler, key: &JobKey, reason: Reason) -> Result<String, PortError> {
    let decide = |record: &LedgerRecord, now| decide_relaunch(record, &reason.to_string(), now);
    match write_record(&reconciler.dispatcher, key, decide).await? {
        None => Ok(NOT_NEEDED.to_owned()),
        Some(record) => {
            reconciler.dispatcher.meter.note(&Fact::Relaunched);
            start(reconciler, &record.as_pending_event()).await
        }
    }
}

async fn lost(reconciler: &Reconciler, repair: &Repair) -> Result<String, PortError> {
    let Act::Lost { job, runner, outcome, unless_busy } = &repair.act else { return Ok(String::new()) };
    if let Some(id) = unless_busy.filter(|_| reconciler.dispatcher.has_api_token)
        && let Some(busy) = jobs_of_paused(&reconciler.dispatcher, id).await?.first()
    {
        return Ok(has_job(busy));
    }
    if let (TargetType::Ec2, Some(machines)) = (runner.target, &reconciler.dispatcher.machines) {
        machines.backend.withdraw(&runner.resource).await?;
    }
    if forget_former(&reconciler.dispatcher, job, runner, &repair.reason.to_string()).await? {
        return Ok("written down".to_owned());
    }
    gone(reconciler, runner, *outcome).await
}

/// Writes down that a runner is gone, and has its job started again if that still waits.
pub(super) async fn gone(
    reconciler: &Reconciler,
    runner: &RunnerName,
    outcome: RunnerOutcome,
) -> Result<String, PortError> {
    let end = RunnerEnd { outcome, job: None };
    match runner_gone(&reconciler.dispatcher, runner, &end).await? {
        RunnerGone::Recorded { start_again: Some(again) } => {
            let StartAgain { event, .. } = *again;
            start(reconciler, &event).await
        }
        RunnerGone::Recorded { start_again: None } => Ok("written down".to_owned()),
        RunnerGone::Unknown => Ok(NOT_NEEDED.to_owned()),
    }
}

/// Removes a former runner of a job from its record, its registration first. False if it is not one.
pub(super) async fn forget_former(
    dispatcher: &Dispatcher,
    job: &JobKey,
    runner: &RunnerName,
    reason: &str,
) -> Result<bool, PortError> {
    let record = dispatcher.ledger.get(job, dispatcher.clock.now()).await?;
    let former = record.iter().flat_map(|record| &record.former).find(|former| former.name == *runner);
    let Some(former) = former else { return Ok(false) };
    if let Some(id) = former.registered {
        forgive_never(dispatcher.gitlab.delete_runner(id).await, runner)?;
    }
    let ended = |record: &LedgerRecord, now| decide_former_ended(record, runner, reason, now);
    write_record(dispatcher, job, ended).await?;
    Ok(true)
}

async fn park(dispatcher: &Dispatcher, key: &JobKey, reason: Reason) -> Result<String, PortError> {
    let decide = |record: &LedgerRecord, now| decide_park(record, &reason.to_string(), now);
    let Some(_) = write_record(dispatcher, key, decide).await? else { return Ok(NOT_NEEDED.to_owned()) };
    dispatcher.meter.note(&Fact::JobParked);
    Ok("parked".to_owned())
}

async fn forget(dispatcher: &Dispatcher, record: &LedgerRecord) -> Result<String, PortError> {
    Ok(match dispatcher.ledger.forget(record).await? {
        Written::Yes => "forgotten".to_owned(),
        Written::Conflict => NOT_NEEDED.to_owned(),
    })
}

async fn mend(
    dispatcher: &Dispatcher,
    broken: &BrokenRecord,
    record: &LedgerRecord,
) -> Result<String, PortError> {
    Ok(match dispatcher.ledger.mend(broken, record).await? {
        Written::Yes => {
            if record.state == LedgerState::Parked {
                dispatcher.meter.note(&Fact::JobParked);
            }
            format!("it is `{}` now", record.state)
        }
        Written::Conflict => NOT_NEEDED.to_owned(),
    })
}

/// Writes what a decision makes of a job's record, and returns what is written; `None` if nothing was to be written.
pub(super) async fn write_record(
    dispatcher: &Dispatcher,
    key: &JobKey,
    decide: impl Fn(&LedgerRecord, Timestamp) -> Option<LedgerRecord>,
) -> Result<Option<LedgerRecord>, PortError> {
    for _ in 0..MAX_CONFLICTS {
        let now = dispatcher.clock.now();
        let Some(record) = dispatcher.ledger.get(key, now).await? else { return Ok(None) };
        let Some(next) = decide(&record, now) else { return Ok(None) };
        if dispatcher.ledger.put(&next, now).await? == Written::Yes {
            return Ok(Some(LedgerRecord { version: next.version + 1, ..next }));
        }
    }
    Err(PortError::later(format!("repair of job {key}"), "the ledger's record changed again and again"))
}
