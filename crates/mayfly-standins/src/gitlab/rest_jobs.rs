//! The jobs API: look at jobs, cancel, retry and play them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State as Extract};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use mayfly_core::ids::{JobId, RunnerId};
use serde_json::{Value, json};

use super::http::{Answer, Refusal, authorize};
use super::model::{Job, Project};
use super::pages::Listing;
use super::params::Params;
use super::shared::Shared;
use super::state::State;
use super::time::{now, with_milliseconds};

/// `GET /projects/:id/jobs`, newest first, with `scope[]` as filter.
pub(super) async fn list(
    Extract(shared): Extract<Arc<Shared>>,
    Path(project): Path<String>,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    shared.read(|state| {
        authorize(state, &headers, &["read_api"])?;
        let project = find_project(state, &project)?;
        let scopes = params.list("scope").unwrap_or_default();
        let is_listed = |job: &&Job| {
            job.project == project.id
                && (scopes.is_empty() || scopes.iter().any(|scope| scope == job.status.as_str()))
        };
        let jobs = state.jobs.values().rev().filter(is_listed);
        let items = jobs.map(|job| (job.id.0, job_json(state, project, job))).collect();
        let url = format!("{}/api/v4/projects/{}/jobs", state.url, project.id);
        let filters = scopes.into_iter().map(|scope| ("scope[]", scope)).collect();
        Listing { url, filters, items }.page_or_keyset(&params)
    })
}

/// `GET /runners/:id/jobs`, newest first: those that it has, and those that it has had. Each names its project.
pub(super) async fn list_of_runner(
    Extract(shared): Extract<Arc<Shared>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    shared.read(|state| {
        authorize(state, &headers, &["read_api", "manage_runner"])?;
        if !state.runners.contains_key(&RunnerId(id)) {
            return Err(Refusal::not_found(""));
        }
        let jobs = state.jobs.values().rev().filter(|job| {
            job.taken_by.as_ref().is_some_and(|by| by.runner.0 == id) && !job.waits_for_runner_ack()
        });
        let items = jobs.filter_map(|job| Some((job.id.0, job_of_runner_json(state, job)?))).collect();
        let url = format!("{}/api/v4/runners/{id}/jobs", state.url);
        Ok(Listing { url, filters: Vec::new(), items }.page(&params))
    })
}

/// `GET /projects/:id/jobs/:job_id`.
pub(super) async fn show(
    Extract(shared): Extract<Arc<Shared>>,
    Path((project, job)): Path<(String, u64)>,
    headers: HeaderMap,
) -> Answer {
    shared.change(|state| {
        if state.knobs.failing_job_lookups > 0 {
            state.knobs.failing_job_lookups -= 1;
            return Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "500 Internal Server Error"));
        }
        authorize(state, &headers, &["read_api"])?;
        let (project, job) = find_job(state, &project, job)?;
        Ok(Json(job_json(state, project, job)).into_response())
    })
}

/// `GET /projects/:id/jobs/:job_id/trace`.
pub(super) async fn log(
    Extract(shared): Extract<Arc<Shared>>,
    Path((project, job)): Path<(String, u64)>,
    headers: HeaderMap,
) -> Answer {
    shared.read(|state| {
        authorize(state, &headers, &["read_api"])?;
        let (_, job) = find_job(state, &project, job)?;
        Ok(([(header::CONTENT_TYPE, "text/plain")], job.log.clone()).into_response())
    })
}

/// `GET /projects/:id/repository/branches/:branch`: a branch is there as soon as a job runs for it.
pub(super) async fn branch(
    Extract(shared): Extract<Arc<Shared>>,
    Path((project, branch)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    shared.read(|state| {
        authorize(state, &headers, &["read_api"])?;
        let project = find_project(state, &project)?;
        let is_there = |job: &Job| job.project == project.id && job.spec.git_ref == branch;
        if !state.jobs.values().any(is_there) {
            return Err(Refusal::not_found("Branch "));
        }
        let answer = json!({ "name": branch, "default": branch == "main", "protected": branch == "main" });
        Ok(Json(answer).into_response())
    })
}

/// `POST /projects/:id/jobs/:job_id/{cancel,retry,play}`.
pub(super) async fn act(
    Extract(shared): Extract<Arc<Shared>>,
    Path((project, job, action)): Path<(String, u64, String)>,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    shared.change(|state| {
        authorize(state, &headers, &[])?;
        let id = find_job(state, &project, job)?.1.id;
        let (status, id) = match action.as_str() {
            "cancel" => {
                let is_forced = params.flag("force").unwrap_or(false);
                // GitLab answers 201 whether or not there was something to cancel.
                let _ = if is_forced { state.force_cancel(id) } else { state.cancel(id) };
                (StatusCode::CREATED, id)
            }
            "retry" => {
                let refusal = |_| Refusal::new(StatusCode::FORBIDDEN, "403 Forbidden - Job is not retryable");
                (StatusCode::CREATED, state.retry(id).map_err(refusal)?)
            }
            "play" => {
                state.play(id)?;
                (StatusCode::OK, id)
            }
            _ => return Err(Refusal::not_found("")),
        };
        let (project, job) = find_job(state, &project, id.0)?;
        Ok((status, Json(job_json(state, project, job))).into_response())
    })
}

fn find_project<'a>(state: &'a State, project: &str) -> Result<&'a Project, Refusal> {
    state.project(project).ok_or_else(|| Refusal::not_found("Project "))
}

fn find_job<'a>(state: &'a State, project: &str, job: u64) -> Result<(&'a Project, &'a Job), Refusal> {
    let project = find_project(state, project)?;
    let job = state.jobs.get(&JobId(job)).filter(|job| job.project == project.id);
    job.map(|job| (project, job)).ok_or_else(|| Refusal::not_found(""))
}

fn job_of_runner_json(state: &State, job: &Job) -> Option<Value> {
    let project = state.projects.get(&job.project)?;
    let mut told = job_json(state, project, job);
    told["project"] = json!({ "id": project.id, "path_with_namespace": project.path });
    Some(told)
}

fn job_json(state: &State, project: &Project, job: &Job) -> Value {
    let taken_by = job.taken_by.as_ref().filter(|_| !job.waits_for_runner_ack());
    let runner = taken_by.and_then(|by| state.runners.get(&by.runner));
    let manager = taken_by
        .zip(runner)
        .and_then(|(by, runner)| runner.managers.iter().find(|manager| manager.system_id == by.system_id));
    let pipeline = state.pipelines.get(&job.pipeline);
    let sha = pipeline.map(|pipeline| pipeline.sha.as_str());
    let now = now();
    json!({
        "id": job.id,
        "name": job.spec.name,
        "stage": "test",
        "status": job.status.as_str(),
        "ref": job.spec.git_ref,
        "tag": false,
        "tag_list": job.spec.tags,
        "allow_failure": false,
        "created_at": with_milliseconds(job.created_at),
        "started_at": job.started_at.map(with_milliseconds),
        "finished_at": job.finished_at.map(with_milliseconds),
        "duration": job.run_seconds(now),
        "queued_duration": job.queued_seconds(now),
        "failure_reason": job.failure_reason,
        "web_url": format!("{}/{}/-/jobs/{}", state.url, project.path, job.id),
        "user": { "id": 3, "username": "somebody", "name": "Some Body" },
        "pipeline": {
            "id": job.pipeline,
            "iid": pipeline.map(|pipeline| pipeline.iid),
            "project_id": project.id,
            "ref": "main",
            "sha": sha,
            "status": "running",
        },
        "runner": runner.map(|runner| json!({
            "id": runner.id,
            "description": runner.description,
            "active": !runner.paused,
            "runner_type": runner.scope.as_str(),
        })),
        "runner_manager": manager.map(|manager| json!({ "id": manager.id, "system_id": manager.system_id })),
    })
}
