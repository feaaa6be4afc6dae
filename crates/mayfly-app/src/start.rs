//! `start`: a job waits for a runner.

use jiff::Timestamp;
use mayfly_core::decide::{
    GitlabView, Room, StartAction, StartDecision, StartInput, decide_start, refuse_early,
};
use mayfly_core::error::{Chain, PortError};
use mayfly_core::event::JobEvent;
use mayfly_core::ledger::LedgerRecord;
use mayfly_core::mapping::TargetType;
use mayfly_core::ports::Written;
use mayfly_core::resolve::{Choice, Resolution, ResolveInput, resolve};
use mayfly_core::tags::TagSet;
use tracing::{info, warn};

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
    /// It must be handled again at this time: the job waits for capacity, or for another dispatcher's claim to run out.
    Later {
        /// When.
        at: Timestamp,
        /// Why.
        reason: String,
        /// True if there was no room, so that it may be tried as soon as a runner leaves.
        for_capacity: bool,
    },
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
pub async fn start(dispatcher: &Dispatcher, event: &JobEvent) -> Result<Handled, PortError> {
    for _ in 0..MAX_CONFLICTS {
        let now = dispatcher.clock.now();
        let known = dispatcher.ledger.get(&event.key, now).await?;
        if let Some(action) = refuse_early(known.as_ref(), now) {
            return Ok(without_launch(event, action));
        }
        if known.is_some() && is_full(dispatcher).await? {
            let at = now + dispatcher.policy.capacity_retry;
            return Ok(Handled::Later { at, reason: "no room".to_owned(), for_capacity: true });
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
pub(crate) async fn is_full(dispatcher: &Dispatcher) -> Result<bool, PortError> {
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
    Ok(decide_start(&StartInput {
        now: dispatcher.clock.now(),
        event,
        record,
        gitlab: &gitlab,
        resolution: &resolution,
        room,
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

async fn room(dispatcher: &Dispatcher, resolution: &Resolution) -> Result<Room, PortError> {
    let target: TargetType = match &resolution.choice {
        Choice::Mapping(mapping) => mapping.target.target_type(),
        Choice::Default(default) => default.target.target_type(),
        Choice::NotOurs => return Ok(Room::Free),
    };
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
            Handled::Later { at: until, reason, for_capacity }
        }
        StartAction::Nothing(refusal) => {
            info!(job.key = %event.key, "Started nothing for job {}: {refusal}", event.key);
            Handled::done(format!("started nothing: {refusal}"))
        }
        StartAction::Launch(_) => Handled::done("launched"),
    }
}
