//! Ends a runner because of what it is, not because of an event.

use mayfly_core::decide::{EndRunner, MachineNews, MachineState, RunnerOutcome, decide_machine_news};
use mayfly_core::error::PortError;
use mayfly_core::ids::{JobKey, RunnerId};
use mayfly_core::mapping::TargetType;
use mayfly_core::reconcile::{Act, EndOnlyIf, Reason, Repair};
use mayfly_core::runner_name::RunnerName;

use super::Reconciler;
use super::act::{forget_former, gone, has_job};
use crate::busy::jobs_of_paused;
use crate::dispatcher::Dispatcher;
use crate::handle::{end_runner, write_owner};

/// Ends a runner, if it is still as the plan has it, and writes that down. Its job, if that still waits, gets another.
pub(super) async fn end(reconciler: &Reconciler, repair: &Repair) -> Result<String, PortError> {
    let Act::End { runner, job, registered, only_if } = &repair.act else {
        return Ok(String::new());
    };
    let dispatcher = &reconciler.dispatcher;
    if let Some(objection) = objection(dispatcher, runner, *registered, *only_if).await? {
        return Ok(objection);
    }
    let ending = EndRunner {
        runner: runner.clone(),
        registered: *registered,
        is_stopped: false,
        is_fresh: false,
        unless_busy: None,
        reason: repair.reason.to_string(),
    };
    let Some(job) = job else {
        end_runner(dispatcher, &ending).await?;
        return Ok("ended".to_owned());
    };
    if is_former(dispatcher, job, runner).await? {
        end_runner(dispatcher, &ending).await?;
        forget_former(dispatcher, job, runner, &ending.reason).await?;
        return Ok("ended".to_owned());
    }
    end_runner(dispatcher, &ending).await?;
    let then = gone(reconciler, runner, outcome_of(repair.reason)).await?;
    Ok(format!("ended; {then}"))
}

/// What its end means for the job it was started for.
fn outcome_of(reason: Reason) -> RunnerOutcome {
    match reason {
        Reason::PastMaximumLife => RunnerOutcome::Deadline,
        Reason::JobOver => RunnerOutcome::JobDone,
        Reason::NeverCameUp => RunnerOutcome::Failed,
        _ => RunnerOutcome::NoJob,
    }
}

async fn is_former(dispatcher: &Dispatcher, job: &JobKey, runner: &RunnerName) -> Result<bool, PortError> {
    let record = dispatcher.ledger.get(job, dispatcher.clock.now()).await?;
    Ok(record.is_some_and(|record| record.former.iter().any(|former| former.name == *runner)))
}

/// Why the runner must not be ended after all.
async fn objection(
    dispatcher: &Dispatcher,
    runner: &RunnerName,
    registered: Option<RunnerId>,
    only_if: EndOnlyIf,
) -> Result<Option<String>, PortError> {
    match (only_if, registered) {
        (EndOnlyIf::Unread, _) => read_after_all(dispatcher, runner).await,
        (EndOnlyIf::Idle, Some(id)) => busy_after_all(dispatcher, id).await,
        (EndOnlyIf::Always | EndOnlyIf::Idle, _) => Ok(None),
    }
}

async fn busy_after_all(dispatcher: &Dispatcher, id: RunnerId) -> Result<Option<String>, PortError> {
    Ok(jobs_of_paused(dispatcher, id).await?.first().map(has_job))
}

/// Takes the assignment back: then the machine can get no job. If there is nothing to take back, the machine has read it.
async fn read_after_all(dispatcher: &Dispatcher, runner: &RunnerName) -> Result<Option<String>, PortError> {
    let (TargetType::Ec2, Some(machines)) = (runner.target, &dispatcher.machines) else { return Ok(None) };
    if machines.backend.withdraw(&runner.resource).await? {
        return Ok(None);
    }
    let at = dispatcher.clock.now();
    let news = MachineNews { id: runner.resource.clone(), state: MachineState::AssignmentRead, at };
    write_owner(dispatcher, runner, |owner, _| decide_machine_news(owner, &news)).await?;
    Ok(Some("it has read its assignment".to_owned()))
}
