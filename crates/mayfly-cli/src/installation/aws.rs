//! The AWS account of an installation, reached as the AWS CLI would reach it.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_lambda::config::SharedCredentialsProvider;
use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_lambda::primitives::Blob;
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

/// What the SDK says of places where it looked for credentials and found none.
const NO_CREDENTIALS: [&str; 2] =
    ["the credential provider was not enabled", "an error occurred while loading credentials"];

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "AWS")]
pub(crate) struct AwsFlags {
    /// The profile of the AWS CLI to use. Without it, credentials are found as the AWS CLI finds them: `AWS_PROFILE`,
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
#[derive(Clone)]
pub(crate) struct Account {
    config: SdkConfig,
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
            .http_client(http)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard());
        if let Some(profile) = &flags.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &flags.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let mut config = loader.load().await;
        if config.region().is_none() {
            bail!(
                "no AWS region is set: give --region, AWS_REGION or a profile with a region; \
                 for a `mayfly local` on this machine, give --data-dir"
            );
        }
        if let Some(profile) = &flags.profile {
            // As with the AWS CLI, a profile that is named on the command line is taken even if the environment has credentials.
            let mut provider = ProviderConfig::without_region().with_region(config.region().cloned());
            if let Some(client) = config.http_client() {
                provider = provider.with_http_client(client);
            }
            let credentials =
                ProfileFileCredentialsProvider::builder().configure(&provider).profile_name(profile);
            let credentials = SharedCredentialsProvider::new(credentials.build());
            config = config.into_builder().credentials_provider(credentials).build();
        }
        Ok(Self { config })
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

    /// The ARN of whoever has these credentials. Takes no right.
    pub(crate) async fn caller(&self) -> anyhow::Result<String> {
        let answer = aws_sdk_sts::Client::new(&self.config).get_caller_identity().send().await;
        let answer = answer.map_err(|error| {
            self.explain("ask AWS whose credentials these are", error.code(), &Chain(&error))
        })?;
        answer.arn.context("AWS does not say whose credentials these are")
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
        let told = error.to_string();
        if code.is_none() && NO_CREDENTIALS.into_iter().any(|words| told.contains(words)) {
            return anyhow!(
                "cannot {what} in {}: there are no credentials for AWS: check --profile and AWS_PROFILE, set AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY, or sign in with `aws sso login`; `aws sts get-caller-identity` tells who you are",
                self.region()
            );
        }
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
            "" => {
                "check the network, the region, and that there are credentials: `aws sts get-caller-identity` tells"
            }
            _ => return anyhow!("cannot {what} in {}: {error}", self.region()),
        };
        anyhow!("cannot {what} in {}: {error}; {next_step}", self.region())
    }
}
