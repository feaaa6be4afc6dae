//! Region, credentials and HTTP client of a function, and the SDK's clients made of them.

mod http;

use std::str::FromStr;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;

use super::variables::{InvalidVariable, Variables, environment};
use http::{Reuse, http_client};

/// All clients have the same, or each would have an HTTP connector of its own. With TLS; a function with little memory has
/// little CPU as well.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Retries are made here for limits, 5xx and lost connections, and nowhere else in a function.
const ATTEMPTS: u32 = 3;
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

/// How long calls of one service may take.
#[derive(Debug, Clone, Copy)]
struct Timeouts {
    attempt: Duration,
    /// With all attempts.
    operation: Duration,
}

impl Timeouts {
    const USUAL: Self = Self { attempt: Duration::from_secs(3), operation: Duration::from_secs(8) };
    /// A webhook that must read its secrets first has 10 s, and the bus may take 6 of them.
    #[cfg(feature = "ssm")]
    const SSM: Self = Self { attempt: Duration::from_millis(1500), operation: Duration::from_secs(3) };
    /// The bus has a budget of its own above this.
    #[cfg(feature = "eventbridge")]
    const EVENTBRIDGE: Self = Self { attempt: Duration::from_secs(2), operation: Duration::from_secs(6) };
    /// Nobody knows what became of an `Invoke` that timed out, so it gets more time.
    #[cfg(feature = "lambda")]
    const LAMBDA: Self = Self { attempt: Duration::from_secs(5), operation: Duration::from_secs(5) };
    /// EC2 starts machines before it answers. A call that timed out must be made again, which may take another minute.
    #[cfg(feature = "ec2")]
    const EC2: Self = Self { attempt: Duration::from_secs(15), operation: Duration::from_secs(20) };

    fn config(self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(self.attempt)
            .operation_timeout(self.operation)
            .build()
    }
}

/// Whom a function calls, and how. The clients it makes share one HTTP client and its connections.
#[derive(Debug, Clone)]
pub struct Connection {
    config: SdkConfig,
    is_plain: bool,
}

/// Where all services are instead of at AWS.
struct Endpoint {
    url: String,
    is_plain: bool,
}

impl FromStr for Endpoint {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let is_plain = text.starts_with("http://");
        if !is_plain && !text.starts_with("https://") {
            return Err(());
        }
        Ok(Self { url: text.to_owned(), is_plain })
    }
}

impl Connection {
    /// As the environment of the function says. Nothing is opened, and no file is read.
    pub fn from_environment() -> Result<Self, InvalidVariable> {
        Self::read(&environment())
    }

    /// As these variables say: `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` if there is
    /// one, and `AWS_ENDPOINT_URL` if all services are somewhere else. Lambda sets them, and never changes them.
    pub fn read<F: Fn(&str) -> Option<String>>(variables: &Variables<F>) -> Result<Self, InvalidVariable> {
        let region: String = variables.required("AWS_REGION", "an AWS region such as `eu-central-1`")?;
        let access_key: String = variables.required("AWS_ACCESS_KEY_ID", "the id of an access key")?;
        let secret_key: String = variables.required("AWS_SECRET_ACCESS_KEY", "a secret access key")?;
        let session_token = variables.optional("AWS_SESSION_TOKEN", "a session token")?;
        let endpoint: Option<Endpoint> =
            variables.optional("AWS_ENDPOINT_URL", "a URL with `https:` or `http:`")?;
        let credentials = Credentials::new(access_key, secret_key, session_token, None, "environment");
        Ok(Self::new(region, credentials, endpoint))
    }

    fn new(region: String, credentials: Credentials, endpoint: Option<Endpoint>) -> Self {
        let is_plain = endpoint.as_ref().is_some_and(|endpoint| endpoint.is_plain);
        let mut config = SdkConfig::builder()
            // Not the latest: timeouts and retries change when somebody decides so, not with an update.
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http_client(is_plain, Reuse::POOLED))
            .timeout_config(Timeouts::USUAL.config())
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(ATTEMPTS)
                    .with_initial_backoff(FIRST_BACKOFF)
                    .with_max_backoff(LONGEST_BACKOFF),
            );
        config.set_endpoint_url(endpoint.map(|endpoint| endpoint.url));
        Self { config: config.build(), is_plain }
    }

    /// Reads what the first call would read otherwise, the root certificates, on a thread of its own: the function asks for
    /// its first event meanwhile.
    pub async fn prepare(&self) {
        if !self.is_plain {
            // A panic shows again with the first call.
            let _ = tokio::task::spawn_blocking(http::read_roots).await;
        }
    }

    /// A client of DynamoDB. Every call has an answer within 8 s.
    #[cfg(feature = "dynamodb")]
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.config)
    }

    /// A client of EC2. Every call has an answer within 20 s.
    #[cfg(feature = "ec2")]
    pub fn ec2(&self) -> aws_sdk_ec2::Client {
        let config = aws_sdk_ec2::config::Builder::from(&self.config).timeout_config(Timeouts::EC2.config());
        aws_sdk_ec2::Client::from_conf(config.build())
    }

    /// A client of STS. Every call has an answer within 8 s.
    #[cfg(feature = "sts")]
    pub fn sts(&self) -> aws_sdk_sts::Client {
        aws_sdk_sts::Client::new(&self.config)
    }

    /// A client of Parameter Store. Every call has an answer within 3 s.
    #[cfg(feature = "ssm")]
    pub fn ssm(&self) -> aws_sdk_ssm::Client {
        let config = aws_sdk_ssm::config::Builder::from(&self.config).timeout_config(Timeouts::SSM.config());
        aws_sdk_ssm::Client::from_conf(config.build())
    }

    /// A client of EventBridge. Every call has an answer within 6 s.
    #[cfg(feature = "eventbridge")]
    pub fn eventbridge(&self) -> aws_sdk_eventbridge::Client {
        let config = aws_sdk_eventbridge::config::Builder::from(&self.config)
            .timeout_config(Timeouts::EVENTBRIDGE.config());
        aws_sdk_eventbridge::Client::from_conf(config.build())
    }

    /// A client of Lambda. Every attempt has an answer within 5 s. Each makes a connection of its own: what may be sent only
    /// once must not be sent into a connection that died while the function was frozen.
    #[cfg(feature = "lambda")]
    pub fn lambda(&self) -> aws_sdk_lambda::Client {
        let config = aws_sdk_lambda::config::Builder::from(&self.config)
            .timeout_config(Timeouts::LAMBDA.config())
            .http_client(http_client(self.is_plain, Reuse::NEVER));
        aws_sdk_lambda::Client::from_conf(config.build())
    }

    /// A client of SQS. Every call has an answer within 8 s.
    #[cfg(feature = "sqs")]
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPLETE: [(&str, &str); 3] = [
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "hidden"),
    ];

    fn read(variables: &[(&str, &str)]) -> Result<Connection, InvalidVariable> {
        Connection::read(&Variables::new(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        }))
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        assert!(read(&COMPLETE).is_ok());
        for index in 0..COMPLETE.len() {
            let mut variables = COMPLETE.to_vec();
            let (missing, _) = variables.remove(index);
            let error = read(&variables).unwrap_err();
            assert_eq!((error.name, error.is_missing), (missing, true));
        }
        for (endpoint, is_read) in
            [("http://localhost:4566", true), ("https://localhost", true), ("localhost:4566", false)]
        {
            let variables = [&COMPLETE[..], &[("AWS_ENDPOINT_URL", endpoint)]].concat();
            assert_eq!(read(&variables).is_ok(), is_read, "{endpoint}");
        }
    }

    #[test]
    fn its_debug_form_does_not_tell_the_secret_key() {
        assert!(!format!("{:?}", read(&COMPLETE).unwrap()).contains("hidden"));
    }
}
