//! Region, credentials and HTTP client of an instance, and the SDK's clients made of them.

use std::time::Duration;

use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{HttpClient, SharedHttpClient};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;

use super::{AssignmentTable, Instance, LogStream};

/// With TLS; a machine that has just started is slow.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Nobody knows whether an assignment whose answer did not come is gone, so there is time for it.
const ASSIGNMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// A log is not worth a long wait.
const LOG_TIMEOUT: Duration = Duration::from_secs(3);
const LOG_ATTEMPTS: u32 = 2;

/// How an instance reaches AWS.
#[derive(Debug, Clone)]
pub struct Transport {
    client: SharedHttpClient,
    endpoint: Option<String>,
}

impl Transport {
    /// TLS with rustls on ring; or plain HTTP, if all services are at an address of that kind instead of at AWS. This reads the
    /// root certificates of the system, which takes most of the time until a first call: do it on a thread of its own.
    pub fn prepare(endpoint: Option<String>) -> Self {
        let is_plain = endpoint.as_deref().is_some_and(|url| url.starts_with("http://"));
        let client = if is_plain {
            Builder::new().build_http()
        } else {
            Builder::new().tls_provider(Provider::rustls(CryptoMode::Ring)).build_https()
        };
        // Makes a connector, for which the certificates are read and kept. It only fails where the first call fails as well, and
        // that one is heard.
        let _ =
            client.validate_base_client_config(&RuntimeComponentsBuilder::new("roots"), &ConfigBag::base());
        Self { client, endpoint }
    }
}

/// Whom an instance calls, and as whom.
#[derive(Debug, Clone)]
pub struct MachineConnection {
    config: SdkConfig,
}

impl MachineConnection {
    /// Calls services of the instance's region, in its role. Nothing is opened.
    pub fn new(transport: &Transport, instance: &Instance) -> Self {
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(instance.region.clone()))
            .credentials_provider(instance.credentials.clone())
            .http_client(transport.client.clone());
        config.set_endpoint_url(transport.endpoint.clone());
        Self { config: config.build() }
    }

    /// The place of this instance's assignment. A question is asked once, and has an answer within 10 s.
    pub fn assignment_table(&self, instance: &Instance) -> AssignmentTable {
        let config = aws_sdk_dynamodb::config::Builder::from(&self.config)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts(ASSIGNMENT_TIMEOUT))
            .build();
        let client = aws_sdk_dynamodb::Client::from_conf(config);
        let user_data = &instance.user_data;
        let key = format!("{}:{}", user_data.role_id, instance.id);
        AssignmentTable::new(client, user_data.assignment_table.clone(), key)
    }

    /// Where this instance writes its log, if anywhere. A call has an answer within 3 s.
    pub fn log_stream(&self, instance: &Instance) -> Option<LogStream> {
        let group = instance.user_data.log_group.clone()?;
        let config = aws_sdk_cloudwatchlogs::config::Builder::from(&self.config)
            .retry_config(RetryConfig::standard().with_max_attempts(LOG_ATTEMPTS))
            .timeout_config(timeouts(LOG_TIMEOUT))
            .build();
        let client = aws_sdk_cloudwatchlogs::Client::from_conf(config);
        Some(LogStream::new(client, group, instance.id.clone()))
    }
}

fn timeouts(operation: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_timeout(operation).build()
}
