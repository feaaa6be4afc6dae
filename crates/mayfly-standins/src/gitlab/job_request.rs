//! `POST /jobs/request`: a runner asks for work.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Extract;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use mayfly_core::ids::{JobId, RunnerId};
use serde_json::Value;

use super::http::{Answer, Refusal, text};
use super::job_payload;
use super::model::{Runner, TakenBy};
use super::params::Params;
use super::shared::Shared;
use super::state::State;

/// What the runner said of itself.
struct Asking {
    token: String,
    system_id: String,
    last_update: Option<String>,
    two_phase: bool,
    cancels_gracefully: bool,
}

impl Asking {
    fn read(params: &Params, headers: &HeaderMap) -> Result<Self, Refusal> {
        let feature = |name: &str| {
            let info = params.value("info");
            info.and_then(|info| info["features"][name].as_bool()).unwrap_or(false)
        };
        let token = params.text("token").or_else(|| text(headers, "RUNNER-TOKEN").map(str::to_owned));
        Ok(Self {
            token: token.ok_or_else(|| Refusal::bad_request("token is missing"))?,
            system_id: params.text("system_id").unwrap_or_else(|| "<legacy>".to_owned()),
            last_update: params.text("last_update"),
            two_phase: feature("two_phase_job_commit"),
            cancels_gracefully: feature("cancel_gracefully"),
        })
    }
}

/// What a runner that asked for work gets.
enum Found {
    Job(JobId, Value),
    /// Nothing, and what to ask with the next time.
    Nothing(String),
}

/// 201 with a job, 204 without, 403 for a token that is not (or no longer) known. A request that tells the present
/// `last_update` is held until the queue changes.
pub(super) async fn request_job(
    Extract(shared): Extract<Arc<Shared>>,
    headers: HeaderMap,
    params: Params,
) -> Answer {
    let asking = Asking::read(&params, &headers)?;
    wait_for_news(&shared, &asking).await;
    if shared.read(|state| state.knobs.is_down) {
        return Err(Refusal::unavailable());
    }
    match shared.change(|state| find(state, &asking))? {
        Found::Job(id, payload) => {
            if asking.two_phase {
                requeue_later(&shared, id);
            }
            Ok((StatusCode::CREATED, Json(payload)).into_response())
        }
        Found::Nothing(last_update) => {
            Ok((StatusCode::NO_CONTENT, [("x-gitlab-last-update", last_update)]).into_response())
        }
    }
}

/// Long polling. GitLab's front server answers 204 when the queue changes, and the runner asks again some seconds later;
/// here the same request gets the job.
async fn wait_for_news(shared: &Shared, asking: &Asking) {
    let Some(last_update) = &asking.last_update else { return };
    let longest = shared.read(|state| state.knobs.long_poll);
    let is_news = |state: &State| {
        let present = state.runner_by_token(&asking.token).map(Runner::last_update);
        (state.knobs.is_down || present.as_ref() != Some(last_update)).then_some(())
    };
    // An end without news is as good as one with.
    let _ = tokio::time::timeout(longest, shared.when(is_news)).await;
}

fn find(state: &mut State, asking: &Asking) -> Result<Found, Refusal> {
    let runner = state.runner_by_token(&asking.token).ok_or_else(Refusal::forbidden)?;
    let (id, last_update): (RunnerId, _) = (runner.id, runner.last_update());
    let by = TakenBy {
        runner: id,
        description: runner.description.clone(),
        system_id: asking.system_id.clone(),
        cancels_gracefully: asking.cancels_gracefully,
    };
    state.contact(id, &asking.system_id);
    let Some(job) = state.take_job(id, by, asking.two_phase) else { return Ok(Found::Nothing(last_update)) };
    match job_payload::payload(state, job) {
        Some(payload) => Ok(Found::Job(job, payload)),
        None => Ok(Found::Nothing(last_update)),
    }
}

/// A runner that does not say that it runs the job loses it.
fn requeue_later(shared: &Arc<Shared>, job: JobId) {
    let Some((token, timeout)) =
        shared.read(|state| Some((state.jobs.get(&job)?.token.clone(), state.knobs.ack_timeout)))
    else {
        return;
    };
    let later = Arc::clone(shared);
    shared.spawn(async move {
        tokio::time::sleep(timeout).await;
        later.change(|state| state.requeue(job, &token));
    });
}
