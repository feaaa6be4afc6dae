//! Whether a registration is in use: asked before it is removed, or its runner ended, for another reason than an event.

use mayfly_core::error::PortError;
use mayfly_core::ids::{JobId, ProjectId, RunnerId};
use mayfly_core::status::JobStatus;

use crate::dispatcher::Dispatcher;

/// Lets the runner of a project take no more jobs, and looks which one it has besides a known one. Without the first, it could get
/// one after the look; once it is removed, GitLab would not tell any more on which runner a job runs.
pub(crate) async fn job_of_paused(
    dispatcher: &Dispatcher,
    project: ProjectId,
    id: RunnerId,
    besides: Option<JobId>,
) -> Result<Option<JobId>, PortError> {
    dispatcher.gitlab.pause_runner(id).await?;
    let jobs = dispatcher.gitlab.live_jobs(project).await?.unwrap_or_default();
    let mut running = jobs.iter().filter(|job| job.status == JobStatus::Running && Some(job.id) != besides);
    let job = running.find(|job| job.runner.as_ref().is_some_and(|runner| runner.id == id));
    Ok(job.map(|job| job.id))
}
