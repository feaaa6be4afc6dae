//! The dispatcher function as Lambda runs it.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is tests")]

mod world;

use mayfly_core::assignment::Assignment;
use mayfly_core::ledger::LedgerState;
use mayfly_core::status::JobStatus;
use mayfly_standins::aws::Reply;
use mayfly_standins::gitlab::JobSpec;
use mayfly_standins::lambda_runtime::Answer;
use serde_json::json;

use crate::world::{PATIENCE, QUEUE, SHELL_RUNNER, World};

#[tokio::test]
async fn a_start_is_at_most_four_table_operations_and_one_launch_call() {
    let mut world = World::new().await;
    for most in [4, 3] {
        let job = world.job(JobSpec::new("build").tags(["linux"]));
        let event = world.event(job, "build", JobStatus::Pending);
        world.aws.forget_calls();
        let (outcome, summary) = world.one("start", &event).await;
        assert_eq!(outcome, "done", "{summary}");
        let calls = world.aws.calls();
        let others: Vec<_> = calls.iter().filter(|call| *call != "GetParameters").collect();
        assert!(world.table_operations() <= most, "{calls:?}");
        assert_eq!(others.len(), world.table_operations() + 1, "{calls:?}");
        assert_eq!(others.iter().filter(|call| **call == "Invoke").count(), 1);
    }
}

#[tokio::test]
async fn the_shell_runner_gets_its_assignment_and_nobody_else_sees_the_token() {
    let mut world = World::with(&[("MAYFLY_RUNNER_CA_FILE", "/opt/ca.pem"), ("MAYFLY_LOG", "trace")]).await;
    let job = world.job(JobSpec::new("build").tags(["linux"]));
    let event = world.event(job, "build", JobStatus::Pending);
    let (_, summary) = world.one("start", &event).await;

    let invocation = world.aws.invocations().remove(0);
    assert_eq!((invocation.function.as_str(), invocation.invocation_type.as_str()), (SHELL_RUNNER, "Event"));
    assert_eq!(invocation.tenant, None);
    let assignment = Assignment::from_json(invocation.payload.to_string().as_bytes()).unwrap();
    assert_eq!(assignment.gitlab_url, *world.gitlab.url());
    assert_eq!(assignment.ca_file, Some("/opt/ca.pem".into()));
    assert_eq!(summary, format!("started runner {}", assignment.runner));
    assert_eq!(world.gitlab.runners()[0].description, Some(assignment.runner.to_string()));

    let token = invocation.payload["token"].as_str().unwrap();
    let holding: Vec<_> = world.aws.bodies().into_iter().filter(|body| body.contains(token)).collect();
    assert_eq!(holding.len(), 1, "only the invocation has the token");
    for line in world.environment.log() {
        assert!(!line.contains(token) && !line.contains(world.gitlab.api_token()), "{line}");
    }
}

#[tokio::test]
async fn the_same_event_twice_starts_one_runner() {
    let mut world = World::new().await;
    let job = world.job(JobSpec::new("build"));
    let event = world.event(job, "build", JobStatus::Pending);
    world.one("start", &event).await;
    let (outcome, summary) = world.one("start", &event).await;
    assert_eq!(
        (outcome.as_str(), summary.as_str()),
        ("done", "started nothing: a runner was started for it already")
    );
    let failures = world.batch(&[json!({ "action": "start", "event": event }).to_string()]).await;
    assert!(failures.is_empty());
    assert_eq!((world.aws.invocations().len(), world.gitlab.runners().len()), (1, 1));
}

#[tokio::test]
async fn a_job_is_recorded_and_its_runner_ended_with_it() {
    let mut world = World::new().await;
    let job = world.job(JobSpec::new("build"));
    world.one("start", &world.event(job, "build", JobStatus::Pending)).await;
    for (action, status, state, registrations) in [
        ("record", JobStatus::Running, LedgerState::Running, 1),
        ("finish", JobStatus::Success, LedgerState::Finished, 0),
        ("finish", JobStatus::Success, LedgerState::Finished, 0),
    ] {
        let event = world.event_of_runner(job, status).await;
        assert_eq!(world.one(action, &event).await.0, "done");
        assert_eq!((world.record(job).await.state, world.gitlab.runners().len()), (state, registrations));
    }
}

#[tokio::test]
async fn what_is_throttled_waits_in_the_queue_and_not_in_a_loop() {
    let mut world = World::new().await;
    let job = world.job(JobSpec::new("build"));
    let event = world.event(job, "build", JobStatus::Pending);
    world.aws.answer_next("Invoke", Reply::error(429, "TooManyRequestsException"));
    let (outcome, summary) = world.one("start", &event).await;
    assert_eq!(outcome, "later", "{summary}");
    assert!(summary.contains("TooManyRequestsException"), "{summary}");
    assert_eq!((world.aws.invocations().len(), world.gitlab.runners().len()), (0, 0));
    let metric = world.environment.log_line("LaunchFailures", PATIENCE).await.unwrap();
    assert!(metric.contains(r#""Namespace":"Mayfly""#), "{metric}");

    let message = world.aws.messages().remove(0);
    assert_eq!(message.queue, QUEUE);
    assert!((10..=20).contains(&message.delay_seconds), "{message:?}");
    let body = message.body.to_string();
    assert!(world.batch(std::slice::from_ref(&body)).await.is_empty());
    assert_eq!((world.aws.invocations().len(), world.aws.messages().len()), (0, 2), "it is not due yet");
    world.make_due(job).await;
    assert!(world.batch(&[body]).await.is_empty());
    assert_eq!((world.aws.invocations().len(), world.record(job).await.state), (1, LedgerState::Launched));
}

#[tokio::test]
async fn an_invocation_nobody_heard_of_gets_no_second_live_runner() {
    let mut world = World::new().await;
    let job = world.job(JobSpec::new("build"));
    let event = world.event(job, "build", JobStatus::Pending);
    world.aws.answer_next("Invoke", Reply::error(500, "ServiceException"));
    assert_eq!(world.one("start", &event).await.0, "later");
    let first = world.gitlab.runners()[0].id;
    let message = world.aws.messages().remove(0);
    assert!(world.batch(&[message.body.to_string()]).await.is_empty());
    // Whatever became of the first, its registration is gone, so it can take no job.
    let runners = world.gitlab.runners();
    assert_eq!((runners.len(), runners[0].id == first), (1, false));
}

#[tokio::test]
async fn what_only_a_person_can_mend_parks_the_job_is_counted_and_holds_up_no_other() {
    let mut world = World::new().await;
    world
        .put_row(&[("pk", "job#broken"), ("sk", "tags#"), ("type", "LAMBDA"), ("arn", "shell-runner")])
        .await;
    world.put_row(&[("pk", "job#unknown"), ("sk", "tags#"), ("type", "FARGATE")]).await;
    for (name, reason) in [("broken", "`arn`"), ("unknown", "`type`")] {
        let job = world.job(JobSpec::new(name));
        let event = world.event(job, name, JobStatus::Pending);
        let (outcome, summary) = world.one("start", &event).await;
        assert_eq!(outcome, "parked", "{summary}");
        let record = world.record(job).await;
        let last = &record.transitions.last().unwrap().reason;
        assert_eq!((record.state, last.contains(reason)), (LedgerState::Parked, true), "{last}");
    }
    world.environment.log_line("JobsParked", PATIENCE).await.unwrap();
    let job = world.job(JobSpec::new("build"));
    assert_eq!(world.one("start", &world.event(job, "build", JobStatus::Pending)).await.0, "done");

    world.aws.forget_functions();
    let job = world.job(JobSpec::new("build"));
    let (outcome, summary) = world.one("start", &world.event(job, "build", JobStatus::Pending)).await;
    assert_eq!(outcome, "parked", "{summary}");
    assert!(summary.contains(SHELL_RUNNER), "{summary}");
    assert_eq!(world.gitlab.runners().len(), 1);
}

#[tokio::test]
async fn of_a_batch_only_what_failed_comes_again() {
    let mut world = World::new().await;
    let jobs = [world.job(JobSpec::new("build")), world.job(JobSpec::new("build"))];
    let bodies = jobs.map(|job| {
        json!({ "action": "start", "event": world.event(job, "build", JobStatus::Pending) }).to_string()
    });
    let [first, second] = bodies;
    let failures = world.batch(&[first, "no message of ours".to_owned(), second]).await;
    assert_eq!(failures, ["m1"]);
    assert_eq!(world.aws.invocations().len(), 2);
}

#[tokio::test]
async fn a_message_that_meets_a_passing_fault_is_sent_again_soon() {
    let mut world = World::new().await;
    let job = world.job(JobSpec::new("build"));
    let event = world.event(job, "build", JobStatus::Pending);
    for _ in 0..3 {
        world.aws.answer_next("GetItem", Reply::error(400, "ThrottlingException"));
    }
    let body = json!({ "action": "start", "event": event }).to_string();
    assert!(world.batch(std::slice::from_ref(&body)).await.is_empty());
    let message = world.aws.messages().remove(0);
    assert_eq!((message.delay_seconds, message.body.to_string()), (15, body.clone()));
    world.environment.log_line("WaitingSeconds", PATIENCE).await.unwrap();

    // If not even that works, the queue keeps the message.
    for operation in ["GetItem", "SendMessage"] {
        for _ in 0..3 {
            world.aws.answer_next(operation, Reply::error(400, "ThrottlingException"));
        }
    }
    assert_eq!(world.batch(&[body]).await, ["m0"]);
}

#[tokio::test]
async fn runners_are_kept_apart_by_project_and_protection_where_that_is_switched_on() {
    let mut world = World::with(&[("MAYFLY_TENANT_ISOLATION", "true")]).await;
    for git_ref in ["main", "feature/1"] {
        let job = world.job(JobSpec::new("build").git_ref(git_ref));
        world.one("start", &world.event(job, "build", JobStatus::Pending)).await;
    }
    let project = world.project;
    let tenants: Vec<_> =
        world.aws.invocations().into_iter().map(|invocation| invocation.tenant.unwrap()).collect();
    assert_eq!(tenants, [format!("{project}-protected"), format!("{project}-unprotected")]);
}

#[tokio::test]
async fn a_missing_parameter_is_named_and_not_tried_again() {
    for name in ["/mayfly/Url", "/mayfly/ApiToken"] {
        let mut world = World::without_parameter(name).await;
        let job = world.job(JobSpec::new("build"));
        let request = json!({ "action": "start", "event": world.event(job, "build", JobStatus::Pending) });
        let Answer::Error(error) = world.environment.invoke(request.to_string()).await.unwrap().answer else {
            panic!("{name} is missing");
        };
        assert_eq!(error.error_type, "Never");
        assert!(error.error_message.contains(name), "{error:?}");
    }
}

#[tokio::test]
async fn a_table_that_is_throttled_means_later() {
    let mut world = World::new().await;
    let job = world.job(JobSpec::new("build"));
    let event = world.event(job, "build", JobStatus::Pending);
    for _ in 0..100 {
        world.aws.answer_next("PutItem", Reply::error(400, "ThrottlingException"));
    }
    let request = json!({ "action": "start", "event": event });
    let Answer::Error(error) = world.environment.invoke(request.to_string()).await.unwrap().answer else {
        panic!("nothing was written");
    };
    assert_eq!(error.error_type, "Later");
    assert_eq!(world.aws.invocations().len(), 0);
}
