//! The launch of a claim: find what was started, else register and start; then write down what became of it.

use jiff::SignedDuration;
use mayfly_core::decide::{AfterLaunch, decide_after_launch};
use mayfly_core::error::{Chain, PortError};
use mayfly_core::event::JobEvent;
use mayfly_core::launch::Claim;
use mayfly_core::ledger::LedgerRecord;
use mayfly_core::ports::{Backend, Fact, LaunchOrder, LaunchOutcome, Written};
use mayfly_core::runner_name::RunnerName;
use tracing::{error, info, warn};

use crate::assign::{Assigned, assign, unregister_unless_used};
use crate::dispatcher::Dispatcher;
use crate::start::{Handled, MAX_CONFLICTS, WaitsFor};

/// When to look again at a job whose record changed under its launch.
const OVERTAKEN_RECHECK: SignedDuration = SignedDuration::from_secs(5);

/// When to try again after a refusal by a backend that has room by now.
const ROOM_RECHECK: SignedDuration = SignedDuration::from_secs(2);

/// Carries out the claim in `record`, step by step, until a runner is on its way or nothing more can be done now.
///
/// A dispatcher that dies anywhere in here leaves a claim that runs out and is taken over with the same token.
pub(crate) async fn launch(
    dispatcher: &Dispatcher,
    mut record: LedgerRecord,
    event: &JobEvent,
) -> Result<Handled, PortError> {
    loop {
        let outcome = match launch_step(dispatcher, &mut record).await? {
            Step::Outcome(outcome) => outcome,
            Step::Overtaken => {
                let at = dispatcher.clock.now() + OVERTAKEN_RECHECK;
                let reason = "the record changed while its runner was registered".to_owned();
                return Ok(Handled::Later { at, reason, waits_for: WaitsFor::Others });
            }
        };
        match settle(dispatcher, event, record, &outcome).await? {
            Settled::NextStep(next) => record = *next,
            Settled::Handled(handled) => return Ok(handled),
        }
    }
}

/// Where a launch leaves its job.
pub(crate) enum Settled {
    /// At the next step of its plan; the record is written.
    NextStep(Box<LedgerRecord>),
    /// Nothing is left to do now.
    Handled(Handled),
}

/// Writes what became of a launch, and says what that means for the event.
pub(crate) async fn settle(
    dispatcher: &Dispatcher,
    event: &JobEvent,
    record: LedgerRecord,
    outcome: &LaunchOutcome,
) -> Result<Settled, PortError> {
    let (record, after) = write_outcome(dispatcher, record, outcome).await?;
    let handled = match after {
        AfterLaunch::Done => done(dispatcher, event, outcome, &record),
        AfterLaunch::NextStep => return Ok(Settled::NextStep(Box::new(record))),
        AfterLaunch::Wait { until, reason } => {
            warn!(job.key = %event.key, "The runner of job {} is tried again: {reason}", event.key);
            let is_refused = matches!(outcome, LaunchOutcome::Refused { .. });
            let room = if is_refused { room_now(dispatcher, &record).await? } else { usize::MAX };
            let (at, waits_for) = match room {
                0 => (until, WaitsFor::Room),
                usize::MAX => (until, WaitsFor::AnotherTry),
                // Perhaps it was the last runner that left meanwhile: nobody would wake the job.
                _ => (until.min(dispatcher.clock.now() + ROOM_RECHECK), WaitsFor::AnotherTry),
            };
            Handled::Later { at, reason, waits_for }
        }
        AfterLaunch::GivenUp { reason } => {
            error!(job.key = %event.key, "Job {} is parked: {reason}", event.key);
            dispatcher.meter.note(&Fact::JobParked);
            Handled::Parked { reason }
        }
    };
    Ok(Settled::Handled(handled))
}

/// How many more runners the backend of this claim may start.
async fn room_now(dispatcher: &Dispatcher, record: &LedgerRecord) -> Result<usize, PortError> {
    let target = record.claim.as_ref().map(|claim| claim.request.target.target_type());
    match target.and_then(|target| dispatcher.backend(target)) {
        Some(backend) => backend.room().await,
        None => Ok(usize::MAX),
    }
}

fn done(
    dispatcher: &Dispatcher,
    event: &JobEvent,
    outcome: &LaunchOutcome,
    record: &LedgerRecord,
) -> Handled {
    if let (LaunchOutcome::Started { .. }, Some(runner)) = (outcome, &record.runner) {
        let name = &runner.name;
        dispatcher.meter.note(&Fact::RunnerStarted(name.target));
        info!(job.key = %event.key, runner.name = %name, "Started runner {name} for job {}", event.key);
        return Handled::done(format!("started runner {name}"));
    }
    info!(job.key = %event.key, "Job {} needs no runner any more", event.key);
    Handled::done("the job needs no runner any more")
}

enum Step {
    Outcome(LaunchOutcome),
    /// The record changed while the runner was registered: an event overtook us, or another dispatcher did.
    Overtaken,
}

async fn launch_step(dispatcher: &Dispatcher, record: &mut LedgerRecord) -> Result<Step, PortError> {
    let Some(claim) = record.claim.clone() else {
        return Ok(Step::Outcome(LaunchOutcome::Impossible {
            reason: "the record holds no claim".to_owned(),
        }));
    };
    let target = claim.request.target.target_type();
    let Some(backend) = dispatcher.backend(target) else {
        let reason = format!("target {target} is not available in this installation");
        return Ok(Step::Outcome(LaunchOutcome::Impossible { reason }));
    };
    let token = claim.token(&record.key);
    match backend.find(&token).await {
        Ok(Some(resource)) => return Ok(Step::Outcome(LaunchOutcome::Started { resource })),
        Ok(None) => {}
        Err(error) => return Ok(Step::Outcome(outcome_of(&error))),
    }
    register_and_launch(dispatcher, backend, record, &claim).await
}

async fn register_and_launch(
    dispatcher: &Dispatcher,
    backend: &dyn Backend,
    record: &mut LedgerRecord,
    claim: &Claim,
) -> Result<Step, PortError> {
    let token = claim.token(&record.key);
    let runner = RunnerName { target: backend.target_type(), resource: token.to_resource() };
    let assignment = match assign(dispatcher, record, runner).await? {
        Assigned::Ready(assignment) => *assignment,
        Assigned::InUse(RunnerName { resource, .. }) => {
            return Ok(Step::Outcome(LaunchOutcome::Started { resource }));
        }
        Assigned::WithoutToken(error) => return Ok(Step::Outcome(outcome_of(&error))),
        Assigned::Overtaken => return Ok(Step::Overtaken),
    };
    let outcome = backend.launch(&LaunchOrder { token, request: claim.request.clone(), assignment }).await;
    unregister_unless_used(dispatcher, record, &outcome).await;
    Ok(Step::Outcome(outcome))
}

/// Writes what became of a launch, over whatever events wrote in between.
async fn write_outcome(
    dispatcher: &Dispatcher,
    mut record: LedgerRecord,
    outcome: &LaunchOutcome,
) -> Result<(LedgerRecord, AfterLaunch), PortError> {
    for _ in 0..MAX_CONFLICTS {
        let now = dispatcher.clock.now();
        let (mut next, after) = decide_after_launch(&record, outcome, &dispatcher.policy, now);
        if dispatcher.ledger.put(&next, now).await? == Written::Yes {
            next.version += 1;
            return Ok((next, after));
        }
        let claim = record.claim.clone();
        match dispatcher.ledger.get(&record.key, now).await? {
            Some(fresh) if same_launch(fresh.claim.as_ref(), claim.as_ref()) => record = fresh,
            // Another dispatcher took the claim over. It used the same token, so it found the same runner.
            _ => return Ok((record, AfterLaunch::Done)),
        }
    }
    Err(PortError::later(
        format!("launch of job {}", record.key),
        "the ledger's record changed again and again",
    ))
}

pub(crate) fn same_launch(fresh: Option<&Claim>, ours: Option<&Claim>) -> bool {
    let launch = |claim: &Claim| (claim.attempt, claim.step, claim.holder.0.clone());
    fresh.map(launch) == ours.map(launch)
}

pub(crate) fn outcome_of(error: &PortError) -> LaunchOutcome {
    let reason = Chain(error).to_string();
    if error.is_transient() { LaunchOutcome::Unknown { reason } } else { LaunchOutcome::Refused { reason } }
}
