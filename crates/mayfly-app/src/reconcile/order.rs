//! Ends a runner because a person says so.

use mayfly_core::decide::{EndOrder, Occupation, OrderedEnd, RunnerOutcome, decide_ordered_end, runner_of};
use mayfly_core::error::{Chain, PortError};
use mayfly_core::ids::JobKey;
use mayfly_core::ledger::{LedgerRecord, RunnerRecord};
use mayfly_core::mapping::TargetType;
use mayfly_core::ports::RunnerJob;
use mayfly_core::runner_name::RunnerName;
use mayfly_core::status::JobStatus;
use tracing::{info, warn};

use super::Reconciler;
use super::act::{forget_former, gone};
use crate::busy::jobs_of_paused;
use crate::dispatcher::Dispatcher;
use crate::handle::end_runner;

/// What came of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordered {
    /// What was decided. If that is the runner's end, it is done.
    pub decided: OrderedEnd,
    /// What became of the job that the runner was started for, in words.
    pub then: Option<String>,
}

/// Ends a runner, if it may. Its registration goes too; if the job it was started for still waits, that gets another. May be
/// repeated: of one that is gone, it says so.
///
/// # Errors
///
/// If the ledger, GitLab or the runner's service does not answer. Without GitLab, only force can tell that nothing is lost.
pub async fn end_ordered(reconciler: &Reconciler, order: &EndOrder) -> Result<Ordered, PortError> {
    let dispatcher = &reconciler.dispatcher;
    let owner = find_owner(dispatcher, &order.runner).await?;
    let seen = look(dispatcher, owner.as_ref(), order).await?;
    let decided = decide_ordered_end(owner.as_ref(), order, &seen, dispatcher.clock.now());
    let OrderedEnd::End { ending, job, is_former, .. } = &decided else {
        return Ok(Ordered { decided, then: None });
    };
    info!(runner.name = %order.runner, "Runner {} is to end, {}", order.runner, ending.reason);
    end_runner(dispatcher, ending).await?;
    let then = if *is_former {
        forget_former(dispatcher, job, &order.runner, &ending.reason).await?;
        "written down".to_owned()
    } else {
        gone(reconciler, &order.runner, RunnerOutcome::Stopped).await?
    };
    Ok(Ordered { decided, then: Some(then) })
}

/// The record of the job that a runner was started for.
async fn find_owner(dispatcher: &Dispatcher, runner: &RunnerName) -> Result<Option<LedgerRecord>, PortError> {
    if let Some(owner) = dispatcher.ledger.by_runner(runner, dispatcher.clock.now()).await? {
        return Ok(Some(owner));
    }
    // The index knows only the runner that was started last for a job.
    let open = dispatcher.ledger.open().await?;
    Ok(open.records.into_iter().find(|record| runner_of(record, runner).is_some()))
}

/// Lets the runner take no more jobs, and looks whether it has one.
async fn look(
    dispatcher: &Dispatcher,
    owner: Option<&LedgerRecord>,
    order: &EndOrder,
) -> Result<Occupation, PortError> {
    let Some((owner, runner)) = owner.and_then(|owner| Some((owner, runner_of(owner, &order.runner)?)))
    else {
        return Ok(Occupation::Unseen);
    };
    if runner.ended.is_some() {
        return Ok(Occupation::Unseen);
    }
    match occupation(dispatcher, owner, runner).await {
        Err(failed) if order.force => {
            warn!(error = %Chain(&failed), "Whether runner {} has a job could not be seen", order.runner);
            Ok(Occupation::Unseen)
        }
        seen => seen,
    }
}

async fn occupation(
    dispatcher: &Dispatcher,
    owner: &LedgerRecord,
    runner: &RunnerRecord,
) -> Result<Occupation, PortError> {
    if let Some(took) = &runner.took
        && runs(dispatcher, took).await?
    {
        // Also if its registration is gone, so that GitLab does not say on which runner the job is.
        return Ok(Occupation::Job(took.clone()));
    }
    if let Some(id) = runner.registered.filter(|_| dispatcher.has_api_token) {
        let jobs = jobs_of_paused(dispatcher, id).await?;
        return Ok(jobs.first().map_or(Occupation::Idle, |&RunnerJob { project, job }| {
            Occupation::Job(JobKey { host: owner.key.host.clone(), project, job })
        }));
    }
    // Without its assignment it can get no job. What has read it may have one.
    if let (TargetType::Ec2, Some(machines)) = (runner.name.target, &dispatcher.machines)
        && machines.backend.withdraw(&runner.name.resource).await?
    {
        return Ok(Occupation::Idle);
    }
    Ok(Occupation::Unseen)
}

/// True if GitLab shows the job running.
async fn runs(dispatcher: &Dispatcher, job: &JobKey) -> Result<bool, PortError> {
    if !dispatcher.has_api_token {
        return Ok(false);
    }
    let seen = dispatcher.gitlab.job(job.project, job.job).await?;
    Ok(seen.is_some_and(|job| job.status == Some(JobStatus::Running)))
}
