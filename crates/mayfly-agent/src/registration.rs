//! The runner's registration, as the runner's own machine may ask about it and end it: with the runner's token.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use mayfly_core::assignment::{Assignment, RegistrationEnd};
use mayfly_core::error::{Chain, PortError};
use mayfly_gitlab::client::{GitlabClient, GitlabClientConfig};
use secrecy::SecretString;

use crate::supervise::TokenCheck;

/// How long GitLab may take to answer: two tries fit into the farewell.
const TIMEOUT: Duration = Duration::from_secs(5);

/// GitLab cannot even be asked.
#[derive(Debug, thiserror::Error)]
enum ClientError {
    #[error("the certificates in {} cannot be read", path.display())]
    Certificates { path: PathBuf, source: io::Error },
    #[error("the client for GitLab cannot be made")]
    Client(#[source] PortError),
}

/// The registration of one runner.
pub(crate) struct Registration {
    client: Option<GitlabClient>,
    token: SecretString,
    /// `None` as long as no runner made itself known with it.
    system_id: Option<String>,
    at_end: RegistrationEnd,
}

impl Registration {
    /// The registration of the runner of this assignment, which makes itself known with this system id.
    pub(crate) fn new(assignment: &Assignment, system_id: Option<String>) -> Self {
        let client = client(assignment)
            .inspect_err(|error| tracing::warn!(error = %Chain(error), "GitLab cannot be asked"))
            .ok();
        Self { client, token: assignment.token.clone(), system_id, at_end: assignment.at_end }
    }

    /// Asks GitLab whether the token is good.
    pub(crate) async fn check_token(&self) -> TokenCheck {
        let (Some(client), Some(system_id)) = (&self.client, &self.system_id) else {
            return TokenCheck::Unknown;
        };
        match client.verify(&self.token, system_id).await {
            Ok(true) => TokenCheck::Accepted,
            Ok(false) => TokenCheck::Refused,
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "GitLab did not say whether the token is good");
                TokenCheck::Unknown
            }
        }
    }

    /// Ends the registration as the assignment says. A failure is logged: the dispatcher and the reconciler end it too.
    pub(crate) async fn end(&self) {
        let Some(client) = &self.client else { return };
        let ended = match (self.at_end, &self.system_id) {
            (RegistrationEnd::DeleteRunner, _) => client.delete_by_token(&self.token).await,
            (RegistrationEnd::DeleteManager, Some(system_id)) => {
                client.delete_manager(&self.token, system_id).await
            }
            (RegistrationEnd::DeleteManager, None) => return,
        };
        match ended {
            Ok(()) => tracing::info!("the runner's registration is ended"),
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "the runner's registration cannot be ended");
            }
        }
    }
}

fn client(assignment: &Assignment) -> Result<GitlabClient, ClientError> {
    let ca_pem = match &assignment.ca_file {
        Some(path) => {
            Some(fs::read(path).map_err(|source| ClientError::Certificates { path: path.clone(), source })?)
        }
        None => None,
    };
    GitlabClient::new(GitlabClientConfig {
        url: assignment.gitlab_url.clone(),
        api_token: None,
        ca_pem,
        timeout: TIMEOUT,
    })
    .map_err(ClientError::Client)
}
