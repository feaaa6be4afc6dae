//! An installation on the stand-in for AWS, and the command that looks after it.

use std::process::Output;

use mayfly_standins::aws::StandinAws;
use serde_json::{Value, json};

use crate::command::run;

pub(crate) const START: &str = "arn:aws:states:eu-central-1:123456789012:stateMachine:start-runner";
pub(crate) const FINISH: &str = "arn:aws:states:eu-central-1:123456789012:stateMachine:finish-runner";
pub(crate) const DEAD_LETTERS: &str =
    "https://sqs.eu-central-1.amazonaws.com/123456789012/mayfly-dead-letters";
pub(crate) const LAUNCHES: &str =
    "https://sqs.eu-central-1.amazonaws.com/123456789012/mayfly-autoscaler-launches";
pub(crate) const LAUNCH_DEAD_LETTERS: &str =
    "https://sqs.eu-central-1.amazonaws.com/123456789012/mayfly-autoscaler-launch-dead-letters";
pub(crate) const REPLAY_QUEUE: &str = "https://sqs.eu-central-1.amazonaws.com/123456789012/mayfly-replays";
pub(crate) const REPLAY_RULE: &str =
    "arn:aws:events:eu-central-1:123456789012:rule/mayfly/mayfly-infrastructure-replays";

/// Both stacks.
pub(crate) async fn installation() -> StandinAws {
    let aws = StandinAws::start(None).await.unwrap();
    let bus = "arn:aws:events:eu-central-1:123456789012:event-bus/mayfly";
    aws.put_stack(
        "mayfly-infrastructure",
        &[
            ("DeadLetterQueueUrl", DEAD_LETTERS),
            ("EventArchiveName", "mayfly-events"),
            ("EventBusArn", bus),
            ("ReplayQueueUrl", REPLAY_QUEUE),
            ("ReplayRuleArn", REPLAY_RULE),
        ],
    );
    aws.put_stack(
        "mayfly-autoscaler",
        &[
            ("StartRunnerArn", START),
            ("FinishRunnerArn", FINISH),
            ("LaunchQueueUrl", LAUNCHES),
            ("LaunchDeadLetterQueueUrl", LAUNCH_DEAD_LETTERS),
        ],
    );
    aws
}

/// A job event that came in now, or at another time.
pub(crate) fn event(job: u64, status: &str, received_at: &str) -> Value {
    json!({
        "key": format!("gitlab.example.com/380/{job}"), "name": "build", "status": status, "project": "group/app",
        "received_at": received_at,
    })
}

/// What a state machine's catch puts into the dead-letter queue.
pub(crate) fn letter(event: &Value) -> Value {
    let cause = json!({ "errorType": "Later", "errorMessage": "ledger: get failed: throttled" }).to_string();
    json!({
        "machine": "mayfly-autoscaler-start-runner", "execution": "arn", "event": event,
        "error": { "Error": "Later", "Cause": cause },
    })
}

/// The present moment, some hours ago.
#[expect(clippy::disallowed_methods, reason = "the command reads the clock of this machine, too")]
pub(crate) fn hours_ago(hours: i64) -> String {
    (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(hours)).to_string()
}

/// Runs the command against an account.
pub(crate) async fn mayfly(aws: &StandinAws, arguments: &[&str]) -> Output {
    mayfly_with(Some(aws), arguments, "").await
}

/// Runs the command with this on its standard input.
pub(crate) async fn mayfly_with(aws: Option<&StandinAws>, arguments: &[&str], input: &str) -> Output {
    let bare = [("HOME", "/nonexistent"), ("AWS_EC2_METADATA_DISABLED", "true")];
    match aws {
        Some(aws) => run(arguments, &aws.variables(), input).await,
        None => run(arguments, &bare, input).await,
    }
}

/// What it printed as JSON, after this exit code.
pub(crate) fn json_after(output: &Output, code: i32) -> Value {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// What it said is wrong, after this exit code.
pub(crate) fn complaint(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}
