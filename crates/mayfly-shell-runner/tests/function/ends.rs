//! The function's time.

use std::time::Duration;

use libtest_mimic::Trial;
use mayfly_core::mapping::RunnerSettings;
use mayfly_standins::gitlab::Status;
use mayfly_standins::lambda_runtime::Answer;
use serde_json::json;

use crate::trial;
use crate::world::{PATIENCE, World, invoke, response};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_job_that_outlives_the_function_fails_and_says_why", a_job_that_is_too_long()),
        trial("an_assignment_that_comes_too_late_starts_nothing", too_late()),
        trial("an_invocation_that_cannot_end_in_time_is_an_error_and_ends_the_process", out_of_time()),
    ]
}

async fn a_job_that_is_too_long() {
    let world = World::new().await;
    // 50 s before its end, the function begins to end its runner.
    let mut environment = world.function().timeout(Duration::from_secs(53)).start().await.unwrap();
    environment.ready(PATIENCE).await.unwrap();
    let id = world.job("echo begun; sleep 1000; echo done");
    let invocation = invoke(&mut environment, &world.assignment(RunnerSettings::default())).await;
    assert_eq!(response(&environment, &invocation), json!({ "outcome": "deadline", "job": id }));
    let job = world.gitlab.job(id).unwrap();
    assert_eq!(job.status, Status::Failed);
    assert!(
        job.log.contains("\nMayfly: this job is stopped, because its runner must be gone by "),
        "{}",
        job.log
    );
    let reason =
        " UTC: its AWS Lambda function may run for 53 s. A longer job needs a mapping to another target.\n";
    assert!(job.log.contains(reason), "{}", job.log);
    assert!(invocation.took < Duration::from_secs(20), "{:?}", invocation.took);
    world.assert_scratch_is_empty(&environment);
}

async fn too_late() {
    let world = World::new().await;
    let mut environment = world.function().timeout(Duration::from_secs(30)).start().await.unwrap();
    let job = world.job("true");
    let invocation = invoke(&mut environment, &world.assignment(RunnerSettings::default())).await;
    assert_eq!(response(&environment, &invocation), json!({ "outcome": "deadline" }));
    assert_eq!(world.gitlab.job(job).unwrap().status, Status::Pending);
    assert!(world.gitlab.runners().is_empty());
}

async fn out_of_time() {
    let world = World::new().await;
    // GitLab does not answer when the registration is to be ended.
    world.gitlab.hold_requests("/api/v4/runners", true);
    let mut environment = world.function().timeout(Duration::from_secs(4)).start().await.unwrap();
    environment.ready(PATIENCE).await.unwrap();
    let invocation = invoke(&mut environment, &world.assignment(RunnerSettings::default())).await;
    let Answer::Error(error) = invocation.answer else { panic!("{invocation:?}") };
    assert_eq!(error.error_type, "OutOfTime");
    assert_eq!(environment.ended(PATIENCE).await.unwrap().code(), Some(1));
}
