//! The two servers, each on a runtime of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::routing::post;
use mayfly_core::clock::SystemClock;
use mayfly_gitlab::webhook::{SignaturePolicy, WebhookSecrets};
use mayfly_local::intake::{Counters, HealthSource, Intake, router};
use mayfly_local::queue::Queue;
use serde_json::{Map, Value};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const TOKEN: &str = "the-benchmark-hook";
/// A job event of the size GitLab sends.
const BODY: &str = include_str!("../../../../fixtures/gitlab/job-pending.json");
/// What the intake answers to it, so that both send the same.
const ANSWER: &str = r#"{"outcome":"accepted","reason":"pending of job 192.168.64.1:3005/380/1977"}"#;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    runtime: Runtime,
    queue: Option<Queue>,
    _folder: Option<TempDir>,
}

impl Server {
    /// Reads the body and answers.
    pub(crate) fn bare() -> anyhow::Result<Self> {
        let answer =
            async |_: Bytes| (StatusCode::ACCEPTED, [(header::CONTENT_TYPE, "application/json")], ANSWER);
        Self::serve(runtime()?, Router::new().route("/webhook", post(answer)), None, None)
    }

    /// The intake of `mayfly local` with its queue on the disk.
    pub(crate) fn intake() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let runtime = runtime()?;
        let context = runtime.enter();
        let queue = Queue::open(&folder.path().join("mayfly.db"), Arc::new(SystemClock))?;
        let intake = Intake {
            secrets: WebhookSecrets::new(vec![TOKEN.into()], Vec::new(), SignaturePolicy::Required)?,
            bus: Arc::new(queue.clone()),
            clock: Arc::new(SystemClock),
            counters: Counters::default(),
            health: Box::new(NoHealth),
        };
        let app = router(Arc::new(intake));
        drop(context);
        Self::serve(runtime, app, Some(queue), Some(folder))
    }

    fn serve(
        runtime: Runtime,
        app: Router,
        queue: Option<Queue>,
        folder: Option<TempDir>,
    ) -> anyhow::Result<Self> {
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        runtime.spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, runtime, queue, _folder: folder })
    }

    /// How many events are on the disk.
    pub(crate) fn queued(&self) -> anyhow::Result<u64> {
        let queue = self.queue.as_ref().context("this server has no queue")?;
        let (waiting, _) =
            self.runtime.block_on(queue.health()).counts.context("the queue does not answer")?;
        Ok(waiting)
    }
}

fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

/// One authentic webhook, ready to be sent.
pub(crate) fn webhook_request(address: SocketAddr) -> Vec<u8> {
    let head = format!(
        "POST /webhook HTTP/1.1\r\nhost: {address}\r\nuser-agent: GitLab/19.3.0\r\ncontent-type: application/json\r\n\
         x-gitlab-event: Job Hook\r\nx-gitlab-token: {TOKEN}\r\ncontent-length: {}\r\n\r\n",
        BODY.len()
    );
    [head.as_bytes(), BODY.as_bytes()].concat()
}

struct NoHealth;

#[async_trait]
impl HealthSource for NoHealth {
    async fn health(&self) -> (bool, Map<String, Value>) {
        (true, Map::new())
    }
}
