//! The AWS account of an installation, reached as the AWS CLI would reach it.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_lambda::primitives::Blob;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use clap::Args;
use mayfly_core::error::Chain;

/// The variable by which the dispatcher knows the ledger's table (autoscaler/template.yaml).
const LEDGER_TABLE_VARIABLE: &str = "MAYFLY_LEDGER_TABLE";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);
/// No function of ours may run for longer than Lambda lets any run: 15 minutes.
const INVOKE_TIMEOUT: Duration = Duration::from_mins(15);

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
        let config = loader.load().await;
        if config.region().is_none() {
            bail!(
                "no AWS region is set: give --region, AWS_REGION or a profile with a region; \
                 for a `mayfly local` on this machine, give --data-dir"
            );
        }
        Ok(Self { config })
    }

    pub(crate) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.config)
    }

    /// The ledger's table of a stack. The stack gives it no name of its own, so the dispatcher's settings tell.
    pub(crate) async fn ledger_table(&self, stack: &str) -> anyhow::Result<String> {
        let function = format!("{stack}-dispatcher");
        let client = aws_sdk_lambda::Client::new(&self.config);
        let answer = client.get_function_configuration().function_name(&function).send().await;
        let configuration = answer.map_err(|error| self.explain(&function, error.code(), &error))?;
        let variables = configuration.environment.and_then(|environment| environment.variables);
        variables
            .and_then(|mut variables| variables.remove(LEDGER_TABLE_VARIABLE))
            .with_context(|| format!("the function {function} has no {LEDGER_TABLE_VARIABLE}: give --table"))
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
        let answer = answer.map_err(|error| self.explain(function, error.code(), &error))?;
        Ok(FunctionAnswer {
            payload: answer.payload.map(Blob::into_inner).unwrap_or_default(),
            is_error: answer.function_error.is_some(),
        })
    }

    fn explain(
        &self,
        function: &str,
        code: Option<&str>,
        error: &(dyn std::error::Error + 'static),
    ) -> anyhow::Error {
        if code == Some("ResourceNotFoundException") {
            let region = self.config.region().map(ToString::to_string).unwrap_or_default();
            return anyhow!(
                "there is no function {function} in {region}: give the name of the autoscaler's stack with --stack, \
                 its account with --profile and its region with --region"
            );
        }
        anyhow!("cannot ask the function {function}: {}", Chain(error))
    }
}
