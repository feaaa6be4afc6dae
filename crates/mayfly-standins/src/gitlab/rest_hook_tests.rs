//! What a hook sent, and test deliveries.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State as Extract};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse;
use serde_json::json;

use super::delivery::{Answer as Outcome, Outgoing};
use super::http::{Answer, Refusal, authorize};
use super::model::HookId;
use super::pages::Listing;
use super::params::Params;
use super::rest_hooks::{hook_of, place_of};
use super::shared::Shared;

/// `GET /projects/:id/hooks/:hook_id/events`, and of groups: the latest first.
pub(super) async fn deliveries(
    Extract(shared): Extract<Arc<Shared>>,
    Path((place, hook)): Path<(String, u64)>,
    uri: Uri,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    shared.read(|state| {
        authorize(state, &headers, &["read_api"])?;
        if state.knobs.is_old {
            return Err(Refusal::not_found(""));
        }
        let place = place_of(state, &uri, &place)?;
        let id = hook_of(state, &place, hook)?;
        let row = |outcome: &Outcome| match outcome {
            Outcome::Http { status, body } => (status.to_string(), body.clone()),
            Outcome::Nobody(_) => ("internal error".to_owned(), String::new()),
        };
        let items = state
            .deliveries
            .values()
            .rev()
            .filter(|delivery| delivery.hook == id)
            .filter_map(|delivery| Some((delivery.id.0, row(delivery.answer.as_ref()?))))
            .map(|(id, (status, body))| {
                let item = json!({
                    "id": id,
                    "trigger": "job_hooks",
                    "request_headers": { "X-Gitlab-Token": "[REDACTED]" },
                    "response_body": body,
                    "response_status": status,
                });
                (id, item)
            })
            .collect();
        let url = format!("{}/api/v4{}", state.url, uri.path().trim_start_matches("/api/v4"));
        Ok(Listing { url, filters: Vec::new(), items }.page(&params))
    })
}

/// `POST /projects/:id/hooks/:hook_id/test/job_events`, and of groups: sends what the latest job is now. If the answer is
/// 2xx, a hook that was disabled is enabled.
pub(super) async fn test(
    Extract(shared): Extract<Arc<Shared>>,
    Path((place, hook, trigger)): Path<(String, u64, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let (id, outgoing) = shared.change(|state| {
        authorize(state, &headers, &[])?;
        if state.knobs.is_old {
            return Err(Refusal::not_found(""));
        }
        if trigger != "job_events" {
            return Err(Refusal::bad_request("trigger does not have a valid value"));
        }
        let place = place_of(state, &uri, &place)?;
        let id = hook_of(state, &place, hook)?;
        let job = state.jobs.values().rev().find(|job| state.covers(&place, job.project)).map(|job| job.id);
        let no_jobs = || unprocessable("Ensure the project has CI jobs.");
        let delivery = state.test_delivery(id, job.ok_or_else(no_jobs)?).ok_or_else(no_jobs)?;
        let outgoing = Outgoing::new(state, &delivery).ok_or_else(|| Refusal::not_found(""))?;
        state.deliveries.insert(delivery.id, delivery);
        Ok((id, outgoing))
    })?;
    let delivery = outgoing.id;
    outgoing.send(Arc::clone(&shared)).await;
    let outcome = shared.read(|state| state.deliveries.get(&delivery).and_then(|it| it.answer.clone()));
    match outcome {
        Some(Outcome::Http { status: 200..=299, .. }) => {
            shared.change(|state| enable(state, id));
            Ok((StatusCode::CREATED, Json(json!({ "message": "201 Created" }))).into_response())
        }
        Some(Outcome::Http { body, .. } | Outcome::Nobody(body)) => Err(unprocessable(&body)),
        None => Err(unprocessable("")),
    }
}

fn enable(state: &mut super::state::State, hook: HookId) {
    if let Some(hook) = state.hooks.get_mut(&hook) {
        hook.alert_status = "executable";
    }
}

fn unprocessable(message: &str) -> Refusal {
    Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, message)
}
