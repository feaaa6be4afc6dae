//! Webhooks of projects and groups.

use std::fmt;

use mayfly_core::error::PortError;
use mayfly_core::ids::ProjectId;
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::GitlabClient;
use super::call::{Authority, Call, READ_SCOPE, WRITE_SCOPE};
use super::failure::message_of;
use super::places::escaped;

/// What a webhook belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum HookPlace {
    /// A project.
    Project(ProjectId),
    /// A group, by its full path: its webhooks hear of all projects in it. Needs GitLab Premium or Ultimate, and the role of an
    /// owner.
    Group(String),
}

impl From<ProjectId> for HookPlace {
    fn from(project: ProjectId) -> Self {
        Self::Project(project)
    }
}

impl fmt::Display for HookPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Project(project) => write!(formatter, "project {project}"),
            Self::Group(path) => write!(formatter, "group {path}"),
        }
    }
}

impl HookPlace {
    fn hooks_path(&self) -> String {
        match self {
            Self::Project(project) => format!("/projects/{project}/hooks"),
            Self::Group(path) => format!("/groups/{}/hooks", escaped(path)),
        }
    }

    fn hook_path(&self, hook: u64) -> String {
        format!("{}/{hook}", self.hooks_path())
    }
}

/// A webhook of a project or group.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Hook {
    /// GitLab's id of it.
    pub id: u64,
    /// Where it sends its events.
    pub url: String,
    /// Whether it sends job events.
    #[serde(default)]
    pub job_events: bool,
    /// Whether it sends push events, as GitLab's webhooks do unless told otherwise.
    #[serde(default)]
    pub push_events: bool,
    /// Whether it wants a valid certificate of the receiver.
    #[serde(default = "yes")]
    pub enable_ssl_verification: bool,
    /// `executable`, `temporarily_disabled` or `disabled`; absent in the answers of old GitLab versions.
    #[serde(default)]
    pub alert_status: Option<String>,
    /// Until when GitLab sends nothing, in GitLab's words; absent unless it is disabled for a time.
    #[serde(default)]
    pub disabled_until: Option<String>,
    /// Whether it has a secret token, which GitLab never tells; absent in the answers of old GitLab versions.
    #[serde(default)]
    pub token_present: Option<bool>,
    /// Whether it has a signing token; absent in the answers of old GitLab versions.
    #[serde(default)]
    pub signing_token_present: Option<bool>,
}

fn yes() -> bool {
    true
}

/// A webhook to be made: job events only, with verified certificates.
#[derive(Debug, Clone)]
pub struct NewHook {
    /// Where it sends its events.
    pub url: Url,
    /// The secret token, sent with every event.
    pub token: Option<SecretString>,
    /// The signing token. GitLab before 19.0 takes no notice of it.
    pub signing_token: Option<SecretString>,
}

/// A webhook to be made as [`NewHook`] would have been. A token that is `None` stays what it is.
#[derive(Debug, Clone)]
pub struct HookChange {
    /// Its address, in GitLab's words: another one would take its token away.
    pub url: String,
    /// A new secret token.
    pub token: Option<SecretString>,
    /// A new signing token.
    pub signing_token: Option<SecretString>,
}

/// One event that a webhook sent, or tried to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookDelivery {
    /// The kind of event, such as `job_hooks`.
    pub trigger: String,
    /// What the receiver answered; `None` if it did not.
    pub status: Option<u16>,
}

/// What came of a test delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestDelivery {
    /// The receiver answered 2xx. A webhook that was disabled is enabled again.
    Accepted,
    /// It was not sent, or the receiver did not answer 2xx: why, in GitLab's or the receiver's words.
    Refused(String),
    /// No job has run there, whose event could be sent.
    NothingToSend,
    /// This GitLab has no such call: it came with 16.11.
    NotOffered,
}

#[derive(Serialize)]
struct HookBody<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_token: Option<&'a str>,
    job_events: bool,
    push_events: bool,
    enable_ssl_verification: bool,
}

impl<'a> HookBody<'a> {
    fn new(url: &'a str, token: Option<&'a SecretString>, signing_token: Option<&'a SecretString>) -> Self {
        Self {
            url,
            token: token.map(ExposeSecret::expose_secret),
            signing_token: signing_token.map(ExposeSecret::expose_secret),
            job_events: true,
            push_events: false,
            enable_ssl_verification: true,
        }
    }
}

#[derive(Deserialize)]
struct DeliveryRow {
    #[serde(default)]
    trigger: Option<String>,
    #[serde(default)]
    response_status: Value,
}

impl From<DeliveryRow> for HookDelivery {
    fn from(row: DeliveryRow) -> Self {
        // GitLab writes the number as a text, or `internal error`.
        let status = match row.response_status {
            Value::Number(number) => number.as_u64().and_then(|number| number.try_into().ok()),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        Self { trigger: row.trigger.unwrap_or_default(), status }
    }
}

/// What GitLab says if it has no job event to send.
const NO_JOBS: &str = "Ensure the project has CI jobs";

const WRITE: Authority<'static> = Authority::ApiToken { scope: WRITE_SCOPE };

impl GitlabClient {
    /// All webhooks of a project or group. Scope `read_api`, and the role of a maintainer.
    pub async fn list_hooks(&self, place: impl Into<HookPlace>) -> Result<Vec<Hook>, PortError> {
        let place = place.into();
        let operation = format!("GitLab: list the webhooks of {place}");
        self.all_pages(Call::get(operation, place.hooks_path(), READ_SCOPE)).await
    }

    /// Makes a webhook for job events. Never repeated inside. Scope `api`, and the role of a maintainer.
    pub async fn create_hook(&self, place: impl Into<HookPlace>, hook: &NewHook) -> Result<Hook, PortError> {
        let place = place.into();
        let body = HookBody::new(hook.url.as_str(), hook.token.as_ref(), hook.signing_token.as_ref());
        let operation = format!("GitLab: create a webhook in {place}");
        let mut call = Call::post(operation, place.hooks_path(), WRITE).body(&body)?;
        call.secrets = hook.token.iter().chain(&hook.signing_token).collect();
        self.send(&call).await?.decode(&call.operation)
    }

    /// Makes a webhook one for job events only, with verified certificates. Scope `api`, and the role of a maintainer.
    pub async fn update_hook(
        &self,
        place: impl Into<HookPlace>,
        hook: u64,
        change: &HookChange,
    ) -> Result<Hook, PortError> {
        let place = place.into();
        let body = HookBody::new(&change.url, change.token.as_ref(), change.signing_token.as_ref());
        let operation = format!("GitLab: change webhook {hook} of {place}");
        let mut call = Call::put(operation, place.hook_path(hook), WRITE).body(&body)?;
        call.secrets = change.token.iter().chain(&change.signing_token).collect();
        self.send(&call).await?.decode(&call.operation)
    }

    /// Removes a webhook. Removing one that is gone is `Ok`. Scope `api`, and the role of a maintainer.
    pub async fn delete_hook(&self, place: impl Into<HookPlace>, hook: u64) -> Result<(), PortError> {
        let place = place.into();
        let operation = format!("GitLab: delete webhook {hook} of {place}");
        let call = Call::delete(operation, place.hook_path(hook), WRITE).accept(&[StatusCode::NOT_FOUND]);
        self.send(&call).await.map(drop)
    }

    /// Has GitLab send the latest job event of the project to a webhook, and waits for what came of it. GitLab allows five in a
    /// minute for each user and project (docs, rate limits on webhook operations). Never repeated inside. Scope `api`, and the
    /// role of a maintainer.
    pub async fn test_hook(&self, place: impl Into<HookPlace>, hook: u64) -> Result<TestDelivery, PortError> {
        let place = place.into();
        let operation = format!("GitLab: test webhook {hook} of {place}");
        let path = format!("{}/test/job_events", place.hook_path(hook));
        let call = Call::post(operation, path, WRITE)
            .accept(&[StatusCode::UNPROCESSABLE_ENTITY, StatusCode::NOT_FOUND]);
        let answer = self.send(&call).await?;
        Ok(match answer.status {
            StatusCode::NOT_FOUND => TestDelivery::NotOffered,
            StatusCode::UNPROCESSABLE_ENTITY => {
                let secrets: Vec<_> = self.api_token.iter().map(|token| &token.secret).collect();
                let why = message_of(&answer.body, &secrets);
                if why.contains(NO_JOBS) { TestDelivery::NothingToSend } else { TestDelivery::Refused(why) }
            }
            _ => TestDelivery::Accepted,
        })
    }

    /// The latest events that a webhook sent, up to twenty, the latest first; `None` if this GitLab does not tell (it came with
    /// 17.3). Scope `read_api`, and the role of a maintainer.
    pub async fn hook_deliveries(
        &self,
        place: impl Into<HookPlace>,
        hook: u64,
    ) -> Result<Option<Vec<HookDelivery>>, PortError> {
        let place = place.into();
        let operation = format!("GitLab: list what webhook {hook} of {place} sent");
        let call = Call::get(operation, format!("{}/events", place.hook_path(hook)), READ_SCOPE)
            .query("per_page", "20")
            .accept(&[StatusCode::NOT_FOUND]);
        let answer = self.send(&call).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let rows: Vec<DeliveryRow> = answer.decode(&call.operation)?;
        Ok(Some(rows.into_iter().map(HookDelivery::from).collect()))
    }
}
