//! What is done to jobs: cancel and retry.

use mayfly_core::error::{PortError, Retry};
use mayfly_core::ids::{JobId, ProjectId};
use mayfly_core::status::JobStatus;
use reqwest::StatusCode;
use serde::Deserialize;

use super::GitlabClient;
use super::call::{Authority, Call, WRITE_SCOPE};
use super::failure::{Failure, message_of};

/// A job that is canceled and whose runner is to stop gracefully.
const CANCELING: &str = "canceling";

/// GitLab's words for a retry of a job that runs, or was retried before (`lib/api/ci/jobs.rb`: 403 and "Job is not
/// retryable"; a missing right is 403 without them).
const NOT_RETRYABLE: &str = "not retryable";

#[derive(Deserialize)]
struct StatusAnswer {
    status: String,
}

#[derive(Deserialize)]
struct IdAnswer {
    id: u64,
}

impl GitlabClient {
    /// Ends a job at once. Canceling one that is over is `Ok`. Scope `api`; for a job whose runner can stop gracefully also the
    /// role of a maintainer.
    ///
    /// GitLab answers 201 and the job as it is, also if there was nothing to cancel. A running job whose runner can stop
    /// gracefully is `canceling` then, which only a second call with `force` ends at once; `force` alone does nothing to a
    /// job that runs (`lib/api/ci/jobs.rb`, and the state machine of `CommitStatus`).
    pub async fn cancel_job(&self, project: ProjectId, job: JobId) -> Result<(), PortError> {
        let mut status = self.cancel(project, job, false).await?;
        if status == CANCELING {
            status = self.cancel(project, job, true).await?;
        }
        if is_over(&status) {
            return Ok(());
        }
        let operation = format!("GitLab: cancel job {job} of project {project}");
        Err(Failure::NotOver { status }.of(&operation, Retry::Later(None)))
    }

    /// Makes a new job in the place of one that is over; `None` if GitLab says that it cannot be retried. Never repeated
    /// inside. Scope `api`.
    pub async fn retry_job(&self, project: ProjectId, job: JobId) -> Result<Option<JobId>, PortError> {
        let operation = format!("GitLab: retry job {job} of project {project}");
        let authority = Authority::ApiToken { scope: WRITE_SCOPE };
        let call = Call::post(operation, format!("/projects/{project}/jobs/{job}/retry"), authority)
            .accept(&[StatusCode::FORBIDDEN]);
        let answer = self.send(&call).await?;
        if answer.status == StatusCode::FORBIDDEN {
            let is_about_job = message_of(&answer.body, &[]).contains(NOT_RETRYABLE);
            return if is_about_job { Ok(None) } else { Err(self.refusal(&call, &answer)) };
        }
        Ok(Some(JobId(answer.decode::<IdAnswer>(&call.operation)?.id)))
    }

    /// Asks once for a cancellation, and returns the status that the job has then.
    async fn cancel(&self, project: ProjectId, job: JobId, force: bool) -> Result<String, PortError> {
        let operation = format!("GitLab: cancel job {job} of project {project}");
        let authority = Authority::ApiToken { scope: WRITE_SCOPE };
        let mut call = Call::post(operation, format!("/projects/{project}/jobs/{job}/cancel"), authority)
            .repeatable()
            .accept(&[StatusCode::BAD_REQUEST, StatusCode::FORBIDDEN, StatusCode::UNPROCESSABLE_ENTITY]);
        if force {
            call = call.query("force", "true");
        }
        let answer = self.send(&call).await?;
        if answer.status.is_success() {
            return Ok(answer.decode::<StatusAnswer>(&call.operation)?.status);
        }
        // Whatever the reason of the refusal, a job that is over needs no cancellation.
        match self.job(project, job).await {
            Ok(Some(view)) if is_over(&view.status_word) => Ok(view.status_word),
            _ => Err(self.refusal(&call, &answer)),
        }
    }
}

fn is_over(status: &str) -> bool {
    // A skipped job has no event, and never runs.
    status == "skipped" || JobStatus::parse(status).is_some_and(JobStatus::is_final)
}
