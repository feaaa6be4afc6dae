//! Which job is asked for.

use std::fs;
use std::io::{Read, stdin};

use anyhow::{Context, bail};
use jiff::Timestamp;
use mayfly_core::event::JobEvent;
use mayfly_core::ids::{JobName, ProjectPath};
use mayfly_core::ledger::LedgerRecord;
use mayfly_core::status::JobStatus;
use mayfly_core::tags::TagSet;
use mayfly_gitlab::webhook::{IgnoredKind, MAX_EVENT_BYTES, Received, read_kept};
use serde::Deserialize;

/// A job as far as it decides where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) job: JobName,
    pub(super) project: Option<ProjectPath>,
    pub(super) tags: Option<TagSet>,
    /// What should be known besides where it goes.
    pub(super) remarks: Vec<String>,
}

/// An event as it is on the bus and in its archive.
#[derive(Deserialize)]
struct BusEvent {
    detail: JobEvent,
}

impl Question {
    pub(super) fn of_name(job: &JobName, project: Option<&ProjectPath>) -> Self {
        Self { job: job.clone(), project: project.cloned(), tags: None, remarks: Vec::new() }
    }

    /// The tags that its runner was given are those that GitLab told.
    pub(super) fn of_record(record: &LedgerRecord) -> Self {
        Self {
            job: record.name.clone(),
            project: record.project.clone(),
            tags: record
                .claim
                .as_ref()
                .map(|claim| claim.request.tags.clone())
                .filter(|tags| !tags.is_empty()),
            remarks: Vec::new(),
        }
    }

    /// Reads a job event from a file. The inner error is why Mayfly passes over it.
    pub(super) fn of_event(file: &str, now: Timestamp) -> anyhow::Result<Result<Self, String>> {
        let body = read_file(file).with_context(|| format!("cannot read {file}"))?;
        Self::of_body(&body, now).with_context(|| format!("{file} is no job event"))
    }

    fn of_body(body: &[u8], now: Timestamp) -> anyhow::Result<Result<Self, String>> {
        let written = serde_json::from_slice::<BusEvent>(body).map(|event| event.detail);
        if let Ok(event) = written.or_else(|_| serde_json::from_slice::<JobEvent>(body)) {
            return Ok(Ok(Self::of_job_event(event)));
        }
        match read_kept(body, now) {
            Received::Job(event) => Ok(Ok(Self::of_job_event(event))),
            Received::Ignored(ignored) => match ignored.kind {
                IgnoredKind::NotJson | IgnoredKind::Unreadable => {
                    bail!(
                        "{}; give the body of a delivery, as the page of the webhook shows it",
                        ignored.reason
                    )
                }
                IgnoredKind::OtherHook | IgnoredKind::Created | IgnoredKind::UnknownStatus => {
                    Ok(Err(ignored.reason))
                }
            },
        }
    }

    fn of_job_event(event: JobEvent) -> Self {
        let mut remarks = Vec::new();
        if event.status != JobStatus::Pending {
            remarks.push(format!("the event is `{}`, and only `pending` starts a runner", event.status));
        }
        Self { job: event.name, project: event.project, tags: None, remarks }
    }

    /// The same with tags that somebody gave.
    pub(super) fn with_tags(self, tags: Option<TagSet>) -> Self {
        Self { tags: tags.or(self.tags), ..self }
    }
}

fn read_file(file: &str) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    let most = u64::try_from(MAX_EVENT_BYTES)?;
    match file {
        "-" => stdin().lock().take(most + 1).read_to_end(&mut body)?,
        path => fs::File::open(path)?.take(most + 1).read_to_end(&mut body)?,
    };
    if body.len() > MAX_EVENT_BYTES {
        bail!("it is larger than a job event may be: {MAX_EVENT_BYTES} bytes");
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"object_kind": "build", "build_id": 1977, "build_name": "test", "build_status": "STATUS",
        "project_id": 380, "project": {"path_with_namespace": "group/app", "web_url": "https://gitlab.com/group/app"}}"#;

    fn of(body: &str) -> anyhow::Result<Result<Question, String>> {
        Question::of_body(body.as_bytes(), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_webhooks_body_and_an_event_of_the_bus_name_their_job() {
        let expected = Question::of_name(&"test".parse().unwrap(), Some(&"group/app".parse().unwrap()));
        assert_eq!(of(&BODY.replace("STATUS", "pending")).unwrap(), Ok(expected.clone()));
        let event = r#"{"key": "gitlab.com/380/1977", "name": "test", "status": "pending", "project": "group/app",
            "received_at": "2026-08-01T10:00:00Z"}"#;
        assert_eq!(of(event).unwrap(), Ok(expected.clone()));
        assert_eq!(of(&format!(r#"{{"source": "mayfly", "detail": {event}}}"#)).unwrap(), Ok(expected));
    }

    #[test]
    fn an_event_that_starts_nothing_says_so() {
        let running = of(&BODY.replace("STATUS", "running")).unwrap().unwrap();
        assert_eq!(running.remarks, ["the event is `running`, and only `pending` starts a runner"]);
        assert_eq!(
            of(&BODY.replace("STATUS", "created")).unwrap().unwrap_err(),
            "a job that is created may never run"
        );
        assert!(of(r#"{"object_kind": "push"}"#).unwrap().unwrap_err().contains("push"));
    }

    #[test]
    fn what_is_no_event_is_an_error_with_the_next_step() {
        for body in ["", "{", "[]", r#"{"object_kind": "build"}"#] {
            let error = of(body).unwrap_err().to_string();
            assert!(error.contains("give the body of a delivery"), "{body}: {error}");
        }
    }
}
