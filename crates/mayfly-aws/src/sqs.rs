//! The launch queue: jobs that wait for capacity, or for a time.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use mayfly_core::error::PortError;
use mayfly_core::event::JobEvent;
use mayfly_core::ports::EventBus;

use crate::dispatch_request::DispatchRequest;
use crate::sdk_error::port_error;

/// The longest delay of a message (SQS API reference, `SendMessage`).
const LONGEST_DELAY: Duration = Duration::from_mins(15);

/// SQS says it in the way of its older protocol, too.
const NO_SUCH_QUEUE: [&str; 2] = ["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"];

/// Puts jobs into the launch queue. What takes them out again is the queue's event source.
#[derive(Debug, Clone)]
pub struct LaunchQueue {
    client: Client,
    url: String,
}

impl LaunchQueue {
    /// The queue with this URL.
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Self { client, url: url.into() }
    }

    /// Has the job started after the delay, or later. The delay is rounded up to whole seconds, and 15 minutes at most:
    /// who must wait longer is told so by the dispatcher and comes back. An error means that it may not be in the queue.
    pub async fn send(&self, event: &JobEvent, delay: Duration) -> Result<(), PortError> {
        let operation = format!("SQS: send message to {} for job {}", self.url, event.key);
        let request = DispatchRequest::Start { event: event.clone() };
        let body = serde_json::to_string(&request).map_err(|error| PortError::never(&operation, error))?;
        let sent = self
            .client
            .send_message()
            .queue_url(&self.url)
            .delay_seconds(whole_seconds(delay))
            .message_body(body)
            .send()
            .await;
        sent.map(|_| ()).map_err(|error| {
            port_error(operation, error, |code| {
                let is_missing = NO_SUCH_QUEUE.contains(&code);
                is_missing.then(|| "there is no such queue, check its URL in the settings".to_owned())
            })
        })
    }
}

/// Takes jobs that wait to the dispatcher, at once.
#[async_trait]
impl EventBus for LaunchQueue {
    async fn publish(&self, event: &JobEvent) -> Result<(), PortError> {
        self.send(event, Duration::ZERO).await
    }
}

/// The delay as SQS takes it.
fn whole_seconds(delay: Duration) -> i32 {
    let delay = delay.min(LONGEST_DELAY);
    let begun = u64::from(delay.subsec_nanos() > 0);
    i32::try_from(delay.as_secs() + begun).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_rounded_up_and_capped() {
        for (delay, seconds) in [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_millis(1500), 2),
            (Duration::from_mins(15), 900),
            (Duration::from_millis(899_001), 900),
            (Duration::MAX, 900),
        ] {
            assert_eq!(whole_seconds(delay), seconds, "{delay:?}");
        }
    }
}
