//! The HTTP intake: `POST /webhook` and `GET /health`.

mod counters;

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http_body_util::BodyExt;
use mayfly_app::{Answer, Outcome, receive_webhook};
use mayfly_core::clock::Clock;
use mayfly_core::ports::EventBus;
use mayfly_gitlab::webhook::{BodyCheck, Ignored, MAX_EVENT_BYTES, Received, WebhookSecrets, read};
use serde::Serialize;
use serde_json::json;
use tokio::time::timeout;
use tracing::warn;

pub use self::counters::Counters;

/// How much of a body is read at all. GitLab sends at most 25 MB (GitLab docs, webhooks).
const MAX_BODY_BYTES: usize = 26 * 1024 * 1024;
/// How long a body may take to arrive. GitLab gives up after 10 s itself.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// What the intake needs.
pub struct Intake {
    /// What makes a webhook authentic.
    pub secrets: WebhookSecrets,
    /// Where events go.
    pub bus: Arc<dyn EventBus>,
    /// The clock that signatures are held against.
    pub clock: Arc<dyn Clock>,
    /// What came in so far.
    pub counters: Counters,
    /// How the rest of the server does.
    pub health: Box<dyn HealthSource>,
}

/// Tells how the rest of the server does.
#[async_trait::async_trait]
pub trait HealthSource: Send + Sync {
    /// The report, and whether the server can do its work.
    async fn health(&self) -> (bool, serde_json::Map<String, serde_json::Value>);
}

/// The routes of the intake.
pub fn router(intake: Arc<Intake>) -> Router {
    Router::new().route("/webhook", post(webhook)).route("/health", get(health)).with_state(intake)
}

async fn webhook(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Answer { outcome, reason } = receive(&intake, &head.headers, body).await;
    intake.counters.count(outcome.as_str());
    let status = StatusCode::from_u16(outcome.status_code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(AnswerBody { outcome: outcome.as_str(), reason })).into_response()
}

#[derive(Serialize)]
struct AnswerBody {
    outcome: &'static str,
    reason: String,
}

/// Authenticates, then parses, then puts the event on the bus. An unauthentic body is never parsed.
async fn receive(intake: &Intake, headers: &HeaderMap, body: Body) -> Answer {
    let now = intake.clock.now();
    let refused = |reason: String| {
        warn!(reason, "Refused a webhook: {reason}");
        // The sender learns nothing about what was expected.
        Answer { outcome: Outcome::Refused, reason: "not authentic".to_owned() }
    };
    let check = match intake.secrets.begin(headers, now) {
        Ok(check) => check,
        Err(unauthentic) => return refused(unauthentic.to_string()),
    };
    let body = match timeout(BODY_TIMEOUT, read_body(body, check)).await {
        Ok(Ok(body)) => body,
        Ok(Err(reason)) => return refused(reason),
        Err(_) => return refused(format!("the body did not arrive within {} s", BODY_TIMEOUT.as_secs())),
    };
    let Some(body) = body else {
        let limit = MAX_EVENT_BYTES / 1024 / 1024;
        return ignored(
            intake,
            "too_large",
            format!("the body is larger than {limit} MiB, which no job event is"),
        );
    };
    match read(headers, &body, now) {
        Received::Job(event) => receive_webhook(intake.bus.as_ref(), &event).await,
        Received::Ignored(Ignored { kind, reason }) => ignored(intake, kind.as_str(), reason),
    }
}

fn ignored(intake: &Intake, kind: &'static str, reason: String) -> Answer {
    intake.counters.count_ignored(kind);
    tracing::info!(kind, "Ignored a webhook: {reason}");
    Answer { outcome: Outcome::Ignored, reason }
}

/// The authentic body; `None` if it is too large to be an event. Keeps no more of it than an event may have.
async fn read_body(mut body: Body, mut check: BodyCheck) -> Result<Option<Bytes>, String> {
    let mut kept = Kept::Nothing;
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("the body could not be read: {error}"))?;
        let Ok(piece) = frame.into_data() else { continue };
        check.update(&piece);
        length += piece.len();
        if length > MAX_BODY_BYTES {
            break;
        }
        kept = if length > MAX_EVENT_BYTES { Kept::Nothing } else { kept.with(piece) };
    }
    check.finish().map_err(|unauthentic| unauthentic.to_string())?;
    Ok((length <= MAX_EVENT_BYTES).then(|| kept.into_bytes()))
}

/// The pieces of a body. Most bodies come in one, which need not be copied.
enum Kept {
    Nothing,
    One(Bytes),
    Many(Vec<u8>),
}

impl Kept {
    fn with(self, piece: Bytes) -> Self {
        match self {
            Self::Nothing => Self::One(piece),
            Self::One(first) => Self::Many([first, piece].concat()),
            Self::Many(mut pieces) => {
                pieces.extend_from_slice(&piece);
                Self::Many(pieces)
            }
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(piece) => piece,
            Self::Many(pieces) => pieces.into(),
        }
    }
}

async fn health(State(intake): State<Arc<Intake>>) -> Response {
    let (is_well, mut report) = intake.health.health().await;
    report.insert("status".to_owned(), json!(if is_well { "ok" } else { "degraded" }));
    report.insert("version".to_owned(), json!(env!("CARGO_PKG_VERSION")));
    report.insert("webhooks".to_owned(), intake.counters.to_json());
    let status = if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report)).into_response()
}
