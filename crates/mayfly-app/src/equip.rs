//! Tells a machine what it is for: registers its runner, and leaves its assignment where only the machine reads it.

use mayfly_core::assignment::{Assignment, JobCredentials};
use mayfly_core::decide::decide_runner_ended;
use mayfly_core::error::{Chain, PortError};
use mayfly_core::ids::ResourceId;
use mayfly_core::ledger::LedgerRecord;
use mayfly_core::mapping::{Target, TargetType};
use mayfly_core::ports::{HandOver, LaunchOutcome};
use mayfly_core::runner_name::RunnerName;
use tracing::warn;

use crate::assign::{Assigned, assign, unregister, unregister_unless_used};
use crate::dispatcher::{Dispatcher, Machines};
use crate::launch::outcome_of;
use crate::machines::{Call, GIVES_UP, Progress, Wanted, begun_again, go_on, machine_of, overtaken};

/// Equips a machine that a call of ours started, or a repeated one.
pub(crate) async fn equip(dispatcher: &Dispatcher, machines: &Machines, job: Wanted, call: Call) -> Progress {
    let Some(machine) = machine_of(&job.record).cloned() else { return Progress::again(job) };
    match call {
        Call::First => finish_equipping(dispatcher, machines, job, &machine).await,
        Call::Again => equip_if_there(dispatcher, machines, job, &machine).await,
    }
}

/// Equips a machine that another dispatcher started, or this one before GitLab went away.
pub(crate) async fn equip_again(dispatcher: &Dispatcher, machines: &Machines, job: Wanted) -> Progress {
    let Some(runner) = job.record.runner.clone() else { return Progress::again(job) };
    let machine = runner.name.resource;
    let is_told = runner.moments.assignment_read.is_some() || runner.took.is_some();
    if is_told || dispatcher.clock.now().duration_since(runner.launched_at) > GIVES_UP {
        // All was done but the last write: one that was told nothing for so long has ended itself.
        return match machines.backend.is_there(&machine).await {
            Ok(true) => go_on(dispatcher, job, &LaunchOutcome::Started { resource: machine }).await,
            Ok(false) => replace(dispatcher, job, &machine).await,
            Err(error) => go_on(dispatcher, job, &outcome_of(&error)).await,
        };
    }
    equip_if_there(dispatcher, machines, job, &machine).await
}

async fn equip_if_there(
    dispatcher: &Dispatcher,
    machines: &Machines,
    job: Wanted,
    machine: &ResourceId,
) -> Progress {
    match machines.backend.is_there(machine).await {
        Ok(true) => finish_equipping(dispatcher, machines, job, machine).await,
        Ok(false) => replace(dispatcher, job, machine).await,
        Err(error) => go_on(dispatcher, job, &outcome_of(&error)).await,
    }
}

/// The job gets another machine: this one was gone before it was told what it is for.
async fn replace(dispatcher: &Dispatcher, mut job: Wanted, machine: &ResourceId) -> Progress {
    if let Some(stale) = job.record.claim.as_ref().and_then(|claim| claim.registered) {
        unregister(dispatcher, stale).await;
    }
    warn!(job.key = %job.record.key, %machine, "Machine {machine} was gone before it was told its job");
    let reason = "it was gone before it was told its job";
    if let Some(ended) = decide_runner_ended(&job.record, reason, dispatcher.clock.now()) {
        // It goes into the ledger with the next claim.
        job.record = ended;
    }
    Progress::again(begun_again(job))
}

async fn finish_equipping(
    dispatcher: &Dispatcher,
    machines: &Machines,
    mut job: Wanted,
    machine: &ResourceId,
) -> Progress {
    let outcome = match try_to_equip(dispatcher, machines, &mut job.record, machine).await {
        Ok(Step::Outcome(outcome)) => outcome,
        Ok(Step::Overtaken) => return Progress::done(&job, Ok(overtaken(dispatcher))),
        Err(error) => return Progress::done(&job, Err(error)),
    };
    if matches!(outcome, LaunchOutcome::Unusable { .. } | LaunchOutcome::Impossible { .. })
        && let Err(error) = machines.backend.stop(machine, true).await
    {
        warn!(%machine, error = %Chain(&error), "Machine {machine} is not needed and could not be ended; it ends by itself");
    }
    go_on(dispatcher, job, &outcome).await
}

enum Step {
    Outcome(LaunchOutcome),
    /// The record changed meanwhile: an event overtook us, or another dispatcher did. A machine that nobody tells what it is
    /// for ends by itself.
    Overtaken,
}

async fn try_to_equip(
    dispatcher: &Dispatcher,
    machines: &Machines,
    record: &mut LedgerRecord,
    machine: &ResourceId,
) -> Result<Step, PortError> {
    let runner = RunnerName { target: TargetType::Ec2, resource: machine.clone() };
    let assignment = match assign(dispatcher, record, runner).await? {
        Assigned::Ready(assignment) => *assignment,
        Assigned::InUse(RunnerName { resource, .. }) => {
            return Ok(Step::Outcome(LaunchOutcome::Started { resource }));
        }
        Assigned::WithoutToken(error) => return Ok(Step::Outcome(without_token(&error))),
        Assigned::Overtaken => return Ok(Step::Overtaken),
    };
    let outcome = hand_over(machines, record, machine, assignment).await;
    unregister_unless_used(dispatcher, record, &outcome).await;
    Ok(Step::Outcome(outcome))
}

async fn hand_over(
    machines: &Machines,
    record: &LedgerRecord,
    machine: &ResourceId,
    assignment: Assignment,
) -> LaunchOutcome {
    let job_credentials = match job_credentials(machines, record).await {
        Ok(credentials) => credentials,
        Err(error) => return outcome_or_never(&error),
    };
    let assignment = Assignment { job_credentials, ..assignment };
    match machines.backend.hand_over(machine, &record.key, &assignment).await {
        Ok(HandOver::Waits) => LaunchOutcome::Started { resource: machine.clone() },
        // It is not ours to end either.
        Ok(HandOver::Taken) => {
            LaunchOutcome::Busy { reason: format!("machine {machine} has an assignment for another job") }
        }
        Err(error) => outcome_or_never(&error),
    }
}

/// The credentials of the role that the mapping lets its jobs act in.
async fn job_credentials(
    machines: &Machines,
    record: &LedgerRecord,
) -> Result<Option<JobCredentials>, PortError> {
    let target = record.claim.as_ref().map(|claim| &claim.request.target);
    let Some(Target::Ec2(spec)) = target else { return Ok(None) };
    match &spec.job_role_arn {
        Some(role) => machines.roles.credentials(role, &record.key).await.map(Some),
        None => Ok(None),
    }
}

/// What GitLab refuses, it refuses for a machine of the other market too.
fn without_token(error: &PortError) -> LaunchOutcome {
    let reason = Chain(error).to_string();
    if error.is_transient() { LaunchOutcome::Unknown { reason } } else { LaunchOutcome::Unusable { reason } }
}

/// What AWS refuses for good, a person must mend: another machine would meet the same.
fn outcome_or_never(error: &PortError) -> LaunchOutcome {
    let reason = Chain(error).to_string();
    if error.is_transient() {
        LaunchOutcome::Unknown { reason }
    } else {
        LaunchOutcome::Impossible { reason }
    }
}
