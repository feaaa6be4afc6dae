//! How the stand-in runner waits and leaves.

use std::time::Duration;

use mayfly_standins::gitlab::{JobSpec, StandinGitlab, Status};
use nix::sys::signal::Signal;
use tokio::process::Command;

use crate::support::{Runner, SOON};

/// A GitLab with one runner, and a job with this script unless there is none.
async fn gitlab(script: Option<&str>) -> (StandinGitlab, String, Option<mayfly_core::ids::JobId>) {
    let gitlab = StandinGitlab::start().await.unwrap();
    gitlab.set_long_poll(Duration::from_millis(50));
    let project = gitlab.create_project("group/app");
    let (_, token) = gitlab.create_shared_runner(project, ["linux"]);
    let job = script.map(|script| {
        let spec = JobSpec::new("build").tags(["linux"]).script([script]);
        gitlab.run_pipeline(project, vec![spec]).unwrap()[0]
    });
    (gitlab, token, job)
}

#[tokio::test]
async fn it_leaves_when_no_job_came_in_time() {
    let (gitlab, token, _) = gitlab(None).await;
    let mut runner = Runner::start(&gitlab, &token, &["--max-builds", "1", "--wait-timeout", "1"]);
    runner.line("This runner has not received a job in 1 seconds, so now exiting").await;
    assert_eq!(runner.exit().await.code(), Some(0));
}

#[tokio::test]
async fn with_a_revoked_token_it_sits_there_until_it_is_terminated() {
    let (gitlab, token, _) = gitlab(None).await;
    gitlab.refuse_runner_token(&token);
    let mut runner = Runner::start(&gitlab, &token, &["--max-builds", "1", "--wait-timeout", "1"]);
    runner.line("Checking for jobs... forbidden").await;
    runner.line("Runner is not healthy!").await;
    runner.signal(Signal::SIGTERM);
    assert_eq!(runner.exit().await.code(), Some(0));
    assert_eq!(gitlab.requests().len(), 1);
}

#[tokio::test]
async fn a_gitlab_that_is_down_is_asked_again() {
    let (gitlab, token, job) = gitlab(Some("true")).await;
    gitlab.set_down(true);
    let mut runner = Runner::start(&gitlab, &token, &["--max-builds", "1"]);
    runner.line("Checking for jobs... GitLab instance currently unavailable").await;
    gitlab.set_down(false);
    assert_eq!(runner.exit().await.code(), Some(0));
    assert_eq!(gitlab.job(job.unwrap()).unwrap().status, Status::Success);
}

#[tokio::test]
async fn asked_to_quit_it_finishes_its_job_first() {
    let (gitlab, token, job) = gitlab(Some("until [ -e \"$HOME/go\" ]; do sleep 0.02; done")).await;
    let mut runner = Runner::start(&gitlab, &token, &[]);
    gitlab.wait_for(job.unwrap(), Status::Running, SOON).await.unwrap();
    runner.signal(Signal::SIGQUIT);
    runner.line("Requested quit, waiting for builds to finish").await;
    std::fs::write(runner.folder().join("go"), "").unwrap();
    assert_eq!(runner.exit().await.code(), Some(0));
    assert_eq!(gitlab.job(job.unwrap()).unwrap().status, Status::Success);
}

#[tokio::test]
async fn terminated_during_a_job_it_fails_the_job_and_leaves_with_zero() {
    let (gitlab, token, job) = gitlab(Some("echo started; sleep 600")).await;
    let mut runner = Runner::start(&gitlab, &token, &[]);
    gitlab.wait_for_job(job.unwrap(), |job| job.log.contains("\nstarted\n"), SOON).await.unwrap();
    runner.signal(Signal::SIGTERM);
    assert_eq!(runner.exit().await.code(), Some(0));
    let job = gitlab.job(job.unwrap()).unwrap();
    assert_eq!(job.status, Status::Failed);
    assert_eq!(job.failure_reason.as_deref(), Some("runner_interrupted"));
    assert!(job.log.ends_with("ERROR: Job failed: aborted: terminated\n"));
}

#[tokio::test]
async fn a_second_signal_forces_it_out_and_the_job_stays_running() {
    // A subshell that ignores SIGTERM, and so does everything it starts.
    let script =
        "trap '' TERM; echo $$ > \"$HOME/group\"; echo started; for _ in $(seq 600); do sleep 0.1; done";
    let (gitlab, token, job) = gitlab(Some(script)).await;
    let mut runner = Runner::start(&gitlab, &token, &[]);
    gitlab.wait_for_job(job.unwrap(), |job| job.log.contains("\nstarted\n"), SOON).await.unwrap();
    runner.signal(Signal::SIGTERM);
    runner.line("Requested exit: terminated").await;
    runner.signal(Signal::SIGTERM);
    runner.line("forced exit: terminated").await;
    assert_eq!(runner.exit().await.code(), Some(1));
    assert_eq!(gitlab.job(job.unwrap()).unwrap().status, Status::Running);
    let group = std::fs::read_to_string(runner.folder().join("group")).unwrap().trim().parse().unwrap();
    nix::sys::signal::killpg(nix::unistd::Pid::from_raw(group), Signal::SIGKILL).unwrap();
}

#[tokio::test]
async fn a_runner_that_is_not_in_the_configuration_ends_it_with_one() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    std::fs::write(&config, "concurrent = 1\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_standin-gitlab-runner"))
        .args(["run-single", "-r", "nobody", "-c"])
        .arg(&config)
        .output();
    let output = tokio::time::timeout(SOON, output).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("FATAL: Error loading runner by name"), "{said}");
}

#[tokio::test]
async fn it_says_its_version() {
    let output = Command::new(env!("CARGO_BIN_EXE_standin-gitlab-runner")).arg("--version").output();
    let output = tokio::time::timeout(SOON, output).await.unwrap().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("Version:      19.3.0\n"));
}
