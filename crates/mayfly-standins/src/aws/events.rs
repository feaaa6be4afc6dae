//! What keeps events and has them handled again: queues that are read, state machines, archives.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::services::with_status;
use super::{Execution, Kept, Known};

/// A replay is over when it was asked about so often.
const LOOKS_A_REPLAY: u32 = 2;

/// Answers what it knows.
pub(super) fn answer(known: &mut Known, service: &str, operation: &str, request: &Value) -> Option<Response> {
    Some(match (service, operation) {
        ("AmazonSQS", "ReceiveMessage") => receive(known, request),
        ("AmazonSQS", "DeleteMessage") => delete(known, request),
        ("AmazonSQS", "DeleteMessageBatch") => delete_batch(known, request),
        ("AmazonSQS", "ChangeMessageVisibilityBatch") => change_visibility(known, request),
        ("AWSStepFunctions", "StartSyncExecution") => start_sync_execution(known, request),
        ("AWSEvents", "StartReplay") => start_replay(known, request),
        ("AWSEvents", "DescribeReplay") => describe_replay(known, request),
        _ => return None,
    })
}

fn queue<'a>(known: &'a mut Known, request: &Value) -> &'a mut Vec<Kept> {
    let url = request["QueueUrl"].as_str().unwrap_or_default().to_owned();
    known.queues.entry(url).or_default()
}

fn receive(known: &mut Known, request: &Value) -> Response {
    let most =
        request["MaxNumberOfMessages"].as_u64().and_then(|most| usize::try_from(most).ok()).unwrap_or(1);
    let visible = queue(known, request).iter_mut().filter(|kept| !kept.is_hidden).take(most);
    let messages: Vec<Value> = visible
        .map(|kept| {
            kept.is_hidden = true;
            json!({
                "MessageId": kept.id, "ReceiptHandle": kept.id, "Body": kept.body,
                "Attributes": { "SentTimestamp": "1785578400000" },
            })
        })
        .collect();
    Json(json!({ "Messages": messages })).into_response()
}

fn delete(known: &mut Known, request: &Value) -> Response {
    queue(known, request).retain(|kept| Some(kept.id.as_str()) != request["ReceiptHandle"].as_str());
    Json(json!({})).into_response()
}

fn delete_batch(known: &mut Known, request: &Value) -> Response {
    let entries = request["Entries"].as_array().cloned().unwrap_or_default();
    let deleted: Vec<Value> = entries.iter().map(|entry| json!({ "Id": entry["Id"] })).collect();
    queue(known, request).retain(|kept| entries.iter().all(|entry| entry["ReceiptHandle"] != kept.id));
    Json(json!({ "Successful": deleted, "Failed": [] })).into_response()
}

fn change_visibility(known: &mut Known, request: &Value) -> Response {
    let entries = request["Entries"].as_array().cloned().unwrap_or_default();
    for entry in &entries {
        let named = queue(known, request).iter_mut().filter(|kept| entry["ReceiptHandle"] == kept.id);
        named.for_each(|kept| kept.is_hidden = entry["VisibilityTimeout"].as_u64() != Some(0));
    }
    let changed: Vec<Value> = entries.iter().map(|entry| json!({ "Id": entry["Id"] })).collect();
    Json(json!({ "Successful": changed, "Failed": [] })).into_response()
}

fn start_sync_execution(known: &mut Known, request: &Value) -> Response {
    let machine = request["stateMachineArn"].as_str().unwrap_or_default().to_owned();
    let input: Value =
        request["input"].as_str().and_then(|input| serde_json::from_str(input).ok()).unwrap_or_default();
    let summary = format!("handled `{}`", input["status"].as_str().unwrap_or_default());
    known.executions.push(Execution { machine: machine.clone(), input });
    let answer = json!({
        "executionArn": format!("{machine}:1"), "stateMachineArn": machine, "status": "SUCCEEDED",
        "startDate": 1_785_578_400, "stopDate": 1_785_578_401,
        "output": json!({ "outcome": "done", "summary": summary }).to_string(),
    });
    Json(answer).into_response()
}

/// Puts what is archived into the queue of the one rule that is named, as EventBridge would.
fn start_replay(known: &mut Known, request: &Value) -> Response {
    let name = request["ReplayName"].as_str().unwrap_or_default().to_owned();
    if known.replays.contains_key(&name) {
        return with_status(400, json!({ "__type": "ResourceAlreadyExistsException", "message": name }));
    }
    let rule = request["Destination"]["FilterArns"][0].as_str().unwrap_or_default();
    if let Some(queue) = known.replay_rules.get(rule).cloned() {
        let events = known.archived.clone();
        let kept = known.queues.entry(queue).or_default();
        for (number, mut event) in events.into_iter().enumerate() {
            event["replay-name"] = json!(name);
            kept.push(Kept { id: format!("{name}-{number}"), body: event.to_string(), is_hidden: false });
        }
    }
    known.replays.insert(name.clone(), 0);
    Json(json!({ "ReplayArn": format!("arn:aws:events:::replay/{name}"), "State": "STARTING" }))
        .into_response()
}

fn describe_replay(known: &mut Known, request: &Value) -> Response {
    let name = request["ReplayName"].as_str().unwrap_or_default();
    let Some(looks) = known.replays.get_mut(name) else {
        return with_status(400, json!({ "__type": "ResourceNotFoundException", "message": name }));
    };
    *looks += 1;
    let state = if *looks >= LOOKS_A_REPLAY { "COMPLETED" } else { "RUNNING" };
    Json(json!({ "ReplayName": name, "State": state })).into_response()
}
