//! Questions about jobs.

use mayfly_core::error::{PortError, Retry};
use mayfly_core::event::EventRunner;
use mayfly_core::ids::{JobId, JobName, PipelineId, ProjectId, RunnerId};
use mayfly_core::ports::{GitRef, JobView, LiveJob, RunnerJob};
use mayfly_core::status::JobStatus;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::StatusCode;
use serde::Deserialize;

use super::GitlabClient;
use super::call::{Call, READ_SCOPE};
use super::failure::Failure;
use super::pages::{MOST_PAGES, Row};

#[derive(Deserialize)]
struct JobAnswer {
    status: String,
    #[serde(default)]
    tag_list: Vec<String>,
    #[serde(rename = "ref")]
    ref_name: Option<String>,
    #[serde(default)]
    tag: bool,
    runner: Option<RunnerOfJob>,
}

#[derive(Deserialize)]
struct RefAnswer {
    protected: bool,
}

#[derive(Deserialize)]
struct LiveJobRow {
    id: u64,
    name: String,
    status: String,
    #[serde(default)]
    tag_list: Vec<String>,
    pipeline: Option<PipelineOfJob>,
    queued_duration: Option<f64>,
    runner: Option<RunnerOfJob>,
}

#[derive(Deserialize)]
struct PipelineOfJob {
    id: u64,
}

#[derive(Deserialize)]
struct RunnerOfJob {
    id: u64,
    description: Option<String>,
}

#[derive(Deserialize)]
struct JobOfRunner {
    id: u64,
    status: String,
    project: ProjectOfJob,
}

#[derive(Deserialize)]
struct ProjectOfJob {
    id: u64,
}

impl From<RunnerOfJob> for EventRunner {
    fn from(runner: RunnerOfJob) -> Self {
        Self { id: RunnerId(runner.id), description: runner.description }
    }
}

impl GitlabClient {
    /// The job as it is now; `None` if there is none, or none that the token may see. Scope `read_api`.
    pub async fn job(&self, project: ProjectId, job: JobId) -> Result<Option<JobView>, PortError> {
        let operation = format!("GitLab: get job {job} of project {project}");
        let call = Call::get(operation, format!("/projects/{project}/jobs/{job}"), READ_SCOPE)
            .accept(&[StatusCode::NOT_FOUND]);
        let answer = self.send(&call).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let job: JobAnswer = answer.decode(&call.operation)?;
        Ok(Some(JobView {
            status: JobStatus::parse(&job.status),
            status_word: job.status,
            tags: job.tag_list.into_iter().collect(),
            git_ref: job.ref_name.map(|name| GitRef { name, is_tag: job.tag }),
            runner: job.runner.map(EventRunner::from),
        }))
    }

    /// Whether a branch or tag is protected. One that is gone is not, and neither is a merge request's. Scope `read_api`.
    pub async fn is_protected(&self, project: ProjectId, git_ref: &GitRef) -> Result<bool, PortError> {
        let GitRef { name, is_tag } = git_ref;
        if name.starts_with("refs/") {
            // `refs/merge-requests/…`: no branch, so nothing that could be protected.
            return Ok(false);
        }
        let kind = if *is_tag { "tag" } else { "branch" };
        let plural = if *is_tag { "tags" } else { "branches" };
        let path_part = utf8_percent_encode(name, NON_ALPHANUMERIC);
        let call = Call::get(
            format!("GitLab: get {kind} `{name}` of project {project}"),
            format!("/projects/{project}/repository/{plural}/{path_part}"),
            READ_SCOPE,
        )
        .accept(&[StatusCode::NOT_FOUND]);
        let answer = self.send(&call).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(false);
        }
        Ok(answer.decode::<RefAnswer>(&call.operation)?.protected)
    }

    /// All jobs of a project that wait or run, the newest first; `None` if there is no such project, or none that the token
    /// may see. Scope `read_api`.
    ///
    /// A job that cannot be read is left out with a warning: it must not hide the others. A list that is too long is an
    /// error, because a job that is not in the answer counts as over.
    pub async fn live_jobs(&self, project: ProjectId) -> Result<Option<Vec<LiveJob>>, PortError> {
        // GitLab gives jobs by keyset only in this order; it answers 405 to the other one (`Ci::Build.supported_keyset_orderings`).
        let call = Call::get(
            format!("GitLab: list the live jobs of project {project}"),
            format!("/projects/{project}/jobs"),
            READ_SCOPE,
        )
        .query("scope[]", "pending")
        .query("scope[]", "running")
        .query("scope[]", "canceling")
        .query("order_by", "id")
        .query("sort", "desc")
        .query("pagination", "keyset")
        .accept(&[StatusCode::NOT_FOUND]);
        let operation = call.operation.clone();
        let Some(list) = self.pages::<Row<LiveJobRow>>(call).await? else { return Ok(None) };
        if list.is_cut_off {
            return Err(Failure::TooManyPages { limit: MOST_PAGES }.of(&operation, Retry::Never));
        }
        let listed = list.items.len();
        let jobs: Vec<LiveJob> = list.items.into_iter().filter_map(read_live_job).collect();
        if jobs.len() < listed {
            tracing::warn!(%project, left_out = listed - jobs.len(), "some rows are no live jobs that can be read");
        }
        Ok(Some(jobs))
    }

    /// The jobs that a runner has, in whatever project; none if it is gone. Scope `read_api`, and the right to remove the
    /// runner (`Ci::RunnerPolicy`, `read_builds`).
    ///
    /// One that cannot be read is an error: a runner without a job may be removed.
    pub async fn jobs_on_runner(&self, id: RunnerId) -> Result<Vec<RunnerJob>, PortError> {
        // Asked for by status, an older GitLab refuses `canceling`. A runner of ours has had few jobs.
        let call = Call::get(
            format!("GitLab: list the jobs of runner {id}"),
            format!("/runners/{id}/jobs"),
            READ_SCOPE,
        )
        .query("order_by", "id")
        .query("sort", "desc")
        .accept(&[StatusCode::NOT_FOUND]);
        let jobs: Vec<JobOfRunner> = self.all_pages(call).await?;
        let has = jobs.into_iter().filter(|job| live_status(&job.status) == Some(JobStatus::Running));
        Ok(has.map(|job| RunnerJob { project: ProjectId(job.project.id), job: JobId(job.id) }).collect())
    }
}

/// The status of a job that waits or runs.
fn live_status(word: &str) -> Option<JobStatus> {
    match word {
        "pending" => Some(JobStatus::Pending),
        // Its runner is still busy with it.
        "running" | "canceling" => Some(JobStatus::Running),
        _ => None,
    }
}

fn read_live_job(row: Row<LiveJobRow>) -> Option<LiveJob> {
    let job = row.readable()?;
    let status = live_status(&job.status)?;
    Some(LiveJob {
        id: JobId(job.id),
        name: JobName::new(job.name).ok()?,
        status,
        tags: job.tag_list.into_iter().collect(),
        pipeline: job.pipeline.map(|pipeline| PipelineId(pipeline.id)),
        queued_seconds: job.queued_duration,
        runner: job.runner.map(EventRunner::from),
    })
}
