//! One call: how it is authorised, sent, repeated and understood.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use mayfly_core::error::{PortError, Retry};
use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use serde::Serialize;

use super::GitlabClient;
use super::answer::Answer;
use super::failure::{Failure, message_of, retry_of};

const API_TOKEN_HEADER: &str = "PRIVATE-TOKEN";

/// The scope that questions need.
pub(super) const READ_SCOPE: &str = "read_api";

/// The scope for jobs and webhooks to be changed: GitLab has no narrower one.
pub(super) const WRITE_SCOPE: &str = "api";

/// A longer wait than this is the caller's business, who may have better things to do.
const LONGEST_WAIT_INSIDE: Duration = Duration::from_secs(2);

/// Who a call speaks for.
#[derive(Clone, Copy)]
pub(super) enum Authority<'a> {
    /// The API token, which needs this scope.
    ApiToken { scope: &'static str },
    /// The API token, if there is one: GitLab answers without it too.
    ApiTokenIfAny,
    /// A token in the body of the call: which one it is, in words, and the token.
    InBody { what: &'static str, token: &'a SecretString },
}

/// A call that is not yet sent.
pub(super) struct Call<'a> {
    /// The operation and the thing, for errors and logs.
    pub(super) operation: String,
    pub(super) method: Method,
    /// The path below the API's address, with a slash at the beginning.
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    /// The body, in JSON.
    pub(super) body: Option<serde_json::Value>,
    pub(super) authority: Authority<'a>,
    /// Secrets in the body besides the authority's token.
    pub(super) secrets: Vec<&'a SecretString>,
    /// Answers that are no errors besides those of the 2xx kind.
    pub(super) accepted: &'static [StatusCode],
    /// Whether sending it again does no harm.
    pub(super) is_repeatable: bool,
}

impl<'a> Call<'a> {
    pub(super) fn new(
        operation: impl Into<String>,
        method: Method,
        path: String,
        authority: Authority<'a>,
    ) -> Self {
        Self {
            operation: operation.into(),
            is_repeatable: method != Method::POST,
            method,
            path,
            query: Vec::new(),
            body: None,
            authority,
            secrets: Vec::new(),
            accepted: &[],
        }
    }

    pub(super) fn get(operation: impl Into<String>, path: String, scope: &'static str) -> Self {
        Self::new(operation, Method::GET, path, Authority::ApiToken { scope })
    }

    pub(super) fn post(operation: impl Into<String>, path: String, authority: Authority<'a>) -> Self {
        Self::new(operation, Method::POST, path, authority)
    }

    pub(super) fn put(operation: impl Into<String>, path: String, authority: Authority<'a>) -> Self {
        Self::new(operation, Method::PUT, path, authority)
    }

    pub(super) fn delete(operation: impl Into<String>, path: String, authority: Authority<'a>) -> Self {
        Self::new(operation, Method::DELETE, path, authority)
    }

    pub(super) fn body(mut self, body: &impl Serialize) -> Result<Self, PortError> {
        let body = serde_json::to_value(body)
            .map_err(|error| PortError::never(format!("{}: write the request", self.operation), error))?;
        self.body = Some(body);
        Ok(self)
    }

    pub(super) fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn accept(mut self, accepted: &'static [StatusCode]) -> Self {
        self.accepted = accepted;
        self
    }

    pub(super) fn repeatable(mut self) -> Self {
        self.is_repeatable = true;
        self
    }
}

impl GitlabClient {
    /// Sends a call, again if that is allowed and may help, and returns the answer that is no error.
    pub(super) async fn send(&self, call: &Call<'_>) -> Result<Answer, PortError> {
        if !call.is_repeatable {
            return self.send_once(call).await;
        }
        let delays = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_factor(3.0)
            .with_max_times(2)
            .with_jitter();
        (|| self.send_once(call))
            .retry(delays)
            .when(|error| match error.retry {
                Retry::Later(wait) => wait.is_none_or(|wait| wait < LONGEST_WAIT_INSIDE),
                Retry::Never => false,
            })
            .adjust(|error, delay| match error.retry {
                // No delay means that there were enough repetitions.
                Retry::Later(Some(wait)) => delay.map(|_| wait),
                _ => delay,
            })
            .notify(|error, delay| {
                tracing::info!(operation = error.operation, cause = %error.source, ?delay, "GitLab is asked again");
            })
            .await
    }

    async fn send_once(&self, call: &Call<'_>) -> Result<Answer, PortError> {
        let mut request = self.http.request(call.method.clone(), format!("{}{}", self.api, call.path));
        match (call.authority, &self.api_token) {
            (Authority::ApiToken { scope }, None) => {
                return Err(Failure::NoApiToken { scope }.of(&call.operation, Retry::Never));
            }
            (Authority::ApiToken { .. } | Authority::ApiTokenIfAny, Some(token)) => {
                request = request.header(API_TOKEN_HEADER, token.header.clone());
            }
            (Authority::ApiTokenIfAny, None) | (Authority::InBody { .. }, _) => {}
        }
        if !call.query.is_empty() {
            request = request.query(&call.query);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let result = async { Answer::read(request.send().await?).await }.await;
        let answer = match result {
            Ok(answer) => answer,
            Err(error) => {
                let (failure, retry) = Failure::transport(error);
                return Err(failure.of(&call.operation, retry));
            }
        };
        tracing::debug!(operation = call.operation, status = answer.status.as_u16(), "GitLab answered");
        if answer.status.is_success() || call.accepted.contains(&answer.status) {
            return Ok(answer);
        }
        Err(self.refusal(call, &answer))
    }

    /// An answer as the error it is, with GitLab's own words and a hint.
    pub(super) fn refusal(&self, call: &Call<'_>, answer: &Answer) -> PortError {
        let mut secrets = call.secrets.clone();
        secrets.extend(self.api_token.as_ref().map(|token| &token.secret));
        if let Authority::InBody { token, .. } = call.authority {
            secrets.push(token);
        }
        let mut message = message_of(&answer.body, &secrets);
        if let Some(hint) = hint(call, answer) {
            message = format!("{message} ({hint})");
        }
        Failure::Refused { status: answer.status, message }
            .of(&call.operation, retry_of(answer.status, &answer.headers))
    }
}

/// What to look at, for refusals with a usual cause.
fn hint(call: &Call<'_>, answer: &Answer) -> Option<String> {
    let is_refused_token = matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    match call.authority {
        _ if answer.status.is_redirection() => {
            Some("it sends us elsewhere: is the configured URL the one that GitLab calls its own?".to_owned())
        }
        Authority::ApiToken { scope } if answer.status == StatusCode::UNAUTHORIZED => {
            Some(format!("the API token is refused; the call needs a valid one with the scope {scope}"))
        }
        Authority::ApiToken { scope } if is_refused_token => Some(format!(
            "the API token may not do this; the call needs the scope {scope} and the role for it"
        )),
        Authority::InBody { what, .. } if is_refused_token => Some(format!("the {what} is refused")),
        _ => None,
    }
}
