//! One invocation: translated, handed to the use cases, and answered.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures::future::join_all;
use jiff::Timestamp;
use mayfly_app::{Delivery, Dispatcher, Handled, WaitsFor, finish, machine_news, record, start, start_batch};
use mayfly_aws::dispatch_request::DispatchRequest;
use mayfly_aws::function::{Connection, Measure, Metrics};
use mayfly_aws::sqs::LaunchQueue;
use mayfly_core::clock::Clock;
use mayfly_core::decide::MachineNews;
use mayfly_core::error::{Chain, PortError};
use mayfly_core::event::JobEvent;
use mayfly_core::ports::Meter;
use mayfly_wiring::{Settings, Wiring};
use tracing::{error, info, warn};

use crate::answer::{Answer, Failed};
use crate::assignment_reads::AssignmentReads;
use crate::request::Request;

/// Runners that could not be registered or started and are tried again.
const LAUNCH_FAILURES: &str = "LaunchFailures";
/// How long jobs have waited that wait on.
const WAITING_SECONDS: &str = "WaitingSeconds";

/// When to handle a message again that met a passing fault. Left to the queue, it would come back only after its visibility
/// timeout, which is minutes.
const RETRY_AFTER: Duration = Duration::from_secs(15);

/// The function, wired up.
pub(crate) struct Dispatch {
    wiring: Wiring,
    queue: LaunchQueue,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
}

impl Dispatch {
    pub(crate) fn new(settings: &Settings, connection: &Connection, clock: &Arc<dyn Clock>) -> Self {
        let metrics = Arc::new(Metrics::new(&settings.stack, Arc::clone(clock)));
        Self {
            wiring: Wiring::new(settings, connection, clock, Arc::clone(&metrics) as Arc<dyn Meter>),
            queue: LaunchQueue::new(connection.sqs(), &settings.launch_queue),
            metrics,
            clock: Arc::clone(clock),
        }
    }

    /// Fetches what every event needs. What fails here fails again, and is said, with the first event.
    pub(crate) async fn warm(&self) {
        let _ = self.wiring.dispatcher().await;
    }

    /// Handles one event or a batch of them.
    pub(crate) async fn answer(&self, request: Request) -> Result<Answer, Failed> {
        match request {
            Request::One(request) => Ok(Answer::One(self.handle(&request).await?.into())),
            Request::Batch(batch) => Ok(Answer::Batch(self.handle_batch(batch).await)),
            Request::Reads(reads) => {
                self.note_reads(&reads).await;
                Ok(Answer::Batch(SqsBatchResponse::default()))
            }
        }
    }

    /// Handles the messages of a batch together. Those that failed come again; the others are done with.
    async fn handle_batch(&self, batch: SqsEvent) -> SqsBatchResponse {
        let (mut events, mut places) = (Vec::new(), Vec::new());
        let mut handled = vec![false; batch.records.len()];
        for (place, message) in batch.records.iter().enumerate() {
            if let Some(event) = read_message(message) {
                events.push(event);
                places.push(place);
            }
        }
        for (place, is_handled) in places.into_iter().zip(self.start_all(&events).await) {
            handled[place] = is_handled;
        }
        let failed = batch.records.into_iter().zip(handled).filter(|(_, is_handled)| !is_handled);
        let mut response = SqsBatchResponse::default();
        response.batch_item_failures = failed
            .map(|(message, _)| {
                let mut failure = BatchItemFailure::default();
                failure.item_identifier = message.message_id.unwrap_or_default();
                failure
            })
            .collect();
        response
    }

    /// Starts runners for the jobs of a batch. False for those whose message must come again; after a few times the queue
    /// buries it.
    async fn start_all(&self, events: &[JobEvent]) -> Vec<bool> {
        let started = match self.wiring.dispatcher().await {
            Ok(dispatcher) => start_batch(&dispatcher, events).await,
            Err(error) => return self.put_off_all(events, &error).await,
        };
        let settled = events.iter().zip(started).map(|(event, started)| async move {
            let settled = match started {
                Ok(handled) => self.settle(event, &handled).await,
                Err(error) => Err(error),
            };
            match settled {
                Ok(()) => true,
                Err(failed) => self.put_off(event, &failed).await,
            }
        });
        join_all(settled).await
    }

    async fn put_off_all(&self, events: &[JobEvent], failed: &PortError) -> Vec<bool> {
        join_all(events.iter().map(|event| self.put_off(event, failed))).await
    }

    /// Sends a message again that met a passing fault. False if it must come again by itself.
    async fn put_off(&self, event: &JobEvent, failed: &PortError) -> bool {
        let key = &event.key;
        error!(job.key = %key, error = %Chain(failed), "A message about job {key} comes again");
        self.count_waiting(event);
        failed.is_transient() && self.queue.send(event, RETRY_AFTER).await.is_ok()
    }

    fn count_waiting(&self, event: &JobEvent) {
        let waited = self.clock.now().duration_since(event.received_at);
        self.metrics.write(vec![Measure::seconds(WAITING_SECONDS, waited)]);
    }

    async fn handle(&self, request: &DispatchRequest) -> Result<Handled, PortError> {
        let dispatcher = self.wiring.dispatcher().await?;
        let (event, handled) = match request {
            DispatchRequest::Start { event } => (event, start(&dispatcher, event, Delivery::First).await?),
            DispatchRequest::Record { event } => (event, record(&dispatcher, event).await?),
            DispatchRequest::Finish { event } => (event, finish(&dispatcher, event).await?),
            DispatchRequest::Machine { machine } => return self.hear(&dispatcher, machine).await,
        };
        self.settle(event, &handled).await?;
        Ok(handled)
    }

    /// Takes in news of a machine. If its job still waits, that goes to the launch queue.
    async fn hear(&self, dispatcher: &Dispatcher, news: &MachineNews) -> Result<Handled, PortError> {
        let Some(again) = machine_news(dispatcher, news).await? else {
            return Ok(Handled::Done { summary: format!("heard of machine {}", news.id) });
        };
        let delay = self.delay_until(again.not_before);
        self.queue.send(&again.event, delay).await?;
        Ok(Handled::Done { summary: format!("job {} gets another machine", again.event.key) })
    }

    /// Writes down when assignments were read. It is a measurement: one that fails is lost.
    async fn note_reads(&self, reads: &AssignmentReads) {
        let Ok(dispatcher) = self.wiring.dispatcher().await else { return };
        for news in reads.news() {
            if let Err(error) = machine_news(&dispatcher, &news).await {
                warn!(machine = %news.id, error = %Chain(&error), "When machine {} read its assignment is lost", news.id);
            }
        }
    }

    /// Says what became of an event, and has a job that waits looked at again.
    async fn settle(&self, event: &JobEvent, handled: &Handled) -> Result<(), PortError> {
        match handled {
            Handled::Done { summary } => info!(job.key = %event.key, "{summary}"),
            // It is counted, and its reason written down, where it is given up.
            Handled::Parked { .. } => {}
            Handled::Later { waits_for: WaitsFor::Batch, .. } => {
                self.queue.send(event, Duration::ZERO).await?;
            }
            Handled::Later { at, reason, waits_for } => {
                self.count_waiting(event);
                if *waits_for == WaitsFor::AnotherTry {
                    self.metrics.count(LAUNCH_FAILURES, 1);
                }
                let delay = self.delay_until(*at);
                warn!(job.key = %event.key, "Job {} is looked at again in {delay:?}: {reason}", event.key);
                self.queue.send(event, delay).await?;
            }
        }
        Ok(())
    }

    fn delay_until(&self, at: Timestamp) -> Duration {
        Duration::try_from(at.duration_since(self.clock.now())).unwrap_or_default()
    }
}

/// The job of a message; `None`, and said, if the message is not one of ours.
fn read_message(message: &SqsMessage) -> Option<JobEvent> {
    let body = message.body.as_deref().unwrap_or_default();
    match serde_json::from_str(body) {
        Ok(DispatchRequest::Start { event }) => Some(event),
        Ok(_) => {
            error!(message.id = message.message_id, "A message of the launch queue does not ask for a start");
            None
        }
        Err(error) => {
            error!(message.id = message.message_id, %error, "A message of the launch queue cannot be read");
            None
        }
    }
}
