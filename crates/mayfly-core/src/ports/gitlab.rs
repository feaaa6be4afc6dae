//! GitLab as a port.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;

use crate::error::PortError;
use crate::event::EventRunner;
use crate::ids::{Installation, JobId, JobName, PipelineId, ProjectId, RunnerId};
use crate::runner_name::RunnerName;
use crate::status::JobStatus;
use crate::tags::TagSet;

/// A job as GitLab tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobView {
    /// Its status; `None` for one that has no event (`manual`, `canceling`, …).
    pub status: Option<JobStatus>,
    /// GitLab's word for the status.
    pub status_word: String,
    /// Its tags.
    pub tags: TagSet,
    /// What it runs for; `None` if GitLab does not say.
    pub git_ref: Option<GitRef>,
    /// The runner that has it, or had it last.
    pub runner: Option<EventRunner>,
}

/// A job that waits or runs, as the list of a project's jobs tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveJob {
    /// The job.
    pub id: JobId,
    /// Its name.
    pub name: JobName,
    /// `pending` or `running`.
    pub status: JobStatus,
    /// Its tags.
    pub tags: TagSet,
    /// Its pipeline.
    pub pipeline: Option<PipelineId>,
    /// How long it waits or has waited for a runner, in seconds, as GitLab counts.
    pub queued_seconds: Option<f64>,
    /// The runner that has it.
    pub runner: Option<EventRunner>,
}

/// A job that a runner has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunnerJob {
    /// Its project.
    pub project: ProjectId,
    /// The job.
    pub job: JobId,
}

/// A registration whose name is one that we give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OurRunner {
    /// Its id.
    pub id: RunnerId,
    /// Its name.
    pub name: RunnerName,
}

/// A branch or a tag of a repository, or a merge request's `refs/merge-requests/…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitRef {
    /// Its name.
    pub name: String,
    /// True for a tag.
    pub is_tag: bool,
}

/// A runner to be registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRunner {
    /// Its description, by which events name it.
    pub name: RunnerName,
    /// Which installation of ours made it; several may use one GitLab.
    pub installation: Installation,
    /// The project it is locked to.
    pub project: ProjectId,
    /// Its tags; with none it takes untagged jobs.
    pub tags: TagSet,
    /// How long a job may run on it. GitLab asks for at least 600 s.
    pub maximum_timeout: Duration,
}

/// A registration.
#[derive(Debug, Clone)]
pub struct RegisteredRunner {
    /// Its id.
    pub id: RunnerId,
    /// Its token, told only now.
    pub token: SecretString,
}

/// GitLab, as the dispatcher needs it.
#[async_trait]
pub trait Gitlab: Send + Sync {
    /// The job; `None` if there is none, or none that the token may see.
    async fn job(&self, project: ProjectId, job: JobId) -> Result<Option<JobView>, PortError>;

    /// Whether a branch or tag is protected. One that is gone is not, and neither is a merge request's.
    async fn is_protected(&self, project: ProjectId, git_ref: &GitRef) -> Result<bool, PortError>;

    /// Registers a runner for one project (`POST /user/runners`).
    async fn create_runner(&self, runner: &NewRunner) -> Result<RegisteredRunner, PortError>;

    /// Registers a runner with a registration token (`POST /runners`; GitLab before 20).
    async fn register_runner(
        &self,
        registration_token: &SecretString,
        runner: &NewRunner,
    ) -> Result<RegisteredRunner, PortError>;

    /// Removes a registration by its id. Removing one that is gone is `Ok`.
    async fn delete_runner(&self, id: RunnerId) -> Result<(), PortError>;

    /// All jobs of a project that wait or run; one that is being canceled runs until its runner is done with it. `None` if there is no such project, or none that the token may see.
    async fn live_jobs(&self, project: ProjectId) -> Result<Option<Vec<LiveJob>>, PortError>;

    /// The jobs that a runner has, in whatever project; one that is being canceled is among them. None if it is gone.
    async fn jobs_on_runner(&self, id: RunnerId) -> Result<Vec<RunnerJob>, PortError>;

    /// All registrations that the token may see whose description is a [`RunnerName`].
    async fn our_runners(&self) -> Result<Vec<OurRunner>, PortError>;

    /// The installation that made a registration; `None` if it is gone, or nobody says so.
    async fn installation_of(&self, id: RunnerId) -> Result<Option<Installation>, PortError>;

    /// Lets a runner take no more jobs; the one it has goes on. Pausing one that is gone is `Ok`.
    async fn pause_runner(&self, id: RunnerId) -> Result<(), PortError>;

    /// Ends a job at once, without waiting for its runner. Canceling one that is over is `Ok`.
    async fn cancel_job(&self, project: ProjectId, job: JobId) -> Result<(), PortError>;

    /// Makes a new job in the place of one that is over, and tells its id. `None` if GitLab says that this job cannot be
    /// retried: it was before, or it still runs.
    async fn retry_job(&self, project: ProjectId, job: JobId) -> Result<Option<JobId>, PortError>;
}
