//! From the body of a delivery to the job event, or to the reason why there is none.

use std::fmt;

use http::header::HeaderMap;
use jiff::Timestamp;
use mayfly_core::event::{EventRunner, JobEvent};
use mayfly_core::ids::{GitlabHost, JobId, JobKey, JobName, PipelineId, ProjectId, ProjectPath, RunnerId};
use mayfly_core::status::JobStatus;
use url::Url;

use super::payload::{self, Nested, NoPayload, Payload, Scalar};

const INSTANCE: &str = "x-gitlab-instance";

/// No text that Mayfly keeps is longer in GitLab; the bus has a limit for the whole event (EventBridge: 256 KB).
const LONGEST_TEXT_BYTES: usize = 4096;

/// How much of an unknown word is repeated in a reason.
const LONGEST_WORD_BYTES: usize = 40;

/// What an authentic delivery is to Mayfly.
#[derive(Debug, Clone, PartialEq)]
pub enum Received {
    /// A job event that somebody listens to.
    Job(JobEvent),
    /// Nothing to do. GitLab gets a 2xx all the same: after four other answers in a row it disables the webhook.
    Ignored(Ignored),
}

/// A delivery with nothing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// What kind it is, for counters.
    pub kind: IgnoredKind,
    /// Why, in words that are fit for the HTTP answer: GitLab shows it to those who look after the webhook.
    pub reason: String,
}

/// The kinds of deliveries with nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IgnoredKind {
    /// Not a JSON object in UTF-8.
    NotJson,
    /// An event of another hook: pushes, pipelines, …
    OtherHook,
    /// The job was created. It may never run, so nobody listens to this.
    Created,
    /// A status that has no event, or one that is younger than this code.
    UnknownStatus,
    /// A job event in which a field that Mayfly needs is missing, or one that it knows is of the wrong type.
    Unreadable,
}

impl IgnoredKind {
    /// All of them, for counters that begin at zero.
    pub const ALL: [Self; 5] =
        [Self::NotJson, Self::OtherHook, Self::Created, Self::UnknownStatus, Self::Unreadable];

    /// The word in logs and counters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::OtherHook => "other_hook",
            Self::Created => "created",
            Self::UnknownStatus => "unknown_status",
            Self::Unreadable => "unreadable",
        }
    }
}

impl fmt::Display for IgnoredKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Ignored {
    fn new(kind: IgnoredKind, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into() }
    }

    fn missing(field: &str) -> Self {
        Self::new(IgnoredKind::Unreadable, format!("{field} is missing"))
    }

    fn wrong(field: &str, expected: &str, found: &str) -> Self {
        Self::new(IgnoredKind::Unreadable, format!("{field} should be {expected} and is {found}"))
    }
}

/// Reads the body of an authentic delivery. Takes every shape of job event that GitLab has sent since version 13, and
/// bodies of custom webhook templates with the same field names. Fields that Mayfly does not use may be anything.
pub fn read(headers: &HeaderMap, body: &[u8], received_at: Timestamp) -> Received {
    match read_job(headers, body, received_at) {
        Ok(event) => Received::Job(event),
        Err(ignored) => Received::Ignored(ignored),
    }
}

/// Reads a body that somebody kept without its headers, as [`read()`] would.
pub fn read_body(body: &[u8], received_at: Timestamp) -> Received {
    read(&HeaderMap::new(), body, received_at)
}

fn read_job(headers: &HeaderMap, body: &[u8], received_at: Timestamp) -> Result<JobEvent, Ignored> {
    let payload = payload::parse(body).map_err(|why| match why {
        NoPayload::NotJson => Ignored::new(IgnoredKind::NotJson, "the body is not JSON in UTF-8"),
        NoPayload::NotAnObject => Ignored::new(IgnoredKind::NotJson, "the body is JSON, but not an object"),
        NoPayload::RepeatedField => Ignored::new(IgnoredKind::Unreadable, "a field is there twice"),
    })?;
    check_kind(&payload.object_kind)?;
    let status = read_status(&payload.build_status)?;
    let project = match &payload.project {
        Nested::Absent => None,
        Nested::Object(project) => read_project_path(&project.path_with_namespace)?,
        Nested::Other(found) => return Err(Ignored::wrong("project", "an object", found)),
    };
    let key = JobKey {
        host: read_host(headers, &payload)?,
        project: ProjectId(needed("project_id", whole("project_id", &payload.project_id)?)?),
        job: JobId(needed("build_id", whole("build_id", &payload.build_id)?)?),
    };
    Ok(JobEvent {
        key,
        name: read_name(&payload.build_name)?,
        status,
        project,
        pipeline: whole("pipeline_id", &payload.pipeline_id)?.map(PipelineId),
        runner: read_runner(&payload)?,
        queued_seconds: payload
            .build_queued_duration
            .number()
            .map_err(|found| Ignored::wrong("build_queued_duration", "a number", found))?,
        failure_reason: text("build_failure_reason", &payload.build_failure_reason)?.map(str::to_owned),
        received_at,
    })
}

fn check_kind(kind: &Scalar<'_>) -> Result<(), Ignored> {
    let reason = match kind.text() {
        Ok(Some("build")) => return Ok(()),
        Ok(Some(other)) => format!("object_kind is {}, not \"build\"", quoted(other)),
        Ok(None) => "there is no object_kind".to_owned(),
        Err(found) => format!("object_kind is {found}, not \"build\""),
    };
    Err(Ignored::new(IgnoredKind::OtherHook, reason))
}

fn read_status(status: &Scalar<'_>) -> Result<JobStatus, Ignored> {
    let word = needed("build_status", text("build_status", status)?)?;
    match JobStatus::parse(word) {
        Some(JobStatus::Created) => {
            Err(Ignored::new(IgnoredKind::Created, "a job that is created may never run"))
        }
        Some(status) => Ok(status),
        None => Err(Ignored::new(
            IgnoredKind::UnknownStatus,
            format!("build_status is {}, which starts and ends nothing", quoted(word)),
        )),
    }
}

fn read_name(name: &Scalar<'_>) -> Result<JobName, Ignored> {
    let name = needed("build_name", text("build_name", name)?)?;
    JobName::new(name).map_err(|error| Ignored::wrong("build_name", error.expected, "longer"))
}

fn read_project_path(path: &Scalar<'_>) -> Result<Option<ProjectPath>, Ignored> {
    let field = "project.path_with_namespace";
    let Some(path) = text(field, path)? else { return Ok(None) };
    ProjectPath::new(path).map(Some).map_err(|error| Ignored::wrong(field, error.expected, "another text"))
}

fn read_runner(payload: &Payload<'_>) -> Result<Option<EventRunner>, Ignored> {
    let runner = match &payload.runner {
        Nested::Absent => return Ok(None),
        Nested::Object(runner) => runner,
        Nested::Other(found) => return Err(Ignored::wrong("runner", "an object", found)),
    };
    let description = text("runner.description", &runner.description)?;
    match (whole("runner.id", &runner.id)?, &runner.id) {
        (Some(id), _) => {
            Ok(Some(EventRunner { id: RunnerId(id), description: description.map(str::to_owned) }))
        }
        // A template has the object also where there is no runner, with nothing in it.
        (None, Scalar::Text(_)) => Ok(None),
        (None, _) => Err(Ignored::missing("runner.id")),
    }
}

/// The GitLab installation: what it says of itself, else where it says that the project is.
fn read_host(headers: &HeaderMap, payload: &Payload<'_>) -> Result<GitlabHost, Ignored> {
    let instance = headers.get(INSTANCE).and_then(|value| value.to_str().ok());
    if let Some(host) = instance.and_then(host_of) {
        return Ok(host);
    }
    if let Nested::Object(project) = &payload.project
        && let Some(host) = text("project.web_url", &project.web_url)?.and_then(host_of)
    {
        return Ok(host);
    }
    match &payload.repository {
        Nested::Object(repository) => text("repository.homepage", &repository.homepage)?.and_then(host_of),
        Nested::Absent => None,
        Nested::Other(found) => return Err(Ignored::wrong("repository", "an object", found)),
    }
    .ok_or_else(|| {
        Ignored::new(
            IgnoredKind::Unreadable,
            "no address of GitLab: the header X-Gitlab-Instance, project.web_url and repository.homepage are \
             missing, or are no URLs",
        )
    })
}

fn host_of(url: &str) -> Option<GitlabHost> {
    GitlabHost::of_url(&Url::parse(url).ok()?).ok()
}

fn needed<T>(field: &str, value: Option<T>) -> Result<T, Ignored> {
    value.ok_or_else(|| Ignored::missing(field))
}

fn whole(field: &str, value: &Scalar<'_>) -> Result<Option<u64>, Ignored> {
    value.whole().map_err(|found| Ignored::wrong(field, "a whole number", found))
}

/// A text that is not empty.
fn text<'a>(field: &str, value: &'a Scalar<'_>) -> Result<Option<&'a str>, Ignored> {
    let text = value.text().map_err(|found| Ignored::wrong(field, "a text", found))?;
    if text.is_some_and(|text| text.len() > LONGEST_TEXT_BYTES) {
        return Err(Ignored::wrong(field, "a text of at most 4096 bytes", "longer"));
    }
    Ok(text.filter(|text| !text.is_empty()))
}

/// A word of GitLab's own, in quotes; anything else is not repeated.
fn quoted(word: &str) -> String {
    let is_word = word.len() <= LONGEST_WORD_BYTES
        && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        && !word.is_empty();
    if is_word { format!("\"{word}\"") } else { "something else".to_owned() }
}

#[cfg(test)]
mod tests;
