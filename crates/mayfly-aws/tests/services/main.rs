//! The adapters against servers that answer as the services do: exact requests, and each kind of answer.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "all of this is tests")]

mod bus;
mod lambda;
mod ledger;
mod machines;
mod mappings;
mod parameters;
mod queue;
mod roles;
mod server;

use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};
use mayfly_core::clock::Clock;
use mayfly_core::error::{Chain, PortError};
use mayfly_core::event::JobEvent;
use mayfly_core::status::JobStatus;

fn event(job: u64) -> JobEvent {
    JobEvent {
        key: format!("gitlab.example.com/380/{job}").parse().unwrap(),
        name: "test".parse().unwrap(),
        status: JobStatus::Pending,
        project: Some("gitlab-org/gitlab-test".parse().unwrap()),
        pipeline: None,
        runner: None,
        queued_seconds: None,
        failure_reason: None,
        received_at: "2026-08-01T10:00:00.25Z".parse().unwrap(),
    }
}

/// A clock that goes only when it is told to.
struct HandClock(Mutex<Timestamp>);

impl HandClock {
    fn new() -> Self {
        Self(Mutex::new("2026-08-01T10:00:00Z".parse().unwrap()))
    }

    fn go_on(&self, seconds: i64) {
        *self.0.lock().unwrap() += SignedDuration::from_secs(seconds);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

fn assert_error(error: &PortError, is_transient: bool, text: &str) {
    assert_eq!(Chain(error).to_string(), text);
    assert_eq!(error.is_transient(), is_transient, "{text}");
}
