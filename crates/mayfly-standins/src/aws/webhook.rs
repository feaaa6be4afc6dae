//! A receiver of webhooks at `/webhook`, for commands that have GitLab send one.

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::StandinAws;

#[derive(Debug, Default)]
pub(super) struct Known {
    /// What it answers; 200 unless a test says otherwise.
    status: Option<u16>,
    secrets: Vec<Option<String>>,
}

impl Known {
    pub(super) fn receive(&mut self, headers: &HeaderMap) -> Response {
        let secret = headers.get("x-gitlab-token").and_then(|secret| secret.to_str().ok());
        self.secrets.push(secret.map(str::to_owned));
        let status = self.status.and_then(|status| StatusCode::from_u16(status).ok());
        status.unwrap_or(StatusCode::OK).into_response()
    }
}

impl StandinAws {
    /// What the receiver of webhooks answers from now on.
    pub fn set_webhook_answer(&self, status: u16) {
        self.known().webhook.status = Some(status);
    }

    /// The secrets that webhooks showed, in order.
    pub fn webhook_secrets(&self) -> Vec<Option<String>> {
        self.known().webhook.secrets.clone()
    }
}
