//! Jobs from their webhook to their end.

use std::sync::Arc;

use mayfly_core::ledger::LedgerState;
use mayfly_standins::gitlab::{JobSpec, Status};

use crate::installation::{Installation, PATIENCE, Test};

pub(crate) fn trials(installation: &Arc<Installation>) -> Vec<Test> {
    let here = || Arc::clone(installation);
    vec![
        ("a_mapped_job_runs_to_success", Box::pin(a_mapped_job_runs_to_success(here()))),
        ("an_unmapped_job_goes_to_the_default_target", Box::pin(an_unmapped_job(here()))),
        ("a_failing_job_fails_with_its_log", Box::pin(a_failing_job(here()))),
        ("a_job_acts_on_aws_only_if_its_mapping_says_so", Box::pin(credentials(here()))),
        ("jobs_in_one_environment_find_nothing_of_each_other", Box::pin(no_leftovers(here()))),
    ]
}

async fn a_mapped_job_runs_to_success(installation: Arc<Installation>) {
    let spec = JobSpec::new("build").tags(["linux"]).script(["echo hello from $CI_JOB_NAME"]);
    let job = installation.run(spec).await;
    assert_eq!(job.status, Status::Success, "{}", job.log);
    assert!(job.log.contains("hello from build"), "{}", job.log);
    let record = installation.record_in(job.id, LedgerState::Finished).await;
    assert!(record.explanation.unwrap().contains("job#build tags#linux"));
    installation.gitlab.wait_for_runners(<[_]>::is_empty, PATIENCE).await.unwrap();
}

async fn an_unmapped_job(installation: Arc<Installation>) {
    let job = installation.run(JobSpec::new("unmapped").script(["echo done"])).await;
    assert_eq!(job.status, Status::Success, "{}", job.log);
    let record = installation.record_in(job.id, LedgerState::Finished).await;
    assert!(record.explanation.unwrap().contains("default target"));
    let runner = record.runner.unwrap().name.to_string();
    assert!(runner.starts_with("mayfly-lambda-"), "{runner}");
    assert_eq!(job.runner_description, Some(runner));
}

async fn a_failing_job(installation: Arc<Installation>) {
    let job = installation.run(JobSpec::new("failing").script(["echo before", "exit 3"])).await;
    assert_eq!((job.status, job.exit_code), (Status::Failed, Some(3)), "{}", job.log);
    assert!(job.log.contains("before"), "{}", job.log);
    installation.record_in(job.id, LedgerState::Finished).await;
}

async fn credentials(installation: Arc<Installation>) {
    for (name, expected) in [("without-rights", "credentials: none"), ("with-rights", "credentials: some")] {
        let script = [
            "if [ -n \"$AWS_SECRET_ACCESS_KEY\" ]; then echo credentials: some; else echo credentials: none; fi",
            "if env | grep ^AWS_LAMBDA_; then exit 1; fi",
        ];
        let job = installation.run(JobSpec::new(name).script(script)).await;
        assert_eq!(job.status, Status::Success, "{}", job.log);
        assert!(job.log.contains(expected), "{name}: {}", job.log);
    }
}

/// The private folders of jobs are new each time, so the first one leaves something outside of its own.
async fn no_leftovers(installation: Arc<Installation>) {
    let script = [
        "cd \"$TMPDIR/../..\" && echo environment: $PWD.",
        "echo left > left-behind",
        "nohup setsid sleep 4321 > /dev/null 2>&1 &",
    ];
    let first = installation.run(JobSpec::new("first").script(script)).await;
    assert_eq!(first.status, Status::Success, "{}", first.log);
    let script = [
        "cd \"$TMPDIR/../..\" && echo environment: $PWD.",
        "if [ -e left-behind ]; then echo found a file; exit 1; fi",
        "if pgrep -f 'sleep 432[1]'; then echo found a process; exit 1; fi",
    ];
    let second = installation.run(JobSpec::new("second").script(script)).await;
    assert_eq!(second.status, Status::Success, "{}", second.log);
    let environment =
        |log: &str| log.lines().find(|line| line.starts_with("environment: ")).map(str::to_owned);
    assert_eq!(environment(&first.log), environment(&second.log), "both ran in one environment");
    assert!(environment(&first.log).is_some(), "{}", first.log);
}
