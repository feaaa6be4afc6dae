//! What a machine does with a runner token, or with a registration token.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Extract;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use mayfly_core::ids::RunnerId;
use serde_json::json;

use super::http::{Answer, Refusal, text};
use super::model::Scope;
use super::params::Params;
use super::shared::Shared;
use super::state::{NewRunner, State};

/// `POST /runners/verify`.
pub(super) async fn verify(
    Extract(shared): Extract<Arc<Shared>>,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    shared.change(|state| {
        let id = runner_of_token(state, &headers, &params)?;
        if let Some(system_id) = params.text("system_id") {
            state.contact(id, &system_id);
        }
        let token = state.runners.get(&id).map(|runner| runner.token.clone());
        Ok(Json(json!({ "id": id, "token": token, "token_expires_at": null })).into_response())
    })
}

/// `POST /runners`: the registration of old. The stand-in has one registration token, of the instance.
pub(super) async fn register(Extract(shared): Extract<Arc<Shared>>, params: Params) -> Answer {
    let token = params.required("token")?;
    shared.change(|state| {
        if !state.knobs.allows_registration_tokens {
            return Err(Refusal::new(StatusCode::GONE, "410 Gone - runner registration disallowed"));
        }
        if token != state.registration_token {
            return Err(Refusal::forbidden());
        }
        let runner = state.add_runner(NewRunner::from_params(&params, "", Scope::Instance)?);
        let body = json!({ "id": runner.id, "token": runner.token, "token_expires_at": null });
        Ok((StatusCode::CREATED, Json(body)).into_response())
    })
}

/// `DELETE /runners` with the runner's own token.
pub(super) async fn delete_runner(
    Extract(shared): Extract<Arc<Shared>>,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    shared.change(|state| {
        let id = runner_of_token(state, &headers, &params)?;
        state.runners.remove(&id);
        Ok(StatusCode::NO_CONTENT.into_response())
    })
}

/// `DELETE /runners/managers` with the runner's token: removes one machine's record.
pub(super) async fn delete_manager(
    Extract(shared): Extract<Arc<Shared>>,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    let system_id = params.required("system_id")?;
    shared.change(|state| {
        let id = runner_of_token(state, &headers, &params)?;
        let runner = state.runners.get_mut(&id).ok_or_else(Refusal::forbidden)?;
        let before = runner.managers.len();
        runner.managers.retain(|manager| manager.system_id != system_id);
        if runner.managers.len() == before {
            return Err(Refusal::not_found("Runner manager "));
        }
        Ok(StatusCode::NO_CONTENT.into_response())
    })
}

impl NewRunner {
    /// Reads what both ways of registration have in common.
    pub(super) fn from_params(
        params: &Params,
        token_prefix: &'static str,
        scope: Scope,
    ) -> Result<Self, Refusal> {
        let tags = params.list("tag_list").unwrap_or_default();
        let run_untagged = params.flag("run_untagged").unwrap_or(true);
        let maximum_timeout = params.number("maximum_timeout");
        if tags.iter().all(String::is_empty) && !run_untagged {
            let message = "Validation failed: Tags list can not be empty when runner is not allowed to pick untagged jobs";
            return Err(Refusal::bad_request(message));
        }
        if maximum_timeout.is_some_and(|seconds| seconds < 600) {
            let message = "Validation failed: Maximum timeout needs to be at least 10 minutes";
            return Err(Refusal::bad_request(message));
        }
        Ok(Self {
            token_prefix,
            description: params.text("description"),
            scope,
            tags: tags.into_iter().collect(),
            run_untagged,
            locked: params.flag("locked").unwrap_or(false),
            paused: params.flag("paused").unwrap_or(false),
            maximum_timeout,
            maintenance_note: params.text("maintenance_note"),
        })
    }
}

fn runner_of_token(state: &State, headers: &HeaderMap, params: &Params) -> Result<RunnerId, Refusal> {
    let token = params.text("token").or_else(|| text(headers, "RUNNER-TOKEN").map(str::to_owned));
    let runner = token.and_then(|token| state.runner_by_token(&token));
    runner.map(|runner| runner.id).ok_or_else(Refusal::forbidden)
}
