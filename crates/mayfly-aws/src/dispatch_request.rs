//! What the dispatcher is asked: the input that a state machine gives it, and the body of a message in the launch queue.

use mayfly_core::event::JobEvent;
use serde::{Deserialize, Serialize};

/// What to do because of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DispatchRequest {
    /// What to do.
    pub action: Action,
    /// The event it is about.
    pub event: JobEvent,
}

/// What the dispatcher does with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Starts a runner for a job that waits.
    Start,
    /// Writes down that a job is running, and on which runner.
    Record,
    /// Ends what belonged to a job that is over.
    Finish,
}

#[cfg(test)]
mod tests {
    use mayfly_core::event::EventRunner;
    use mayfly_core::ids::RunnerId;
    use mayfly_core::status::JobStatus;

    use super::*;

    fn request(action: Action) -> DispatchRequest {
        let event = JobEvent {
            key: "gitlab.example.com/380/1977".parse().unwrap(),
            name: "test".parse().unwrap(),
            status: JobStatus::Running,
            project: Some("gitlab-org/gitlab-test".parse().unwrap()),
            pipeline: None,
            runner: Some(EventRunner { id: RunnerId(7), description: None }),
            queued_seconds: None,
            failure_reason: None,
            received_at: "2026-08-01T10:00:00Z".parse().unwrap(),
        };
        DispatchRequest { action, event }
    }

    #[test]
    fn a_request_is_read_back() {
        for action in [Action::Start, Action::Record, Action::Finish] {
            let written = serde_json::to_string(&request(action)).unwrap();
            assert_eq!(serde_json::from_str::<DispatchRequest>(&written).unwrap(), request(action));
        }
    }

    #[test]
    fn the_written_form_is_pinned() {
        let words = [Action::Start, Action::Record, Action::Finish].map(|action| serde_json::json!(action));
        assert_eq!(words, ["start", "record", "finish"]);
        insta::assert_snapshot!(serde_json::to_string_pretty(&request(Action::Start)).unwrap(), @r#"
        {
          "action": "start",
          "event": {
            "key": "gitlab.example.com/380/1977",
            "name": "test",
            "status": "running",
            "project": "gitlab-org/gitlab-test",
            "runner": {
              "id": 7
            },
            "received_at": "2026-08-01T10:00:00Z"
          }
        }
        "#);
    }

    #[test]
    fn a_request_with_an_unknown_action_is_none() {
        let mut document = serde_json::to_value(request(Action::Start)).unwrap();
        document["action"] = "restart".into();
        assert!(serde_json::from_value::<DispatchRequest>(document).is_err());
    }
}
