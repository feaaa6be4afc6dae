//! `start`: a job waits for a runner.

use jiff::Timestamp;
use mayfly_core::decide::{
    GitlabView, Refusal, Room, StartAction, StartDecision, StartInput, decide_start, refuse_early,
};
use mayfly_core::error::{Chain, PortError};
use mayfly_core::event::JobEvent;
use mayfly_core::launch::RefProtection;
use mayfly_core::ledger::LedgerRecord;
use mayfly_core::mapping::TargetType;
use mayfly_core::ports::{JobView, Written};
use mayfly_core::resolve::{Choice, Resolution, ResolveInput, resolve};
use mayfly_core::tags::TagSet;
use tracing::{error, info, warn};

use crate::dispatcher::Dispatcher;
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

/// How often a decision is made anew because somebody else wrote in between. Each round somebody made progress.
pub(crate) const MAX_CONFLICTS: usize = 16;

/// Starts a runner for a waiting job, unless one was started before, the job does not wait any more, or it is not ours.
///
/// Handling the event again is harmless: the claim lets one dispatcher through, and its token starts one runner.
///
/// # Errors
///
/// Only if the ledger or the mapping table cannot be read or written: then nothing is known, and the event must come again.
pub async fn start(
    dispatcher: &Dispatcher,
    event: &JobEvent,
    delivery: Delivery,
) -> Result<Handled, PortError> {
    for round in 0..MAX_CONFLICTS {
        let now = dispatcher.clock.now();
        let known = match delivery {
            Delivery::First if round == 0 => None,
            _ => dispatcher.ledger.get(&event.key, now).await?,
        };
        if let Some(action) = refuse_early(known.as_ref(), now) {
            return Ok(without_launch(event, action));
        }
        if known.is_some() && is_full(dispatcher).await? {
            let at = now + dispatcher.policy.capacity_retry;
            return Ok(Handled::Later { at, reason: "no room".to_owned(), waits_for: WaitsFor::Room });
        }
        let decision = gather_and_decide(dispatcher, event, known.as_ref()).await?;
        let record = match decision.record {
            None => return Ok(without_launch(event, decision.action)),
            Some(record) => match put_or_found(dispatcher, &record).await? {
                Written::Conflict => continue,
                Written::Yes => LedgerRecord { version: record.version + 1, ..record },
            },
        };
        return match decision.action {
            StartAction::Launch(_) => {
                let explanation = record.explanation.as_deref().unwrap_or_default();
                info!(job.key = %event.key, explanation, "Claimed job {} ({})", event.key, event.name);
                launch(dispatcher, record, event).await
            }
            action => Ok(without_launch(event, action)),
        };
    }
    Err(PortError::later(
        format!("start of job {}", event.key),
        "the ledger's record changed again and again",
    ))
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

/// True if no backend has room: then there is no need to ask anybody for the job.
async fn is_full(dispatcher: &Dispatcher) -> Result<bool, PortError> {
    for backend in &dispatcher.backends {
        if backend.room().await? > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn gather_and_decide(
    dispatcher: &Dispatcher,
    event: &JobEvent,
    record: Option<&LedgerRecord>,
) -> Result<StartDecision, PortError> {
    let gitlab = look_at_job(dispatcher, event).await;
    let resolution = resolve_job(dispatcher, event, &gitlab).await?;
    let room = room(dispatcher, &resolution).await?;
    let protection = protection(dispatcher, event, &gitlab, &resolution).await;
    Ok(decide_start(&StartInput {
        now: dispatcher.clock.now(),
        event,
        record,
        gitlab: &gitlab,
        resolution: &resolution,
        room,
        protection,
        holder: &dispatcher.holder,
        policy: &dispatcher.policy,
    }))
}

/// Asks GitLab for the job: is it still pending, and which tags has it? No answer means start.
async fn look_at_job(dispatcher: &Dispatcher, event: &JobEvent) -> GitlabView {
    if !dispatcher.has_api_token {
        return GitlabView::Unknown;
    }
    match dispatcher.gitlab.job(event.key.project, event.key.job).await {
        Ok(Some(view)) => GitlabView::Known(view),
        Ok(None) => {
            warn!(job.key = %event.key, "GitLab does not show job {}: it is started without its tags", event.key);
            GitlabView::Unknown
        }
        Err(error) => {
            warn!(job.key = %event.key, error = %Chain(&error), "Could not ask GitLab for job {}: it is started all the same", event.key);
            GitlabView::Unknown
        }
    }
}

async fn resolve_job(
    dispatcher: &Dispatcher,
    event: &JobEvent,
    gitlab: &GitlabView,
) -> Result<Resolution, PortError> {
    let rows = dispatcher.mappings.candidates(event.project.as_ref(), &event.name).await?;
    let tags: Option<&TagSet> = match gitlab {
        GitlabView::Known(view) => Some(&view.tags),
        GitlabView::Unknown => None,
    };
    let resolution = resolve(&ResolveInput {
        project: event.project.as_ref(),
        job: &event.name,
        tags,
        rows: &rows,
        default: dispatcher.default_target.as_ref(),
    });
    for warning in &resolution.explanation.warnings {
        warn!(job.key = %event.key, "Mapping of job {}: {warning}", event.key);
    }
    Ok(resolution)
}

/// Asks whether the job's branch or tag is protected, where that matters. No answer keeps the job apart from both kinds.
async fn protection(
    dispatcher: &Dispatcher,
    event: &JobEvent,
    gitlab: &GitlabView,
    resolution: &Resolution,
) -> RefProtection {
    let GitlabView::Known(JobView { git_ref: Some(git_ref), .. }) = gitlab else {
        return RefProtection::Unknown;
    };
    if !dispatcher.asks_protection || target_type(&resolution.choice) != Some(TargetType::Lambda) {
        return RefProtection::Unknown;
    }
    match dispatcher.gitlab.is_protected(event.key.project, git_ref).await {
        Ok(true) => RefProtection::Protected,
        Ok(false) => RefProtection::Unprotected,
        Err(error) => {
            warn!(job.key = %event.key, error = %Chain(&error), "GitLab did not say whether `{}` is protected", git_ref.name);
            RefProtection::Unknown
        }
    }
}

fn target_type(choice: &Choice) -> Option<TargetType> {
    match choice {
        Choice::Mapping(mapping) => Some(mapping.target.target_type()),
        Choice::Default(default) => Some(default.target.target_type()),
        Choice::Broken { .. } | Choice::NotOurs => None,
    }
}

async fn room(dispatcher: &Dispatcher, resolution: &Resolution) -> Result<Room, PortError> {
    let Some(target) = target_type(&resolution.choice) else { return Ok(Room::Free) };
    match dispatcher.backend(target) {
        None => Ok(Room::NoBackend),
        Some(backend) if backend.room().await? == 0 => Ok(Room::Full),
        Some(_) => Ok(Room::Free),
    }
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
