//! What GitLab says of itself, and of the token it is asked with.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use mayfly_core::error::PortError;
use reqwest::header::DATE;
use reqwest::{Method, StatusCode};
use serde::Deserialize;

use super::GitlabClient;
use super::call::{Authority, Call, READ_SCOPE};

/// A GitLab that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Its version, such as `19.3.0-ee`; `None` if it does not tell this token.
    pub version: Option<String>,
    /// When it answered, by its own clock, in whole seconds.
    pub answered_at: Option<Timestamp>,
}

/// An access token, as GitLab knows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TokenInfo {
    /// What its owner called it.
    #[serde(default)]
    pub name: String,
    /// What it may do, such as `read_api`.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// True unless it is revoked or expired.
    pub active: bool,
    /// The day on which it ends, such as `2027-01-31`; `None` if it does not.
    #[serde(default)]
    pub expires_at: Option<String>,
}

#[derive(Deserialize)]
struct VersionAnswer {
    version: String,
}

impl GitlabClient {
    /// Whether GitLab answers, which version it is and what time it is there. A refused token is no error: GitLab answered.
    pub async fn about(&self) -> Result<About, PortError> {
        let path = "/version".to_owned();
        let call = Call::new("GitLab: ask for its version", Method::GET, path, Authority::ApiTokenIfAny)
            .accept(&[StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND]);
        let answer = self.send(&call).await?;
        let date = answer.headers.get(DATE).and_then(|date| date.to_str().ok());
        let answered_at = date.and_then(|date| DateTimeParser::new().parse_timestamp(date).ok());
        let version = if answer.status.is_success() {
            Some(answer.decode::<VersionAnswer>(&call.operation)?.version)
        } else {
            None
        };
        Ok(About { version, answered_at })
    }

    /// What GitLab knows of the token of this client. Needs no particular scope (GitLab docs, personal access tokens API).
    pub async fn own_token(&self) -> Result<TokenInfo, PortError> {
        let path = "/personal_access_tokens/self".to_owned();
        let call = Call::get("GitLab: look at the access token", path, READ_SCOPE);
        self.send(&call).await?.decode(&call.operation)
    }
}
