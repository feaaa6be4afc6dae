//! The event bus on EventBridge.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::operation::put_events::PutEventsOutput;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};
use mayfly_core::error::PortError;
use mayfly_core::event::{JobEvent, SOURCE};
use mayfly_core::ports::EventBus;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::error_codes::is_passing_code;
use crate::sdk_error::{Refusal, port_error};

/// The kind of our events.
pub const DETAIL_TYPE: &str = "GitLab job";

/// The most entries in one call (EventBridge user guide, `PutEvents`).
const ENTRIES_A_CALL: usize = 10;
/// GitLab gives up a webhook after 10 s (GitLab docs, webhooks). This leaves the rest of the function something.
const BUDGET: Duration = Duration::from_secs(6);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

/// Puts job events on one bus, as JSON, source [`SOURCE`], kind [`DETAIL_TYPE`].
///
/// What the service refuses for now is put again, and only that, until the time is over. An event may come twice: a lost
/// answer says nothing of the event.
#[derive(Debug, Clone)]
pub struct EventBridgeBus {
    client: Client,
    bus: String,
    budget: Duration,
}

impl EventBridgeBus {
    /// The bus of this name. There is an answer within 6 s.
    pub fn new(client: Client, bus: impl Into<String>) -> Self {
        Self { client, bus: bus.into(), budget: BUDGET }
    }

    /// Has an answer within this time instead.
    #[must_use]
    pub fn with_budget(self, budget: Duration) -> Self {
        Self { budget, ..self }
    }

    /// Puts all of them, ten a call. Returns once they are safe; after an error some of them may be.
    pub async fn publish_all(&self, events: &[JobEvent]) -> Result<(), PortError> {
        let deadline = Instant::now() + self.budget;
        for events in events.chunks(ENTRIES_A_CALL) {
            let operation = self.operation(events);
            let entries = events.iter().map(|event| self.entry(event)).collect::<Result<_, _>>();
            let entries = entries.map_err(|error| PortError::never(&operation, error))?;
            self.put_until(deadline, &operation, entries).await?;
        }
        Ok(())
    }

    async fn put_until(
        &self,
        deadline: Instant,
        operation: &str,
        mut entries: Vec<PutEventsRequestEntry>,
    ) -> Result<(), PortError> {
        let mut backoff = FIRST_BACKOFF;
        let mut given_up = None;
        let mut refused = None;
        loop {
            let put = self.client.put_events().set_entries(Some(entries.clone())).send();
            let Ok(answer) = timeout_at(deadline, put).await else { break };
            let answer = answer.map_err(|error| {
                port_error(operation, error, |code| {
                    (code == "ResourceNotFoundException").then(|| {
                        format!("there is no event bus `{}`, check its name in the settings", self.bus)
                    })
                })
            })?;
            let failed = failed_entries(entries, answer);
            let (passing, lasting): (Vec<Failed>, Vec<Failed>) =
                failed.into_iter().partition(|failed| failed.is_passing);
            given_up = given_up.or_else(|| lasting.into_iter().next().map(|failed| failed.refusal));
            if passing.is_empty() {
                return given_up.map_or(Ok(()), |refusal| Err(PortError::never(operation, refusal)));
            }
            refused = passing.first().map(|failed| failed.refusal.to_string());
            entries = passing.into_iter().map(|failed| failed.entry).collect();
            let next = Instant::now() + backoff;
            if next >= deadline {
                break;
            }
            sleep_until(next).await;
            backoff = LONGEST_BACKOFF.min(backoff * 2);
        }
        Err(PortError::later(operation, OutOfTime::new(self.budget, refused)))
    }

    fn entry(&self, event: &JobEvent) -> Result<PutEventsRequestEntry, serde_json::Error> {
        Ok(PutEventsRequestEntry::builder()
            .event_bus_name(&self.bus)
            .source(SOURCE)
            .detail_type(DETAIL_TYPE)
            .time(DateTime::from_millis(event.received_at.as_millisecond()))
            .detail(serde_json::to_string(event)?)
            .build())
    }

    fn operation(&self, events: &[JobEvent]) -> String {
        match events {
            [event] => format!(
                "EventBridge: put event `{}` of job {} on bus `{}`",
                event.status, event.key, self.bus
            ),
            events => format!("EventBridge: put {} events on bus `{}`", events.len(), self.bus),
        }
    }
}

#[async_trait]
impl EventBus for EventBridgeBus {
    async fn publish(&self, event: &JobEvent) -> Result<(), PortError> {
        self.publish_all(std::slice::from_ref(event)).await
    }
}

/// An entry that is not on the bus.
struct Failed {
    entry: PutEventsRequestEntry,
    is_passing: bool,
    refusal: Refusal,
}

/// The time was over before everything was on the bus.
#[derive(Debug, thiserror::Error)]
enum OutOfTime {
    #[error("no answer within {0:?}")]
    Silent(Duration),
    #[error("not taken within {0:?}, the last time because of {1}")]
    Refused(Duration, String),
}

impl OutOfTime {
    fn new(budget: Duration, refused: Option<String>) -> Self {
        match refused {
            Some(refused) => Self::Refused(budget, refused),
            None => Self::Silent(budget),
        }
    }
}

/// What failed of a call that succeeded: the results are in the order of the entries.
fn failed_entries(entries: Vec<PutEventsRequestEntry>, answer: PutEventsOutput) -> Vec<Failed> {
    if answer.failed_entry_count == 0 {
        return Vec::new();
    }
    let results = answer.entries.unwrap_or_default().into_iter().map(Some);
    let results = results.chain(std::iter::repeat(None));
    entries.into_iter().zip(results).filter_map(|(entry, result)| failed_entry(entry, result)).collect()
}

fn failed_entry(entry: PutEventsRequestEntry, result: Option<PutEventsResultEntry>) -> Option<Failed> {
    let (code, message) = match result {
        Some(PutEventsResultEntry { error_code: None, event_id: Some(_), .. }) => return None,
        Some(result) => (result.error_code, result.error_message),
        None => (None, None),
    };
    // An entry that failed without a reason is as good as an internal failure.
    let is_passing = code.as_deref().is_none_or(is_passing_code);
    let code = code.unwrap_or_else(|| "no error code".to_owned());
    let refusal = Refusal::new(None, code, message.unwrap_or_else(|| "no message".to_owned()));
    Some(Failed { entry, is_passing, refusal })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(details: &[&str]) -> Vec<PutEventsRequestEntry> {
        details.iter().map(|detail| PutEventsRequestEntry::builder().detail(*detail).build()).collect()
    }

    fn taken() -> PutEventsResultEntry {
        PutEventsResultEntry::builder().event_id("1").build()
    }

    fn refused(code: &str) -> PutEventsResultEntry {
        PutEventsResultEntry::builder().error_code(code).error_message("words").build()
    }

    fn check(failed_count: i32, results: Option<Vec<PutEventsResultEntry>>, expected: &[(&str, bool)]) {
        let answer = PutEventsOutput::builder().failed_entry_count(failed_count).set_entries(results).build();
        let failed = failed_entries(entries(&["a", "b", "c"]), answer);
        let failed: Vec<(&str, bool)> =
            failed.iter().map(|failed| (failed.entry.detail().unwrap(), failed.is_passing)).collect();
        assert_eq!(failed, expected);
    }

    #[test]
    fn entries_that_failed_are_told_from_those_that_are_on_the_bus() {
        check(0, None, &[]);
        check(0, Some(vec![taken(), taken(), taken()]), &[]);
        check(1, Some(vec![taken(), refused("ThrottlingException"), taken()]), &[("b", true)]);
        check(
            2,
            Some(vec![refused("InternalFailure"), taken(), refused("NotAuthorizedForSourceException")]),
            &[("a", true), ("c", false)],
        );
    }

    #[test]
    fn an_entry_without_a_result_or_a_reason_is_put_again() {
        check(3, None, &[("a", true), ("b", true), ("c", true)]);
        check(2, Some(vec![taken(), PutEventsResultEntry::builder().build()]), &[("b", true), ("c", true)]);
    }
}
