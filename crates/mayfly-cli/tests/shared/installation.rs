//! Three stacks on the stand-in for AWS, as they are deployed.

use mayfly_standins::aws::StandinAws;
use mayfly_standins::gitlab::StandinGitlab;

pub(crate) const MAPPINGS: &str = "mayfly-autoscaler-MappingTable-1A2B3C";
pub(crate) const HISTORY: &str = "mayfly-autoscaler-MappingHistoryTable-3C4D";
pub(crate) const LEDGER: &str = "mayfly-autoscaler-LedgerTable-1A2B3C";
pub(crate) const SECRET: &str = "the-secret-of-the-webhook";
pub(crate) const SHELL_RUNNER: &str = "arn:aws:lambda:eu-central-1:123456789012:function:mayfly-shell-runner";
pub(crate) const REPLAY_RULE: &str =
    "arn:aws:events:eu-central-1:123456789012:rule/mayfly/mayfly-infrastructure-replays";

pub(crate) fn queue(name: &str) -> String {
    format!("https://sqs.eu-central-1.amazonaws.com/123456789012/{name}")
}

/// Where the webhook is to send its events: a receiver that answers 2xx until a test says otherwise.
pub(crate) fn webhook(aws: &StandinAws) -> String {
    aws.url().join("webhook").unwrap().to_string()
}

/// Deploys all three well, with this default target, and their parameters.
pub(crate) fn deploy(aws: &StandinAws, gitlab: &StandinGitlab, default_target: &str) {
    let version = ("MayflyVersion", env!("CARGO_PKG_VERSION"));
    aws.put_stack(
        "mayfly-infrastructure",
        &[
            ("WebhookUrl", &webhook(aws)),
            ("DeadLetterQueueUrl", &queue("mayfly-dead-letters")),
            ("EventArchiveName", "mayfly-events"),
            ("EventBusArn", "arn:aws:events:eu-central-1:123456789012:event-bus/mayfly"),
            ("ReplayQueueUrl", &queue("mayfly-replays")),
            ("ReplayRuleArn", REPLAY_RULE),
            version,
        ],
    );
    aws.put_stack_parameters(
        "mayfly-infrastructure",
        &[("WebhookSecretParameter", "/mayfly-secrets/WebhookSecret"), ("SigningTokenParameter", "")],
    );
    let machine = |name: &str| format!("arn:aws:states:eu-central-1:123456789012:stateMachine:{name}");
    aws.put_stack(
        "mayfly-autoscaler",
        &[
            ("MappingTable", MAPPINGS),
            ("MappingHistoryTable", HISTORY),
            ("LedgerTable", LEDGER),
            ("StartRunnerArn", &machine("start-runner")),
            ("FinishRunnerArn", &machine("finish-runner")),
            ("LaunchQueueUrl", &queue("mayfly-autoscaler-launches")),
            ("LaunchDeadLetterQueueUrl", &queue("mayfly-autoscaler-launch-dead-letters")),
            ("ReconcilerScheduleName", "mayfly-autoscaler-reconciler"),
            version,
        ],
    );
    aws.put_stack_parameters(
        "mayfly-autoscaler",
        &[
            ("ParameterPath", "/mayfly"),
            ("RegistrationMode", "per-job"),
            ("ReconcileDryRun", "false"),
            ("DefaultTarget", default_target),
            ("ShellRunnerFunctions", "mayfly-shell-runner*"),
            ("OtherShellRunnerArns", ""),
            ("RunnerSubnetIds", "subnet-0aaa"),
            ("RunnerArchitecture", "arm64"),
            ("RunnerImageArm64", "/mayfly-images/arm64"),
            ("RunnerImageX86", ""),
            ("RunnerInstanceTypesArm64", "m8g.large,m7g.large"),
            ("RunnerInstanceTypesX86", "m7i.large"),
        ],
    );
    let failures = queue("mayfly-shell-runner-failures");
    aws.put_stack("mayfly-shell-runner", &[("FailureQueueUrl", &failures), version]);
    aws.put_parameter("/mayfly/Url", gitlab.url().as_str());
    let token = gitlab.create_token(&["create_runner", "manage_runner", "read_api"]);
    aws.put_parameter("/mayfly/ApiToken", &token);
    aws.put_parameter("/mayfly-secrets/WebhookSecret", SECRET);
    aws.put_parameter("/mayfly-images/arm64", "ami-0123456789abcdef0");
}
