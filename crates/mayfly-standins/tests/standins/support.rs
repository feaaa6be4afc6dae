//! What the tests share: a runner process, and a receiver of webhooks.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use mayfly_standins::gitlab::StandinGitlab;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::RequestBuilder;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

/// How long anything may take before a test gives up.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// One `run-single`, with a configuration and a home of its own.
pub(crate) struct Runner {
    child: Child,
    folder: TempDir,
    lines: watch::Receiver<Vec<String>>,
}

impl Runner {
    /// Starts one for the runner with this token. It asks for jobs every 20 ms and sends its log every 20 ms.
    pub(crate) fn start(gitlab: &StandinGitlab, token: &str, args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.toml");
        let text = format!(
            "[[runners]]\nname = \"one\"\nurl = \"{}\"\ntoken = \"{token}\"\nexecutor = \"shell\"\nbuilds_dir = \"{}\"\n",
            gitlab.url(),
            folder.path().join("builds").display(),
        );
        std::fs::write(&config, text).unwrap();
        std::fs::write(folder.path().join(".runner_system_id"), "r_0123456789ab").unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_standin-gitlab-runner"))
            .args(["--log-format", "json", "run-single", "--runner", "one", "--check-interval-ms", "20"])
            .args(["--trace-interval-ms", "20", "--config"])
            .arg(&config)
            .args(args)
            .env("HOME", folder.path())
            .env("OF_THE_MACHINE", "yes")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (sender, lines) = watch::channel(Vec::new());
        let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        tokio::spawn(async move {
            while let Ok(Some(line)) = stderr.next_line().await {
                sender.send_modify(|lines| lines.push(line));
            }
        });
        Self { child, folder, lines }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn project_dir(&self, short_token: &str, project: &str) -> PathBuf {
        self.folder.path().join("builds").join(short_token).join("0").join(project)
    }

    /// Waits for a line whose message begins so, and returns it.
    pub(crate) async fn line(&mut self, message: &str) -> Value {
        let find = |lines: &Vec<String>| {
            let mut lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.find(|line| line["msg"].as_str().is_some_and(|text| text.starts_with(message)))
        };
        let found = timeout(SOON, self.lines.wait_for(|lines| find(lines).is_some())).await;
        let found = found.ok().and_then(Result::ok).and_then(|lines| find(&lines));
        assert!(found.is_some(), "no `{message}` among {:#?}", self.lines.borrow());
        found.unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id().unwrap()).unwrap();
        kill(Pid::from_raw(id), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn exit(&mut self) -> ExitStatus {
        let ended = timeout(SOON, self.child.wait()).await;
        assert!(ended.is_ok(), "it does not leave: {:#?}", self.lines.borrow());
        ended.unwrap().unwrap()
    }
}

/// A webhook as it arrived.
#[derive(Clone)]
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

/// Receives webhooks and answers each with the same status code.
pub(crate) struct Sink {
    pub(crate) url: String,
    received: watch::Receiver<Vec<Received>>,
}

impl Sink {
    pub(crate) async fn start(answer: StatusCode) -> Self {
        let (sender, received) = watch::channel(Vec::new());
        let receive = move |State(sender): State<watch::Sender<Vec<Received>>>,
                            headers: HeaderMap,
                            body: Bytes| async move {
            sender.send_modify(|all| all.push(Received { headers, body }));
            answer
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhook", listener.local_addr().unwrap());
        let app = Router::new().fallback(receive).with_state(sender);
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, received }
    }

    /// Waits until so many have arrived.
    pub(crate) async fn received(&mut self, count: usize) -> Vec<Received> {
        let arrived = timeout(SOON, self.received.wait_for(|all| all.len() >= count)).await;
        arrived.unwrap().unwrap().clone()
    }
}

/// Sends a request; the code and the JSON of the answer (null for none).
pub(crate) async fn send(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
}

/// A client for plain requests.
pub(crate) struct Http<'a> {
    pub(crate) gitlab: &'a StandinGitlab,
    client: reqwest::Client,
}

impl<'a> Http<'a> {
    pub(crate) fn new(gitlab: &'a StandinGitlab) -> Self {
        let client = reqwest::Client::builder().no_proxy().timeout(SOON).build().unwrap();
        Self { gitlab, client }
    }

    /// A request without any token.
    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let url = self.gitlab.url().join(&format!("api/v4/{path}")).unwrap();
        self.client.request(method.parse().unwrap(), url)
    }

    /// A request with the access token that may do everything.
    pub(crate) fn api(&self, method: &str, path: &str) -> RequestBuilder {
        self.request(method, path).header("PRIVATE-TOKEN", self.gitlab.api_token())
    }
}
