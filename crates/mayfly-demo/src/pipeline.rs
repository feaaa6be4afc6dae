//! The pipeline: one job that passes, one that fails, one canceled while it waits, one that is retried.

use std::io::{Write, stdout};
use std::time::Duration;

use anyhow::{Context, ensure};
use mayfly_core::clock::{Clock, SystemClock};
use mayfly_core::ids::{GitlabHost, JobId, JobKey};
use mayfly_standins::gitlab::{JobSpec, RunnerSnapshot, Status};
use tokio::time::timeout;

use crate::cast::Cast;
use crate::timeline::{Story, timeline};

/// Far more than it takes, also with the real `gitlab-runner`.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Runs the pipeline and prints its story.
///
/// # Errors
///
/// If a job ends otherwise than it should, or a runner is left.
pub(crate) async fn run(log: &str) -> anyhow::Result<()> {
    let data_dir = tempfile::tempdir()?;
    let cast = Cast::assemble(data_dir.path(), log).await?;
    say(&format!("GitLab   {} (a stand-in)", cast.gitlab.url()))?;
    say(&format!("Mayfly   http://{}/webhook", cast.mayfly.address()))?;
    say(&format!("Runner   {}", cast.runner))?;
    say("Times are counted from the pipeline's start.\n")?;

    let start = SystemClock.now();
    // The flaky job fails the first time, because it can make this folder.
    let first_time = data_dir.path().join("first-time").display().to_string();
    let jobs = play(&cast, first_time).await?;
    let mut live = cast.mayfly.live_runners();
    timeout(TIMEOUT, live.wait_for(|count| *count == 0))
        .await
        .context("runners are left after a minute")??;

    for (job, title, expected) in &jobs {
        let snapshot = cast.gitlab.job(*job)?;
        let key = JobKey { host: GitlabHost::of_url(cast.gitlab.url())?, project: cast.project, job: *job };
        let record =
            cast.mayfly.record(&key).await?.with_context(|| format!("the ledger does not know job {job}"))?;
        say(&timeline(&Story { title, start, snapshot: &snapshot, record: &record }))?;
        ensure!(snapshot.status == *expected, "job {job} is {}, not {expected}", snapshot.status);
    }
    let processes = *cast.mayfly.live_runners().borrow();
    let registrations = cast.gitlab.runners().len();
    cast.mayfly.stop(std::future::pending()).await?;
    say(&format!("Runners left: {processes} (registrations in GitLab: {registrations})"))?;
    ensure!(processes == 0 && registrations == 0, "a runner is left");
    Ok(())
}

/// Lets everything happen; returns the jobs, what each shows, and how each must end.
async fn play(cast: &Cast, first_time: String) -> anyhow::Result<Vec<(JobId, &'static str, Status)>> {
    let script = |line: &str| vec![line.to_owned()];
    let jobs = cast.gitlab.run_pipeline(
        cast.project,
        vec![
            JobSpec::new("build").tags(["build"]).script(script("echo building; uname -s")),
            JobSpec::new("test").tags(["test"]).script(script("echo 'a test fails'; exit 1")),
            JobSpec::new("deploy").tags(["production"]).script(script("echo never shown")),
            JobSpec::new("flaky")
                .script(script("! mkdir \"$FIRST_TIME\""))
                .variable("FIRST_TIME", first_time),
        ],
    )?;
    let [build, test, deploy, flaky] = jobs[..] else { anyhow::bail!("the pipeline has four jobs") };
    // Once its runner is on its way, so that this one is seen to leave without a job.
    let is_for_deploy = |runner: &RunnerSnapshot| runner.tags.iter().any(|tag| tag == "production");
    cast.gitlab.wait_for_runners(|runners| runners.iter().any(is_for_deploy), TIMEOUT).await?;
    cast.gitlab.cancel(deploy)?;
    for job in [build, test, flaky] {
        wait_until_over(cast, job).await?;
    }
    let again = cast.gitlab.retry(flaky)?;
    wait_until_over(cast, again).await?;
    Ok(vec![
        (build, "a job that passes", Status::Success),
        (test, "a job that fails", Status::Failed),
        (deploy, "a job canceled while it waits", Status::Canceled),
        (flaky, "a job that fails and is retried", Status::Failed),
        (again, "its retry: a new job id, and so a new runner", Status::Success),
    ])
}

async fn wait_until_over(cast: &Cast, job: JobId) -> anyhow::Result<()> {
    cast.gitlab
        .wait_for_job(job, |job| job.status.is_final(), TIMEOUT)
        .await
        .with_context(|| format!("job {job} is not over after a minute"))?;
    Ok(())
}

fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(stdout(), "{line}")?)
}
