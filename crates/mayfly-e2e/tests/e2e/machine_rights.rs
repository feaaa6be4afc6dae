//! What a machine may do, and what may be done to one.

use std::sync::Arc;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use mayfly_core::ids::JobId;
use mayfly_core::ledger::LedgerState;
use mayfly_standins::gitlab::JobSpec;
use serde_json::json;

use crate::installation::{Installation, Test, until};
use crate::machines::{gone, machine_of, nothing_is_left};

pub(crate) fn trials(installation: &Arc<Installation>) -> Vec<Test> {
    let here = || Arc::clone(installation);
    vec![
        ("a_machine_reads_its_own_assignment_once_and_no_other", Box::pin(own_assignment(here()))),
        ("the_dispatcher_may_end_only_machines_of_its_stack", Box::pin(own_machines(here()))),
    ]
}

/// A machine that waits: its image has no agent, so its assignment stays where it is.
async fn dark_machine(installation: &Installation) -> (JobId, String) {
    let job = installation.start(JobSpec::new("machine-in-the-dark"));
    let record = installation.record_in(job, LedgerState::Launched).await;
    (job, machine_of(&record))
}

async fn own_assignment(installation: Arc<Installation>) {
    let (first_job, first) = dark_machine(&installation).await;
    let (second_job, second) = dark_machine(&installation).await;
    let table = installation.output("autoscaler", "AssignmentTable");
    let (own, other) = (key_of(&installation, &first).await, key_of(&installation, &second).await);

    let credentials = installation.machines.emulator().credentials_on(&first).await;
    let machine = installation.connection_with(&credentials).dynamodb();
    let take = |key: &AttributeValue| {
        let request = machine.delete_item().table_name(table).key("pk", key.clone());
        request.return_values(ReturnValue::AllOld).send()
    };
    let get = |key: &AttributeValue| machine.get_item().table_name(table).key("pk", key.clone()).send();
    let query = machine.query().table_name(table).key_condition_expression("pk = :pk");
    let query = query.expression_attribute_values(":pk", other.clone());
    let refusals = [
        ("take another's", refusal(take(&other).await)),
        ("look at another's", refusal(get(&other).await)),
        ("look at its own", refusal(get(&own).await)),
        ("query another's", refusal(query.send().await)),
        ("see all", refusal(machine.scan().table_name(table).send().await)),
    ];
    for (what, refusal) in refusals {
        assert_eq!(refusal.as_deref(), Some("AccessDeniedException"), "it may {what}");
    }

    let taken = take(&own).await.unwrap().attributes.expect("its own assignment is there");
    assert!(taken["assignment"].as_s().unwrap().contains("glrt-"));
    assert_eq!(take(&own).await.unwrap().attributes, None, "it is read once");
    installation
        .record_when(first_job, "one whose assignment was read", |record| {
            record.runner.as_ref().is_some_and(|runner| runner.moments.assignment_read.is_some())
        })
        .await;
    clear_away(&installation, &[(first_job, first), (second_job, second)]).await;
}

/// The key of a machine's assignment, once there is one.
async fn key_of(installation: &Installation, instance: &str) -> AttributeValue {
    let table = installation.output("autoscaler", "AssignmentTable");
    let found = until(|| async {
        let items = installation.connection.dynamodb().scan().table_name(table).send().await.unwrap();
        let mut keys = items.items.unwrap_or_default().into_iter().filter_map(|mut item| item.remove("pk"));
        keys.find(|key| key.as_s().unwrap().ends_with(&format!(":{instance}")))
    });
    found.await.unwrap_or_else(|| panic!("{instance} has no assignment"))
}

/// The code of a refusal.
pub(crate) fn refusal<T, E: ProvideErrorMetadata>(answer: Result<T, E>) -> Option<String> {
    answer.err()?.code().map(str::to_owned)
}

async fn own_machines(installation: Arc<Installation>) {
    let (job, own) = dark_machine(&installation).await;
    let emulator = installation.machines.emulator();
    let untagged = emulator.launch_stranger(json!({})).await;
    let other_stacks = emulator.launch_stranger(json!({ "mayfly:stack": "another-stack" })).await;
    let role = installation.output("autoscaler", "DispatcherRoleArn").rsplit('/').next().unwrap();
    let credentials = emulator.credentials_of(role).await;
    let dispatcher = installation.connection_with(&credentials).ec2();
    let end = async |instance: &str| dispatcher.terminate_instances().instance_ids(instance).send().await;
    for instance in [&untagged, &other_stacks] {
        assert_eq!(refusal(end(instance).await).as_deref(), Some("UnauthorizedOperation"), "{instance}");
    }
    installation.gitlab.cancel(job).unwrap();
    installation.record_in(job, LedgerState::Finished).await;
    end(&own).await.unwrap();
    gone(&installation, &own).await;

    let request = installation.connection.ec2().terminate_instances();
    request.instance_ids(untagged).instance_ids(other_stacks).send().await.unwrap();
    nothing_is_left(&installation).await;
}

/// Cancels the jobs of dark machines and ends the machines.
async fn clear_away(installation: &Installation, machines: &[(JobId, String)]) {
    for (job, instance) in machines {
        installation.gitlab.cancel(*job).unwrap();
        installation.record_in(*job, LedgerState::Finished).await;
        installation.connection.ec2().terminate_instances().instance_ids(instance).send().await.unwrap();
    }
    nothing_is_left(installation).await;
}
