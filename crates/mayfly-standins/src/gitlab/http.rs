//! The front door: routes, refusals, and who may do what.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State as Extract};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post, put};
use jiff::tz::TimeZone;
use serde_json::json;

use super::StandinError;
use super::shared::Shared;
use super::state::State;
use super::time::now;
use super::view::SeenRequest;
use super::{
    job_request, job_updates, rest_about, rest_hook_tests, rest_hooks, rest_jobs, rest_runners, runner_tokens,
};

/// An answer with an error code, worded as GitLab does.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(super) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "403 Forbidden")
    }

    pub(super) fn unavailable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "503 Service Unavailable")
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("404 {what}Not Found"))
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, axum::Json(json!({ "message": self.message }))).into_response()
    }
}

impl From<StandinError> for Refusal {
    fn from(error: StandinError) -> Self {
        let status = match error {
            StandinError::Missing { .. } => StatusCode::NOT_FOUND,
            StandinError::WrongStatus { .. } | StandinError::RetriedBefore(_) => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, format!("{} {error}", status.as_u16()))
    }
}

/// For calls that every token may make.
pub(super) const ANY_SCOPE: &[&str] = &["*"];

pub(super) type Answer = Result<Response, Refusal>;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let runner_protocol = Router::new()
        .route("/jobs/request", post(job_request::request_job))
        .route("/jobs/{id}", put(job_updates::update))
        .route("/jobs/{id}/trace", patch(job_updates::append_log))
        .route("/jobs/{id}/artifacts", post(job_updates::upload).get(job_updates::download))
        .route("/runners/verify", post(runner_tokens::verify))
        .route("/runners/managers", delete(runner_tokens::delete_manager))
        .route("/runners/router/discovery", get(|| async { StatusCode::NOT_IMPLEMENTED }));
    let rest_api = Router::new()
        .route(
            "/runners",
            post(runner_tokens::register).delete(runner_tokens::delete_runner).get(rest_runners::list),
        )
        .route("/runners/all", get(rest_runners::list_all))
        .route(
            "/runners/{id}",
            get(rest_runners::show).put(rest_runners::change).delete(rest_runners::delete),
        )
        .route("/runners/{id}/managers", get(rest_runners::managers))
        .route("/runners/{id}/jobs", get(rest_jobs::list_of_runner))
        .route("/user/runners", post(rest_runners::create))
        .route("/version", get(rest_about::version))
        .route("/personal_access_tokens/self", get(rest_about::own_token))
        .route("/projects/{project}", get(rest_about::project))
        .route("/groups/{group}/projects", get(rest_about::group_projects))
        .route("/projects/{project}/runners", post(rest_runners::enable))
        .merge(hooks_of("/projects"))
        .merge(hooks_of("/groups"))
        .route("/projects/{project}/repository/branches/{branch}", get(rest_jobs::branch))
        .route("/projects/{project}/jobs", get(rest_jobs::list))
        .route("/projects/{project}/jobs/{job}", get(rest_jobs::show))
        .route("/projects/{project}/jobs/{job}/trace", get(rest_jobs::log))
        .route("/projects/{project}/jobs/{job}/{action}", post(rest_jobs::act));
    Router::new()
        .nest("/api/v4", runner_protocol.merge(rest_api))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), front_door))
        .layer(DefaultBodyLimit::disable())
        .with_state(shared)
}

/// The webhooks of projects or of groups, which GitLab treats alike.
fn hooks_of(places: &str) -> Router<Arc<Shared>> {
    let hooks = format!("{places}/{{place}}/hooks");
    Router::new()
        .route(&hooks, get(rest_hooks::list).post(rest_hooks::create))
        .route(&format!("{hooks}/{{hook}}"), put(rest_hooks::change).delete(rest_hooks::delete))
        .route(&format!("{hooks}/{{hook}}/events"), get(rest_hook_tests::deliveries))
        .route(&format!("{hooks}/{{hook}}/test/{{trigger}}"), post(rest_hook_tests::test))
}

/// Refuses a request whose access token is unknown (401) or has none of the scopes (403). `api` may do everything.
pub(super) fn authorize(state: &State, headers: &HeaderMap, scopes: &[&str]) -> Result<(), Refusal> {
    let bearer =
        text(headers, header::AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
    let token = text(headers, "PRIVATE-TOKEN").or(bearer);
    let granted = token
        .and_then(|token| state.access_tokens.get(token))
        .ok_or_else(|| Refusal::new(StatusCode::UNAUTHORIZED, "401 Unauthorized"))?;
    let end = token.and_then(|token| state.token_ends.get(token));
    if end.is_some_and(|end| *end <= now().to_zoned(TimeZone::UTC).date()) {
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "Token is expired."));
    }
    if scopes == ANY_SCOPE {
        return Ok(());
    }
    if granted.contains("api") || scopes.iter().any(|&scope| granted.contains(scope)) {
        return Ok(());
    }
    Err(Refusal::new(StatusCode::FORBIDDEN, "insufficient_scope"))
}

/// A header as text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

async fn front_door(Extract(shared): Extract<Arc<Shared>>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    if shared.read(|state| state.knobs.held_paths.contains(&path)) {
        shared.change(|state| state.held_requests.push(path.clone()));
        shared.when(|state| (!state.knobs.held_paths.contains(&path)).then_some(())).await;
    }
    let response = if shared.read(|state| state.knobs.is_down) {
        Refusal::unavailable().into_response()
    } else {
        next.run(request).await
    };
    let status = response.status().as_u16();
    shared.change(|state| state.requests.push(SeenRequest { method, path, status }));
    response
}
