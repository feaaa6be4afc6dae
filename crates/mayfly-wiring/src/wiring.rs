//! The dispatcher of this environment. GitLab's address and token come from Parameter Store, so it is made when the first event
//! needs it, and made anew when they change.

use std::sync::Arc;
use std::time::Duration;

use mayfly_app::{Dispatcher, Machines, Registration};
use mayfly_aws::dynamodb::{DynamoLedger, DynamoMappingStore};
use mayfly_aws::ec2::Ec2Backend;
use mayfly_aws::function::Connection;
use mayfly_aws::lambda::LambdaBackend;
use mayfly_aws::ssm::{ParameterStore, Parameters};
use mayfly_aws::sts::StsJobRoles;
use mayfly_core::clock::Clock;
use mayfly_core::decide::LaunchPolicy;
use mayfly_core::error::PortError;
use mayfly_core::ids::SecretName;
use mayfly_core::ports::{Backend, Meter, SecretStore};
use mayfly_gitlab::client::{GitlabClient, GitlabClientConfig};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use url::Url;

use crate::settings::{MachineSettings, Settings};

/// How long a parameter is kept: a new token works after this time at the latest.
const KEEP_PARAMETERS_FOR: Duration = Duration::from_mins(5);
/// How long GitLab may take for an answer. A start asks up to five times, and all of it must fit into the function's time.
const GITLAB_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the mapping table is kept: a change is seen after this time at the latest.
const KEEP_MAPPINGS_FOR: Duration = Duration::from_secs(30);

/// GitLab's address.
const URL: &str = "Url";
/// An access token with the scopes `create_runner`, `manage_runner` and `read_api`.
const API_TOKEN: &str = "ApiToken";
/// Certificates of a private authority in PEM, if GitLab has one.
const CA_CERTIFICATES: &str = "CaCertificates";

/// Makes the dispatcher, and keeps it.
pub struct Wiring {
    settings: Settings,
    clock: Arc<dyn Clock>,
    mappings: Arc<DynamoMappingStore>,
    ledger: Arc<DynamoLedger>,
    backends: Vec<Arc<dyn Backend>>,
    machines: Option<Machines>,
    parameters: Arc<ParameterStore>,
    meter: Arc<dyn Meter>,
    made: Mutex<Option<(Gitlab, Dispatcher)>>,
}

/// What Parameter Store says of GitLab.
#[derive(Clone)]
struct Gitlab {
    url: Url,
    api_token: Option<SecretString>,
    ca_certificates: Option<SecretString>,
}

impl PartialEq for Gitlab {
    fn eq(&self, other: &Self) -> bool {
        let exposed =
            |secret: &Option<SecretString>| secret.as_ref().map(|secret| secret.expose_secret().to_owned());
        self.url == other.url
            && exposed(&self.api_token) == exposed(&other.api_token)
            && exposed(&self.ca_certificates) == exposed(&other.ca_certificates)
    }
}

impl Wiring {
    /// The ports of these settings. Nothing is called yet.
    pub fn new(
        settings: &Settings,
        connection: &Connection,
        clock: &Arc<dyn Clock>,
        meter: Arc<dyn Meter>,
    ) -> Self {
        let dynamodb = connection.dynamodb();
        let parameters = Parameters::new(connection.ssm(), KEEP_PARAMETERS_FOR, Arc::clone(clock));
        let mappings = DynamoMappingStore::new(
            dynamodb.clone(),
            &settings.mapping_table,
            KEEP_MAPPINGS_FOR,
            Arc::clone(clock),
        );
        Self {
            clock: Arc::clone(clock),
            mappings: Arc::new(mappings),
            ledger: Arc::new(DynamoLedger::new(dynamodb, &settings.ledger_table)),
            machines: settings.machines.as_ref().map(|machines| machines_of(machines, connection)),
            backends: vec![Arc::new(LambdaBackend::new(connection.lambda(), settings.tenant_isolation))],
            parameters: Arc::new(ParameterStore::new(parameters, settings.parameter_path.clone())),
            meter,
            made: Mutex::new(None),
            settings: settings.clone(),
        }
    }

    /// The dispatcher, for GitLab as it is now.
    ///
    /// # Errors
    ///
    /// If what Parameter Store has of GitLab cannot be read, or is not what it must be.
    pub async fn dispatcher(&self) -> Result<Dispatcher, PortError> {
        let gitlab = self.read_gitlab().await?;
        let mut made = self.made.lock().await;
        if let Some((known, dispatcher)) = made.as_ref()
            && *known == gitlab
        {
            return Ok(dispatcher.clone());
        }
        let dispatcher = self.make(&gitlab)?;
        *made = Some((gitlab, dispatcher.clone()));
        Ok(dispatcher)
    }

    async fn read_gitlab(&self) -> Result<Gitlab, PortError> {
        let names = [URL, API_TOKEN, CA_CERTIFICATES].map(name);
        let [url, api_token, ca_certificates] = names.each_ref();
        self.parameters.prefetch(&names).await?;
        let path = &self.settings.parameter_path;
        let missing = |name, why: &str| {
            PortError::never(format!("parameter {path}/{name}"), format!("it is not there, and {why}"))
        };
        let text =
            self.parameters.get(url).await?.ok_or_else(|| missing(URL, "it must hold GitLab's address"))?;
        let api_token = self.parameters.get(api_token).await?;
        if api_token.is_none() && self.settings.registration == Registration::PerJob {
            return Err(missing(API_TOKEN, "registration mode `per-job` needs it"));
        }
        Ok(Gitlab {
            url: Url::parse(text.expose_secret().trim()).map_err(|error| {
                PortError::never(format!("parameter {path}/{URL}: read it as an address"), error)
            })?,
            api_token,
            ca_certificates: self.parameters.get(ca_certificates).await?,
        })
    }

    fn make(&self, gitlab: &Gitlab) -> Result<Dispatcher, PortError> {
        let client = GitlabClient::new(GitlabClientConfig {
            url: gitlab.url.clone(),
            api_token: gitlab.api_token.clone(),
            ca_pem: gitlab.ca_certificates.as_ref().map(|pem| pem.expose_secret().as_bytes().to_vec()),
            timeout: GITLAB_TIMEOUT,
        })?;
        let settings = &self.settings;
        Ok(Dispatcher {
            installation: settings.installation.clone(),
            holder: settings.holder.clone(),
            clock: Arc::clone(&self.clock),
            mappings: self.mappings.clone(),
            ledger: self.ledger.clone(),
            gitlab: Arc::new(client),
            has_api_token: gitlab.api_token.is_some(),
            asks_protection: settings.tenant_isolation,
            secrets: self.parameters.clone(),
            backends: self.backends.clone(),
            machines: self.machines.clone(),
            registration: settings.registration,
            default_target: settings.default_target.clone(),
            gitlab_url: gitlab.url.clone(),
            ca_file: settings.runner_ca_file.clone(),
            policy: LaunchPolicy::default(),
            meter: Arc::clone(&self.meter),
        })
    }
}

fn machines_of(settings: &MachineSettings, connection: &Connection) -> Machines {
    let (table, role_id, stack) = (&settings.assignment_table, &settings.role_id, &settings.defaults.stack);
    Machines {
        backend: Arc::new(Ec2Backend::new(connection.ec2(), connection.dynamodb(), table, role_id, stack)),
        roles: Arc::new(StsJobRoles::new(connection.sts())),
        defaults: settings.defaults.clone(),
    }
}

#[expect(clippy::expect_used, reason = "the names above are fixed, and a test makes all of them")]
fn name(text: &str) -> SecretName {
    SecretName::new(text).expect("the name of a secret")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixed_names_are_names_of_secrets() {
        for text in [URL, API_TOKEN, CA_CERTIFICATES] {
            assert_eq!(name(text).as_str(), text);
        }
    }
}
