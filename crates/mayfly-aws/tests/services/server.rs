//! HTTP servers on loopback that answer what a test says, and tell what they were asked.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use mayfly_aws::function::{Connection, Variables};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// What the server answers to one request.
#[derive(Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
    gate: Option<Arc<Notify>>,
}

impl Answer {
    #[expect(clippy::needless_pass_by_value, reason = "tests make the value where they call this")]
    pub(crate) fn new(status: u16, body: Value) -> Self {
        Self::text(status, body.to_string())
    }

    pub(crate) fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), gate: None }
    }

    pub(crate) fn ok(body: Value) -> Self {
        Self::new(200, body)
    }

    /// An error as services with a JSON protocol say it.
    pub(crate) fn error(status: u16, code: &'static str, message: &str) -> Self {
        Self::new(status, json!({ "__type": code, "message": message })).with_header("x-amzn-errortype", code)
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Answers only once the test says so.
    pub(crate) fn behind(mut self, gate: &Arc<Notify>) -> Self {
        self.gate = Some(Arc::clone(gate));
        self
    }
}

/// What the server was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) peer: SocketAddr,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Method, path and operation.
    pub(crate) fn line(&self) -> String {
        let target = self.header("x-amz-target").unwrap_or_default();
        format!("{} {} {target}", self.method, self.path).trim_end().to_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Answers in the order of a script, and the last answer of it from then on.
pub(crate) struct Scripted {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    script: Mutex<VecDeque<Answer>>,
    asked: watch::Sender<Vec<Asked>>,
}

impl Scripted {
    pub(crate) async fn start(script: impl IntoIterator<Item = Answer>) -> Self {
        let script: VecDeque<Answer> = script.into_iter().collect();
        assert!(!script.is_empty());
        let shared = Arc::new(Shared { script: Mutex::new(script), asked: watch::Sender::new(Vec::new()) });
        let service = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared))
            .into_make_service_with_connect_info::<SocketAddr>();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self { address, shared, task }
    }

    pub(crate) fn connection(&self) -> Connection {
        connection_to(self.address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.borrow().clone()
    }

    pub(crate) fn only_asked(&self) -> Asked {
        let mut asked = self.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked.remove(0)
    }

    /// Returns once so many requests came in.
    pub(crate) async fn was_asked(&self, times: usize) {
        self.shared.asked.subscribe().wait_for(|asked| asked.len() >= times).await.unwrap();
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answer = {
        let mut script = shared.script.lock().unwrap();
        if script.len() > 1 { script.pop_front().unwrap() } else { script[0].clone() }
    };
    let asked = Asked { method, path: uri.path().to_owned(), headers, body, peer };
    shared.asked.send_modify(|all| all.push(asked));
    if let Some(gate) = &answer.gate {
        gate.notified().await;
    }
    let status = StatusCode::from_u16(answer.status).unwrap();
    let mut response = (status, answer.body).into_response();
    for (name, value) in answer.headers {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// A server that takes connections, reads, and does not answer, or does not go on answering.
pub(crate) struct Mute {
    address: SocketAddr,
    connections: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

/// What a [`Mute`] server does with a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Waits,
    HangsUp,
    /// Answers the first of a connection with this status, as if there would be more, and hangs up at the second.
    AnswersOnce(u16),
}

impl Mute {
    pub(crate) async fn start(then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (count, connections) = watch::channel(0);
        let task = tokio::spawn(async move {
            let mut waiting = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                count.send_modify(|connections| *connections += 1);
                match then {
                    Then::Waits => {
                        read(&mut stream).await;
                        waiting.push(stream);
                    }
                    Then::HangsUp => read(&mut stream).await,
                    Then::AnswersOnce(status) => {
                        tokio::spawn(answer_once(stream, status));
                    }
                }
            }
        });
        Self { address, connections, task }
    }

    pub(crate) fn connection(&self) -> Connection {
        connection_to(self.address)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.borrow()
    }
}

async fn answer_once(mut stream: TcpStream, status: u16) {
    read(&mut stream).await;
    let answer = format!("HTTP/1.1 {status} as promised\r\ncontent-length: 2\r\n\r\n{{}}");
    stream.write_all(answer.as_bytes()).await.unwrap();
    read(&mut stream).await;
}

/// Reads one request, or nothing if the connection ends.
async fn read(stream: &mut TcpStream) {
    let mut request = Vec::new();
    while !is_whole(&request) {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.expect("a length").parse().unwrap()
}

impl Drop for Mute {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A connection to a port where nobody is.
pub(crate) fn connection_to_nobody() -> Connection {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    connection_to(listener.local_addr().unwrap())
}

pub(crate) fn connection_to(address: impl std::fmt::Display) -> Connection {
    let variables = Variables::new(move |name| match name {
        "AWS_REGION" => Some("eu-central-1".to_owned()),
        "AWS_ACCESS_KEY_ID" => Some("AKIDEXAMPLE".to_owned()),
        "AWS_SECRET_ACCESS_KEY" => Some("secret".to_owned()),
        "AWS_SESSION_TOKEN" => Some("session".to_owned()),
        "AWS_ENDPOINT_URL" => Some(format!("http://{address}")),
        _ => None,
    });
    Connection::read(&variables).unwrap()
}
