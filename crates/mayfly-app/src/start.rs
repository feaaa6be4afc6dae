//! `start`: a job waits for a runner.

use jiff::Timestamp;
use mayfly_core::decide::{Refusal, StartAction, StartDecision, refuse_early};
use mayfly_core::error::PortError;
use mayfly_core::event::JobEvent;
use mayfly_core::ledger::LedgerRecord;
use mayfly_core::ports::{Fact, Written};
use tracing::{error, info};

use crate::dispatcher::Dispatcher;
use crate::gather::{gather_and_decide, goes_to_a_machine, is_full};
use crate::launch::launch;

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handled {
    /// It is done with.
    Done {
        /// What was done, or why nothing was.
        summary: String,
    },
    /// It is done with, and the job was given up: somebody must look.
    Parked {
        /// Why.
        reason: String,
    },
    /// It must be handled again at this time: the job waits for capacity, or for another dispatcher's claim to run out.
    Later {
        /// When.
        at: Timestamp,
        /// Why, in a sentence.
        reason: String,
        /// What it waits for.
        waits_for: WaitsFor,
    },
}

/// What a job waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// Room for a runner: it may be tried as soon as one leaves.
    Room,
    /// Another dispatcher that is at it, or GitLab, whose answer lags behind its event.
    Others,
    /// Another try: its runner could not be registered or started.
    AnotherTry,
    /// Other jobs that want the same: it is for [`start_batch`](crate::start_batch) to start.
    Batch,
}

/// Whether the ledger may know a job already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Most probably not: the claim is tried without a look, which saves a table operation. If the ledger does know the
    /// job, the claim's condition says so, and the look is taken then.
    First,
    /// It may.
    Again,
}

impl Handled {
    pub(crate) fn done(summary: impl Into<String>) -> Self {
        Self::Done { summary: summary.into() }
    }
}

/// How many jobs of a batch are looked at, registered or written beside each other.
pub(crate) const AT_ONCE: usize = 25;

/// How often a decision is made anew because somebody else wrote in between. Each round somebody made progress.
pub(crate) const MAX_CONFLICTS: usize = 16;

/// Starts a runner for a waiting job, unless one was started before, the job does not wait any more, or it is not ours.
///
/// Handling the event again is harmless: the claim lets one dispatcher through, and its token starts one runner. A job that
/// wants a machine of its own is left to [`start_batch`](crate::start_batch).
///
/// # Errors
///
/// Only if the ledger or the mapping table cannot be read or written: then nothing is known, and the event must come again.
pub async fn start(
    dispatcher: &Dispatcher,
    event: &JobEvent,
    delivery: Delivery,
) -> Result<Handled, PortError> {
    if delivery == Delivery::First && goes_to_a_machine(dispatcher, event).await? {
        return Ok(to_the_batch(dispatcher));
    }
    for round in 0..MAX_CONFLICTS {
        let delivery = if round == 0 { delivery } else { Delivery::Again };
        let decision = match look(dispatcher, event, delivery).await? {
            Look::Over(handled) => return Ok(handled),
            Look::Decided(decision) => decision,
        };
        if claims_a_machine(&decision) {
            return Ok(to_the_batch(dispatcher));
        }
        if let Some(handled) = carry_out(dispatcher, event, *decision).await? {
            return Ok(handled);
        }
    }
    Err(PortError::later(
        format!("start of job {}", event.key),
        "the ledger's record changed again and again",
    ))
}

pub(crate) enum Look {
    /// Nothing is to be decided any more.
    Over(Handled),
    Decided(Box<StartDecision>),
}

pub(crate) async fn look(
    dispatcher: &Dispatcher,
    event: &JobEvent,
    delivery: Delivery,
) -> Result<Look, PortError> {
    let now = dispatcher.clock.now();
    let known = match delivery {
        Delivery::First => None,
        Delivery::Again => dispatcher.ledger.get(&event.key, now).await?,
    };
    if let Some(action) = refuse_early(known.as_ref(), now) {
        return Ok(Look::Over(without_launch(event, action)));
    }
    if known.is_some() && is_full(dispatcher).await? {
        let at = now + dispatcher.policy.capacity_retry;
        return Ok(Look::Over(Handled::Later {
            at,
            reason: "no room".to_owned(),
            waits_for: WaitsFor::Room,
        }));
    }
    let decision = gather_and_decide(dispatcher, event, known.as_ref()).await?;
    Ok(Look::Decided(Box::new(decision)))
}

/// Writes a decision, and does what it says. `None` if somebody else wrote in between.
pub(crate) async fn carry_out(
    dispatcher: &Dispatcher,
    event: &JobEvent,
    decision: StartDecision,
) -> Result<Option<Handled>, PortError> {
    let Some(record) = decision.record else { return Ok(Some(without_launch(event, decision.action))) };
    let record = match put_or_found(dispatcher, &record).await? {
        Written::Conflict => return Ok(None),
        Written::Yes => LedgerRecord { version: record.version + 1, ..record },
    };
    match decision.action {
        StartAction::Launch(_) => {
            let explanation = record.explanation.as_deref().unwrap_or_default();
            info!(job.key = %event.key, explanation, "Claimed job {} ({})", event.key, event.name);
            launch(dispatcher, record, event).await.map(Some)
        }
        action => {
            if matches!(action, StartAction::Nothing(Refusal::GivenUp(_))) {
                dispatcher.meter.note(&Fact::JobParked);
            }
            Ok(Some(without_launch(event, action)))
        }
    }
}

fn to_the_batch(dispatcher: &Dispatcher) -> Handled {
    Handled::Later {
        at: dispatcher.clock.now(),
        reason: "it gets its machine together with others".to_owned(),
        waits_for: WaitsFor::Batch,
    }
}

fn claims_a_machine(decision: &StartDecision) -> bool {
    matches!(decision.action, StartAction::Launch(_)) && decision.record.as_ref().is_some_and(wants_a_machine)
}

pub(crate) fn wants_a_machine(record: &LedgerRecord) -> bool {
    record.claim.as_ref().is_some_and(|claim| claim.request.machine.is_some())
}

/// Writes a record. A write whose answer was lost is repeated below us and then conflicts with itself: what is stored tells.
pub(crate) async fn put_or_found(
    dispatcher: &Dispatcher,
    record: &LedgerRecord,
) -> Result<Written, PortError> {
    let now = dispatcher.clock.now();
    if dispatcher.ledger.put(record, now).await? == Written::Yes {
        return Ok(Written::Yes);
    }
    let ours = LedgerRecord { version: record.version + 1, ..record.clone() };
    let stored = dispatcher.ledger.get(&record.key, now).await?;
    Ok(if stored.is_some_and(|stored| is_same_claim(&stored, &ours)) {
        Written::Yes
    } else {
        Written::Conflict
    })
}

/// Two dispatchers never make the same claim at the same moment under the same name.
fn is_same_claim(stored: &LedgerRecord, ours: &LedgerRecord) -> bool {
    stored.version == ours.version
        && stored.claim.is_some()
        && stored.claim == ours.claim
        && stored.state == ours.state
}

fn without_launch(event: &JobEvent, action: StartAction) -> Handled {
    match action {
        StartAction::Wait { until, reason, for_capacity } => {
            info!(job.key = %event.key, "Job {} waits: {reason}", event.key);
            let waits_for = if for_capacity { WaitsFor::Room } else { WaitsFor::Others };
            Handled::Later { at: until, reason, waits_for }
        }
        StartAction::Nothing(Refusal::GivenUp(reason)) => {
            error!(job.key = %event.key, "Job {} is parked: {reason}", event.key);
            Handled::Parked { reason }
        }
        StartAction::Nothing(refusal) => {
            info!(job.key = %event.key, "Started nothing for job {}: {refusal}", event.key);
            Handled::done(format!("started nothing: {refusal}"))
        }
        StartAction::Launch(_) => Handled::done("launched"),
    }
}
