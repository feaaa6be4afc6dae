//! What GitLab is told about a webhook. The person who configures the hook reads it in GitLab's delivery log.

use std::fmt;

use mayfly_core::error::Chain;
use mayfly_core::event::JobEvent;
use mayfly_core::ports::EventBus;
use tracing::{error, info};

/// The answer to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What became of the request.
    pub outcome: Outcome,
    /// In a sentence, for people. Tells nothing secret.
    pub reason: String,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It is on the bus.
    Accepted,
    /// It is authentic, and nothing for us. Still a success: GitLab disables a hook after four failures in a row.
    Ignored,
    /// It is not authentic.
    Refused,
    /// The bus is down.
    Unavailable,
}

impl Outcome {
    /// The HTTP status code.
    pub fn status_code(self) -> u16 {
        match self {
            Self::Accepted => 202,
            Self::Ignored => 200,
            Self::Refused => 401,
            Self::Unavailable => 503,
        }
    }

    /// The word in answers and counters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Ignored => "ignored",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Takes one authentic job event in. Delivered twice, it is on the bus twice, which the ledger makes harmless.
pub async fn receive_webhook(bus: &dyn EventBus, event: &JobEvent) -> Answer {
    match bus.publish(event).await {
        Ok(()) => {
            info!(job.key = %event.key, job.status = %event.status, "Accepted `{}` of job {}", event.status, event.key);
            Answer { outcome: Outcome::Accepted, reason: format!("{} of job {}", event.status, event.key) }
        }
        Err(error) => {
            error!(job.key = %event.key, error = %Chain(&error), "Could not put job {} on the bus", event.key);
            Answer { outcome: Outcome::Unavailable, reason: Chain(&error).to_string() }
        }
    }
}
