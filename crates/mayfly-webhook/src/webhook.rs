//! One request from its arrival to the answer.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use ipnet::IpNet;
use jiff::Timestamp;
use lambda_runtime::LambdaEvent;
use mayfly_app::{Answer, Outcome, receive_webhook};
use mayfly_core::clock::Clock;
use mayfly_core::error::Chain;
use mayfly_core::ports::EventBus;
use mayfly_gitlab::webhook::{MAX_EVENT_BYTES, Received, read};
use serde::Serialize;
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::request::Request;
use crate::secrets::Secrets;

/// Before the function's deadline by this much the sender hears that it took too long, rather than nothing.
const LAST_WORD: Duration = Duration::from_millis(500);

/// The function, wired up.
pub(crate) struct Webhook {
    secrets: Secrets,
    /// Where webhooks may come from; empty means from anywhere.
    allowed_sources: Vec<IpNet>,
    bus: Arc<dyn EventBus>,
    clock: Arc<dyn Clock>,
}

/// What API Gateway makes the HTTP response of (payload format 2.0).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HttpAnswer {
    status_code: u16,
    headers: ContentType,
    body: String,
}

#[derive(Debug, Serialize)]
struct ContentType {
    #[serde(rename = "content-type")]
    content_type: &'static str,
}

#[derive(Serialize)]
struct Body {
    outcome: &'static str,
    reason: String,
}

impl Webhook {
    pub(crate) fn new(
        secrets: Secrets,
        allowed_sources: Vec<IpNet>,
        bus: Arc<dyn EventBus>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { secrets, allowed_sources, bus, clock }
    }

    /// Fetches the secrets before anybody needs them. What fails here fails again, and is said, with the first request.
    pub(crate) async fn warm(&self) {
        let _ = self.secrets.fetch().await;
    }

    /// Answers one request, in time.
    pub(crate) async fn answer(&self, event: LambdaEvent<ApiGatewayV2httpRequest>) -> HttpAnswer {
        let left = time_left(event.context.deadline, self.clock.now());
        let answer = timeout(left, self.receive(event.payload)).await.unwrap_or_else(|_| {
            error!("A webhook took too long: it is not known whether its event is on the bus");
            Answer { outcome: Outcome::Unavailable, reason: "it took too long".to_owned() }
        });
        to_http(answer)
    }

    /// Authenticates, then parses, then puts the event on the bus. An unauthentic body is never parsed.
    async fn receive(&self, request: ApiGatewayV2httpRequest) -> Answer {
        let request = match Request::try_from(request) {
            Ok(request) => request,
            Err(broken) => return refused(&broken.to_string()),
        };
        if !request.comes_from(&self.allowed_sources) {
            let source =
                request.source.map_or_else(|| "nowhere known".to_owned(), |source| source.to_string());
            return refused(&format!("it comes from {source}, which is in no allowed range"));
        }
        let now = self.clock.now();
        if let Err(answer) = self.authenticate(&request, now).await {
            return answer;
        }
        if request.body.len() > MAX_EVENT_BYTES {
            let limit = MAX_EVENT_BYTES / 1024 / 1024;
            return ignored(
                "too_large",
                format!("the body is larger than {limit} MiB, which no job event is"),
            );
        }
        match read(&request.headers, &request.body, now) {
            Received::Job(event) => receive_webhook(self.bus.as_ref(), &event).await,
            Received::Ignored(other) => ignored(other.kind.as_str(), other.reason),
        }
    }

    /// Holds the request against the secrets, and once more against secrets that were read again: one may be new.
    async fn authenticate(&self, request: &Request, now: Timestamp) -> Result<(), Answer> {
        let Request { headers, body, .. } = request;
        let secrets = self.secrets.current().await.map_err(|error| unavailable(&error))?;
        let Err(unauthentic) = secrets.authenticate(headers, body, now) else { return Ok(()) };
        if !self.secrets.read_again().await {
            return Err(refused(&unauthentic.to_string()));
        }
        let secrets = self.secrets.current().await.map_err(|error| unavailable(&error))?;
        secrets.authenticate(headers, body, now).map_err(|unauthentic| refused(&unauthentic.to_string()))
    }
}

fn time_left(deadline_milliseconds: u64, now: Timestamp) -> Duration {
    let deadline =
        i64::try_from(deadline_milliseconds).ok().and_then(|at| Timestamp::from_millisecond(at).ok());
    let left = deadline.and_then(|at| Duration::try_from(at.duration_since(now)).ok()).unwrap_or_default();
    left.saturating_sub(LAST_WORD)
}

fn refused(reason: &str) -> Answer {
    warn!(reason, "Refused a webhook: {reason}");
    // The sender learns nothing about what was expected.
    Answer { outcome: Outcome::Refused, reason: "not authentic".to_owned() }
}

fn ignored(kind: &'static str, reason: String) -> Answer {
    info!(kind, "Ignored a webhook: {reason}");
    Answer { outcome: Outcome::Ignored, reason }
}

fn unavailable(cause: &(dyn std::error::Error + 'static)) -> Answer {
    error!(error = %Chain(cause), "Webhooks cannot be authenticated");
    // The request may be anybody's, so it learns no more than this.
    Answer { outcome: Outcome::Unavailable, reason: "webhooks cannot be authenticated now".to_owned() }
}

fn to_http(answer: Answer) -> HttpAnswer {
    let Answer { outcome, reason } = answer;
    let body = Body { outcome: outcome.as_str(), reason };
    HttpAnswer {
        status_code: outcome.status_code(),
        headers: ContentType { content_type: "application/json" },
        // Two texts always become JSON.
        body: serde_json::to_string(&body).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_is_said_before_the_deadline() {
        let now = Timestamp::from_millisecond(1_000_000).unwrap();
        for (deadline, left) in [(1_009_000, 8_500), (1_000_400, 0), (999_000, 0), (u64::MAX, 0)] {
            assert_eq!(time_left(deadline, now), Duration::from_millis(left), "{deadline}");
        }
    }

    #[test]
    fn the_answer_is_pinned() {
        let answer = Answer { outcome: Outcome::Accepted, reason: "pending of job a/1/2".to_owned() };
        assert_eq!(
            serde_json::to_string(&to_http(answer)).unwrap(),
            r#"{"statusCode":202,"headers":{"content-type":"application/json"},"body":"{\"outcome\":\"accepted\",\"reason\":\"pending of job a/1/2\"}"}"#
        );
    }
}
