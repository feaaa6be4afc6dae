//! What travels between a runner and GitLab.

use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize};

/// A job as GitLab gives it. Only what the stand-in uses.
#[derive(Deserialize)]
pub(super) struct Job {
    pub(super) id: u64,
    #[serde(deserialize_with = "secret")]
    pub(super) token: SecretString,
    #[serde(default, rename = "job_info")]
    pub(super) info: JobInfo,
    #[serde(default)]
    pub(super) git_info: GitInfo,
    #[serde(default)]
    pub(super) runner_info: RunnerInfo,
    #[serde(default)]
    pub(super) variables: Vec<Variable>,
    #[serde(default)]
    pub(super) steps: Vec<Step>,
    #[serde(default)]
    pub(super) features: Features,
}

#[derive(Deserialize, Default)]
pub(super) struct JobInfo {
    #[serde(default)]
    pub(super) project_id: u64,
}

#[derive(Deserialize, Default)]
pub(super) struct GitInfo {
    #[serde(default)]
    pub(super) repo_url: String,
}

#[derive(Deserialize, Default)]
pub(super) struct RunnerInfo {
    /// Seconds; 0 for none.
    #[serde(default)]
    pub(super) timeout: u64,
}

#[derive(Deserialize)]
pub(super) struct Variable {
    pub(super) key: String,
    #[serde(default)]
    pub(super) value: String,
}

#[derive(Deserialize)]
pub(super) struct Step {
    pub(super) name: String,
    #[serde(default)]
    pub(super) script: Vec<String>,
}

#[derive(Deserialize, Default)]
pub(super) struct Features {
    #[serde(default)]
    pub(super) failure_reasons: Vec<String>,
}

/// How a job ended, or that it runs.
#[derive(Serialize)]
pub(super) struct JobState {
    pub(super) state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failure_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exit_code: Option<i32>,
    pub(super) output: Output,
}

#[derive(Serialize)]
pub(super) struct Output {
    pub(super) bytesize: usize,
}

impl JobState {
    pub(super) fn running(bytesize: usize) -> Self {
        Self { state: "running", failure_reason: None, exit_code: None, output: Output { bytesize } }
    }
}

/// What came of a request for work.
pub(super) enum Requested {
    Job(Box<Job>),
    Nothing,
    /// 403: the token is not, or no longer, good.
    Unhealthy,
}

/// What came of telling GitLab about the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Ok,
    /// Accepted; GitLab wants to hear it again.
    AcceptedNotCompleted,
    /// GitLab has not the whole log.
    LogIncomplete,
    /// The log continues at this byte.
    ContinueAt(usize),
    /// The job is not ours any more: stop at once.
    Abort,
    /// It did not work this time.
    Failed,
}

/// An answer about a job.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reply {
    pub(super) told: Told,
    /// Somebody canceled the job, and it may end gracefully.
    pub(super) is_cancel_requested: bool,
    /// How often GitLab wants the log.
    pub(super) update_interval: Option<Duration>,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}
