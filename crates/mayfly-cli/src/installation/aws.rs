//! The AWS account of an installation, reached as the AWS CLI would reach it.

use std::fmt;
use std::time::Duration;

use anyhow::{anyhow, bail};
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_sts::config::{SharedCredentialsProvider, SharedHttpClient};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use clap::Args;
use mayfly_core::error::Chain;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);
/// No function of ours may run for longer than Lambda lets any run: 15 minutes.
const INVOKE_TIMEOUT: Duration = Duration::from_mins(15);

/// A profile that is named on the command line outweighs keys in the environment, as it does for the AWS CLI: who names one must not
/// change another account.
fn with_profile(config: SdkConfig, profile: Option<&str>, http: SharedHttpClient) -> SdkConfig {
    let Some(profile) = profile else { return config };
    let surroundings =
        ProviderConfig::without_region().with_region(config.region().cloned()).with_http_client(http);
    let credentials =
        ProfileFileCredentialsProvider::builder().profile_name(profile).configure(&surroundings).build();
    config.into_builder().credentials_provider(SharedCredentialsProvider::new(credentials)).build()
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "AWS")]
pub(crate) struct AwsFlags {
    /// The profile of the AWS CLI to use; it outweighs keys in the environment. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`,
    /// `AWS_ACCESS_KEY_ID` and so on, `~/.aws`, the role of this machine.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// The region of the stack. Without it, `AWS_REGION` or that of the profile.
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
}

/// What a function answered.
pub(crate) struct FunctionAnswer {
    pub(crate) payload: Vec<u8>,
    /// True if the function failed; then the payload says how.
    pub(crate) is_error: bool,
}

/// The clients of one account and region.
pub(crate) struct Account {
    config: SdkConfig,
    /// The profile that was named.
    profile: Option<String>,
}

impl Account {
    pub(crate) async fn connect(flags: &AwsFlags) -> anyhow::Result<Self> {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::rustls(CryptoMode::Ring))
            .build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(http.clone())
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard());
        if let Some(profile) = &flags.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &flags.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let config = loader.load().await;
        if config.region().is_none() {
            bail!(
                "no AWS region is set: give --region, AWS_REGION or a profile with a region; \
                 for a `mayfly local` on this machine, give --data-dir"
            );
        }
        let config = with_profile(config, flags.profile.as_deref(), http);
        Ok(Self { config, profile: flags.profile.clone() })
    }

    pub(crate) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.config)
    }

    pub(crate) fn cloudformation(&self) -> aws_sdk_cloudformation::Client {
        aws_sdk_cloudformation::Client::new(&self.config)
    }

    /// Its settings, for the clients of further services.
    pub(crate) fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// The name of its region.
    pub(crate) fn region(&self) -> &str {
        self.config.region().map(AsRef::as_ref).unwrap_or_default()
    }

    /// Calls a function and waits for its answer. Called once: its retry is the next one who asks.
    pub(crate) async fn invoke(&self, function: &str, payload: String) -> anyhow::Result<FunctionAnswer> {
        let config = aws_sdk_lambda::config::Builder::from(&self.config)
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .read_timeout(INVOKE_TIMEOUT)
                    .operation_attempt_timeout(INVOKE_TIMEOUT)
                    .build(),
            )
            .build();
        let client = aws_sdk_lambda::Client::from_conf(config);
        let answer = client.invoke().function_name(function).payload(Blob::new(payload)).send().await;
        let answer = answer.map_err(|error| self.no_answer(function, error.code(), &Chain(&error)))?;
        Ok(FunctionAnswer {
            payload: answer.payload.map(Blob::into_inner).unwrap_or_default(),
            is_error: answer.function_error.is_some(),
        })
    }

    fn no_answer(&self, function: &str, code: Option<&str>, error: &dyn fmt::Display) -> anyhow::Error {
        if code == Some("ResourceNotFoundException") {
            let region = self.region();
            return anyhow!(
                "there is no function {function} in {region}: give the name of the autoscaler's stack with --stack, \
                 its account with --profile and its region with --region"
            );
        }
        self.explain(&format!("invoke the function {function}"), code, error)
    }

    /// What failed, and what to do: the failures that a person can mend have a next step.
    pub(crate) fn explain(&self, what: &str, code: Option<&str>, error: &dyn fmt::Display) -> anyhow::Error {
        let next_step = match code.unwrap_or_default() {
            "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
                "the credentials have expired: sign in again, such as with `aws sso login`"
            }
            "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "AuthFailure"
            | "MissingAuthenticationToken"
            | "InvalidAccessKeyId" => {
                "AWS does not know these credentials: check AWS_PROFILE and AWS_ACCESS_KEY_ID, and \
                 `aws sts get-caller-identity`"
            }
            "AccessDenied" | "AccessDeniedException" | "AuthorizationError" | "UnauthorizedOperation" => {
                "these credentials lack the right that the message names: use another --profile, or have it granted"
            }
            "ThrottlingException"
            | "Throttling"
            | "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "TooManyRequestsException" => "AWS throttles: try again in a minute",
            // No answer at all.
            "" if self.profile.is_some() => {
                let profile = self.profile.as_deref().unwrap_or_default();
                return anyhow!(
                    "cannot {what} in {}: {error}; check the network and the region, and that the profile {profile} has \
                     credentials: `aws sts get-caller-identity --profile {profile}` tells",
                    self.region()
                );
            }
            "" => {
                "check the network, the region, and that there are credentials: `aws sts get-caller-identity` tells"
            }
            _ => return anyhow!("cannot {what} in {}: {error}", self.region()),
        };
        anyhow!("cannot {what} in {}: {error}; {next_step}", self.region())
    }
}
