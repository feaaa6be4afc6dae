//! A `mayfly local` process, and what is around it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use mayfly_core::ids::ProjectId;
use mayfly_standins::gitlab::StandinGitlab;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::STANDIN_RUNNER;

/// The hook's secret token.
pub(crate) const WEBHOOK_TOKEN: &str = "a-webhook-token";
/// Longer than anything takes on a busy machine.
pub(crate) const LONG: Duration = Duration::from_mins(1);

/// A GitLab with a project, a folder for Mayfly, and the settings to start it with.
pub(crate) struct Scene {
    pub(crate) gitlab: StandinGitlab,
    pub(crate) project: ProjectId,
    folder: TempDir,
    pub(crate) settings: BTreeMap<&'static str, String>,
}

impl Scene {
    /// Registration mode `per-job`, everything else as it is by default; runners leave after 5 s without a job.
    pub(crate) async fn new() -> Self {
        let gitlab = StandinGitlab::start().await.unwrap();
        let project = gitlab.create_project("group/app");
        let folder = tempfile::tempdir().unwrap();
        let runner = write_runner(folder.path());
        let settings = BTreeMap::from([
            ("MAYFLY_LISTEN", "127.0.0.1:0".to_owned()),
            ("MAYFLY_DATA_DIR", folder.path().join("data").display().to_string()),
            ("MAYFLY_GITLAB_URL", gitlab.url().to_string()),
            ("MAYFLY_API_TOKEN", gitlab.api_token().to_owned()),
            ("MAYFLY_WEBHOOK_TOKEN", WEBHOOK_TOKEN.to_owned()),
            ("MAYFLY_RUNNER", runner.display().to_string()),
            ("MAYFLY_WAIT_TIMEOUT", "5".to_owned()),
            ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ]);
        Self { gitlab, project, folder, settings }
    }

    /// The same with one more setting.
    pub(crate) fn with(mut self, variable: &'static str, value: impl Into<String>) -> Self {
        self.settings.insert(variable, value.into());
        self
    }

    /// The same without a setting.
    pub(crate) fn without(mut self, variable: &'static str) -> Self {
        self.settings.remove(variable);
        self
    }

    /// The same with a settings file.
    pub(crate) fn with_file(self, text: &str) -> Self {
        let path = self.folder.path().join("mayfly.toml");
        fs::write(&path, text).unwrap();
        let path = path.display().to_string();
        self.with("MAYFLY_CONFIG", path)
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts Mayfly and points the project's hook at it.
    pub(crate) async fn start(&self) -> Mayfly {
        let mayfly = self.start_without_hook().await;
        self.gitlab.add_hook(self.project, &mayfly.url("/webhook"), Some(WEBHOOK_TOKEN), None).unwrap();
        mayfly
    }

    pub(crate) async fn start_without_hook(&self) -> Mayfly {
        let mut mayfly = Mayfly::spawn(&self.settings);
        let line = mayfly.log_line("Listening for webhooks on ").await;
        let (_, url) = line.split_once("Listening for webhooks on ").unwrap();
        mayfly.base.push_str(url.trim_end_matches("/webhook"));
        mayfly
    }
}

/// This test program, as the stand-in runner, with the job log sent often.
fn write_runner(folder: &Path) -> PathBuf {
    let path = folder.join("gitlab-runner");
    let program = std::env::current_exe().unwrap();
    let script =
        format!("#!/bin/sh\nexec '{}' {STANDIN_RUNNER} --check-interval-ms 100 \"$@\"\n", program.display());
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// A running `mayfly local`. Killed when dropped.
pub(crate) struct Mayfly {
    child: Child,
    base: String,
    log: watch::Receiver<Vec<String>>,
}

impl Mayfly {
    /// Starts it with just these variables.
    pub(crate) fn spawn(settings: &BTreeMap<&'static str, String>) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mayfly"))
            .arg("local")
            .env_clear()
            .envs(settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = watch::channel(Vec::new());
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                sender.send_modify(|log| log.push(without_colours(&line)));
            }
        });
        Self { child, base: String::new(), log }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The first line of the log that holds the text; waits for it.
    pub(crate) async fn log_line(&mut self, text: &str) -> String {
        self.log_lines(text, 1).await.remove(0)
    }

    /// So many lines of the log that hold the text; waits for them.
    pub(crate) async fn log_lines(&mut self, text: &str, count: usize) -> Vec<String> {
        self.log_lines_with_any(&[text], count).await
    }

    /// So many lines of the log that hold one of the texts; waits for them.
    pub(crate) async fn log_lines_with_any(&mut self, texts: &[&str], count: usize) -> Vec<String> {
        let matching = |log: &Vec<String>| -> Vec<String> {
            log.iter().filter(|line| texts.iter().any(|text| line.contains(text))).cloned().collect()
        };
        let mut log = self.log.clone();
        let found = timeout(LONG, log.wait_for(|log| matching(log).len() >= count)).await;
        match found {
            Ok(Ok(log)) => matching(&log),
            _ => {
                panic!("no {count} lines with any of {texts:?} in the log:\n{}", self.log.borrow().join("\n"))
            }
        }
    }

    /// The log so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    pub(crate) async fn health(&self) -> Value {
        let client = mayfly_gitlab::http_client(None, LONG).unwrap();
        client.get(self.url("/health")).send().await.unwrap().json().await.unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.child.id().expect("it runs");
        kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
    }

    /// As `kill -9` would. Its runners live on.
    pub(crate) async fn kill(mut self) {
        self.child.start_kill().unwrap();
        self.child.wait().await.unwrap();
    }

    pub(crate) async fn exit(&mut self) -> ExitStatus {
        timeout(LONG, self.child.wait()).await.expect("it ends").unwrap()
    }

    /// Stops it well, with nothing left.
    pub(crate) async fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        assert!(self.exit().await.success(), "{}", self.log().join("\n"));
    }
}

fn without_colours(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some((before, escaped)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = escaped.split_once('m').map_or("", |(_, after)| after);
    }
    plain + rest
}
