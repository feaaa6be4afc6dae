//! Jobs from `pending` to their end, run by the stand-in runner.

use std::time::Duration;

use mayfly_core::ids::{JobId, ProjectId};
use mayfly_standins::gitlab::{JobSnapshot, JobSpec, StandinGitlab, Status};

use crate::support::{Runner, SOON};

const ONE_JOB: [&str; 2] = ["--max-builds", "1"];

/// A GitLab with a project, a runner's token, and one pending job.
async fn with_job(spec: JobSpec) -> (StandinGitlab, ProjectId, String, JobId) {
    let gitlab = StandinGitlab::start().await.unwrap();
    let project = gitlab.create_project("group/app");
    let (_, token) = gitlab.create_shared_runner(project, ["linux"]);
    let job = gitlab.run_pipeline(project, vec![spec.tags(["linux"])]).unwrap()[0];
    (gitlab, project, token, job)
}

/// Runs one job to its end and returns it. The runner always leaves with 0.
async fn run(spec: JobSpec) -> JobSnapshot {
    let (gitlab, _, token, job) = with_job(spec).await;
    let mut runner = Runner::start(&gitlab, &token, &ONE_JOB);
    assert_eq!(runner.exit().await.code(), Some(0));
    gitlab.job(job).unwrap()
}

#[tokio::test]
async fn a_job_succeeds_and_its_log_is_exactly_what_it_wrote() {
    let script = [
        "echo to stdout",
        "echo to stderr >&2",
        "printf '%s\\n' \"it's $GREETING\"",
        "cat",
        "echo \"$CI_PROJECT_PATH $CI_SERVER $OF_THE_MACHINE\"",
    ];
    let spec = JobSpec::new("build").script(script).variable("GREETING", "a 'quoted' $HOME");
    let (gitlab, _, token, job) = with_job(spec).await;
    let mut runner = Runner::start(&gitlab, &token, &ONE_JOB);
    let received = runner.line("Checking for jobs... received").await;
    assert_eq!(received["job"], job.0);
    runner.line("Job succeeded").await;
    runner.line("This runner has processed its build limit, so now exiting").await;
    assert_eq!(runner.exit().await.code(), Some(0));

    let job = gitlab.job(job).unwrap();
    assert_eq!((job.status, job.exit_code, job.failure_reason), (Status::Success, None, None));
    assert_eq!(job.runner_description.as_deref(), Some("shared runner"));
    assert_eq!(job.system_id.as_deref(), Some("r_0123456789ab"));
    assert!(job.created_at <= job.queued_at.unwrap());
    assert!(job.queued_at <= job.started_at && job.started_at <= job.finished_at);
    let short_token = &token["glrt-t3_".len()..][..9];
    let expected = format!(
        "Running with gitlab-runner 19.3.0 (standin)\n  on one {short_token}, system ID: r_0123456789ab\n\
         Preparing the \"shell\" executor\nUsing Shell (bash) executor...\nSkipping Git repository setup\n\
         Executing \"step_script\" stage of the job script\n\
         $ echo to stdout\nto stdout\n$ echo to stderr >&2\nto stderr\n\
         $ printf '%s\\n' \"it's $GREETING\"\nit's a 'quoted' $HOME\n$ cat\n\
         $ echo \"$CI_PROJECT_PATH $CI_SERVER $OF_THE_MACHINE\"\ngroup/app yes yes\nJob succeeded\n"
    );
    assert_eq!(job.log, expected);
    assert!(runner.project_dir(short_token, "group/app").is_dir());
}

#[tokio::test]
async fn a_failing_line_ends_the_job_with_its_exit_code() {
    let job = run(JobSpec::new("build").script(["echo before", "(exit 7)", "echo after"])).await;
    assert_eq!(job.status, Status::Failed);
    assert_eq!((job.failure_reason.as_deref(), job.exit_code), (Some("script_failure"), Some(7)));
    assert!(job.log.ends_with("$ echo before\nbefore\n$ (exit 7)\nERROR: Job failed: exit status 7\n"));
}

#[tokio::test]
async fn a_large_log_arrives_whole() {
    let job = run(JobSpec::new("build").script(["seq 1 300000"])).await;
    assert_eq!(job.status, Status::Success);
    let numbers: Vec<String> = (1..=300_000).map(|number| number.to_string()).collect();
    assert!(job.log.contains(&numbers.join("\n")));
}

#[tokio::test]
async fn a_job_that_takes_too_long_is_stopped() {
    let job = run(JobSpec::new("build").script(["sleep 600"]).timeout(Duration::from_secs(1))).await;
    assert_eq!(job.status, Status::Failed);
    assert_eq!(job.failure_reason.as_deref(), Some("job_execution_timeout"));
}

#[tokio::test]
async fn a_running_job_that_is_canceled_stops_with_everything_it_started() {
    let script = ["sleep 600 &", "echo started", "wait"];
    let (gitlab, _, token, job) = with_job(JobSpec::new("build").script(script)).await;
    let mut runner = Runner::start(&gitlab, &token, &ONE_JOB);
    gitlab.wait_for_job(job, |job| job.log.contains("\nstarted\n"), SOON).await.unwrap();
    gitlab.cancel(job).unwrap();
    assert_eq!(gitlab.job(job).unwrap().status, Status::Canceling);
    // The end is told only when nobody holds the script's output open any more: not even what runs in the background.
    gitlab.wait_for(job, Status::Canceled, SOON).await.unwrap();
    assert_eq!(runner.exit().await.code(), Some(0));
}

#[tokio::test]
async fn a_job_canceled_while_it_is_pending_is_given_to_nobody() {
    let (gitlab, project, token, canceled) = with_job(JobSpec::new("build")).await;
    gitlab.cancel(canceled).unwrap();
    let next = gitlab.run_pipeline(project, vec![JobSpec::new("next").tags(["linux"])]).unwrap()[0];
    let mut runner = Runner::start(&gitlab, &token, &ONE_JOB);
    let received = runner.line("Checking for jobs... received").await;
    assert_eq!(received["job"], next.0);
    assert_eq!(runner.exit().await.code(), Some(0));
    let job = gitlab.job(canceled).unwrap();
    assert_eq!((job.status, job.runner, job.started_at), (Status::Canceled, None, None));
}

#[tokio::test]
async fn a_retried_job_is_a_new_job() {
    let (gitlab, _, token, first) = with_job(JobSpec::new("build").script(["false"])).await;
    let mut runner = Runner::start(&gitlab, &token, &["--max-builds", "2"]);
    gitlab.wait_for(first, Status::Failed, SOON).await.unwrap();
    let second = gitlab.retry(first).unwrap();
    assert_ne!(first, second);
    gitlab.wait_for(second, Status::Failed, SOON).await.unwrap();
    assert_eq!(runner.exit().await.code(), Some(0));
}

#[tokio::test]
async fn of_two_runners_one_gets_the_job_and_the_other_leaves_after_its_wait() {
    let (gitlab, _, token, job) = with_job(JobSpec::new("build")).await;
    gitlab.set_long_poll(Duration::from_millis(50));
    let args = ["--max-builds", "1", "--wait-timeout", "1"];
    let mut runners = [Runner::start(&gitlab, &token, &args), Runner::start(&gitlab, &token, &args)];
    for runner in &mut runners {
        assert_eq!(runner.exit().await.code(), Some(0));
    }
    assert_eq!(gitlab.job(job).unwrap().status, Status::Success);
    let given = gitlab.requests().iter().filter(|request| request.status == 201).count();
    assert_eq!(given, 1);
}

#[tokio::test]
async fn a_job_goes_on_when_its_runner_is_deleted() {
    let spec = JobSpec::new("build").script(["until [ -e \"$HOME/go\" ]; do sleep 0.02; done", "echo done"]);
    let (gitlab, _, token, job) = with_job(spec).await;
    let mut runner = Runner::start(&gitlab, &token, &ONE_JOB);
    let running = gitlab.wait_for(job, Status::Running, SOON).await.unwrap();
    gitlab.delete_runner(running.runner.unwrap()).unwrap();
    std::fs::write(runner.folder().join("go"), "").unwrap();
    assert_eq!(runner.exit().await.code(), Some(0));
    let job = gitlab.job(job).unwrap();
    assert_eq!(job.status, Status::Success);
    assert_eq!(job.runner_description.as_deref(), Some("shared runner"));
}

#[tokio::test]
async fn the_end_is_told_again_when_gitlab_only_accepts_it() {
    let (gitlab, _, token, job) = with_job(JobSpec::new("build")).await;
    gitlab.set_accepts_before_ok(true);
    let mut runner = Runner::start(&gitlab, &token, &ONE_JOB);
    assert_eq!(runner.exit().await.code(), Some(0));
    assert_eq!(gitlab.job(job).unwrap().status, Status::Success);
    let accepted = gitlab.requests().iter().filter(|seen| seen.method == "PUT" && seen.status == 202).count();
    assert_eq!(accepted, 1);
}
