//! Runners in Lambda functions: the shell runner, invoked asynchronously.

mod outcome;

use async_trait::async_trait;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use mayfly_core::error::PortError;
use mayfly_core::ids::ResourceId;
use mayfly_core::launch::{ClientToken, LaunchRequest};
use mayfly_core::mapping::{Target, TargetType};
use mayfly_core::ports::{Backend, LaunchOrder, LaunchOutcome};
use mayfly_core::runner_name::RunnerName;
use secrecy::ExposeSecret;

use outcome::outcome_of;

/// What Lambda answers when it will invoke a function (Lambda API reference, `Invoke`).
const ACCEPTED: i32 = 202;

/// Starts one invocation of a shell runner a job.
///
/// Lambda knows no client token, so the same launch twice is two runners. Therefore nothing is repeated here, not even after a
/// limit, for which there is a queue. Whoever repeats an unknown outcome registers the runner anew first, and the earlier one
/// finds no job with its token.
#[derive(Debug, Clone)]
pub struct LambdaBackend {
    client: Client,
    tenant_isolation: bool,
}

impl LambdaBackend {
    /// Invokes with this client. With `tenant_isolation`, which the functions must have been made with, jobs of different
    /// projects or of protected and other branches never meet in one environment.
    #[expect(clippy::needless_pass_by_value, reason = "as the other adapters take theirs")]
    pub fn new(client: Client, tenant_isolation: bool) -> Self {
        let config = client.config().to_builder().retry_config(RetryConfig::disabled()).build();
        Self { client: Client::from_conf(config), tenant_isolation }
    }
}

#[async_trait]
impl Backend for LambdaBackend {
    fn target_type(&self) -> TargetType {
        TargetType::Lambda
    }

    /// Always plenty: Lambda itself refuses what is too much.
    async fn room(&self) -> Result<usize, PortError> {
        Ok(usize::MAX)
    }

    /// Always `None`: nobody can look up an asynchronous invocation.
    async fn find(&self, _token: &ClientToken) -> Result<Option<ResourceId>, PortError> {
        Ok(None)
    }

    async fn launch(&self, order: &LaunchOrder) -> LaunchOutcome {
        let Target::Lambda { arn } = &order.request.target else {
            let reason = format!("Lambda: target {} is not a function", order.request.target);
            return LaunchOutcome::Impossible { reason };
        };
        let payload = order.assignment.to_secret_json();
        let tenant = self.tenant_isolation.then(|| tenant_of(&order.request));
        let answer = self
            .client
            .invoke()
            .function_name(arn)
            .invocation_type(InvocationType::Event)
            .set_tenant_id(tenant)
            .payload(Blob::new(payload.expose_secret()))
            .send()
            .await;
        match answer {
            Ok(answer) if answer.status_code == ACCEPTED => {
                LaunchOutcome::Started { resource: order.token.to_resource() }
            }
            Ok(answer) => LaunchOutcome::Unknown {
                reason: format!("Lambda: invoke {arn}: the answer is {}, not {ACCEPTED}", answer.status_code),
            },
            Err(error) => outcome_of(arn, &error),
        }
    }

    /// Does nothing: an invocation ends with its job, and nothing else can end it. Its registration is the caller's to
    /// remove; without one the runner finds no job and leaves.
    async fn stop(&self, _runner: &RunnerName, _reason: &str) -> Result<(), PortError> {
        Ok(())
    }

    /// Always `None`: Lambda lists no invocations. One ends with its function's time limit at the latest.
    async fn live(&self) -> Result<Option<Vec<RunnerName>>, PortError> {
        Ok(None)
    }
}

/// Whose environments a job may use: those of its project, apart for protected and other branches. Not of the job itself:
/// the number of environments is bounded.
fn tenant_of(request: &LaunchRequest) -> String {
    format!("{}-{}", request.project, request.protection.as_str())
}
