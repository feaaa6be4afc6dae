//! The event, read as an assignment.

use mayfly_core::assignment::Assignment;
use serde_json::{Map, Value, json};

/// The event is no assignment. Only names are told, because the values are secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidEvent {
    #[error("the event is not an assignment: it is not a JSON object")]
    NotAnObject,
    #[error("the event is not an assignment: {} is missing or cannot be read", names.join(", "))]
    Fields { names: Vec<String> },
}

/// Reads the event.
pub(crate) fn read(event: &Value) -> Result<Assignment, InvalidEvent> {
    let Value::Object(fields) = event else { return Err(InvalidEvent::NotAnObject) };
    // The reason may quote a value, and so the token.
    parse(event).ok_or_else(|| InvalidEvent::Fields { names: faults(fields) })
}

/// The fields that a readable assignment could not have like this.
fn faults(fields: &Map<String, Value>) -> Vec<String> {
    let readable = readable();
    let is_fault = |name: &&String| {
        let mut changed = readable.clone();
        match fields.get(*name) {
            Some(value) => changed.insert((*name).clone(), value.clone()),
            None => changed.remove(*name),
        };
        parse(&Value::Object(changed)).is_none()
    };
    readable.keys().filter(is_fault).map(|name| format!("`{name}`")).collect()
}

fn parse(value: &Value) -> Option<Assignment> {
    Assignment::from_json(value.to_string().as_bytes()).ok()
}

/// Any assignment that can be read, with all its fields.
fn readable() -> Map<String, Value> {
    let readable = json!({
        "runner": "mayfly-lambda-a",
        "gitlab_url": "https://gitlab.example.com/",
        "ca_file": "/ca.pem",
        "token": "t",
        "at_end": "delete-runner",
        "settings": {},
        "deadline": "2026-08-01T00:00:00Z",
    });
    match readable {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Replaces or removes fields of a readable assignment, and compares what is said.
    #[track_caller]
    fn check(changes: &[(&str, Option<Value>)], expected: &str) {
        let mut fields = readable();
        for (name, value) in changes {
            match value {
                Some(value) => fields.insert((*name).to_owned(), value.clone()),
                None => fields.remove(*name),
            };
        }
        assert_eq!(read(&Value::Object(fields)).unwrap_err().to_string(), expected);
    }

    #[test]
    fn an_assignment_is_read() {
        let assignment = read(&Value::Object(readable())).unwrap();
        assert_eq!(assignment.runner.to_string(), "mayfly-lambda-a");
    }

    #[test]
    fn what_is_wrong_is_named_and_no_value_is_shown() {
        let is = "the event is not an assignment:";
        let or = "is missing or cannot be read";
        check(&[("deadline", None)], &format!("{is} `deadline` {or}"));
        check(&[("deadline", Some(json!("glrt-secret")))], &format!("{is} `deadline` {or}"));
        check(&[("token", Some(json!(["glrt-secret"])))], &format!("{is} `token` {or}"));
        check(
            &[("runner", Some(json!("glrt-secret"))), ("at_end", Some(json!("glrt-secret")))],
            &format!("{is} `at_end`, `runner` {or}"),
        );
        check(&[("settings", Some(json!({ "executor": "glrt-secret" })))], &format!("{is} `settings` {or}"));
        for event in [json!("glrt-secret"), json!(null), json!([])] {
            assert_eq!(read(&event).unwrap_err(), InvalidEvent::NotAnObject);
        }
    }
}
