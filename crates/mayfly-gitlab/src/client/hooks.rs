//! Webhooks of projects.

use mayfly_core::error::PortError;
use mayfly_core::ids::ProjectId;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::GitlabClient;
use super::call::{Authority, Call, READ_SCOPE, WRITE_SCOPE};

/// A webhook of a project.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Hook {
    /// GitLab's id of it.
    pub id: u64,
    /// Where it sends its events.
    pub url: String,
    /// Whether it sends job events.
    #[serde(default)]
    pub job_events: bool,
    /// `executable`, `temporarily_disabled` or `disabled`; absent in the answers of old GitLab versions.
    #[serde(default)]
    pub alert_status: Option<String>,
    /// Until when GitLab sends nothing, in GitLab's words; absent unless it is disabled for a time.
    #[serde(default)]
    pub disabled_until: Option<String>,
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

impl GitlabClient {
    /// All webhooks of a project. Scope `read_api`, and the role of a maintainer.
    pub async fn list_hooks(&self, project: ProjectId) -> Result<Vec<Hook>, PortError> {
        let operation = format!("GitLab: list the webhooks of project {project}");
        self.all_pages(Call::get(operation, format!("/projects/{project}/hooks"), READ_SCOPE)).await
    }

    /// Makes a webhook for a project's job events. Never repeated inside. Scope `api`, and the role of a maintainer.
    pub async fn create_hook(&self, project: ProjectId, hook: &NewHook) -> Result<Hook, PortError> {
        let body = HookBody {
            url: hook.url.as_str(),
            token: hook.token.as_ref().map(ExposeSecret::expose_secret),
            signing_token: hook.signing_token.as_ref().map(ExposeSecret::expose_secret),
            job_events: true,
            push_events: false,
            enable_ssl_verification: true,
        };
        let operation = format!("GitLab: create a webhook in project {project}");
        let authority = Authority::ApiToken { scope: WRITE_SCOPE };
        let mut call = Call::post(operation, format!("/projects/{project}/hooks"), authority).body(&body)?;
        call.secrets = hook.token.iter().chain(&hook.signing_token).collect();
        self.send(&call).await?.decode(&call.operation)
    }
}
