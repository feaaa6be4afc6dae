//! What no event tells, and what the reconciler makes of it. Its schedule fires only when a test says so.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_lambda::primitives::Blob;
use mayfly_core::ledger::LedgerState;
use mayfly_standins::gitlab::{JobSpec, Status};
use serde_json::{Value, json};

use crate::installation::{Installation, Test, text};
use crate::machine_rights::refusal;
use crate::machines::{gone, nothing_is_left};

pub(crate) fn trials(installation: &Arc<Installation>) -> Vec<Test> {
    let here = || Arc::clone(installation);
    vec![
        ("a_job_whose_webhook_was_lost_runs_within_two_passes", Box::pin(a_lost_webhook(here()))),
        ("a_machine_nobody_knows_is_ended_within_three_passes", Box::pin(an_unknown_machine(here()))),
        ("a_dry_run_tells_the_plan_and_changes_nothing", Box::pin(a_dry_run(here()))),
        ("the_schedule_has_a_pass_made", Box::pin(the_schedule(here()))),
        ("the_reconciler_can_launch_nothing_and_end_only_what_is_of_its_stack", Box::pin(rights(here()))),
    ]
}

/// What one pass answers.
async fn pass(installation: &Installation, request: Value) -> Value {
    let function = installation.output("autoscaler", "ReconcilerFunctionName");
    let invoke = installation.connection.lambda().invoke().function_name(function);
    let answer = invoke.payload(Blob::new(request.to_string())).send().await.unwrap();
    let payload = answer.payload().map(|payload| String::from_utf8_lossy(payload.as_ref()).into_owned());
    let payload = payload.unwrap_or_default();
    assert_eq!(answer.function_error(), None, "{payload}");
    serde_json::from_str(&payload).unwrap()
}

/// The repair of an answer whose text has this in it.
fn repair_of<'a>(answer: &'a Value, name: &str) -> Option<&'a Value> {
    let mut repairs = answer["repairs"].as_array().unwrap().iter();
    repairs.find(|repair| repair["text"].as_str().is_some_and(|text| text.contains(name)))
}

/// Makes passes until one repairs what has this name.
async fn repaired(installation: &Installation, name: &str, most_passes: usize) -> Value {
    let mut answers = Vec::new();
    for _ in 0..most_passes {
        let answer = pass(installation, json!({})).await;
        if let Some(repair) = repair_of(&answer, name) {
            return repair.clone();
        }
        answers.push(answer);
    }
    panic!("{name} was not repaired: {answers:#?}");
}

/// The project is known from a job that waited while a pass was made.
async fn a_lost_webhook(installation: Arc<Installation>) {
    let gitlab = &installation.gitlab;
    gitlab.hold_requests("/api/v4/jobs/request", true);
    let earlier = installation.start(JobSpec::new("earlier"));
    installation.record_in(earlier, LedgerState::Launched).await;
    pass(&installation, json!({})).await;
    gitlab.hold_requests("/api/v4/jobs/request", false);
    installation.end_of(earlier).await;

    gitlab.hold_webhooks(true);
    let job = installation.start(JobSpec::new("unheard-of").script(["echo heard after all"]));
    assert!(!gitlab.take_held_deliveries().is_empty(), "webhooks are lost");
    gitlab.hold_webhooks(false);
    let repair = repaired(&installation, &format!("/{}/{job}", installation.project), 2).await;
    assert_eq!((&repair["act"], &repair["reason"]), (&"start".into(), &"event-lost".into()), "{repair}");
    let job = installation.end_of(job).await;
    assert_eq!(job.status, Status::Success, "{}", job.log);
    assert!(job.log.contains("heard after all"), "{}", job.log);
    installation.record_in(job.id, LedgerState::Finished).await;
    nothing_is_left(&installation).await;
}

/// An instance with the tag of this stack, which no record tells of.
async fn unknown_machine(installation: &Installation) -> String {
    let tags = json!({ "mayfly:stack": "mayfly-autoscaler" });
    installation.machines.emulator().launch_stranger(tags).await
}

async fn an_unknown_machine(installation: Arc<Installation>) {
    let instance = unknown_machine(&installation).await;
    let repair = repaired(&installation, &instance, 3).await;
    assert_eq!((&repair["act"], &repair["reason"]), (&"end".into(), &"owner-unknown".into()), "{repair}");
    gone(&installation, &instance).await;
    nothing_is_left(&installation).await;
}

/// All records and calls in the ledger, by key; not what the reconciler left to itself, nor what is open: the dispatcher may be at it.
async fn ledger(installation: &Installation) -> HashMap<String, HashMap<String, AttributeValue>> {
    let table = installation.output("autoscaler", "LedgerTable");
    let found = installation.connection.dynamodb().scan().table_name(table).send().await.unwrap();
    let items = found.items.unwrap_or_default().into_iter();
    let keyed = items.map(|item| (item["pk"].as_s().unwrap().clone(), item));
    keyed.filter(|(key, item)| !key.starts_with("reconciler#") && !item.contains_key("open")).collect()
}

/// True if nobody has ended the instance.
async fn lives(installation: &Installation, instance: &str) -> bool {
    let state = installation.machines.emulator().instance(instance).await.state;
    state == "pending" || state == "running"
}

async fn a_dry_run(installation: Arc<Installation>) {
    let instance = unknown_machine(&installation).await;
    let before = ledger(&installation).await;
    let answer = pass(&installation, json!({ "dry_run": true })).await;
    let planned = repair_of(&answer, &instance).unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(planned["act"], "end", "{planned}");
    assert_eq!(
        (&answer["dry_run"], &planned["result"], &planned["error"]),
        (&true.into(), &Value::Null, &Value::Null)
    );
    assert!(lives(&installation, &instance).await);
    assert_eq!(ledger(&installation).await, before);

    // Nor may it end more than it is told.
    let answer = pass(&installation, json!({ "max_ends": 0 })).await;
    let held_back = answer["held_back"].as_array().unwrap();
    assert!(held_back.iter().any(|held| held["text"].as_str().unwrap().contains(&instance)), "{answer}");
    assert!(lives(&installation, &instance).await);

    repaired(&installation, &instance, 1).await;
    gone(&installation, &instance).await;
    nothing_is_left(&installation).await;
}

async fn the_schedule(installation: Arc<Installation>) {
    let instance = unknown_machine(&installation).await;
    let schedule = installation.output("autoscaler", "ReconcilerScheduleName");
    installation.machines.emulator().fire(schedule).await;
    gone(&installation, &instance).await;
    nothing_is_left(&installation).await;
}

async fn rights(installation: Arc<Installation>) {
    let emulator = installation.machines.emulator();
    let untagged = emulator.launch_stranger(json!({})).await;
    let other_stacks = emulator.launch_stranger(json!({ "mayfly:stack": "another-stack" })).await;
    let role = installation.output("autoscaler", "ReconcilerRoleArn").rsplit('/').next().unwrap();
    let reconciler = installation.connection_with(&emulator.credentials_of(role).await);
    let (dynamodb, ec2) = (reconciler.dynamodb(), reconciler.ec2());
    let end = async |instance: &str| ec2.terminate_instances().instance_ids(instance).send().await;
    let assignments = installation.output("autoscaler", "AssignmentTable");
    let put = dynamodb.put_item().table_name(assignments).item("pk", text("AROAEXAMPLE:i-1"));
    let mappings = dynamodb.scan().table_name(installation.output("autoscaler", "MappingTable"));
    let invoke = reconciler.lambda().invoke().function_name(installation.shell_runner());
    for (what, refused, expected) in [
        ("start a fleet", refusal(ec2.create_fleet().send().await), "UnauthorizedOperation"),
        ("start instances", refusal(ec2.run_instances().send().await), "UnauthorizedOperation"),
        ("end an instance without a tag", refusal(end(&untagged).await), "UnauthorizedOperation"),
        ("end an instance of another stack", refusal(end(&other_stacks).await), "UnauthorizedOperation"),
        ("invoke a shell runner", refusal(invoke.send().await), "AccessDeniedException"),
        ("give an assignment", refusal(put.send().await), "AccessDeniedException"),
        ("see the mappings", refusal(mappings.send().await), "AccessDeniedException"),
    ] {
        assert_eq!(refused.as_deref(), Some(expected), "it may {what}");
    }
    let request = installation.connection.ec2().terminate_instances();
    request.instance_ids(untagged).instance_ids(other_stacks).send().await.unwrap();
    nothing_is_left(&installation).await;
}
