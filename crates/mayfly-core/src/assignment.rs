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
    fn its_debug_form_does_not_tell_the_token() {
        assert!(!format!("{:?}", assignment()).contains("glrt-secret"));
    }
}
