//! What if the process dies here? Each test kills it there, starts it again, and counts.

use libtest_mimic::Trial;
use mayfly_standins::gitlab::{JobSpec, Status};

use crate::command::trial;
use crate::jobs::until_released;
use crate::mayfly::{LONG, Scene};

const CREATE_RUNNER: &str = "/api/v4/user/runners";
const REQUEST_JOB: &str = "/api/v4/jobs/request";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("killed_between_claim_and_launch_exactly_one_runner_starts", between_claim_and_launch()),
        trial("killed_while_a_job_runs_the_runner_is_adopted", while_a_job_runs()),
        trial("killed_with_accepted_events_they_are_handled_after_the_restart", with_accepted_events()),
        trial("a_runner_that_was_killed_is_replaced", runner_killed()),
        trial("a_revoked_token_does_not_hold_a_runner_for_five_minutes", revoked_token()),
        trial("a_second_mayfly_on_the_same_folder_is_refused", same_folder()),
    ]
}

async fn between_claim_and_launch() {
    let scene = Scene::new().await;
    let mayfly = scene.start().await;
    scene.gitlab.hold_requests(CREATE_RUNNER, true);
    let jobs = scene.gitlab.run_pipeline(scene.project, vec![JobSpec::new("build")]).unwrap();
    // The claim is written before the runner is registered, and the runner is started after it.
    scene.gitlab.wait_for_held_requests(CREATE_RUNNER, 1, LONG).await.unwrap();
    mayfly.kill().await;
    scene.gitlab.hold_requests(CREATE_RUNNER, false);

    let mut mayfly = scene.start().await;
    mayfly.log_line("Released the claim on job").await;
    scene.gitlab.wait_for(jobs[0], Status::Success, LONG).await.unwrap();
    scene.gitlab.wait_for_runners(<[_]>::is_empty, LONG).await.unwrap();
    mayfly.log_line("left: its job is over").await;
    let started = mayfly.log().iter().filter(|line| line.contains("Started runner")).count();
    assert_eq!(started, 1);
    mayfly.stop().await;
}

async fn while_a_job_runs() {
    let scene = Scene::new().await;
    let mayfly = scene.start().await;
    let release = scene.data_dir().join("release");
    let jobs = scene.gitlab.run_pipeline(scene.project, vec![until_released("long", &release)]).unwrap();
    scene.gitlab.wait_for(jobs[0], Status::Running, LONG).await.unwrap();
    mayfly.kill().await;

    let mut mayfly = scene.start_without_hook().await;
    mayfly.log_line("Picked up 0 waiting jobs and 1 runners").await;
    assert_eq!(mayfly.health().await["runners"]["live"], 1);
    std::fs::write(&release, "").unwrap();
    scene.gitlab.wait_for(jobs[0], Status::Success, LONG).await.unwrap();
    mayfly.log_line("left: its job is over").await;
    scene.gitlab.wait_for_runners(<[_]>::is_empty, LONG).await.unwrap();
    mayfly.stop().await;
}

async fn with_accepted_events() {
    let scene = Scene::new().await;
    let mut mayfly = scene.start().await;
    scene.gitlab.set_down(true);
    let jobs =
        scene.gitlab.run_pipeline(scene.project, vec![JobSpec::new("build"), JobSpec::new("test")]).unwrap();
    mayfly.log_lines("is tried again: GitLab", 2).await;
    mayfly.kill().await;
    scene.gitlab.set_down(false);

    let mayfly = scene.start().await;
    for job in jobs {
        scene.gitlab.wait_for(job, Status::Success, LONG).await.unwrap();
    }
    mayfly.stop().await;
}

async fn runner_killed() {
    let scene = Scene::new().await.with("MAYFLY_WAIT_TIMEOUT", "30");
    // Nobody can take the job at first: its runner waits, and is killed.
    scene.gitlab.hold_requests(REQUEST_JOB, true);
    let mut mayfly = scene.start().await;
    let jobs = scene.gitlab.run_pipeline(scene.project, vec![JobSpec::new("build")]).unwrap();
    mayfly.log_line("Started runner").await;
    let runner = std::fs::read_dir(scene.data_dir().join("runners")).unwrap().next().unwrap().unwrap().path();
    scene.gitlab.wait_for_held_requests(REQUEST_JOB, 1, LONG).await.unwrap();
    let agent: i32 = std::fs::read_to_string(runner.join("pid")).unwrap().parse().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(agent), nix::sys::signal::Signal::SIGKILL).unwrap();
    // Its gitlab-runner must not live on and take a job that nobody looks after.
    mayfly.log_line("processes that outlived their runner were killed").await;
    mayfly.log_line("left: it failed").await;
    scene.gitlab.hold_requests(REQUEST_JOB, false);
    mayfly.log_lines("Started runner", 2).await;
    scene.gitlab.wait_for(jobs[0], Status::Success, LONG).await.unwrap();
    mayfly.stop().await;
}

async fn revoked_token() {
    let scene = Scene::new().await;
    let (runner, token) = scene.gitlab.create_shared_runner(scene.project, ["linux"]);
    let scene = scene
        .without("MAYFLY_API_TOKEN")
        .with("MAYFLY_REGISTRATION", "shared")
        .with("MAYFLY_RUNNER_TOKEN", token);
    scene.gitlab.delete_runner(runner).unwrap();
    let mut mayfly = scene.start().await;
    scene.gitlab.run_pipeline(scene.project, vec![JobSpec::new("build").tags(["linux"])]).unwrap();
    // Each of the three runners is gone long before its 300 s of sleep are over.
    mayfly.log_lines("left: GitLab refused its token", 3).await;
    mayfly.stop().await;
}

async fn same_folder() {
    let scene = Scene::new().await;
    let mayfly = scene.start_without_hook().await;
    let mut second = crate::mayfly::Mayfly::spawn(&scene.settings);
    assert!(!second.exit().await.success());
    second.log_line("is in use by another `mayfly local`").await;
    mayfly.stop().await;
}
