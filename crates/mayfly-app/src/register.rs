//! Gives a runner its token, as the registration mode asks.

use std::time::Duration;

use mayfly_core::assignment::RegistrationEnd;
use mayfly_core::error::PortError;
use mayfly_core::ids::{RunnerId, SecretName};
use mayfly_core::launch::LaunchRequest;
use mayfly_core::ports::NewRunner;
use mayfly_core::runner_name::RunnerName;
use secrecy::SecretString;

use crate::dispatcher::{Dispatcher, Registration};

/// The secret with the token of the shared runner, unless a mapping names another.
const RUNNER_TOKEN: &str = "RunnerToken";
/// The secret with the registration token of old GitLab versions.
const REGISTRATION_TOKEN: &str = "RegistrationToken";

/// A runner's token, and what is to become of it.
pub(crate) struct Registered {
    pub(crate) token: SecretString,
    /// The registration made for this runner alone, if we may delete it by its id.
    pub(crate) id: Option<RunnerId>,
    pub(crate) at_end: RegistrationEnd,
}

/// Registers a runner, or finds the token of the shared one.
pub(crate) async fn register(
    dispatcher: &Dispatcher,
    request: &LaunchRequest,
    name: &RunnerName,
) -> Result<Registered, PortError> {
    let runner = NewRunner {
        name: name.clone(),
        installation: dispatcher.installation.clone(),
        project: request.project,
        tags: request.tags.clone(),
        maximum_timeout: request.settings.max_life().max(Duration::from_mins(10)),
    };
    match dispatcher.registration {
        Registration::PerJob => {
            let created = dispatcher.gitlab.create_runner(&runner).await?;
            Ok(Registered {
                token: created.token,
                id: Some(created.id),
                at_end: RegistrationEnd::DeleteRunner,
            })
        }
        Registration::RegistrationToken => {
            let token = secret(dispatcher, &secret_name(REGISTRATION_TOKEN)?).await?;
            let created = dispatcher.gitlab.register_runner(&token, &runner).await?;
            // Without an API token only its own token may delete it, and only the agent has that.
            let id = dispatcher.has_api_token.then_some(created.id);
            Ok(Registered { token: created.token, id, at_end: RegistrationEnd::DeleteRunner })
        }
        Registration::Shared => {
            let name = match &request.settings.runner_token {
                Some(name) => name.clone(),
                None => secret_name(RUNNER_TOKEN)?,
            };
            Ok(Registered {
                token: secret(dispatcher, &name).await?,
                id: None,
                at_end: RegistrationEnd::DeleteManager,
            })
        }
    }
}

fn secret_name(name: &str) -> Result<SecretName, PortError> {
    SecretName::new(name).map_err(|invalid| PortError::never("secret name", invalid))
}

async fn secret(dispatcher: &Dispatcher, name: &SecretName) -> Result<SecretString, PortError> {
    dispatcher.secrets.get(name).await?.ok_or_else(|| {
        PortError::never(
            format!("secret `{name}`"),
            "there is no secret of this name, and the registration mode needs it",
        )
    })
}
