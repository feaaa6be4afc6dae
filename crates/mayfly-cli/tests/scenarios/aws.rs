//! What can be wrong with the installation on the stand-in for AWS.

use mayfly_standins::aws::{Reply, StandinAws};
use mayfly_standins::scenario::ScenarioError;
use serde_json::{Value, json};

use crate::installation::{REPLAY_RULE, queue};

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
            put_message(aws, "mayfly-dead-letters", &letter(&event(key, status, received_at)));
        }
        ["has-dead-launch", key, received_at] => {
            let launch = json!({ "action": "start", "event": event(key, "pending", received_at) });
            put_message(aws, "mayfly-autoscaler-launch-dead-letters", &launch);
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

fn put_message(aws: &StandinAws, name: &str, body: &Value) {
    let id = format!("m-{}", aws.kept(&queue(name)).len() + 1);
    aws.put_message(&queue(name), &id, body);
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
