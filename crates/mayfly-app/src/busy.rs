//! Whether a registration is in use: asked before it is removed, or its runner ended, for another reason than an event.

use mayfly_core::error::PortError;
use mayfly_core::ids::RunnerId;
use mayfly_core::ports::RunnerJob;

use crate::dispatcher::Dispatcher;

/// Lets the runner take no more jobs, and looks which ones it has. Without the first, it could get one after the look; once its
/// registration is removed, GitLab would not tell any more on which runner a job runs.
pub(crate) async fn jobs_of_paused(
    dispatcher: &Dispatcher,
    id: RunnerId,
) -> Result<Vec<RunnerJob>, PortError> {
    dispatcher.gitlab.pause_runner(id).await?;
    dispatcher.gitlab.jobs_on_runner(id).await
}
