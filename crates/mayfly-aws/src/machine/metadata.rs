//! The instance's metadata service (IMDS), with a session token always (EC2 user guide, instance metadata, `IMDSv2`).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_config::imds::Client;
use aws_config::imds::client::error::ImdsError;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_http_client::Builder as HttpClientBuilder;
use jiff::Timestamp;
use mayfly_core::error::PortError;
use serde::Deserialize;

use super::user_data::{InvalidUserData, UserData};

/// Where the service is on every instance.
const USUAL_ADDRESS: &str = "http://169.254.169.254";

/// The service is on the same machine: what has not come by then does not come.
const TIMEOUT: Duration = Duration::from_secs(1);

/// What there is not, or not yet.
const NOT_FOUND: u16 = 404;

const USER_DATA: &str = "/latest/user-data";
const INSTANCE_ID: &str = "/latest/meta-data/instance-id";
const REGION: &str = "/latest/meta-data/placement/region";
const SPOT_ACTION: &str = "/latest/meta-data/spot/instance-action";

/// The address of a metadata service cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("`{address}` is no address of a metadata service")]
pub struct InvalidAddress {
    address: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// What an instance is.
#[derive(Debug, Clone)]
pub struct Instance {
    /// `i-…`.
    pub id: String,
    /// Such as `eu-central-1`.
    pub region: String,
    /// What its launch template says.
    pub user_data: UserData,
    /// Those of its role.
    pub(super) credentials: SharedCredentialsProvider,
}

/// EC2 is about to take a spot instance back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct SpotNotice {
    /// About when. It comes two minutes before.
    #[serde(rename = "time")]
    pub at: Timestamp,
}

/// The metadata service of this instance. A clone shares its session.
#[derive(Debug, Clone)]
pub struct Metadata {
    client: Client,
}

impl Metadata {
    /// The service at this address, or where it is on every instance. Every question is asked once, and has an answer within
    /// few seconds.
    pub fn new(address: Option<&str>) -> Result<Self, InvalidAddress> {
        let address = address.unwrap_or(USUAL_ADDRESS);
        // Plain HTTP, as it never leaves the machine, and no proxy.
        let config = ProviderConfig::without_region().with_http_client(HttpClientBuilder::new().build_http());
        let client = Client::builder()
            .configure(&config)
            .endpoint(address)
            .map_err(|source| InvalidAddress { address: address.to_owned(), source })?
            .max_attempts(1)
            .connect_timeout(TIMEOUT)
            .read_timeout(TIMEOUT)
            .build();
        Ok(Self { client })
    }

    /// What this instance is. The inner error stays, whoever asks again; the outer one may pass, because a young instance does not
    /// know everything at once.
    pub async fn instance(&self) -> Result<Result<Instance, InvalidUserData>, PortError> {
        let (user_data, id, region, credentials) =
            tokio::join!(self.find(USER_DATA), self.text(INSTANCE_ID), self.text(REGION), self.credentials());
        // First: an instance that is not ours may have no role either.
        let user_data = user_data?.ok_or(InvalidUserData::Missing);
        match user_data.and_then(|json| UserData::from_json(&json)) {
            Ok(user_data) => {
                Ok(Ok(Instance { id: id?, region: region?, user_data, credentials: credentials? }))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// Whether EC2 takes the instance back; `None` if nobody says so.
    pub async fn spot_notice(&self) -> Result<Option<SpotNotice>, PortError> {
        let found = self.find(SPOT_ACTION).await?;
        let notice = found.map(|json| serde_json::from_str(&json)).transpose();
        notice.map_err(|error| PortError::never(operation(SPOT_ACTION), error))
    }

    /// The credentials of the instance's role, asked for now, and again when they end.
    async fn credentials(&self) -> Result<SharedCredentialsProvider, PortError> {
        let provider = ImdsCredentialsProvider::builder().imds_client(self.client.clone()).build();
        let first = provider.provide_credentials().await;
        let first =
            first.map_err(|error| PortError::later("EC2 metadata: get the role's credentials", error))?;
        let first = Mutex::new(Some(first));
        Ok(SharedCredentialsProvider::new(RoleCredentials { first, provider }))
    }

    async fn text(&self, path: &str) -> Result<String, PortError> {
        let found = self.find(path).await?;
        found.ok_or_else(|| PortError::later(operation(path), "there is no such thing yet"))
    }

    /// What is there; `None` if there is nothing.
    async fn find(&self, path: &str) -> Result<Option<String>, PortError> {
        match self.client.get(path).await {
            Ok(text) => Ok(Some(text.into())),
            Err(ImdsError::ErrorResponse(answer)) => match answer.response().status().as_u16() {
                NOT_FOUND => Ok(None),
                status => Err(PortError::later(operation(path), format!("the answer has status {status}"))),
            },
            Err(error) => Err(PortError::later(operation(path), error)),
        }
    }
}

fn operation(path: &str) -> String {
    format!("EC2 metadata: get {path}")
}

/// The role's credentials: first those that are known already, and then the service's.
#[derive(Debug)]
struct RoleCredentials {
    first: Mutex<Option<Credentials>>,
    provider: ImdsCredentialsProvider,
}

impl ProvideCredentials for RoleCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        match self.first.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(known) => future::ProvideCredentials::ready(Ok(known)),
            None => self.provider.provide_credentials(),
        }
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.provider.fallback_on_interrupt()
    }
}
