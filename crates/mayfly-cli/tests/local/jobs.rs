//! Whole jobs, from webhook to the last runner gone.

use std::path::Path;

use libtest_mimic::Trial;
use mayfly_standins::gitlab::{JobSpec, Status};
use nix::sys::signal::Signal;

use crate::command::trial;
use crate::mayfly::{LONG, Scene, WEBHOOK_TOKEN};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("per_job_registration_runs_a_job_and_leaves_nothing", per_job()),
        trial("shared_registration_removes_its_manager_and_keeps_the_runner", shared()),
        trial("legacy_registration_runs_a_job_and_leaves_nothing", legacy()),
        trial("a_failed_job_is_failed_and_its_runner_is_gone", failed_job()),
        trial("a_job_canceled_while_it_waits_leaves_no_runner", canceled_while_pending()),
        trial("jobs_beyond_the_limit_wait_for_their_turn", limit()),
        trial("jobs_that_swap_runners_beyond_the_limit_all_run", swapped()),
        trial("a_signed_webhook_is_enough", signed()),
        trial("a_mapping_decides_and_none_is_not_ours", mapping()),
        trial("the_job_sees_neither_settings_nor_tokens", environment()),
        trial("a_running_job_ends_before_mayfly_stops", graceful_stop()),
        trial("a_second_signal_ends_the_jobs", hurried_stop()),
    ]
}

fn job(name: &str, line: &str) -> JobSpec {
    JobSpec::new(name).tags(["linux"]).script([line])
}

async fn per_job() {
    let scene = Scene::new().await;
    let mut mayfly = scene.start().await;
    let jobs = scene.gitlab.run_pipeline(scene.project, vec![job("build", "echo it works")]).unwrap();
    let over = scene.gitlab.wait_for(jobs[0], Status::Success, LONG).await.unwrap();
    assert!(over.runner_description.unwrap().starts_with("mayfly-local-"));
    scene.gitlab.wait_for_runners(<[_]>::is_empty, LONG).await.unwrap();
    mayfly.log_line("left: its job is over").await;
    let started = mayfly.log().iter().filter(|line| line.contains("Started runner")).count();
    assert_eq!(started, 1);
    for secret in [scene.gitlab.api_token(), WEBHOOK_TOKEN, "glrt-"] {
        assert!(!mayfly.log().join("\n").contains(secret), "the log tells `{secret}`");
    }
    mayfly.stop().await;
    let left = std::fs::read_dir(scene.data_dir().join("runners")).unwrap().count();
    assert_eq!(left, 0, "no runner's folder is left");
}

async fn shared() {
    let scene = Scene::new().await;
    let (_, token) = scene.gitlab.create_shared_runner(scene.project, ["linux"]);
    let scene = scene
        .without("MAYFLY_API_TOKEN")
        .with("MAYFLY_REGISTRATION", "shared")
        .with("MAYFLY_RUNNER_TOKEN", token);
    let mayfly = scene.start().await;
    let jobs = scene.gitlab.run_pipeline(scene.project, vec![job("build", "true")]).unwrap();
    scene.gitlab.wait_for(jobs[0], Status::Success, LONG).await.unwrap();
    let no_managers = |runners: &[mayfly_standins::gitlab::RunnerSnapshot]| {
        runners.len() == 1 && runners[0].managers.is_empty()
    };
    scene.gitlab.wait_for_runners(no_managers, LONG).await.unwrap();
    mayfly.stop().await;
}

async fn legacy() {
    let scene = Scene::new().await;
    scene.gitlab.set_registration_tokens_allowed(true);
    let token = scene.gitlab.registration_token().to_owned();
    let scene = scene
        .without("MAYFLY_API_TOKEN")
        .with("MAYFLY_REGISTRATION", "registration-token")
        .with("MAYFLY_REGISTRATION_TOKEN", token);
    let mayfly = scene.start().await;
    // Without an API token nobody tells the job's tags: the runner takes jobs without any.
    let jobs = scene.gitlab.run_pipeline(scene.project, vec![JobSpec::new("build")]).unwrap();
    scene.gitlab.wait_for(jobs[0], Status::Success, LONG).await.unwrap();
    scene.gitlab.wait_for_runners(<[_]>::is_empty, LONG).await.unwrap();
    mayfly.stop().await;
}

async fn failed_job() {
    let scene = Scene::new().await;
    let mayfly = scene.start().await;
    let jobs = scene.gitlab.run_pipeline(scene.project, vec![job("test", "exit 3")]).unwrap();
    let over = scene.gitlab.wait_for(jobs[0], Status::Failed, LONG).await.unwrap();
    assert_eq!(over.exit_code, Some(3));
    scene.gitlab.wait_for_runners(<[_]>::is_empty, LONG).await.unwrap();
    mayfly.stop().await;
}

async fn canceled_while_pending() {
    let scene = Scene::new().await.with("MAYFLY_WAIT_TIMEOUT", "1");
    let mut mayfly = scene.start().await;
    // GitLab does not tell that the job was canceled until its runner is on its way.
    let jobs =
        scene.gitlab.run_pipeline(scene.project, vec![job("deploy", "true").tags(["linux", "own"])]).unwrap();
    mayfly.log_line("Claimed job").await;
    scene.gitlab.cancel(jobs[0]).unwrap();
    scene.gitlab.wait_for(jobs[0], Status::Canceled, LONG).await.unwrap();
    mayfly.log_line("is over: canceled").await;
    scene.gitlab.wait_for_runners(<[_]>::is_empty, LONG).await.unwrap();
    mayfly.stop().await;
}

async fn swapped() {
    let scene = Scene::new().await.with("MAYFLY_MAX_RUNNERS", "2");
    let mut mayfly = scene.start().await;
    // Any runner may take any of these: most run on a runner that was started for another.
    let specs = (0..12).map(|number| job(&format!("job {number}"), "true")).collect();
    for job in scene.gitlab.run_pipeline(scene.project, specs).unwrap() {
        let over = scene.gitlab.wait_for(job, Status::Success, LONG).await;
        assert!(over.is_ok(), "{over:?}\n{}", mayfly.log().join("\n"));
    }
    mayfly.signal(Signal::SIGTERM);
    assert!(mayfly.exit().await.success());
    scene.gitlab.wait_for_runners(<[_]>::is_empty, LONG).await.unwrap();
}

async fn limit() {
    let scene = Scene::new().await.with("MAYFLY_MAX_RUNNERS", "1");
    let mayfly = scene.start().await;
    let names = ["one", "two", "three"];
    let jobs = names.map(|name| job(name, "true").tags([name])).to_vec();
    let jobs = scene.gitlab.run_pipeline(scene.project, jobs).unwrap();
    for job in &jobs {
        scene.gitlab.wait_for(*job, Status::Success, LONG).await.unwrap();
    }
    let mut spans: Vec<_> = jobs.iter().map(|job| scene.gitlab.job(*job).unwrap()).collect();
    spans.sort_by_key(|job| job.started_at);
    assert!(
        spans.windows(2).all(|pair| pair[0].finished_at <= pair[1].started_at),
        "one at a time: {spans:?}"
    );
    mayfly.stop().await;
}

async fn signed() {
    const SIGNING_TOKEN: &str = "whsec_dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q=";
    let scene =
        Scene::new().await.without("MAYFLY_WEBHOOK_TOKEN").with("MAYFLY_SIGNING_TOKEN", SIGNING_TOKEN);
    let mayfly = scene.start_without_hook().await;
    scene.gitlab.add_hook(scene.project, &mayfly.url("/webhook"), None, Some(SIGNING_TOKEN)).unwrap();
    let jobs = scene.gitlab.run_pipeline(scene.project, vec![job("build", "true")]).unwrap();
    scene.gitlab.wait_for(jobs[0], Status::Success, LONG).await.unwrap();
    mayfly.stop().await;
}

async fn mapping() {
    let scene = Scene::new().await.with_file(
        r#"
        default-target = "none"
        [[mappings]]
        job = "deploy-*"
        project = "group/app"
        tags = ["linux", "extra"]
        type = "LOCAL"
        settings = { wait_timeout_seconds = 5 }
        "#,
    );
    let mut mayfly = scene.start().await;
    let specs = vec![job("build", "true").tags(["mac"]), job("deploy-prod", "true")];
    let jobs = scene.gitlab.run_pipeline(scene.project, specs).unwrap();
    scene.gitlab.wait_for(jobs[1], Status::Success, LONG).await.unwrap();
    let claimed = mayfly.log_line("Claimed job").await;
    assert!(claimed.contains("row `project#group/app#job#deploy-* tags#extra#linux` (LOCAL)"), "{claimed}");
    mayfly.log_line("not ours").await;
    assert_eq!(scene.gitlab.job(jobs[0]).unwrap().status, Status::Pending);
    mayfly.stop().await;
}

async fn environment() {
    let scene =
        Scene::new().await.with("AWS_SECRET_ACCESS_KEY", "aws-secret").with("CI_SERVER_TOKEN", "someone's");
    let secrets =
        ["aws-secret", "someone's", "glrt-", WEBHOOK_TOKEN, scene.gitlab.api_token()].map(str::to_owned);
    let mayfly = scene.start().await;
    // Every process of this job's session, and its parents: environment and arguments.
    // Those that the kernel hides from the user say so.
    let script = "show() { tr '\\0' '\\n' < /proc/$1/environ || echo hidden; tr '\\0' ' ' < /proc/$1/cmdline; }; \
                  env; show $PPID; show $(awk '/^PPid/ {print $2}' /proc/$PPID/status); echo; echo the end";
    let jobs = scene.gitlab.run_pipeline(scene.project, vec![job("spy", script)]).unwrap();
    let over = scene.gitlab.wait_for(jobs[0], Status::Success, LONG).await.unwrap();
    assert!(over.log.contains("PATH=") && over.log.contains("the end"), "{}", over.log);
    assert!(over.log.contains("--run-dir"), "the agent's arguments are among it: {}", over.log);
    for secret in secrets {
        assert!(!over.log.contains(&secret), "the job sees `{secret}`");
    }
    let environment_of_mayfly =
        over.log.lines().find(|line| line.starts_with("MAYFLY_") && !line.starts_with("MAYFLY_RUN_MARK="));
    assert_eq!(environment_of_mayfly, None);
    mayfly.stop().await;
}

async fn graceful_stop() {
    let scene = Scene::new().await;
    let release = tempfile::tempdir().unwrap();
    let release = release.path().join("release");
    let mut mayfly = scene.start().await;
    let jobs = scene.gitlab.run_pipeline(scene.project, vec![until_released("long", &release)]).unwrap();
    scene.gitlab.wait_for(jobs[0], Status::Running, LONG).await.unwrap();
    mayfly.signal(Signal::SIGTERM);
    mayfly.log_line("Waiting up to 600 s for 1 runners").await;
    std::fs::write(&release, "").unwrap();
    let over = scene.gitlab.wait_for_job(jobs[0], |job| job.status.is_final(), LONG).await.unwrap();
    assert_eq!(over.status, Status::Success, "{}\n{}", over.log, mayfly.log().join("\n"));
    assert!(mayfly.exit().await.success());
    scene.gitlab.wait_for_runners(<[_]>::is_empty, LONG).await.unwrap();
}

/// A job that runs until the file is there.
pub(crate) fn until_released(name: &str, release: &Path) -> JobSpec {
    job(name, &format!("until test -e '{}'; do sleep 0.1; done", release.display()))
}

async fn hurried_stop() {
    let scene = Scene::new().await;
    let mut mayfly = scene.start().await;
    let jobs = scene.gitlab.run_pipeline(scene.project, vec![job("endless", "tail -f /dev/null")]).unwrap();
    scene.gitlab.wait_for(jobs[0], Status::Running, LONG).await.unwrap();
    mayfly.signal(Signal::SIGTERM);
    mayfly.log_line("Waiting up to").await;
    mayfly.signal(Signal::SIGTERM);
    assert!(mayfly.exit().await.success());
    // GitLab heard of the job's end before the runner was gone.
    let over = scene.gitlab.job(jobs[0]).unwrap();
    assert_eq!(over.status, Status::Failed, "{}\n{}", over.log, mayfly.log().join("\n"));
    assert_eq!(over.failure_reason.as_deref(), Some("runner_interrupted"));
    scene.gitlab.wait_for_runners(<[_]>::is_empty, LONG).await.unwrap();
}
