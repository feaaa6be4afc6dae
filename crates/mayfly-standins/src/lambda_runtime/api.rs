//! The Runtime API over HTTP, as AWS documents it ("Using the Lambda runtime API").

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::{Answer, FUNCTION_NAME, FunctionError};

/// An event on its way to the function.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) request_id: String,
    pub(super) deadline: Timestamp,
    pub(super) body: Vec<u8>,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// What the server and the holder of an environment share.
#[derive(Debug)]
pub(super) struct Shared {
    events: mpsc::UnboundedSender<Event>,
    waiting: AsyncMutex<mpsc::UnboundedReceiver<Event>>,
    running: Mutex<HashMap<String, oneshot::Sender<Answer>>>,
    started: watch::Sender<Option<Instant>>,
    first_next: watch::Sender<Option<Instant>>,
    log: watch::Sender<Vec<String>>,
}

impl Shared {
    pub(super) fn new() -> Self {
        let (events, waiting) = mpsc::unbounded_channel();
        Self {
            events,
            waiting: AsyncMutex::new(waiting),
            running: Mutex::default(),
            started: watch::Sender::default(),
            first_next: watch::Sender::default(),
            log: watch::Sender::default(),
        }
    }

    pub(super) fn hand_over(&self, event: Event) {
        // The receiver lives as long as this.
        let _ = self.events.send(event);
    }

    pub(super) fn set_started(&self) {
        self.started.send_replace(Some(Instant::now()));
    }

    pub(super) fn first_next(&self) -> watch::Receiver<Option<Instant>> {
        self.first_next.subscribe()
    }

    pub(super) fn since_start(&self, then: Instant) -> Duration {
        self.started.borrow().map_or(Duration::ZERO, |started| then.duration_since(started))
    }

    pub(super) fn add_line(&self, line: String) {
        self.log.send_modify(|lines| lines.push(line));
    }

    pub(super) fn log(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    /// Waits for ever if no such line comes.
    pub(super) async fn wait_for_line(&self, is_right: impl Fn(&str) -> bool) -> String {
        let mut log = self.log.subscribe();
        let find = |lines: &Vec<String>| lines.iter().find(|line| is_right(line)).cloned();
        // The sender lives as long as this.
        match log.wait_for(|lines| find(lines).is_some()).await {
            Ok(lines) => find(&lines).unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    fn answer(&self, request_id: &str, answer: Answer) -> Response {
        let waiting = self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(request_id);
        let Some(waiting) = waiting else {
            let body = json!({ "errorType": "InvalidRequestID", "errorMessage": "Invalid request ID" });
            return (StatusCode::BAD_REQUEST, axum::Json(body)).into_response();
        };
        // Nobody waits for an answer after the invocation's time.
        let _ = waiting.send(answer);
        (StatusCode::ACCEPTED, axum::Json(json!({ "status": "OK" }))).into_response()
    }
}

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let invocation = Router::new()
        .route("/next", get(next))
        .route("/{request_id}/response", post(respond))
        .route("/{request_id}/error", post(fail));
    Router::new()
        .nest("/2018-06-01/runtime/invocation", invocation)
        .route("/2018-06-01/runtime/init/error", post(fail_to_start))
        .layer(DefaultBodyLimit::disable())
        .with_state(shared)
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    let now = Instant::now();
    shared.first_next.send_if_modified(|first| {
        let is_first = first.is_none();
        first.get_or_insert(now);
        is_first
    });
    let Some(event) = shared.waiting.lock().await.recv().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let headers = [
        ("Lambda-Runtime-Aws-Request-Id", event.request_id.clone()),
        ("Lambda-Runtime-Deadline-Ms", event.deadline.as_millisecond().to_string()),
        (
            "Lambda-Runtime-Invoked-Function-Arn",
            format!("arn:aws:lambda:eu-west-1:123456789012:function:{FUNCTION_NAME}"),
        ),
        (
            "Lambda-Runtime-Trace-Id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0".to_owned(),
        ),
    ];
    shared.running.lock().unwrap_or_else(PoisonError::into_inner).insert(event.request_id, event.answer);
    (headers, [("Content-Type", "application/json")], event.body).into_response()
}

async fn respond(State(shared): State<Arc<Shared>>, Path(request_id): Path<String>, body: Bytes) -> Response {
    shared.answer(&request_id, Answer::Response(body.into()))
}

async fn fail(State(shared): State<Arc<Shared>>, Path(request_id): Path<String>, body: Bytes) -> Response {
    shared.answer(&request_id, Answer::Error(error_of(&body)))
}

async fn fail_to_start(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    shared.add_line(format!("init error: {}", String::from_utf8_lossy(&body)));
    (StatusCode::ACCEPTED, axum::Json(json!({ "status": "OK" }))).into_response()
}

fn error_of(body: &[u8]) -> FunctionError {
    serde_json::from_slice(body).unwrap_or_else(|_| FunctionError {
        error_message: String::from_utf8_lossy(body).into_owned(),
        ..FunctionError::default()
    })
}
