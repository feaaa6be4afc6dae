//! Gathers what the decision to start a runner depends on.

use mayfly_core::decide::{GitlabView, Room, StartDecision, StartInput, decide_start};
use mayfly_core::error::{Chain, PortError};
use mayfly_core::event::JobEvent;
use mayfly_core::launch::RefProtection;
use mayfly_core::ledger::LedgerRecord;
use mayfly_core::mapping::TargetType;
use mayfly_core::ports::JobView;
use mayfly_core::resolve::{Choice, Resolution, ResolveInput, resolve};
use mayfly_core::tags::TagSet;
use tracing::warn;

use crate::dispatcher::Dispatcher;

/// True if the job's machine can be told from its name alone: then GitLab is asked only once, with the batch.
pub(crate) async fn goes_to_a_machine(dispatcher: &Dispatcher, event: &JobEvent) -> Result<bool, PortError> {
    if dispatcher.machines.is_none() {
        return Ok(false);
    }
    let resolution = resolve_job(dispatcher, event, &GitlabView::Unknown).await?;
    Ok(target_type(&resolution.choice) == Some(TargetType::Ec2))
}

/// True if no backend has room: then there is no need to ask anybody for the job.
pub(crate) async fn is_full(dispatcher: &Dispatcher) -> Result<bool, PortError> {
    if dispatcher.machines.is_some() {
        return Ok(false);
    }
    for backend in &dispatcher.backends {
        if backend.room().await? > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(crate) async fn gather_and_decide(
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
        machines: dispatcher.machines.as_ref().map(|machines| &machines.defaults),
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
            warn!(job.key = %event.key, error = %Chain(&error), "Could not ask GitLab for job {}", event.key);
            GitlabView::Unreachable
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
        GitlabView::Unknown | GitlabView::Unreachable => None,
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
    if target == TargetType::Ec2 && dispatcher.machines.is_some() {
        // EC2 itself refuses what is too much.
        return Ok(Room::Free);
    }
    match dispatcher.backend(target) {
        None => Ok(Room::NoBackend),
        Some(backend) if backend.room().await? == 0 => Ok(Room::Full),
        Some(_) => Ok(Room::Free),
    }
}
