//! The assignment: what a runner must know to take its job. Secret, read once.

use std::path::PathBuf;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::mapping::RunnerSettings;
use crate::runner_name::RunnerName;

/// Everything the agent needs for one runner. Made by the dispatcher, read by the agent, written nowhere else.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The runner's name.
    pub runner: RunnerName,
    /// GitLab's address as the runner's machine reaches it.
    pub gitlab_url: Url,
    /// A file with the certificates of a private authority, on the runner's machine.
    pub ca_file: Option<PathBuf>,
    /// The runner's token.
    pub token: SecretString,
    /// What to do with the registration when the runner leaves.
    pub at_end: RegistrationEnd,
    /// How the runner is made.
    pub settings: RunnerSettings,
    /// When the runner must be gone, whatever it does.
    pub deadline: Timestamp,
    /// The credentials of the role that the job may act in, if it may.
    pub job_credentials: Option<JobCredentials>,
}

/// Credentials for AWS that a job is given.
#[derive(Debug, Clone)]
pub struct JobCredentials {
    /// Names the credentials; no secret.
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: SecretString,
    /// Goes with the secret.
    pub session_token: SecretString,
    /// When they end.
    pub expires_at: Timestamp,
}

/// What to do with a registration when its runner leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegistrationEnd {
    /// The runner was registered for one job: `DELETE /runners` with its token.
    DeleteRunner,
    /// Many machines share the token: `DELETE /runners/managers` for this machine's record only.
    DeleteManager,
}

/// An assignment that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the assignment cannot be read")]
pub struct InvalidAssignment(#[source] serde_json::Error);

#[derive(Serialize, Deserialize)]
struct Document {
    runner: RunnerName,
    gitlab_url: Url,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca_file: Option<PathBuf>,
    token: String,
    at_end: RegistrationEnd,
    settings: RunnerSettings,
    deadline: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job_credentials: Option<CredentialsDocument>,
}

#[derive(Serialize, Deserialize)]
struct CredentialsDocument {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expires_at: Timestamp,
}

impl From<&JobCredentials> for CredentialsDocument {
    fn from(credentials: &JobCredentials) -> Self {
        Self {
            access_key_id: credentials.access_key_id.clone(),
            secret_access_key: credentials.secret_access_key.expose_secret().to_owned(),
            session_token: credentials.session_token.expose_secret().to_owned(),
            expires_at: credentials.expires_at,
        }
    }
}

impl From<CredentialsDocument> for JobCredentials {
    fn from(document: CredentialsDocument) -> Self {
        Self {
            access_key_id: document.access_key_id,
            secret_access_key: document.secret_access_key.into(),
            session_token: document.session_token.into(),
            expires_at: document.expires_at,
        }
    }
}

impl Assignment {
    /// The assignment as JSON, token included: hand it only to the machine it is for.
    pub fn to_secret_json(&self) -> SecretString {
        let document = Document {
            runner: self.runner.clone(),
            gitlab_url: self.gitlab_url.clone(),
            ca_file: self.ca_file.clone(),
            token: self.token.expose_secret().to_owned(),
            at_end: self.at_end,
            settings: self.settings.clone(),
            deadline: self.deadline,
            job_credentials: self.job_credentials.as_ref().map(CredentialsDocument::from),
        };
        #[expect(
            clippy::expect_used,
            reason = "only a non-UTF-8 path could fail, and paths come from text settings"
        )]
        serde_json::to_string(&document).expect("an assignment is plain data").into()
    }

    /// Reads what [`to_secret_json`](Self::to_secret_json) wrote.
    pub fn from_json(json: &[u8]) -> Result<Self, InvalidAssignment> {
        let document: Document = serde_json::from_slice(json).map_err(InvalidAssignment)?;
        Ok(Self {
            runner: document.runner,
            gitlab_url: document.gitlab_url,
            ca_file: document.ca_file,
            token: document.token.into(),
            at_end: document.at_end,
            settings: document.settings,
            deadline: document.deadline,
            job_credentials: document.job_credentials.map(JobCredentials::from),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assignment() -> Assignment {
        Assignment {
            runner: "mayfly-local-0a1b".parse().unwrap(),
            gitlab_url: "https://gitlab.example.com/".parse().unwrap(),
            ca_file: Some("/etc/ssl/private-ca.pem".into()),
            token: "glrt-secret".into(),
            at_end: RegistrationEnd::DeleteRunner,
            settings: RunnerSettings::default(),
            deadline: "2026-08-01T11:00:00Z".parse().unwrap(),
            job_credentials: None,
        }
    }

    fn credentials() -> JobCredentials {
        JobCredentials {
            access_key_id: "ASIAEXAMPLE".to_owned(),
            secret_access_key: "very-secret".into(),
            session_token: "session-secret".into(),
            expires_at: "2026-08-01T11:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn an_assignment_is_read_back_and_its_written_form_is_pinned() {
        let written = assignment().to_secret_json();
        let read = Assignment::from_json(written.expose_secret().as_bytes()).unwrap();
        assert_eq!(read.to_secret_json().expose_secret(), written.expose_secret());
        insta::assert_snapshot!(written.expose_secret(), @r#"{"runner":"mayfly-local-0a1b","gitlab_url":"https://gitlab.example.com/","ca_file":"/etc/ssl/private-ca.pem","token":"glrt-secret","at_end":"delete-runner","settings":{"executor":"shell","wait_timeout_seconds":300,"max_life_seconds":3600,"keep_aws_credentials":false,"pass_env":[]},"deadline":"2026-08-01T11:00:00Z"}"#);
    }

    #[test]
    fn credentials_of_a_job_are_read_back() {
        let with = Assignment { job_credentials: Some(credentials()), ..assignment() };
        let written = with.to_secret_json();
        let read = Assignment::from_json(written.expose_secret().as_bytes()).unwrap();
        assert_eq!(read.to_secret_json().expose_secret(), written.expose_secret());
        assert_eq!(read.job_credentials.unwrap().session_token.expose_secret(), "session-secret");
    }

    #[test]
    fn its_debug_form_does_not_tell_the_token() {
        let with = Assignment { job_credentials: Some(credentials()), ..assignment() };
        let shown = format!("{with:?}");
        assert!(
            !shown.contains("secret\"") && !shown.contains("glrt-") && !shown.contains("very-"),
            "{shown}"
        );
    }
}
