//! Projects and their hooks.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State as Extract};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::StandinError;
use super::delivery::signing_key;
use super::http::{Answer, Refusal, authorize};
use super::model::{Hook, HookId};
use super::pages::Listing;
use super::params::Params;
use super::shared::Shared;

/// `GET /projects/:id`, by number or path.
pub(super) async fn project(
    Extract(shared): Extract<Arc<Shared>>,
    Path(project): Path<String>,
    headers: HeaderMap,
) -> Answer {
    shared.read(|state| {
        authorize(state, &headers, &["read_api"])?;
        let project = state.project(&project).ok_or_else(|| Refusal::not_found("Project "))?;
        let group = state.groups.iter().find(|(_, path)| *path == project.namespace());
        let body = json!({
            "id": project.id,
            "name": project.name(),
            "path_with_namespace": project.path,
            "web_url": format!("{}/{}", state.url, project.path),
            "default_branch": "main",
            "namespace": group.map(|(id, path)| json!({ "id": id, "full_path": path, "kind": "group" })),
        });
        Ok(Json(body).into_response())
    })
}

/// `GET /projects/:id/hooks`.
pub(super) async fn list(
    Extract(shared): Extract<Arc<Shared>>,
    Path(project): Path<String>,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    shared.read(|state| {
        authorize(state, &headers, &["read_api"])?;
        let project = state.project(&project).ok_or_else(|| Refusal::not_found("Project "))?.id;
        let hooks = state.hooks.values().filter(|hook| hook.project == project);
        let items = hooks.map(|hook| (hook.id.0, hook_json(hook))).collect();
        let url = format!("{}/api/v4/projects/{project}/hooks", state.url);
        Ok(Listing { url, filters: Vec::new(), items }.page(&params))
    })
}

/// `POST /projects/:id/hooks`.
pub(super) async fn create(
    Extract(shared): Extract<Arc<Shared>>,
    Path(project): Path<String>,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    let url = params.required("url")?;
    let signing_key = match params.text("signing_token") {
        Some(token) => Some(signing_key(&token).ok_or(StandinError::InvalidSigningToken)?),
        None => None,
    };
    shared.change(|state| {
        authorize(state, &headers, &[])?;
        let project = state.project(&project).ok_or_else(|| Refusal::not_found("Project "))?.id;
        let id = HookId(state.next_id());
        let job_events = params.flag("job_events").unwrap_or(false);
        let hook = Hook { id, project, url, token: params.text("token"), signing_key, job_events };
        let body = hook_json(&hook);
        state.hooks.insert(id, hook);
        Ok((StatusCode::CREATED, Json(body)).into_response())
    })
}

/// `DELETE /projects/:id/hooks/:hook_id`.
pub(super) async fn delete(
    Extract(shared): Extract<Arc<Shared>>,
    Path((project, hook)): Path<(String, u64)>,
    headers: HeaderMap,
) -> Answer {
    shared.change(|state| {
        authorize(state, &headers, &[])?;
        let project = state.project(&project).ok_or_else(|| Refusal::not_found("Project "))?.id;
        let id = HookId(hook);
        if state.hooks.get(&id).is_none_or(|hook| hook.project != project) {
            return Err(Refusal::not_found(""));
        }
        state.hooks.remove(&id);
        Ok(StatusCode::NO_CONTENT.into_response())
    })
}

fn hook_json(hook: &Hook) -> Value {
    json!({
        "id": hook.id.0,
        "url": hook.url,
        "project_id": hook.project,
        "job_events": hook.job_events,
        "push_events": false,
        "enable_ssl_verification": true,
        "alert_status": "executable",
        "disabled_until": null,
        "token_present": hook.token.is_some(),
        "signing_token_present": hook.signing_key.is_some(),
    })
}
