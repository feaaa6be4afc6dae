//! The hooks of projects and, with a subscription, of groups.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State as Extract};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::StandinError;
use super::delivery::signing_key;
use super::http::{Answer, Refusal, authorize};
use super::model::{Hook, HookId, HookPlace};
use super::pages::Listing;
use super::params::Params;
use super::shared::Shared;
use super::state::State;

/// The project or group whose hooks are asked for, which depends on the first part of the path.
pub(super) fn place_of(state: &State, uri: &Uri, place: &str) -> Result<HookPlace, Refusal> {
    if uri.path().contains("/groups/") {
        let group = state.group(place).ok_or_else(|| Refusal::not_found("Group "))?;
        if !state.knobs.has_premium {
            return Err(Refusal::forbidden());
        }
        return Ok(HookPlace::Group(group));
    }
    let project = state.project(place).ok_or_else(|| Refusal::not_found("Project "))?;
    Ok(HookPlace::Project(project.id))
}

/// The hook of this number, if it belongs there.
pub(super) fn hook_of(state: &State, place: &HookPlace, hook: u64) -> Result<HookId, Refusal> {
    let id = HookId(hook);
    match state.hooks.get(&id) {
        Some(hook) if hook.place == *place => Ok(id),
        _ => Err(Refusal::not_found("")),
    }
}

/// `GET /projects/:id/hooks`, and of groups.
pub(super) async fn list(
    Extract(shared): Extract<Arc<Shared>>,
    Path(place): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    shared.read(|state| {
        authorize(state, &headers, &["read_api"])?;
        let place = place_of(state, &uri, &place)?;
        let hooks = state.hooks.values().filter(|hook| hook.place == place);
        let items = hooks.map(|hook| (hook.id.0, hook_json(hook))).collect();
        let url = format!("{}/api/v4{}", state.url, uri.path().trim_start_matches("/api/v4"));
        Ok(Listing { url, filters: Vec::new(), items }.page(&params))
    })
}

/// `POST /projects/:id/hooks`, and of groups.
pub(super) async fn create(
    Extract(shared): Extract<Arc<Shared>>,
    Path(place): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    let url = params.required("url")?;
    let signing_key = wanted_key(&params)?;
    shared.change(|state| {
        authorize(state, &headers, &[])?;
        let place = place_of(state, &uri, &place)?;
        let id = HookId(state.next_id());
        let hook = Hook {
            id,
            place,
            url,
            token: params.text("token"),
            signing_key,
            job_events: params.flag("job_events").unwrap_or(false),
            push_events: params.flag("push_events").unwrap_or(true),
            verifies_certificates: params.flag("enable_ssl_verification").unwrap_or(true),
            alert_status: "executable",
        };
        let body = hook_json(&hook);
        state.hooks.insert(id, hook);
        Ok((StatusCode::CREATED, Json(body)).into_response())
    })
}

/// `PUT /projects/:id/hooks/:hook_id`, and of groups. As in GitLab, another URL takes the token away.
pub(super) async fn change(
    Extract(shared): Extract<Arc<Shared>>,
    Path((place, hook)): Path<(String, u64)>,
    uri: Uri,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    let url = params.required("url")?;
    let signing_key = wanted_key(&params)?;
    shared.change(|state| {
        authorize(state, &headers, &[])?;
        let place = place_of(state, &uri, &place)?;
        let id = hook_of(state, &place, hook)?;
        let hook = state.hooks.get_mut(&id).ok_or_else(|| Refusal::not_found(""))?;
        if hook.url != url {
            (hook.url, hook.token, hook.signing_key) = (url, None, None);
        }
        hook.token = params.text("token").or(hook.token.take());
        hook.signing_key = signing_key.or(hook.signing_key.take());
        hook.job_events = params.flag("job_events").unwrap_or(hook.job_events);
        hook.push_events = params.flag("push_events").unwrap_or(hook.push_events);
        hook.verifies_certificates =
            params.flag("enable_ssl_verification").unwrap_or(hook.verifies_certificates);
        Ok(Json(hook_json(hook)).into_response())
    })
}

/// `DELETE /projects/:id/hooks/:hook_id`, and of groups.
pub(super) async fn delete(
    Extract(shared): Extract<Arc<Shared>>,
    Path((place, hook)): Path<(String, u64)>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    shared.change(|state| {
        authorize(state, &headers, &[])?;
        let place = place_of(state, &uri, &place)?;
        let id = hook_of(state, &place, hook)?;
        state.hooks.remove(&id);
        Ok(StatusCode::NO_CONTENT.into_response())
    })
}

fn wanted_key(params: &Params) -> Result<Option<Vec<u8>>, Refusal> {
    match params.text("signing_token") {
        Some(token) => Ok(Some(signing_key(&token).ok_or(StandinError::InvalidSigningToken)?)),
        None => Ok(None),
    }
}

fn hook_json(hook: &Hook) -> Value {
    let project = match hook.place {
        HookPlace::Project(project) => json!(project),
        HookPlace::Group(_) => Value::Null,
    };
    json!({
        "id": hook.id.0,
        "url": hook.url,
        "project_id": project,
        "job_events": hook.job_events,
        "push_events": hook.push_events,
        "enable_ssl_verification": hook.verifies_certificates,
        "alert_status": hook.alert_status,
        "disabled_until": (hook.alert_status == "temporarily_disabled").then_some("2126-01-01T00:00:00.000Z"),
        "token_present": hook.token.is_some(),
        "signing_token_present": hook.signing_key.is_some(),
    })
}
