//! Webhook deliveries: what was sent, what is held back, and how a delivery is signed and sent.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use mayfly_core::ids::JobId;
use serde_json::Value;
use sha2::Sha256;

use super::model::{HookId, Status};
use super::shared::Shared;
use super::state::State;
use super::time::now;
use crate::random;

/// How long GitLab waits for the answer to a webhook (GitLab docs, webhooks: 10 s).
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// The stand-in's number of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub u64);

/// One job event on its way to one hook, or arrived there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its number.
    pub id: DeliveryId,
    /// The hook it is for.
    pub hook: HookId,
    /// The job it is about.
    pub job: JobId,
    /// The status it tells (`build_status`).
    pub status: Status,
    /// `webhook-id` and `Idempotency-Key`: the same when the event is sent again.
    pub webhook_id: String,
    /// `X-Gitlab-Event-UUID`.
    pub event_uuid: String,
    /// The body, as it is signed.
    pub body: String,
    /// When it was sent; `None` for one that is held back.
    pub sent_at: Option<Timestamp>,
    /// What came of it; `None` while it is held back or under way.
    pub answer: Option<Answer>,
}

impl Delivery {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// What came of a delivery. GitLab never sends a failed one again by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The receiver answered.
    Http {
        /// With this status code.
        status: u16,
        /// And these words, of which GitLab keeps 8 KB for people to read.
        body: String,
    },
    /// Nobody answered in time.
    Nobody(String),
}

impl Answer {
    /// The status code, if the receiver answered.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Http { status, .. } => Some(*status),
            Self::Nobody(_) => None,
        }
    }
}

/// A delivery with everything needed to send it, whatever becomes of the hook.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) id: DeliveryId,
    url: String,
    instance: String,
    token: Option<String>,
    signing_key: Option<Vec<u8>>,
    webhook_id: String,
    event_uuid: String,
    body: String,
}

impl Outgoing {
    /// `None` if the hook is gone.
    pub(super) fn new(state: &State, delivery: &Delivery) -> Option<Self> {
        let hook = state.hooks.get(&delivery.hook)?;
        Some(Self {
            id: delivery.id,
            url: hook.url.clone(),
            instance: state.url.clone(),
            token: hook.token.clone(),
            signing_key: hook.signing_key.clone(),
            webhook_id: delivery.webhook_id.clone(),
            event_uuid: delivery.event_uuid.clone(),
            body: delivery.body.clone(),
        })
    }

    /// Sends the event and notes what came of it.
    pub(super) async fn send(self, shared: Arc<Shared>) {
        let sent_at = now();
        shared.change(|state| {
            if let Some(delivery) = state.deliveries.get_mut(&self.id) {
                delivery.sent_at = Some(sent_at);
            }
        });
        let answer = match self.request(&shared, sent_at).send().await {
            Ok(response) => Answer::Http {
                status: response.status().as_u16(),
                body: response.text().await.unwrap_or_default().chars().take(8 * 1024).collect(),
            },
            Err(error) => Answer::Nobody(error.without_url().to_string()),
        };
        shared.change(|state| {
            if let Some(delivery) = state.deliveries.get_mut(&self.id) {
                delivery.answer = Some(answer);
            }
        });
    }

    fn request(&self, shared: &Shared, sent_at: Timestamp) -> reqwest::RequestBuilder {
        let timestamp = sent_at.as_second().to_string();
        let mut request = shared
            .http
            .post(&self.url)
            .timeout(WEBHOOK_TIMEOUT)
            .header("Content-Type", "application/json")
            .header("User-Agent", concat!("GitLab/", "19.3.0", "-ee"))
            .header("X-Gitlab-Event", "Job Hook")
            .header("X-Gitlab-Instance", &self.instance)
            .header("X-Gitlab-Webhook-UUID", random::uuid())
            .header("X-Gitlab-Event-UUID", &self.event_uuid)
            .header("Idempotency-Key", &self.webhook_id)
            .header("webhook-id", &self.webhook_id)
            .header("webhook-timestamp", &timestamp);
        if let Some(token) = &self.token {
            request = request.header("X-Gitlab-Token", token);
        }
        if let Some(key) = &self.signing_key {
            let signature = sign(key, &self.webhook_id, &timestamp, self.body.as_bytes());
            request = request.header("webhook-signature", signature);
        }
        request.body(self.body.clone())
    }
}

/// The key in a signing token: `whsec_` and the base64 of exactly 32 bytes. `None` for anything else.
pub(super) fn signing_key(token: &str) -> Option<Vec<u8>> {
    let key = STANDARD.decode(token.strip_prefix("whsec_")?).ok()?;
    (key.len() == 32).then_some(key)
}

/// The `webhook-signature` of a body (Standard Webhooks, version 1).
fn sign(key: &[u8], webhook_id: &str, timestamp: &str, body: &[u8]) -> String {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(webhook_id.as_bytes());
    mac.update(b".");
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_pinned_to_a_vector_computed_with_openssl() {
        let key = signing_key("whsec_dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q=").unwrap();
        let body = br#"{"object_kind":"build","build_id":1977,"build_status":"pending"}"#;
        assert_eq!(
            sign(&key, "f5e5f430-f57b-4e6e-9fac-d9128cd7232f", "1744578123", body),
            "v1,mDPaUN5vaz499R9VF8mrgvzCkGPt7BDAqKDUTKpzmtc="
        );
    }

    #[test]
    fn what_is_no_signing_token_is_refused() {
        for token in ["", "dGVzdA==", "whsec_dGVzdA==", "whsec_not base64"] {
            assert_eq!(signing_key(token), None, "{token}");
        }
    }
}
