//! The installation on the stand-in for AWS: its stacks, and what can be wrong with it.

use mayfly_standins::aws::{Reply, StandinAws};
use mayfly_standins::gitlab::StandinGitlab;
use mayfly_standins::scenario::ScenarioError;
use serde_json::{Value, json};

pub(crate) const MAPPINGS: &str = "mayfly-autoscaler-MappingTable-1A2B3C";
pub(crate) const HISTORY: &str = "mayfly-autoscaler-MappingHistoryTable-3C4D";
pub(crate) const LEDGER: &str = "mayfly-autoscaler-LedgerTable-1A2B3C";
pub(crate) const SHELL_RUNNER: &str = "arn:aws:lambda:eu-central-1:123456789012:function:mayfly-shell-runner";
pub(crate) const SECRET: &str = "the-secret-of-the-webhook";

const REPLAY_RULE: &str =
    "arn:aws:events:eu-central-1:123456789012:rule/mayfly/mayfly-infrastructure-replays";

fn queue(name: &str) -> String {
    format!("https://sqs.eu-central-1.amazonaws.com/123456789012/{name}")
}

/// Where the webhook is to send its events. Whatever comes is answered well.
pub(crate) fn webhook(aws: &StandinAws) -> String {
    aws.url().join("webhook").unwrap().to_string()
}

/// Three stacks that are deployed well, and their parameters.
pub(crate) fn deploy(aws: &StandinAws, gitlab: &StandinGitlab) {
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
            ("DefaultTarget", "none"),
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

/// Does what a line `@ aws …` says.
pub(crate) fn change(aws: &StandinAws, words: &[&str]) -> Result<(), ScenarioError> {
    let wrong = |what: &dyn std::fmt::Display| ScenarioError(format!("`@ aws {}`: {what}", words.join(" ")));
    match words {
        ["fails", operation, code, times] => {
            for _ in 0..times.parse::<u32>().map_err(|error| wrong(&error))? {
                aws.answer_next(operation, Reply::error(400, code));
            }
        }
        ["works", operation] => aws.pass_next(operation),
        ["answers", operation, body] => {
            let body = serde_json::from_str(body).map_err(|error| wrong(&error))?;
            aws.answer_next(operation, Reply { status: 200, body });
        }
        ["allows", operation] => aws.allow(operation),
        ["refuses", operation, code] => aws.refuse(operation, code),
        ["has-no-parameter", name] => aws.delete_parameter(name),
        ["has-no-function", name] => aws.delete_function(name),
        ["has-image", image, state] => aws.set_image(image, Some(state)),
        ["has-messages", queue, count] => {
            aws.set_queue_depth(queue, count.parse().map_err(|error| wrong(&error))?);
        }
        ["has-stack-parameter", stack, name, value] => aws.put_stack_parameters(stack, &[(name, value)]),
        ["has-dead-letter", key, status, received_at] => {
            let id = format!("m-{}", aws.kept(&queue("mayfly-dead-letters")).len() + 1);
            aws.put_message(&queue("mayfly-dead-letters"), &id, &letter(&event(key, status, received_at)));
        }
        ["has-archived", key, status, received_at] => {
            let detail = event(key, status, received_at);
            let envelope = json!({ "id": format!("e-{key}"), "detail-type": "GitLab job", "source": "mayfly.webhook", "detail": detail });
            aws.archive(REPLAY_RULE, &queue("mayfly-replays"), envelope);
        }
        _ => return Err(wrong(&"this is not known")),
    }
    Ok(())
}

fn event(key: &str, status: &str, received_at: &str) -> Value {
    json!({ "key": key, "name": "build", "status": status, "project": "group/app", "received_at": received_at })
}

/// What a state machine's catch puts into the dead-letter queue.
fn letter(event: &Value) -> Value {
    let cause = json!({ "errorType": "Later", "errorMessage": "ledger: get failed: throttled" }).to_string();
    json!({
        "machine": "mayfly-autoscaler-start-runner", "execution": "arn", "event": event,
        "error": { "Error": "Later", "Cause": cause },
    })
}
