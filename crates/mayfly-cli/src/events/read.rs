//! Reads job events in every form in which they are kept: as GitLab sends them, as they are on the bus, in the bus's envelope, in
//! a dead letter, in a message of the launch queue, and as this command lists them.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use mayfly_core::event::{JobEvent, SOURCE};
use mayfly_gitlab::webhook::{IgnoredKind, Received, read_kept};
use serde::Serialize;
use serde_json::Value;

/// Why news of EC2 instances are not replayed.
const MACHINE_NEWS: &str = "news of an EC2 instance; nobody needs them any more, because the reconciler looks at the instance itself";

/// How deep forms lie in each other: a list, an entry of it, an envelope, an event.
const DEEPEST: usize = 4;

/// One thing that was found where events are kept.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    /// Where, in words, such as `line 3` or `message 0a1b`.
    pub(super) place: String,
    pub(super) content: Content,
    /// Why it is where it is, if that is known.
    pub(super) failure: Option<Failure>,
}

/// What it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    Job(Box<JobEvent>),
    /// Nothing that is handled, and why.
    Nobodys(String),
    /// Why it cannot be read.
    Unreadable(String),
}

/// Why an event could not be handled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Failure {
    /// The state machine that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) machine: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cause: Option<String>,
    /// When it was written down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<Timestamp>,
}

impl Failure {
    /// Error and cause in one line.
    pub(super) fn to_line(&self) -> String {
        [&self.error, &self.cause].into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(": ")
    }

    /// What is not told here is as the other tells it.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            machine: self.machine.or(other.machine),
            error: self.error.or(other.error),
            cause: self.cause.or(other.cause),
            at: self.at.or(other.at),
        }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Reads a file: one JSON document, or one in each line. What cannot be read is found too, with the reason.
///
/// `now` stands for the time of a webhook that tells none.
pub(super) fn read_file(text: &str, now: Timestamp) -> Vec<Found> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    if let Ok(document) = serde_json::from_str::<Value>(text) {
        return match document {
            Value::Array(elements) => {
                let places = (1..).map(|number| format!("element {number}"));
                elements
                    .iter()
                    .zip(places)
                    .flat_map(|(element, place)| read_listed(element, &place, now))
                    .collect()
            }
            one => read_listed(&one, "the document", now),
        };
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let read = |(index, line): (usize, &str)| {
        let place = format!("line {}", index + 1);
        match serde_json::from_str::<Value>(line) {
            Ok(value) => read_listed(&value, &place, now),
            Err(error) => vec![unreadable(place, format!("it is not JSON: {error}"))],
        }
    };
    lines.flat_map(read).collect()
}

/// The lists that this command prints are read entry by entry.
fn read_listed(value: &Value, place: &str, now: Timestamp) -> Vec<Found> {
    let Some(events) = value.get("events").and_then(Value::as_array) else {
        let (content, failure) = read_value(value, now);
        return vec![Found { place: place.to_owned(), content, failure }];
    };
    let numbered = events.iter().zip(1..);
    numbered
        .map(|(event, number)| {
            let (content, failure) = read_value(event, now);
            Found { place: format!("event {number} of {place}"), content, failure }
        })
        .collect()
}

fn unreadable(place: String, reason: String) -> Found {
    Found { place, content: Content::Unreadable(reason), failure: None }
}

/// Reads the body of a queue's message.
pub(super) fn read_message(body: &str, now: Timestamp) -> (Content, Option<Failure>) {
    match serde_json::from_str::<Value>(body) {
        Ok(value) => read_value(&value, now),
        Err(error) => (Content::Unreadable(format!("it is not JSON: {error}")), None),
    }
}

/// Reads an event in whatever form it has, and why it failed if that is told.
fn read_value(value: &Value, now: Timestamp) -> (Content, Option<Failure>) {
    let failure = failure_of(value);
    (read_nested(value, now, DEEPEST), (!failure.is_empty()).then_some(failure))
}

fn read_nested(value: &Value, now: Timestamp, depth: usize) -> Content {
    let Some(fields) = value.as_object() else {
        return Content::Unreadable("it is not a JSON object".to_owned());
    };
    if depth == 0 {
        return Content::Unreadable("too many forms lie in each other".to_owned());
    }
    if fields.contains_key("object_kind") {
        return read_webhook(value, now);
    }
    if let Some(detail) = fields.get("detail").filter(|_| fields.contains_key("detail-type")) {
        let source = fields.get("source").and_then(Value::as_str).unwrap_or_default();
        return match source {
            SOURCE => read_nested(detail, now, depth - 1),
            "aws.ec2" => Content::Nobodys(MACHINE_NEWS.to_owned()),
            other => Content::Unreadable(format!("its source is `{other}`, not `{SOURCE}`")),
        };
    }
    if let Some(event) = fields.get("event") {
        return read_nested(event, now, depth - 1);
    }
    if fields.contains_key("key") {
        return match serde_json::from_value::<JobEvent>(value.clone()) {
            Ok(event) => Content::Job(Box::new(event)),
            Err(error) => Content::Unreadable(format!("it is no job event: {error}")),
        };
    }
    if fields.contains_key("machine") || (fields.contains_key("id") && fields.contains_key("state")) {
        return Content::Nobodys(MACHINE_NEWS.to_owned());
    }
    Content::Unreadable(
        "it is neither a job webhook of GitLab, nor an event of the bus, nor a dead letter".to_owned(),
    )
}

fn read_webhook(body: &Value, now: Timestamp) -> Content {
    let received_at = told_time(body).unwrap_or(now).min(now);
    match read_kept(body.to_string().as_bytes(), received_at) {
        Received::Job(event) => Content::Job(Box::new(event)),
        Received::Ignored(ignored) => match ignored.kind {
            IgnoredKind::NotJson | IgnoredKind::Unreadable => Content::Unreadable(ignored.reason),
            IgnoredKind::OtherHook | IgnoredKind::Created | IgnoredKind::UnknownStatus => {
                Content::Nobodys(ignored.reason)
            }
        },
    }
}

/// When GitLab sent a webhook: shortly after the last thing that it tells of.
fn told_time(body: &Value) -> Option<Timestamp> {
    ["build_finished_at", "build_started_at", "build_created_at"]
        .into_iter()
        .find_map(|field| read_gitlab_time(body.get(field)?.as_str()?))
}

/// GitLab writes `2026-08-01T10:00:00.123Z`, `2026-08-01T12:00:00+02:00`, and until version 17 `2026-08-01 10:00:00 UTC`.
fn read_gitlab_time(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let old: DateTime = text.strip_suffix(" UTC")?.parse().ok()?;
    Some(old.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// Why a letter is dead: as a state machine's catch writes it, or as this command lists it.
fn failure_of(value: &Value) -> Failure {
    if let Some(listed) = value.get("failure") {
        let text = |name: &str| listed.get(name).and_then(Value::as_str).map(str::to_owned);
        let at = text("at").and_then(|at| at.parse().ok());
        return Failure { machine: text("machine"), error: text("error"), cause: text("cause"), at };
    }
    let told = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let cause = told("/error/Cause").map(|cause| in_words(&cause).unwrap_or(cause));
    let machine = told("/machine").filter(|_| value.get("event").is_some());
    Failure { machine, error: told("/error/Error"), cause, at: None }
}

/// The cause of a function's failure is JSON again.
fn in_words(cause: &str) -> Option<String> {
    let cause: Value = serde_json::from_str(cause).ok()?;
    cause.get("errorMessage")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_795_000_000, 0);

    fn event() -> Value {
        json!({
            "key": "gitlab.example.com/380/1977", "name": "test", "status": "pending",
            "received_at": "2026-08-01T10:00:00Z",
        })
    }

    /// What a document is read as: the job and status of events, words for what is none.
    fn check(document: &Value, expected: &str) {
        let (content, _) = read_value(document, NOW);
        let read = match content {
            Content::Job(event) => format!("{} {}", event.key, event.status),
            Content::Nobodys(reason) if reason == MACHINE_NEWS => "machine news".to_owned(),
            Content::Nobodys(reason) => format!("for nobody: {reason}"),
            Content::Unreadable(reason) => reason,
        };
        assert_eq!(read, expected, "{document}");
    }

    #[test]
    fn every_form_of_an_event_is_read() {
        let pending = "gitlab.example.com/380/1977 pending";
        check(&event(), pending);
        let envelope = json!({ "detail-type": "GitLab job", "source": "mayfly.webhook", "detail": event() });
        check(&envelope, pending);
        check(&json!({ "action": "start", "event": event() }), pending);
        let letter = json!({ "machine": "start-runner", "execution": "arn", "event": event(), "error": {} });
        check(&letter, pending);
        check(&json!({ "place": "line 1", "event": event(), "failure": { "cause": "x" } }), pending);
        let news = json!({ "id": "i-1", "state": "running", "at": "2026-08-01T10:00:00Z" });
        check(&news, "machine news");
        check(&json!({ "machine": "watch-machine", "event": news }), "machine news");
        check(
            &json!({ "detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2", "detail": {} }),
            "machine news",
        );
    }

    #[test]
    fn what_nobody_listens_to_is_no_fault() {
        let created = json!({ "object_kind": "build", "build_status": "created" });
        check(&created, "for nobody: a job that is created may never run");
        check(&json!({ "object_kind": "push" }), "for nobody: object_kind is \"push\", not \"build\"");
        check(
            &json!({ "object_kind": "build", "build_status": 3 }),
            "build_status should be a text and is a number",
        );
    }

    #[test]
    fn what_is_no_event_says_why() {
        check(&json!(7), "it is not a JSON object");
        let what = "it is neither a job webhook of GitLab, nor an event of the bus, nor a dead letter";
        check(&json!({}), what);
        check(&json!({ "event": {} }), what);
        check(
            &json!({ "source": "aws.s3", "detail-type": "x", "detail": {} }),
            "its source is `aws.s3`, not `mayfly.webhook`",
        );
        let mut broken = event();
        broken["status"] = json!("paused");
        let (content, _) = read_value(&broken, NOW);
        assert!(
            matches!(&content, Content::Unreadable(why) if why.contains("unknown variant `paused`")),
            "{content:?}"
        );
        let deep = (0..9).fold(event(), |inner, _| json!({ "event": inner }));
        check(&deep, "too many forms lie in each other");
    }

    #[test]
    fn a_webhook_is_as_old_as_what_it_tells() {
        for (field, text, expected) in [
            ("build_created_at", "2026-08-01T10:00:00.500Z", "2026-08-01T10:00:00.5Z"),
            ("build_started_at", "2026-08-01 10:00:00 UTC", "2026-08-01T10:00:00Z"),
            ("build_finished_at", "2026-08-01T12:00:00+02:00", "2026-08-01T10:00:00Z"),
            ("build_finished_at", "2126-08-01T12:00:00+02:00", "2026-11-18T11:06:40Z"),
            ("build_created_at", "yesterday", "2026-11-18T11:06:40Z"),
        ] {
            let mut body = json!({
                "object_kind": "build", "build_id": 1, "project_id": 2, "build_name": "test", "build_status": "running",
                "repository": { "homepage": "https://gitlab.example.com/group/app" },
            });
            body[field] = json!(text);
            let (content, _) = read_value(&body, NOW);
            let Content::Job(event) = content else { unreachable!("{content:?}") };
            assert_eq!(event.received_at, expected.parse().unwrap(), "{text}");
        }
    }

    #[test]
    fn a_letter_tells_why_it_is_dead() {
        let cause =
            json!({ "errorType": "Later", "errorMessage": "ledger: get failed: throttled" }).to_string();
        let error = json!({ "Error": "Later", "Cause": cause });
        let letter = json!({ "machine": "start-runner", "event": event(), "error": error });
        let (_, failure) = read_message(&letter.to_string(), NOW);
        let failure = failure.unwrap();
        assert_eq!(failure.machine.as_deref(), Some("start-runner"));
        assert_eq!(failure.to_line(), "Later: ledger: get failed: throttled");
        let listed = json!({ "event": event(), "failure": failure });
        assert_eq!(read_message(&listed.to_string(), NOW).1, Some(failure), "listed and read again");
        assert_eq!(read_message(&event().to_string(), NOW).1, None);
    }

    #[test]
    fn a_file_is_one_document_or_one_in_each_line() {
        let places = |text: &str| {
            let found = read_file(text, NOW).into_iter();
            found.map(|found| (found.place, matches!(found.content, Content::Job(_)))).collect::<Vec<_>>()
        };
        let expect = |expected: &[(&str, bool)]| {
            expected.iter().map(|(place, is_job)| ((*place).to_owned(), *is_job)).collect::<Vec<_>>()
        };
        assert_eq!(places(" \n"), []);
        assert_eq!(
            places(&serde_json::to_string_pretty(&event()).unwrap()),
            expect(&[("the document", true)])
        );
        let array = json!([event(), 7]).to_string();
        assert_eq!(places(&array), expect(&[("element 1", true), ("element 2", false)]));
        let listed = json!({ "from": "x", "events": [{ "event": event() }] });
        assert_eq!(places(&listed.to_string()), expect(&[("event 1 of the document", true)]));
        let lines = format!("{}\n\n{{broken\n{}\n", event(), event());
        assert_eq!(places(&lines), expect(&[("line 1", true), ("line 3", false), ("line 4", true)]));
    }
}
