//! The client as the port the use cases call.

use async_trait::async_trait;
use mayfly_core::error::PortError;
use mayfly_core::ids::{Installation, JobId, ProjectId, RunnerId};
use mayfly_core::ports::{
    GitRef, Gitlab, JobView, LiveJob, NewRunner, OurRunner, RegisteredRunner, RunnerJob,
};
use secrecy::SecretString;

use super::GitlabClient;

#[async_trait]
impl Gitlab for GitlabClient {
    async fn job(&self, project: ProjectId, job: JobId) -> Result<Option<JobView>, PortError> {
        Self::job(self, project, job).await
    }

    async fn is_protected(&self, project: ProjectId, git_ref: &GitRef) -> Result<bool, PortError> {
        Self::is_protected(self, project, git_ref).await
    }

    async fn create_runner(&self, runner: &NewRunner) -> Result<RegisteredRunner, PortError> {
        Self::create_runner(self, runner).await
    }

    async fn register_runner(
        &self,
        registration_token: &SecretString,
        runner: &NewRunner,
    ) -> Result<RegisteredRunner, PortError> {
        Self::register_runner(self, registration_token, runner).await
    }

    async fn delete_runner(&self, id: RunnerId) -> Result<(), PortError> {
        Self::delete_runner(self, id).await
    }

    async fn live_jobs(&self, project: ProjectId) -> Result<Option<Vec<LiveJob>>, PortError> {
        Self::live_jobs(self, project).await
    }

    async fn jobs_on_runner(&self, id: RunnerId) -> Result<Vec<RunnerJob>, PortError> {
        Self::jobs_on_runner(self, id).await
    }

    async fn our_runners(&self) -> Result<Vec<OurRunner>, PortError> {
        Self::our_runners(self).await
    }

    async fn installation_of(&self, id: RunnerId) -> Result<Option<Installation>, PortError> {
        Self::installation_of(self, id).await
    }

    async fn pause_runner(&self, id: RunnerId) -> Result<(), PortError> {
        Self::pause_runner(self, id).await
    }

    async fn cancel_job(&self, project: ProjectId, job: JobId) -> Result<(), PortError> {
        Self::cancel_job(self, project, job).await
    }

    async fn retry_job(&self, project: ProjectId, job: JobId) -> Result<Option<JobId>, PortError> {
        Self::retry_job(self, project, job).await
    }
}
