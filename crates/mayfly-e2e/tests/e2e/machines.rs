//! Jobs on EC2 instances.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use mayfly_core::ledger::{LedgerRecord, LedgerState};
use mayfly_standins::gitlab::{JobSpec, Status};
use serde_json::json;

use crate::installation::{Installation, PATIENCE, Test, text, until};
use crate::machine_room::{Instance, OTHER_IMAGE, RUNNER_IMAGE};

/// The parameter with the image of the mapping `machine-that-dies`.
const FICKLE_IMAGE: &str = "/mayfly/images/fickle";

/// The one instance type of the mapping `machine-short-of-spot`.
const RARE_TYPE: &str = "c7g.xlarge";

pub(crate) fn trials(installation: &Arc<Installation>) -> Vec<Test> {
    let here = || Arc::clone(installation);
    vec![
        ("a_job_runs_on_a_machine_of_its_own", Box::pin(a_machine_of_its_own(here()))),
        ("jobs_that_come_together_get_a_machine_each", Box::pin(a_machine_each(here()))),
        ("without_spot_capacity_a_machine_is_bought_on_demand", Box::pin(on_demand(here()))),
        ("a_launch_whose_answer_is_lost_starts_one_machine", Box::pin(a_lost_answer(here()))),
        ("a_job_whose_machine_dies_early_gets_another", Box::pin(a_machine_that_dies(here()))),
        ("a_job_on_a_machine_that_aws_takes_back_fails_and_says_so", Box::pin(an_interruption(here()))),
    ]
}

/// The rows of the mapping table for these tests.
pub(crate) fn mappings() -> Vec<Vec<(&'static str, AttributeValue)>> {
    let row = |key, more: &[(&'static str, AttributeValue)]| {
        let row = [("pk", text(key)), ("sk", text("tags#")), ("type", text("EC2"))];
        row.into_iter().chain(more.iter().cloned()).collect()
    };
    let tags = AttributeValue::M([("team".to_owned(), text("tests"))].into());
    vec![
        row("job#machine", &[("instance_tags", tags)]),
        row("job#machine-short-of-spot", &[("instance_types", AttributeValue::L(vec![text(RARE_TYPE)]))]),
        row("job#machine-that-dies", &[("image", text(FICKLE_IMAGE))]),
        row("job#machine-in-the-dark", &[("image", text(OTHER_IMAGE))]),
    ]
}

async fn a_machine_of_its_own(installation: Arc<Installation>) {
    let script = ["echo on a machine", "if env | grep -E '^(AWS_|NOTIFY_SOCKET)'; then exit 1; fi"];
    let job = installation.run(JobSpec::new("machine").script(script)).await;
    assert_eq!(job.status, Status::Success, "{}", job.log);
    assert!(job.log.contains("on a machine"), "{}", job.log);

    let record = installation.record_in(job.id, LedgerState::Finished).await;
    assert!(record.explanation.unwrap().contains("job#machine"));
    assert_eq!(job.runner_description, Some(record.runner.unwrap().name.to_string()));
    let complete = installation.record_when(job.id, "complete, with all moments", |record| {
        let runner = record.runner.as_ref().unwrap();
        let moments = [runner.moments.running, runner.moments.assignment_read, runner.moments.job_picked_up];
        moments.iter().all(Option::is_some) && runner.ended.is_some()
    });
    let instance = gone(&installation, &machine_of(&complete.await)).await;
    let tags = &instance.tags;
    assert_eq!(tags["mayfly:stack"], "mayfly-autoscaler");
    assert_eq!(tags["mayfly:project"], installation.project.to_string());
    assert!(tags["mayfly:job"].ends_with(&format!("/{}", job.id)), "{tags:?}");
    assert!(tags["mayfly:mapping"].contains("job#machine"), "{tags:?}");
    assert!(tags.contains_key("mayfly:deadline") && tags.contains_key("mayfly:launch"), "{tags:?}");
    assert_eq!(tags["team"], "tests");
    assert_eq!(instance.image, RUNNER_IMAGE);
    assert_eq!(instance.lifecycle.as_deref(), Some("spot"));
    nothing_is_left(&installation).await;
}

async fn a_machine_each(installation: Arc<Installation>) {
    let booted = installation.machines.booted();
    let jobs = vec![JobSpec::new("machine").script(["echo one of three"]); 3];
    let jobs = installation.gitlab.run_pipeline(installation.project, jobs).unwrap();
    let mut runners = BTreeSet::new();
    for job in jobs {
        let job = installation.end_of(job).await;
        assert_eq!(job.status, Status::Success, "{}", job.log);
        runners.insert(job.runner_description);
        installation.record_in(job.id, LedgerState::Finished).await;
    }
    assert_eq!(runners.len(), 3, "each runner takes one job: {runners:?}");
    assert_eq!(installation.machines.booted() - booted, 3);
    nothing_is_left(&installation).await;
}

async fn on_demand(installation: Arc<Installation>) {
    let emulator = installation.machines.emulator();
    emulator.set_capacity(json!([{ "market": "spot", "type": RARE_TYPE, "left": 0 }])).await;
    let job = installation.run(JobSpec::new("machine-short-of-spot").script(["echo dearly bought"])).await;
    emulator.set_capacity(json!([])).await;
    assert_eq!(job.status, Status::Success, "{}", job.log);
    let record = installation.record_in(job.id, LedgerState::Finished).await;
    let instance = gone(&installation, &machine_of(&record)).await;
    assert_eq!(instance.lifecycle, None, "on demand");
    assert_eq!(instance.size, RARE_TYPE);
    let reasons: Vec<_> = record.transitions.iter().map(|transition| transition.reason.as_str()).collect();
    assert!(reasons.iter().any(|reason| reason.contains("InsufficientInstanceCapacity")), "{reasons:?}");
}

async fn a_lost_answer(installation: Arc<Installation>) {
    installation.machines.emulator().set_fates(json!([{ "fate": "lost" }])).await;
    let job = installation.run(JobSpec::new("machine").script(["echo found again"])).await;
    assert_eq!(job.status, Status::Success, "{}", job.log);
    installation.record_in(job.id, LedgerState::Finished).await;
    let key = format!("/{}/{}", installation.project, job.id);
    let mut instances = installation.machines.emulator().instances().await;
    instances.retain(|instance| instance.tags.get("mayfly:job").is_some_and(|jobs| jobs.ends_with(&key)));
    assert_eq!(instances.len(), 1, "{instances:?}");
    nothing_is_left(&installation).await;
}

/// The first machine has an image on which no agent starts, and is ended by somebody before it reads its assignment.
async fn a_machine_that_dies(installation: Arc<Installation>) {
    installation.put_image(FICKLE_IMAGE, OTHER_IMAGE).await;
    let job = installation.start(JobSpec::new("machine-that-dies").script(["echo second life"]));
    let first = machine_of(&installation.record_in(job, LedgerState::Launched).await);
    let instance = installation.machines.emulator().instance(&first).await;
    let tags: Vec<_> = instance.volumes.values().collect();
    assert_eq!(tags, [&instance.tags], "the volume has the tags of its instance");
    installation.put_image(FICKLE_IMAGE, RUNNER_IMAGE).await;
    let request = installation.connection.ec2().terminate_instances().instance_ids(&first);
    request.send().await.unwrap();

    let job = installation.end_of(job).await;
    assert_eq!(job.status, Status::Success, "{}", job.log);
    let record = installation.record_in(job.id, LedgerState::Finished).await;
    assert_ne!(machine_of(&record), first);
    nothing_is_left(&installation).await;
}

/// The notice leaves less time than the end of a job needs, so the job is ended at once.
async fn an_interruption(installation: Arc<Installation>) {
    let job = installation.start(JobSpec::new("machine").script(["echo begun", "sleep 300"]));
    installation.gitlab.wait_for(job, Status::Running, PATIENCE).await.unwrap();
    let record = installation.record_in(job, LedgerState::Running).await;
    let machine = machine_of(&record);
    installation.machines.emulator().interrupt(&machine, 20).await;
    let job = installation.end_of(job).await;
    assert_eq!(job.status, Status::Failed, "{}", job.log);
    assert!(job.log.contains("takes its spot instance back"), "{}", job.log);
    let record = installation.record_in(job.id, LedgerState::Finished).await;
    let reasons: Vec<_> = record.transitions.iter().map(|transition| transition.reason.as_str()).collect();
    assert!(reasons.iter().any(|reason| reason.contains("takes machine")), "{reasons:?}");
    gone(&installation, &machine).await;
    nothing_is_left(&installation).await;
}

/// The instance on which the runner of a record is.
pub(crate) fn machine_of(record: &LedgerRecord) -> String {
    let name = record.runner.as_ref().expect("the record has a runner").name.to_string();
    name.strip_prefix("mayfly-ec2-").unwrap_or_else(|| panic!("{name} is no EC2 runner")).to_owned()
}

/// The instance once it is terminated.
pub(crate) async fn gone(installation: &Installation, id: &str) -> Instance {
    let found = until(|| async {
        let instance = installation.machines.emulator().instance(id).await;
        (instance.state == "terminated").then_some(instance)
    });
    found.await.unwrap_or_else(|| panic!("{id} was not terminated"))
}

/// No runner in GitLab, no assignment, no instance.
pub(crate) async fn nothing_is_left(installation: &Installation) {
    installation.gitlab.wait_for_runners(<[_]>::is_empty, PATIENCE).await.unwrap();
    let table = installation.output("autoscaler", "AssignmentTable");
    let is_empty = until(|| async {
        let assignments = installation.connection.dynamodb().scan().table_name(table).send().await.unwrap();
        let instances = installation.machines.emulator().instances().await;
        let are_gone = instances.iter().all(|instance| instance.state == "terminated");
        (assignments.count() == 0 && are_gone).then_some(())
    });
    assert!(is_empty.await.is_some(), "an assignment or an instance is left");
}
