//! The runners API for people and dispatchers: create, list, pause, delete.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State as Extract};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use mayfly_core::ids::{ProjectId, RunnerId};
use serde_json::{Value, json};

use super::http::{Answer, Refusal, authorize};
use super::model::{Manager, Runner, Scope};
use super::pages::Listing;
use super::params::Params;
use super::shared::Shared;
use super::state::{NewRunner, State};
use super::time::with_milliseconds;

/// `POST /user/runners`.
pub(super) async fn create(
    Extract(shared): Extract<Arc<Shared>>,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    shared.change(|state| {
        if state.knobs.failing_registrations > 0 {
            state.knobs.failing_registrations -= 1;
            return Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "500 Internal Server Error"));
        }
        authorize(state, &headers, &["create_runner"])?;
        let (scope, prefix) = scope_of(state, &params)?;
        let runner = state.add_runner(NewRunner::from_params(&params, prefix, scope)?);
        let body = json!({ "id": runner.id, "token": runner.token, "token_expires_at": null });
        Ok((StatusCode::CREATED, Json(body)).into_response())
    })
}

/// `GET /runners`: those of projects and groups, not those of the whole instance. The scope `manage_runner` is not enough.
pub(super) async fn list(
    Extract(shared): Extract<Arc<Shared>>,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    shared.read(|state| page(state, "runners", &headers, &params, |runner| runner.scope != Scope::Instance))
}

/// `GET /runners/all`, for administrators.
pub(super) async fn list_all(
    Extract(shared): Extract<Arc<Shared>>,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    shared.read(|state| page(state, "runners/all", &headers, &params, |_| true))
}

/// `GET /runners/:id`.
pub(super) async fn show(
    Extract(shared): Extract<Arc<Shared>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
) -> Answer {
    shared.read(|state| {
        authorize(state, &headers, &["read_api", "manage_runner"])?;
        Ok(Json(runner_json(runner(state, id)?)).into_response())
    })
}

/// `PUT /runners/:id`: pauses, or changes what it takes.
pub(super) async fn change(
    Extract(shared): Extract<Arc<Shared>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    shared.change(|state| {
        authorize(state, &headers, &["manage_runner"])?;
        let runner = state.runners.get_mut(&RunnerId(id)).ok_or_else(|| Refusal::not_found(""))?;
        runner.paused = params.flag("paused").unwrap_or(runner.paused);
        runner.locked = params.flag("locked").unwrap_or(runner.locked);
        runner.run_untagged = params.flag("run_untagged").unwrap_or(runner.run_untagged);
        if let Some(tags) = params.list("tag_list") {
            runner.tags = tags.into_iter().collect();
        }
        if let Some(description) = params.text("description") {
            runner.description = Some(description);
        }
        runner.queue_version += 1;
        Ok(Json(runner_json(runner)).into_response())
    })
}

/// `DELETE /runners/:id`. A job that runs on it goes on.
pub(super) async fn delete(
    Extract(shared): Extract<Arc<Shared>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
) -> Answer {
    shared.change(|state| {
        authorize(state, &headers, &["manage_runner"])?;
        state.runners.remove(&RunnerId(id)).ok_or_else(|| Refusal::not_found(""))?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
}

/// `GET /runners/:id/managers`.
pub(super) async fn managers(
    Extract(shared): Extract<Arc<Shared>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
) -> Answer {
    shared.read(|state| {
        authorize(state, &headers, &["read_api", "manage_runner"])?;
        let managers: Vec<Value> = runner(state, id)?.managers.iter().map(manager_json).collect();
        Ok(Json(managers).into_response())
    })
}

/// `POST /projects/:id/runners`: gives a project runner to a further project, unless it is locked.
pub(super) async fn enable(
    Extract(shared): Extract<Arc<Shared>>,
    Path(project): Path<String>,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    let id = params.number("runner_id").ok_or_else(|| Refusal::bad_request("runner_id is missing"))?;
    shared.change(|state| {
        authorize(state, &headers, &["manage_runner"])?;
        let project = state.project(&project).ok_or_else(|| Refusal::not_found("Project "))?.id;
        let runner = state.runners.get_mut(&RunnerId(id)).ok_or_else(|| Refusal::not_found(""))?;
        match &mut runner.scope {
            Scope::Projects(projects) if !runner.locked => {
                projects.insert(project);
            }
            _ => return Err(Refusal::forbidden()),
        }
        runner.queue_version += 1;
        Ok((StatusCode::CREATED, Json(runner_json(runner))).into_response())
    })
}

fn page(
    state: &State,
    path: &str,
    headers: &HeaderMap,
    params: &Params,
    is_listed: impl Fn(&Runner) -> bool,
) -> Answer {
    authorize(state, headers, &["read_api"])?;
    let runners = state.runners.values().filter(|runner| is_listed(runner));
    let items = runners.map(|runner| (runner.id.0, runner_json(runner))).collect();
    let url = format!("{}/api/v4/{path}", state.url);
    Ok(Listing { url, filters: Vec::new(), items }.page(params))
}

fn runner(state: &State, id: u64) -> Result<&Runner, Refusal> {
    state.runners.get(&RunnerId(id)).ok_or_else(|| Refusal::not_found(""))
}

fn scope_of(state: &State, params: &Params) -> Result<(Scope, &'static str), Refusal> {
    match params.required("runner_type")?.as_str() {
        "instance_type" => Ok((Scope::Instance, "glrt-t1_")),
        "group_type" => {
            let id = params.number("group_id").ok_or_else(|| Refusal::bad_request("group_id is missing"))?;
            let path = state.groups.get(&id).ok_or_else(|| Refusal::not_found("Group "))?;
            Ok((Scope::Group(path.clone()), "glrt-t2_"))
        }
        "project_type" => {
            let id =
                params.number("project_id").ok_or_else(|| Refusal::bad_request("project_id is missing"))?;
            let project = state.projects.get(&ProjectId(id)).ok_or_else(|| Refusal::not_found("Project "))?;
            Ok((Scope::Projects(BTreeSet::from([project.id])), "glrt-t3_"))
        }
        _ => Err(Refusal::bad_request("runner_type does not have a valid value")),
    }
}

fn runner_json(runner: &Runner) -> Value {
    json!({
        "id": runner.id,
        "description": runner.description,
        "active": !runner.paused,
        "paused": runner.paused,
        "is_shared": runner.scope == Scope::Instance,
        "runner_type": runner.scope.as_str(),
        "tag_list": runner.tags,
        "run_untagged": runner.run_untagged,
        "locked": runner.locked,
        "maximum_timeout": runner.maximum_timeout,
        "maintenance_note": runner.maintenance_note,
        "online": !runner.managers.is_empty(),
        "status": if runner.managers.is_empty() { "never_contacted" } else { "online" },
    })
}

fn manager_json(manager: &Manager) -> Value {
    json!({
        "id": manager.id,
        "system_id": manager.system_id,
        "created_at": with_milliseconds(manager.created_at),
        "contacted_at": with_milliseconds(manager.contacted_at),
        "status": "online",
    })
}
