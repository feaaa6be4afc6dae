//! One invocation: translated, handed to the use cases, and answered.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures::future::join_all;
use mayfly_app::{Delivery, Handled, WaitsFor, finish, record, start};
use mayfly_aws::dispatch_request::{Action, DispatchRequest};
use mayfly_aws::function::{Connection, Metrics};
use mayfly_aws::sqs::LaunchQueue;
use mayfly_core::clock::Clock;
use mayfly_core::error::{Chain, PortError};
use tracing::{error, info, warn};

use crate::answer::{Answer, Failed};
use crate::request::Request;
use crate::settings::Settings;
use crate::wiring::Wiring;

/// Jobs that were given up.
const JOBS_PARKED: &str = "JobsParked";
/// Runners that could not be registered or started and are tried again.
const LAUNCH_FAILURES: &str = "LaunchFailures";
/// How long jobs have waited that wait on, in seconds.
const WAITING_SECONDS: &str = "WaitingSeconds";

/// When to handle a message again that met a passing fault. Left to the queue, it would come back only after its visibility
/// timeout, which is minutes.
const RETRY_AFTER: Duration = Duration::from_secs(15);

/// The function, wired up.
pub(crate) struct Dispatch {
    wiring: Wiring,
    queue: LaunchQueue,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
}

impl Dispatch {
    pub(crate) fn new(settings: &Settings, connection: &Connection, clock: &Arc<dyn Clock>) -> Self {
        Self {
            wiring: Wiring::new(settings, connection, clock),
            queue: LaunchQueue::new(connection.sqs(), &settings.launch_queue),
            metrics: Metrics::new(&settings.stack, Arc::clone(clock)),
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
            Request::One(request) => Ok(Answer::One(self.handle(&request, Delivery::First).await?.into())),
            Request::Batch(batch) => Ok(Answer::Batch(self.handle_batch(batch).await)),
        }
    }

    /// Handles the messages of a batch beside each other. Those that failed come again; the others are done with.
    async fn handle_batch(&self, batch: SqsEvent) -> SqsBatchResponse {
        let handled = join_all(batch.records.iter().map(|message| self.handle_message(message))).await;
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

    /// False if the message must come again. After a few times the queue buries it.
    async fn handle_message(&self, message: &SqsMessage) -> bool {
        let body = message.body.as_deref().unwrap_or_default();
        let request: DispatchRequest = match serde_json::from_str(body) {
            Ok(request) => request,
            Err(error) => {
                error!(message.id = message.message_id, %error, "A message of the launch queue cannot be read");
                return false;
            }
        };
        match self.handle(&request, Delivery::Again).await {
            Ok(_) => true,
            Err(failed) => self.put_off(&request, &failed).await,
        }
    }

    /// Sends a message again that met a passing fault. False if it must come again by itself.
    async fn put_off(&self, request: &DispatchRequest, failed: &PortError) -> bool {
        let key = &request.event.key;
        error!(job.key = %key, error = %Chain(failed), "A message about job {key} comes again");
        self.count_waiting(request);
        failed.is_transient() && self.queue.send(&request.event, RETRY_AFTER).await.is_ok()
    }

    fn count_waiting(&self, request: &DispatchRequest) {
        let waited = self.clock.now().duration_since(request.event.received_at);
        self.metrics.count(WAITING_SECONDS, u64::try_from(waited.as_secs()).unwrap_or(0));
    }

    async fn handle(&self, request: &DispatchRequest, delivery: Delivery) -> Result<Handled, PortError> {
        let DispatchRequest { action, event } = request;
        let dispatcher = self.wiring.dispatcher().await?;
        let handled = match action {
            Action::Start => start(&dispatcher, event, delivery).await?,
            Action::Record => record(&dispatcher, event).await?,
            Action::Finish => finish(&dispatcher, event).await?,
        };
        match &handled {
            Handled::Done { summary } => info!(job.key = %event.key, "{summary}"),
            Handled::Parked { .. } => self.metrics.count(JOBS_PARKED, 1),
            Handled::Later { at, reason, waits_for } => {
                self.count_waiting(request);
                if *waits_for == WaitsFor::AnotherTry {
                    self.metrics.count(LAUNCH_FAILURES, 1);
                }
                let delay = Duration::try_from(at.duration_since(self.clock.now())).unwrap_or_default();
                warn!(job.key = %event.key, "Job {} is looked at again in {delay:?}: {reason}", event.key);
                self.queue.send(event, delay).await?;
            }
        }
        Ok(handled)
    }
}
