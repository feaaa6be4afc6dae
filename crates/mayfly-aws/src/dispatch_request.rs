//! What the dispatcher is asked: the input that a state machine gives it, and the body of a message in the launch queue.

use mayfly_core::decide::MachineNews;
use mayfly_core::event::JobEvent;
use serde::{Deserialize, Serialize};

/// What to do because of something that happened. Messages of the launch queue are always [`Start`](Self::Start).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum DispatchRequest {
    /// Starts a runner for a job that waits.
    Start {
        /// The event it is about.
        event: JobEvent,
    },
    /// Writes down that a job is running, and on which runner.
    Record {
        /// The event it is about.
        event: JobEvent,
    },
    /// Ends what belonged to a job that is over.
    Finish {
        /// The event it is about.
        event: JobEvent,
    },
    /// Takes in what EC2, or the table of assignments, tells of a machine.
    Machine {
        /// What it tells.
        machine: MachineNews,
    },
}

#[cfg(test)]
mod tests {
    use mayfly_core::decide::MachineState;
    use mayfly_core::event::EventRunner;
    use mayfly_core::ids::RunnerId;
    use mayfly_core::status::JobStatus;
    use serde_json::{Value, json};

    use super::*;

    fn event() -> JobEvent {
        JobEvent {
            key: "gitlab.example.com/380/1977".parse().unwrap(),
            name: "test".parse().unwrap(),
            status: JobStatus::Running,
            project: Some("gitlab-org/gitlab-test".parse().unwrap()),
            pipeline: None,
            runner: Some(EventRunner { id: RunnerId(7), description: None }),
            queued_seconds: Some(0.25),
            failure_reason: None,
            received_at: "2026-08-01T10:00:00Z".parse().unwrap(),
        }
    }

    fn news(state: MachineState) -> DispatchRequest {
        let at = "2026-08-01T10:00:00Z".parse().unwrap();
        DispatchRequest::Machine {
            machine: MachineNews { id: "i-0123456789abcdef0".parse().unwrap(), state, at },
        }
    }

    #[test]
    fn a_request_is_read_back() {
        for request in [
            DispatchRequest::Start { event: event() },
            DispatchRequest::Record { event: event() },
            DispatchRequest::Finish { event: event() },
            news(MachineState::Running),
        ] {
            let written = serde_json::to_string(&request).unwrap();
            assert_eq!(serde_json::from_str::<DispatchRequest>(&written).unwrap(), request);
        }
    }

    #[test]
    fn the_written_form_is_pinned() {
        let action = |request| serde_json::to_value::<DispatchRequest>(request).unwrap()["action"].take();
        assert_eq!(action(DispatchRequest::Record { event: event() }), "record");
        assert_eq!(action(DispatchRequest::Finish { event: event() }), "finish");
        let start = DispatchRequest::Start { event: event() };
        insta::assert_snapshot!(serde_json::to_string_pretty(&start).unwrap(), @r#"
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
            "queued_seconds": 0.25,
            "received_at": "2026-08-01T10:00:00Z"
          }
        }
        "#);
    }

    #[test]
    fn what_the_state_machine_says_of_a_machine_is_read() {
        for (word, state) in [
            ("running", MachineState::Running),
            ("assignment-read", MachineState::AssignmentRead),
            ("interrupted", MachineState::Interrupted),
            ("shutting-down", MachineState::ShuttingDown),
            ("terminated", MachineState::Terminated),
        ] {
            let machine = json!({ "id": "i-0123456789abcdef0", "state": word, "at": "2026-08-01T10:00:00Z" });
            let document = json!({ "action": "machine", "machine": machine });
            assert_eq!(serde_json::from_value::<DispatchRequest>(document).unwrap(), news(state), "{word}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let mut documents =
            vec![json!({ "action": "machine", "event": event() }), json!({ "event": event() })];
        for (action, member) in [("restart", "event"), ("start", "machine")] {
            documents.push(json!({ "action": action, member: event() }));
        }
        let mut paused = serde_json::to_value(news(MachineState::Running)).unwrap();
        paused["machine"]["state"] = Value::from("stopped");
        documents.push(paused);
        for document in documents {
            assert!(serde_json::from_value::<DispatchRequest>(document.clone()).is_err(), "{document}");
        }
    }
}
