//! Questions about jobs.

use mayfly_core::error::PortError;
use mayfly_core::ids::{JobId, JobName, PipelineId, ProjectId};
use mayfly_core::ports::{GitRef, JobView};
use mayfly_core::status::JobStatus;
use mayfly_core::tags::TagSet;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::GitlabClient;
use super::call::Call;

pub(super) const READ_SCOPE: &str = "read_api";

/// A hundred jobs a page: so many pages are ten thousand jobs, and more likely a mistake than a queue.
const MOST_PAGES: usize = 100;

/// A job that waits for a runner, as the list of a project's jobs tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingJob {
    /// The job.
    pub id: JobId,
    /// Its name.
    pub name: JobName,
    /// Its tags.
    pub tags: TagSet,
    /// Its pipeline.
    pub pipeline: Option<PipelineId>,
    /// How long it has waited, in seconds, as GitLab counts.
    pub queued_seconds: Option<f64>,
}

#[derive(Deserialize)]
struct JobAnswer {
    status: String,
    #[serde(default)]
    tag_list: Vec<String>,
    #[serde(rename = "ref")]
    ref_name: Option<String>,
    #[serde(default)]
    tag: bool,
}

#[derive(Deserialize)]
struct RefAnswer {
    protected: bool,
}

#[derive(Deserialize)]
struct PendingJobAnswer {
    id: u64,
    name: String,
    #[serde(default)]
    tag_list: Vec<String>,
    #[serde(default)]
    pipeline: Option<PipelineAnswer>,
    #[serde(default)]
    queued_duration: Option<f64>,
}

#[derive(Deserialize)]
struct PipelineAnswer {
    id: u64,
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

    /// All jobs of a project that wait for a runner, the oldest first. Scope `read_api`.
    ///
    /// A job that cannot be read is left out with a warning: it must not hide the others.
    pub async fn pending_jobs(&self, project: ProjectId) -> Result<Vec<PendingJob>, PortError> {
        let operation = format!("GitLab: list the pending jobs of project {project}");
        let call = Call::get(operation, format!("/projects/{project}/jobs"), READ_SCOPE)
            .query("scope[]", "pending")
            .query("order_by", "id")
            .query("sort", "asc")
            .query("pagination", "keyset");
        let rows: Vec<serde_json::Value> = self.all_pages(call).await?;
        let jobs: Vec<_> = rows.into_iter().map(read_pending_job).collect();
        let unreadable = jobs.iter().filter(|job| job.is_none()).count();
        if unreadable > 0 {
            tracing::warn!(%project, unreadable, "some pending jobs cannot be read");
        }
        Ok(jobs.into_iter().flatten().collect())
    }

    /// Asks for all pages of a list.
    pub(super) async fn all_pages<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<Vec<T>, PortError> {
        let mut call = call.query("per_page", "100");
        let mut items = Vec::new();
        for _ in 0..MOST_PAGES {
            let answer = self.send(&call).await?;
            items.extend(answer.decode::<Vec<T>>(&call.operation)?);
            match answer.next_page(&call.query) {
                Some(query) => call.query = query,
                None => return Ok(items),
            }
        }
        tracing::warn!(operation = call.operation, items = items.len(), "the list is cut off");
        Ok(items)
    }
}

fn read_pending_job(row: serde_json::Value) -> Option<PendingJob> {
    let job: PendingJobAnswer = serde_json::from_value(row).ok()?;
    Some(PendingJob {
        id: JobId(job.id),
        name: JobName::new(job.name).ok()?,
        tags: job.tag_list.into_iter().collect(),
        pipeline: job.pipeline.map(|pipeline| PipelineId(pipeline.id)),
        queued_seconds: job.queued_duration,
    })
}
