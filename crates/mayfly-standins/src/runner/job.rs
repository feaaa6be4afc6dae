//! One job from its receipt to the word about its end.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use super::VERSION;
use super::client::Client;
use super::config::RunnerConfig;
use super::log::Logger;
use super::network_types::{Job, JobState, Output, Told, Variable};
use super::script::{Script, write_script};
use super::signals::StopWatch;
use super::trace::{RemoteStop, Trace};

/// How long a script may take after SIGTERM before it is killed.
const GRACEFUL_KILL: Duration = Duration::from_mins(10);

/// Reasons every GitLab knows; others only if it lists them.
const ALWAYS_KNOWN_REASONS: [&str; 3] = ["script_failure", "runner_system_failure", "job_execution_timeout"];

/// Whether the job counts for `--max-builds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Processed {
    Counted,
    /// It was aborted or canceled before it began.
    NotCounted,
}

pub(super) struct JobRun<'a> {
    config: &'a RunnerConfig,
    job: &'a Job,
    trace: Trace<'a>,
    log: Logger,
}

/// How a job ended that did not go well.
struct Failure {
    message: String,
    reason: &'static str,
    exit_code: Option<i32>,
}

impl Failure {
    fn new(message: impl Into<String>, reason: &'static str) -> Self {
        Self { message: message.into(), reason, exit_code: None }
    }

    fn system(error: &io::Error) -> Self {
        Self::new(error.to_string(), "runner_system_failure")
    }

    fn canceled() -> Self {
        Self::new("canceled", "job_canceled")
    }
}

impl<'a> JobRun<'a> {
    pub(super) fn new(
        config: &'a RunnerConfig,
        client: &'a Client,
        job: &'a Job,
        trace_interval: Duration,
        log: &Logger,
    ) -> Self {
        let log = log.with(&[
            ("job", json!(job.id)),
            ("project", json!(job.info.project_id)),
            ("runner", json!(config.short_token())),
        ]);
        Self { config, job, trace: Trace::new(client, job, trace_interval), log }
    }

    /// Says that it runs the job, runs it, and tells the end.
    pub(super) async fn process(&self, stop: StopWatch) -> Processed {
        let reply = self.trace.tell_running().await;
        if reply.told == Told::Abort {
            return Processed::NotCounted;
        }
        if reply.is_cancel_requested {
            self.tell_end(Err(Failure::canceled()), Instant::now()).await;
            return Processed::NotCounted;
        }
        let started = Instant::now();
        let result = self.run(stop).await;
        self.tell_end(result, started).await;
        Processed::Counted
    }

    async fn run(&self, mut stop: StopWatch) -> Result<(), Failure> {
        let folder = self.prepare().map_err(|error| Failure::system(&error))?;
        let text = write_script(&self.config.shell, self.job, &self.variables(&folder), &folder);
        let started = Script::start(&self.config.shell, text);
        let (mut script, group) = started.map_err(|error| Failure::system(&error))?;
        let mut finish = pin!(script.finish(&self.trace));
        let longest = Duration::from_secs(self.job.runner_info.timeout);
        let failure = tokio::select! {
            status = &mut finish => return of_status(status),
            word = stop.now() => Failure::new(format!("aborted: {word}"), "runner_interrupted"),
            remote = self.trace.follow() => match remote {
                RemoteStop::Cancel => Failure::canceled(),
                RemoteStop::Abort => Failure::new("aborted: job is not running in GitLab", "job_canceled"),
            },
            () = sleep(longest), if !longest.is_zero() => {
                let message = format!("execution took longer than {} seconds", longest.as_secs());
                Failure::new(message, "job_execution_timeout")
            }
        };
        group.signal(Signal::SIGTERM);
        if timeout(GRACEFUL_KILL, &mut finish).await.is_err() {
            group.signal(Signal::SIGKILL);
            // What came of it no longer matters: the job has failed for another reason.
            let _ = finish.await;
        }
        Err(failure)
    }

    /// Writes the head of the log and makes the job's folder.
    fn prepare(&self) -> io::Result<PathBuf> {
        let short_token = self.config.short_token();
        let trace = &self.trace;
        trace.line(&format!("Running with gitlab-runner {VERSION} (standin)"));
        trace.line(&format!("  on {} {short_token}, system ID: {}", self.config.name, self.config.system_id));
        trace.line("Preparing the \"shell\" executor");
        trace.line(&format!("Using Shell ({}) executor...", self.config.shell));
        let builds = match &self.config.builds_dir {
            Some(folder) => std::path::absolute(folder)?,
            None => std::env::current_dir()?.join("builds"),
        };
        let folder = builds.join(short_token).join("0").join(self.project_path());
        std::fs::create_dir_all(&folder)?;
        trace.line("Skipping Git repository setup");
        for step in &self.job.steps {
            trace.line(&format!("Executing \"step_{}\" stage of the job script", step.name));
        }
        Ok(folder)
    }

    /// The project's path as the address of its repository tells it.
    fn project_path(&self) -> String {
        let url = Url::parse(&self.job.git_info.repo_url).ok();
        let path = url.as_ref().map(|url| url.path().trim_matches('/').trim_end_matches(".git"));
        match path {
            Some(path) if !path.is_empty() && !path.contains("..") => path.to_owned(),
            _ => format!("project-{}", self.job.info.project_id),
        }
    }

    /// GitLab's variables, then the configuration's, then what only the machine knows.
    fn variables(&self, folder: &Path) -> Vec<Variable> {
        let pair = |key: &str, value: String| Variable { key: key.to_owned(), value };
        let given = self.job.variables.iter().map(|variable| pair(&variable.key, variable.value.clone()));
        let configured = self.config.environment.iter().filter_map(|entry| entry.split_once('='));
        let configured = configured.map(|(key, value)| pair(key, value.to_owned()));
        let own = [
            pair("CI_PROJECT_DIR", folder.to_string_lossy().into_owned()),
            pair("CI_RUNNER_VERSION", VERSION.to_owned()),
            pair("CI_RUNNER_SHORT_TOKEN", self.config.short_token()),
            pair("CI_CONCURRENT_ID", "0".to_owned()),
            pair("CI_SERVER", "yes".to_owned()),
        ];
        given.chain(configured).chain(own).collect()
    }

    async fn tell_end(&self, result: Result<(), Failure>, started: Instant) {
        let duration = ("duration_s", json!(started.elapsed().as_secs_f64()));
        let end = match result {
            Ok(()) => {
                self.log.info("Job succeeded", &[duration, ("job-status", json!("success"))]);
                self.trace.line("Job succeeded");
                JobState {
                    state: "success",
                    failure_reason: None,
                    exit_code: None,
                    output: Output { bytesize: 0 },
                }
            }
            Err(failure) => {
                let message = match failure.reason {
                    "runner_system_failure" => format!("Job failed (system failure): {}", failure.message),
                    _ => format!("Job failed: {}", failure.message),
                };
                let fields = [
                    duration,
                    ("job-status", json!("failed")),
                    ("error", json!(failure.message)),
                    ("failure_reason", json!(failure.reason)),
                    ("exit_code", json!(failure.exit_code.unwrap_or(0))),
                ];
                self.log.warning(&message, &fields);
                self.trace.line(&format!("ERROR: {message}"));
                JobState {
                    state: "failed",
                    failure_reason: Some(self.known_reason(failure.reason).to_owned()),
                    exit_code: failure.exit_code,
                    output: Output { bytesize: 0 },
                }
            }
        };
        if !self.trace.finish(end).await {
            self.log.error("Job trace termination failed", &[]);
        }
    }

    fn known_reason(&self, reason: &'static str) -> &'static str {
        let listed = self.job.features.failure_reasons.iter().any(|known| known == reason);
        if listed || ALWAYS_KNOWN_REASONS.contains(&reason) { reason } else { "unknown_failure" }
    }
}

fn of_status(status: io::Result<ExitStatus>) -> Result<(), Failure> {
    let status = status.map_err(|error| Failure::system(&error))?;
    if status.success() {
        return Ok(());
    }
    let message = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, signal) => format!("signal: {}", signal.unwrap_or_default()),
    };
    let exit_code = Some(status.code().unwrap_or(1));
    Err(Failure { message, reason: "script_failure", exit_code })
}
