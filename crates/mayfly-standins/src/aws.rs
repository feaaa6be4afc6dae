//! A stand-in for the AWS services that Mayfly calls, on loopback: Parameter Store, EventBridge, SQS, Lambda and CloudFormation
//! as far as it uses them, what an account tells of itself, and DynamoDB passed on to an embedded one. It remembers and counts what it
//! was asked. It also receives webhooks.
//!
//! It checks no signatures and no rights: that is what the end-to-end tests with the emulator are for.

mod account;
mod events;
mod services;
mod webhook;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

/// The secret key of the account, to look for where it must not be.
pub const SECRET_ACCESS_KEY: &str = "hidden-key";

/// One answer made up in advance.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status code.
    pub status: u16,
    /// The body.
    pub body: Value,
}

impl Reply {
    /// An error of a service, such as `ThrottlingException`.
    pub fn error(status: u16, code: &str) -> Self {
        let message = format!("{code}, as the test wants");
        Self { status, body: serde_json::json!({ "__type": code, "Type": code, "message": message }) }
    }
}

/// One accepted `Invoke`.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The function's name or ARN, as it was asked for.
    pub function: String,
    /// `Event` for an asynchronous one.
    pub invocation_type: String,
    /// The tenant, if one was named.
    pub tenant: Option<String>,
    /// The payload.
    pub payload: Value,
}

/// One message sent to a queue.
#[derive(Debug, Clone)]
pub struct Message {
    /// The queue's address.
    pub queue: String,
    /// The message.
    pub body: Value,
    /// How long it stays invisible, in seconds.
    pub delay_seconds: u64,
}

/// One execution of a state machine.
#[derive(Debug, Clone)]
pub struct Execution {
    /// The state machine's ARN.
    pub machine: String,
    /// The input.
    pub input: Value,
}

/// A message that lies in a queue.
#[derive(Debug, Clone)]
struct Kept {
    /// Its receipt, too.
    id: String,
    body: String,
    is_hidden: bool,
}

/// What comes of a call.
#[derive(Debug)]
enum Next {
    Pass,
    Lose,
    Answer(Reply),
}

#[derive(Debug, Default)]
struct Known {
    parameters: BTreeMap<String, String>,
    /// The outputs of each stack.
    stacks: BTreeMap<String, BTreeMap<String, String>>,
    account: account::Known,
    webhook: webhook::Known,
    knows_functions: bool,
    events: Vec<Value>,
    invocations: Vec<Invocation>,
    messages: Vec<Message>,
    /// What lies in the queues that are read, by their addresses.
    queues: BTreeMap<String, Vec<Kept>>,
    executions: Vec<Execution>,
    archived: Vec<Value>,
    /// The queues of the rules that replayed events go to.
    replay_rules: BTreeMap<String, String>,
    /// How often each replay was asked about.
    replays: BTreeMap<String, u32>,
    /// Every call, such as `PutEvents`, in order.
    calls: Vec<String>,
    /// What comes of the next calls of an operation.
    replies: BTreeMap<String, VecDeque<Next>>,
    bodies: Vec<String>,
}

struct Shared {
    known: Mutex<Known>,
    dynamodb: Option<Url>,
    http: reqwest::Client,
}

/// A running stand-in. It ends when it is dropped.
pub struct StandinAws {
    url: Url,
    shared: Arc<Shared>,
    server: JoinHandle<io::Result<()>>,
}

impl StandinAws {
    /// Starts one. Calls to DynamoDB are passed on to `dynamodb`; without it they fail.
    pub async fn start(dynamodb: Option<Url>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = Url::parse(&format!("http://{}", listener.local_addr()?)).map_err(io::Error::other)?;
        let known = Mutex::new(Known { knows_functions: true, ..Known::default() });
        // Its provider is installed by whoever makes a client first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().build().map_err(io::Error::other)?;
        let shared = Arc::new(Shared { known, dynamodb, http });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, shared, server })
    }

    /// Its address, for `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The environment of a program that has nothing but credentials for this account.
    pub fn variables(&self) -> [(&'static str, &str); 6] {
        [
            ("HOME", "/nonexistent"),
            ("AWS_ENDPOINT_URL", self.url.as_str()),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]
    }

    /// Sets a parameter.
    pub fn put_parameter(&self, name: &str, value: &str) {
        self.known().parameters.insert(name.to_owned(), value.to_owned());
    }

    /// Sets what a CloudFormation stack has as outputs.
    pub fn put_stack(&self, name: &str, outputs: &[(&str, &str)]) {
        let outputs = outputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.known().stacks.insert(name.to_owned(), outputs.collect());
    }

    /// Removes a parameter.
    pub fn delete_parameter(&self, name: &str) {
        self.known().parameters.remove(name);
    }

    /// From now on no function is known.
    pub fn forget_functions(&self) {
        self.known().knows_functions = false;
    }

    /// The next call of this operation, such as `PutEvents`, gets this answer and does nothing. Several wait in line.
    pub fn answer_next(&self, operation: &str, reply: Reply) {
        self.known().replies.entry(operation.to_owned()).or_default().push_back(Next::Answer(reply));
    }

    /// The next call of this operation is answered as ever, and the one after it by what is made up next.
    pub fn pass_next(&self, operation: &str) {
        self.known().replies.entry(operation.to_owned()).or_default().push_back(Next::Pass);
    }

    /// The next call of this operation, which must be one of DynamoDB's, is done, but its answer is lost: the caller gets an error.
    pub fn lose_next(&self, operation: &str) {
        self.known().replies.entry(operation.to_owned()).or_default().push_back(Next::Lose);
    }

    /// The entries that were put on a bus.
    pub fn events(&self) -> Vec<Value> {
        self.known().events.clone()
    }

    /// The invocations that were accepted.
    pub fn invocations(&self) -> Vec<Invocation> {
        self.known().invocations.clone()
    }

    /// The messages that were sent.
    pub fn messages(&self) -> Vec<Message> {
        self.known().messages.clone()
    }

    /// Puts a message into a queue, from which it can be read.
    pub fn put_message(&self, queue: &str, id: &str, body: &Value) {
        let body = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
        let kept = Kept { id: id.to_owned(), body, is_hidden: false };
        self.known().queues.entry(queue.to_owned()).or_default().push(kept);
    }

    /// The ids of the messages in a queue, and whether each is hidden from readers.
    pub fn kept(&self, queue: &str) -> Vec<(String, bool)> {
        let known = self.known();
        let kept = known.queues.get(queue).into_iter().flatten();
        kept.map(|kept| (kept.id.clone(), kept.is_hidden)).collect()
    }

    /// The executions of state machines that succeeded.
    pub fn executions(&self) -> Vec<Execution> {
        self.known().executions.clone()
    }

    /// Archives an event of the bus, in its envelope. A replay to `rule` puts it into `queue`.
    pub fn archive(&self, rule: &str, queue: &str, envelope: Value) {
        let mut known = self.known();
        known.replay_rules.insert(rule.to_owned(), queue.to_owned());
        known.archived.push(envelope);
    }

    /// Every call since the start or since [`forget_calls`](Self::forget_calls), such as `PutItem`, in order.
    pub fn calls(&self) -> Vec<String> {
        self.known().calls.clone()
    }

    /// Counts from now on.
    pub fn forget_calls(&self) {
        self.known().calls.clear();
    }

    /// The bodies of all requests, to look for what must not be in them.
    pub fn bodies(&self) -> Vec<String> {
        self.known().bodies.clone()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.shared.known)
    }
}

impl Drop for StandinAws {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    // Every change is whole, so what a panicking test leaves behind is usable.
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    services::answer(&shared, &services::Request { method, uri, headers, body }).await
}
