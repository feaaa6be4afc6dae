//! The runner's side of the protocol. Each call is one request; the loops that call it try again.

use std::fs;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::VERSION;
use super::config::RunnerConfig;
use super::log::Logger;
use super::network_types::{Job, JobState, Reply, Requested, Told};
use crate::random;

/// Longer than GitLab holds a request (50 s).
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("tls-ca-file: {0}")]
    CaFile(io::Error),
    #[error("{0}")]
    Http(reqwest::Error),
}

pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    token: SecretString,
    system_id: String,
    shell: String,
    /// What GitLab told last of the queue; sent back, it makes GitLab hold the request until there is news.
    last_update: Mutex<Option<String>>,
    log: Logger,
}

impl Client {
    pub(super) fn new(config: &RunnerConfig, log: &Logger) -> Result<Self, ClientError> {
        // An error means that somebody else has installed one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = reqwest::Client::builder()
            .no_proxy()
            .timeout(REQUEST_TIMEOUT)
            .user_agent(format!("gitlab-runner {VERSION} (standin; {})", std::env::consts::OS));
        if let Some(path) = &config.ca_file {
            let pem = fs::read(path).map_err(ClientError::CaFile)?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(ClientError::Http)?;
            http = http.tls_certs_merge(certificates);
        }
        Ok(Self {
            http: http.build().map_err(ClientError::Http)?,
            base: format!("{}/api/v4", config.url),
            token: config.token.clone(),
            system_id: config.system_id.clone(),
            shell: config.shell.clone(),
            last_update: Mutex::new(None),
            log: log.with(&[("runner", json!(config.short_token())), ("runner_name", json!(config.name))]),
        })
    }

    /// Asks for a job.
    pub(super) async fn request_job(&self) -> Requested {
        let body = json!({
            "info": self.info(),
            "token": self.token.expose_secret(),
            "system_id": self.system_id,
            "last_update": self.lock_last_update().clone(),
        });
        let request = self.request(Method::POST, "jobs/request", "RUNNER-TOKEN", &self.token).json(&body);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                self.log.warning("Checking for jobs... failed", &[status(&error.to_string())]);
                return Requested::Nothing;
            }
        };
        if let Some(last_update) = header(response.headers(), "x-gitlab-last-update") {
            *self.lock_last_update() = Some(last_update.to_owned());
        }
        match response.status() {
            StatusCode::CREATED => match response.json::<Job>().await {
                Ok(job) => {
                    let fields = [("job", json!(job.id)), ("repo_url", json!(job.git_info.repo_url))];
                    self.log.info("Checking for jobs... received", &fields);
                    Requested::Job(Box::new(job))
                }
                Err(error) => {
                    self.log.warning("Checking for jobs... failed", &[status(&error.to_string())]);
                    Requested::Nothing
                }
            },
            StatusCode::FORBIDDEN => {
                self.log.error("Checking for jobs... forbidden", &[status("403 Forbidden")]);
                Requested::Unhealthy
            }
            StatusCode::NO_CONTENT => {
                self.log.debug("Checking for jobs... no content", &[]);
                Requested::Nothing
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                self.log.warning("Checking for jobs... GitLab instance currently unavailable", &[]);
                Requested::Nothing
            }
            other => {
                self.log.warning("Checking for jobs... failed", &[status(other.as_str())]);
                Requested::Nothing
            }
        }
    }

    /// Tells how the job stands.
    pub(super) async fn update(&self, job: &Job, state: &JobState) -> Reply {
        let mut body = json!(state);
        body["info"] = self.info();
        body["token"] = json!(job.token.expose_secret());
        let path = format!("jobs/{}", job.id);
        let request = self.request(Method::PUT, &path, "JOB-TOKEN", &job.token).json(&body);
        let log = self.log.with(&[("job", json!(job.id)), ("bytesize", json!(state.output.bytesize))]);
        log.info("Updating job...", &[]);
        let (reply, code) = send(request, |code, _| match code {
            StatusCode::OK => Told::Ok,
            StatusCode::ACCEPTED => Told::AcceptedNotCompleted,
            StatusCode::PRECONDITION_FAILED => Told::LogIncomplete,
            StatusCode::NOT_FOUND => Told::Abort,
            _ => Told::Failed,
        })
        .await;
        log_answer(&log, "Submitting job to coordinator...", reply, &code);
        reply
    }

    /// Sends a part of the log that begins at this byte.
    pub(super) async fn append_log(&self, job: &Job, start: usize, content: Vec<u8>) -> Reply {
        let range = format!("{start}-{}", start + content.len() - 1);
        let path = format!("jobs/{}/trace?debug_trace=false", job.id);
        let request = self
            .request(Method::PATCH, &path, "JOB-TOKEN", &job.token)
            .header("Content-Range", &range)
            .header("Content-Type", "text/plain")
            .body(content);
        let log = self.log.with(&[("job", json!(job.id)), ("sent-log", json!(range))]);
        let (reply, code) = send(request, |code, headers| match code {
            StatusCode::ACCEPTED => Told::Ok,
            StatusCode::RANGE_NOT_SATISFIABLE => Told::ContinueAt(end_of_range(headers)),
            StatusCode::NOT_FOUND => Told::Abort,
            _ => Told::Failed,
        })
        .await;
        log_answer(&log, "Appending trace to coordinator...", reply, &code);
        reply
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        token_header: &str,
        token: &SecretString,
    ) -> RequestBuilder {
        let request = self
            .http
            .request(method, format!("{}/{path}", self.base))
            .header("Accept", "application/json")
            .header("X-Request-Id", random::uuid().replace('-', ""));
        let value = HeaderValue::from_str(token.expose_secret());
        match (HeaderName::try_from(token_header), value) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(true);
                request.header(name, value)
            }
            // A token that fits no header goes without one and is refused by GitLab.
            _ => request,
        }
    }

    fn info(&self) -> Value {
        json!({
            "name": "gitlab-runner",
            "version": VERSION,
            "revision": "standin",
            "platform": std::env::consts::OS,
            "architecture": std::env::consts::ARCH,
            "executor": "shell",
            "shell": self.shell,
            "features": {
                "variables": true,
                "shared": true,
                "refspecs": true,
                "trace_reset": true,
                "trace_size": true,
                "cancelable": true,
                "cancel_gracefully": true,
                "return_exit_code": true,
                "two_phase_job_commit": true,
            },
        })
    }

    fn lock_last_update(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.last_update.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends a request about a job. A status of the job that ends it outweighs the code of the answer.
async fn send(request: RequestBuilder, told: impl FnOnce(StatusCode, &HeaderMap) -> Told) -> (Reply, String) {
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => {
            let reply = Reply { told: Told::Failed, is_cancel_requested: false, update_interval: None };
            return (reply, error.to_string());
        }
    };
    let (code, headers) = (response.status(), response.headers());
    let job_status = header(headers, "job-status");
    let is_over = matches!(job_status, Some("canceled" | "failed")) || code == StatusCode::FORBIDDEN;
    let interval = header(headers, "x-gitlab-trace-update-interval").and_then(|text| text.parse().ok());
    let reply = Reply {
        told: if is_over { Told::Abort } else { told(code, headers) },
        is_cancel_requested: job_status == Some("canceling"),
        update_interval: interval.map(Duration::from_secs),
    };
    (reply, format!("{} {}", code.as_u16(), job_status.unwrap_or_default()))
}

fn log_answer(log: &Logger, what: &str, reply: Reply, code: &str) {
    let fields = [("code", json!(code))];
    match reply.told {
        Told::Ok => log.info(&format!("{what} ok"), &fields),
        Told::AcceptedNotCompleted => log.info(&format!("{what} accepted, but not yet completed"), &fields),
        Told::LogIncomplete => log.info(&format!("{what} trace validation failed"), &fields),
        Told::ContinueAt(_) => log.warning(&format!("{what} range mismatch"), &fields),
        Told::Abort => log.warning(&format!("{what} job failed"), &fields),
        Told::Failed => log.warning(&format!("{what} failed"), &fields),
    }
}

/// The size of the log in `Range: 0-<size>`.
fn end_of_range(headers: &HeaderMap) -> usize {
    let range = header(headers, "range").and_then(|range| range.split_once('-'));
    range.and_then(|(_, end)| end.parse().ok()).unwrap_or(0)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn status(text: &str) -> (&'static str, Value) {
    ("status", json!(text))
}
