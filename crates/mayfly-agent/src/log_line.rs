//! What a line of `gitlab-runner`'s log tells.
//!
//! The runner writes one JSON object a line (`--log-format json`). Before its settings are read, and in what it prints
//! besides its log, lines are plain text; those are read as far as they can be.

use mayfly_core::ids::JobId;
use serde_json::{Map, Value};
use tracing::Level;

/// What the agent acts on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LineFacts {
    /// The runner must have read its configuration by now.
    pub(crate) config_was_read: bool,
    /// The runner has this job.
    pub(crate) job: Option<JobId>,
    /// What became of its job.
    pub(crate) verdict: Option<JobVerdict>,
    /// GitLab turned the runner away, or could not be asked properly.
    pub(crate) refused: bool,
}

/// What became of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobVerdict {
    /// It passed.
    Succeeded,
    /// It failed, by itself or because the runner was told to end.
    Failed,
}

/// One line, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogLine {
    level: Level,
    message: String,
    details: String,
    /// What the agent acts on.
    pub(crate) facts: LineFacts,
}

impl LogLine {
    /// Takes a line apart. Where the secret appears, it is masked first.
    pub(crate) fn parse(line: &str, secret: &str) -> Self {
        let line = line.trim_end();
        let line = if secret.is_empty() { line.to_owned() } else { line.replace(secret, "[masked]") };
        match serde_json::from_str::<Map<String, Value>>(&line) {
            Ok(fields) => Self::from_fields(fields),
            Err(_) => Self {
                level: Level::INFO,
                details: String::new(),
                facts: facts(&line, job_in_text(&line)),
                message: line,
            },
        }
    }

    /// Writes the line to the agent's own log.
    pub(crate) fn forward(&self) {
        let message = &self.message;
        let details = Some(self.details.as_str()).filter(|details| !details.is_empty());
        let job = self.facts.job.map(|job| job.0);
        match self.level {
            Level::ERROR => tracing::error!(target: "gitlab_runner", job, details, "{message}"),
            Level::WARN => tracing::warn!(target: "gitlab_runner", job, details, "{message}"),
            Level::INFO => tracing::info!(target: "gitlab_runner", job, details, "{message}"),
            _ => tracing::debug!(target: "gitlab_runner", job, details, "{message}"),
        }
    }

    fn from_fields(mut fields: Map<String, Value>) -> Self {
        fields.remove("time");
        let level = fields.remove("level");
        let message = match fields.remove("msg") {
            Some(Value::String(message)) => message,
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let job = match fields.remove("job") {
            Some(Value::Number(number)) => number.as_u64().map(JobId),
            Some(Value::String(text)) => text.parse().ok(),
            _ => None,
        };
        let details: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Self {
            level: level_of(level.as_ref().and_then(Value::as_str).unwrap_or_default()),
            details: details.join(" "),
            facts: facts(&message, job),
            message,
        }
    }
}

/// A log line about a job means that the runner has the job: the words of the messages have changed over the years.
fn facts(message: &str, job: Option<JobId>) -> LineFacts {
    let asks_for_jobs = message.contains("Checking for jobs");
    let is_not_healthy = message.contains("Runner is not healthy");
    let verdict = if message.starts_with("Job succeeded") {
        Some(JobVerdict::Succeeded)
    } else if message.starts_with("Job failed") {
        Some(JobVerdict::Failed)
    } else {
        None
    };
    LineFacts {
        config_was_read: message.contains("Starting runner for")
            || asks_for_jobs
            || is_not_healthy
            || job.is_some(),
        job,
        verdict,
        refused: is_not_healthy || (asks_for_jobs && message.contains("forbidden")),
    }
}

fn job_in_text(line: &str) -> Option<JobId> {
    let (_, rest) = line.split_once(" job=")?;
    let digits = rest.split(|character: char| !character.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// `gitlab-runner` logs with logrus, whose words these are.
fn level_of(word: &str) -> Level {
    match word {
        "panic" | "fatal" | "error" => Level::ERROR,
        "warning" | "warn" => Level::WARN,
        "debug" | "trace" => Level::DEBUG,
        _ => Level::INFO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: LineFacts = LineFacts { config_was_read: false, job: None, verdict: None, refused: false };
    const READ: LineFacts = LineFacts { config_was_read: true, ..NOTHING };

    #[test]
    fn lines_tell_what_the_agent_acts_on() {
        let received = LineFacts { job: Some(JobId(1977)), ..READ };
        let refused = LineFacts { refused: true, ..READ };
        for (line, facts) in [
            ("", NOTHING),
            (r#"{"arch":"amd64","level":"info","msg":"Runtime platform","os":"linux","pid":7}"#, NOTHING),
            (
                r#"{"level":"info","msg":"Starting runner for https://gitlab.example.com with token abcdefghi ..."}"#,
                READ,
            ),
            (r#"{"job":1977,"level":"info","msg":"Checking for jobs... received","repo_url":"u"}"#, received),
            (r#"{"job":"1977","level":"info","msg":"Checking for jobs...received"}"#, received),
            ("Checking for jobs... received   job=1977 repo_url=https://x runner=abc", received),
            (r#"{"level":"error","msg":"Checking for jobs... forbidden","status":"403 Forbidden"}"#, refused),
            (r#"{"level":"info","msg":"Runner is not healthy!"}"#, refused),
            (r#"{"level":"warning","msg":"Checking for jobs... failed","status":"502"}"#, READ),
            (
                r#"{"job":1977,"level":"info","msg":"Job succeeded","job-status":"success"}"#,
                LineFacts { verdict: Some(JobVerdict::Succeeded), ..received },
            ),
            (
                r#"{"job":1977,"level":"warning","msg":"Job failed: exit status 1"}"#,
                LineFacts { verdict: Some(JobVerdict::Failed), ..received },
            ),
            (
                r#"{"job":1977,"level":"error","msg":"Job failed (system failure): aborted: terminated"}"#,
                LineFacts { verdict: Some(JobVerdict::Failed), ..received },
            ),
            (r#"{"level":"info","msg":["odd"],"job":-1}"#, NOTHING),
            ("panic: runtime error", NOTHING),
        ] {
            assert_eq!(LogLine::parse(line, "").facts, facts, "{line}");
        }
    }

    #[test]
    fn levels_and_details_are_kept() {
        let line =
            r#"{"level":"warning","msg":"slow","runner":"abc","status":429,"time":"2026-08-01T00:00:00Z"}"#;
        let parsed = LogLine::parse(line, "");
        assert_eq!(parsed.level, Level::WARN);
        assert_eq!(parsed.message, "slow");
        assert_eq!(parsed.details, r#"runner="abc" status=429"#);
    }

    #[test]
    fn the_token_is_masked_wherever_it_appears() {
        for line in [
            r#"{"level":"info","msg":"with glrt-secret","runner":"glrt-secret"}"#,
            "token glrt-secret and glrt-secret",
        ] {
            let parsed = format!("{:?}", LogLine::parse(line, "glrt-secret"));
            assert!(!parsed.contains("glrt-secret"), "{parsed}");
            assert!(parsed.contains("[masked]"), "{parsed}");
        }
    }
}
