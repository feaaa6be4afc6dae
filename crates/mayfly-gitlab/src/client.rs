//! GitLab's REST API, as far as Mayfly needs it.
//!
//! Errors are [`PortError`]s: they say whether the same call can succeed later, and never contain a secret.

mod about;
mod answer;
mod call;
mod failure;
mod hooks;
mod http;
mod job_actions;
mod jobs;
mod pages;
mod places;
mod port;
mod runners;

#[cfg(test)]
mod scripted_server;

use std::fmt;
use std::time::Duration;

use ::http::HeaderValue;
use mayfly_core::error::PortError;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

pub use self::about::{About, TokenInfo};
pub use self::failure::refused_with;
pub use self::hooks::{Hook, HookChange, HookDelivery, HookPlace, NewHook, TestDelivery};
pub use self::http::http_client;
pub use self::places::ProjectView;

/// How long one answer may take, all in all, unless the settings say otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(8);

/// Where GitLab is and how to speak to it.
#[derive(Debug, Clone)]
pub struct GitlabClientConfig {
    /// GitLab's address, with the path under which it is installed if there is one: `https://host/gitlab`.
    pub url: Url,
    /// An access token. Only calls that authenticate with a runner's own token work without.
    pub api_token: Option<SecretString>,
    /// Certificates of a private authority in PEM; trusted in addition to those of the system.
    pub ca_pem: Option<Vec<u8>>,
    /// How long one answer may take, all in all; [`DEFAULT_TIMEOUT`] is a good value. A repeated call gets it again.
    pub timeout: Duration,
}

/// Speaks to one GitLab installation. Cheap to clone; clones share their connections.
///
/// Calls that change nothing when they are repeated (questions, removals, pauses, cancellations) are repeated at most twice
/// inside the call; calls that create something never are.
#[derive(Clone)]
pub struct GitlabClient {
    http: reqwest::Client,
    /// The address of the API, without a slash at the end.
    api: String,
    api_token: Option<ApiToken>,
}

/// The access token, as it is sent and as it is kept out of messages.
#[derive(Clone)]
struct ApiToken {
    header: HeaderValue,
    secret: SecretString,
}

/// Settings with which no call could succeed.
#[derive(Debug, thiserror::Error)]
enum UselessSettings {
    #[error("the URL `{0}` is not of the form `https://host` or `https://host/path`")]
    Url(String),
    #[error("the API token is empty, or has characters that no HTTP header can carry")]
    Token,
}

impl GitlabClient {
    /// Prepares everything, and speaks to nobody yet. Fails if the settings cannot work.
    pub fn new(config: GitlabClientConfig) -> Result<Self, PortError> {
        let useless = |error: UselessSettings| PortError::never("GitLab: prepare the client", error);
        Ok(Self {
            http: http_client(config.ca_pem.as_deref(), config.timeout)?,
            api: api_address(&config.url).map_err(useless)?,
            api_token: config.api_token.map(ApiToken::new).transpose().map_err(useless)?,
        })
    }
}

impl fmt::Debug for GitlabClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("GitlabClient")
            .field("api", &self.api)
            .field("has_api_token", &self.api_token.is_some())
            .finish_non_exhaustive()
    }
}

impl ApiToken {
    fn new(secret: SecretString) -> Result<Self, UselessSettings> {
        let text = secret.expose_secret();
        let mut header = HeaderValue::from_str(text).map_err(|_| UselessSettings::Token)?;
        if text.trim().is_empty() {
            return Err(UselessSettings::Token);
        }
        header.set_sensitive(true);
        Ok(Self { header, secret })
    }
}

fn api_address(url: &Url) -> Result<String, UselessSettings> {
    let is_plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if !is_plain {
        let host = url.host_str().unwrap_or_default();
        // Not the whole URL: there may be a password in it.
        return Err(UselessSettings::Url(format!("{}://…{host}…", url.scheme())));
    }
    Ok(format!("{}/api/v4", url.as_str().trim_end_matches('/')))
}

#[cfg(test)]
mod tests;
