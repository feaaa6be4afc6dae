//! Events that never come, and what dead processes leave behind: the reconciler makes it good.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use libtest_mimic::Trial;
use mayfly_core::clock::{Clock, SystemClock};
use mayfly_core::event::JobEvent;
use mayfly_core::ids::{GitlabHost, JobId, JobKey, RunnerId};
use mayfly_core::launch::{Claim, Holder, LaunchRequest, LaunchStep, RefProtection};
use mayfly_core::ledger::{LedgerRecord, LedgerState};
use mayfly_core::mapping::{RunnerSettings, Target};
use mayfly_core::ports::{Ledger, NewRunner, Written};
use mayfly_core::status::JobStatus;
use mayfly_gitlab::client::{GitlabClient, GitlabClientConfig};
use mayfly_local::ledger::EmbeddedLedger;
use mayfly_standins::gitlab::{JobSpec, Status};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::command::trial;
use crate::jobs::until_released;
use crate::look::timeline;
use crate::mayfly::{LONG, Mayfly, Scene};

/// A pass each second, and no long waits before it repairs something.
const QUICK: &str = "[reconcile]\nevery-seconds = 1\ngrace-seconds = 1\noverdue-seconds = 1\n";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_lost_pending_is_served", lost_pending()),
        trial("a_job_whose_events_are_all_lost_runs_and_is_finished_in_the_ledger", all_lost()),
        trial(
            "a_registration_that_nobody_uses_is_removed_and_those_of_others_are_not",
            unused_registration(),
        ),
        trial("a_dry_run_only_tells_what_it_would_do", dry_run()),
        trial("without_an_api_token_gitlab_is_asked_nothing_and_a_dead_dispatchers_job_runs", no_api_token()),
        trial("a_server_that_stops_starts_nothing_for_a_job_it_finds", while_stopping()),
        trial("a_pass_that_cannot_look_everywhere_fails_visibly", gitlab_down()),
        trial("no_time_between_passes_means_no_passes", never()),
    ]
}

/// A scene with a quick reconciler that tells of each pass.
async fn quick_scene() -> Scene {
    Scene::new().await.with_file(QUICK).with("MAYFLY_LOG", "info,mayfly_local=debug")
}

/// A Mayfly whose reconciler watches the project, because a job in it runs until the file is there.
async fn watching(scene: &Scene) -> (Mayfly, JobId, PathBuf) {
    let mut mayfly = scene.start().await;
    let release = scene.data_dir().join("release");
    let jobs = scene.gitlab.run_pipeline(scene.project, vec![until_released("long", &release)]).unwrap();
    scene.gitlab.wait_for(jobs[0], Status::Running, LONG).await.unwrap();
    mayfly.log_line("Reconciled: 1 open records").await;
    (mayfly, jobs[0], release)
}

/// A job that waits and whose events of that never come.
fn unheard_job(scene: &Scene) -> JobId {
    scene.gitlab.hold_webhooks(true);
    let jobs = scene.gitlab.run_pipeline(scene.project, vec![JobSpec::new("unheard")]).unwrap();
    let lost = scene.gitlab.take_held_deliveries();
    assert!(lost.iter().any(|delivery| delivery.status == Status::Pending), "{lost:?}");
    jobs[0]
}

fn key_of(scene: &Scene, job: JobId) -> JobKey {
    JobKey { host: GitlabHost::of_url(scene.gitlab.url()).unwrap(), project: scene.project, job }
}

async fn end(scene: &Scene, mayfly: Mayfly, long: JobId, release: &Path) {
    std::fs::write(release, "").unwrap();
    scene.gitlab.wait_for(long, Status::Success, LONG).await.unwrap();
    mayfly.stop().await;
}

async fn lost_pending() {
    let scene = quick_scene().await;
    let (mut mayfly, long, release) = watching(&scene).await;
    let job = unheard_job(&scene);
    scene.gitlab.hold_webhooks(false);
    mayfly.log_line(&format!("Repaired (start a runner for job {}", key_of(&scene, job))).await;
    scene.gitlab.wait_for(job, Status::Success, LONG).await.unwrap();
    let health = mayfly.health().await;
    assert!(health["reconciler"]["repairs"]["made"]["start"].as_u64() >= Some(1), "{health}");
    assert_eq!(health["reconciler"]["last_pass"]["failed"], false, "{health}");
    assert_eq!(health["runners"]["started"], 2, "{health}");
    end(&scene, mayfly, long, &release).await;
}

async fn all_lost() {
    let scene = quick_scene().await;
    let (mut mayfly, long, release) = watching(&scene).await;
    let job = unheard_job(&scene);
    scene.gitlab.wait_for(job, Status::Success, LONG).await.unwrap();
    let key = key_of(&scene, job);
    mayfly.log_line(&format!("Job {key} is over: success")).await;
    let story = timeline(&scene, &key.to_string()).await;
    assert_eq!(story["state"], "finished", "{story}");
    let reasons = story["transitions"].to_string();
    assert!(reasons.contains("the job is over: success"), "{story}");
    scene.gitlab.take_held_deliveries();
    scene.gitlab.hold_webhooks(false);
    end(&scene, mayfly, long, &release).await;
}

/// Registers a runner as the Mayfly of this installation would, and forgets it.
async fn leave_registration(scene: &Scene, installation: &str) -> RunnerId {
    let client = GitlabClient::new(GitlabClientConfig {
        url: scene.gitlab.url().clone(),
        api_token: Some(scene.gitlab.api_token().to_owned().into()),
        ca_pem: None,
        timeout: LONG,
    });
    let runner = NewRunner {
        name: "mayfly-local-forgotten".parse().unwrap(),
        installation: installation.parse().unwrap(),
        project: scene.project,
        tags: ["linux"].into_iter().collect(),
        maximum_timeout: Duration::from_mins(10),
    };
    client.unwrap().create_runner(&runner).await.unwrap().id
}

async fn unused_registration() {
    let scene = quick_scene().await;
    std::fs::create_dir(scene.data_dir()).unwrap();
    std::fs::write(scene.data_dir().join("installation"), "this-one").unwrap();
    let (not_ours, _) = scene.gitlab.create_shared_runner(scene.project, ["linux"]);
    let elsewhere = leave_registration(&scene, "another-one").await;
    let ours = leave_registration(&scene, "this-one").await;
    let mut mayfly = scene.start().await;
    mayfly.log_line(&format!("Repaired (remove registration {ours} ")).await;
    let left = scene.gitlab.wait_for_runners(|runners| runners.len() == 2, LONG).await.unwrap();
    assert_eq!(left.iter().map(|runner| runner.id).collect::<Vec<_>>(), [not_ours, elsewhere]);
    mayfly.stop().await;
}

async fn dry_run() {
    let scene = quick_scene().await.with_file(&format!("{QUICK}dry-run = true\n"));
    let (mut mayfly, long, release) = watching(&scene).await;
    let job = unheard_job(&scene);
    scene.gitlab.hold_webhooks(false);
    // With the second one, the first is over.
    mayfly.log_lines(&format!("Would start a runner for job {}", key_of(&scene, job)), 2).await;
    assert_eq!(scene.gitlab.job(job).unwrap().status, Status::Pending);
    let health = mayfly.health().await;
    assert_eq!(health["reconciler"]["dry_run"], true, "{health}");
    assert_eq!(health["reconciler"]["repairs"]["made"], json!({}), "{health}");
    assert_eq!(
        (&health["queue"]["waiting"], &health["runners"]["started"]),
        (&json!(0), &json!(1)),
        "{health}"
    );
    end(&scene, mayfly, long, &release).await;
}

/// The record of a job that a dispatcher claimed, and then died.
fn abandoned(scene: &Scene, job: JobId, now: Timestamp) -> LedgerRecord {
    let then = now - SignedDuration::from_mins(10);
    let event = JobEvent {
        key: key_of(scene, job),
        name: "build".parse().unwrap(),
        status: JobStatus::Pending,
        project: None,
        pipeline: None,
        runner: None,
        queued_seconds: None,
        failure_reason: None,
        received_at: then,
    };
    let mut record = LedgerRecord::new(&event, then);
    record.claim = Some(Claim {
        holder: Holder("one that died".to_owned()),
        lease_until: then + SignedDuration::from_mins(2),
        attempt: 0,
        lost_runners: 0,
        refusals: 0,
        step: 0,
        request: Arc::new(LaunchRequest {
            target: Target::Local,
            settings: RunnerSettings { wait_timeout_seconds: 5, ..RunnerSettings::default() },
            mapping: "default".to_owned(),
            tags: ["linux"].into_iter().collect(),
            project: scene.project,
            protection: RefProtection::Unknown,
            machine: None,
            steps: vec![LaunchStep::Local],
        }),
        registered: None,
        fleet: None,
    });
    record.enter(LedgerState::Claimed, "a job waits", then);
    record
}

async fn no_api_token() {
    let scene = quick_scene().await;
    let (_, token) = scene.gitlab.create_shared_runner(scene.project, ["linux"]);
    let scene = scene
        .without("MAYFLY_API_TOKEN")
        .with("MAYFLY_REGISTRATION", "shared")
        .with("MAYFLY_RUNNER_TOKEN", token);
    let mut mayfly = scene.start_without_hook().await;
    let jobs = scene.gitlab.run_pipeline(scene.project, vec![JobSpec::new("build").tags(["linux"])]).unwrap();
    let now = SystemClock.now();
    let ledger = EmbeddedLedger::open(&scene.data_dir()).unwrap();
    let written = ledger.ledger().put(&abandoned(&scene, jobs[0], now), now).await.unwrap();
    assert_eq!(written, Written::Yes);
    mayfly.log_line("Repaired (start a runner for job").await;
    scene.gitlab.wait_for(jobs[0], Status::Success, LONG).await.unwrap();
    let asked: Vec<_> = scene.gitlab.requests();
    let questions: Vec<_> = asked.iter().filter(|request| request.method == "GET").collect();
    assert!(questions.is_empty(), "{questions:?}");
    let health = mayfly.health().await;
    assert_eq!(health["reconciler"]["last_pass"]["failed"], false, "{health}");
    mayfly.stop().await;
}

async fn while_stopping() {
    let scene = quick_scene().await;
    let (mut mayfly, _, release) = watching(&scene).await;
    mayfly.signal(Signal::SIGTERM);
    mayfly.log_line("Waiting up to").await;
    let job = unheard_job(&scene);
    mayfly.log_line("Repaired (start a runner for job").await;
    std::fs::write(&release, "").unwrap();
    assert!(mayfly.exit().await.success());
    let started = mayfly.log().iter().filter(|line| line.contains("Started runner")).count();
    assert_eq!(started, 1, "{}", mayfly.log().join("\n"));
    assert_eq!(scene.gitlab.job(job).unwrap().status, Status::Pending);

    // The next server does.
    let mayfly = scene.start_without_hook().await;
    scene.gitlab.wait_for(job, Status::Success, LONG).await.unwrap();
    mayfly.stop().await;
}

async fn gitlab_down() {
    let scene = quick_scene().await;
    let mut mayfly = scene.start().await;
    mayfly.log_line("Reconciled: 0 open records, 0 repairs").await;
    scene.gitlab.set_down(true);
    // With the second one, the first is over.
    mayfly.log_lines("The reconciler could not look everywhere", 2).await;
    let health = mayfly.health().await;
    assert_eq!(health["reconciler"]["last_pass"]["failed"], true, "{health}");
    assert!(health["reconciler"]["last_pass"]["failures"].to_string().contains("GitLab"), "{health}");
    assert_eq!(health["status"], "ok", "webhooks are taken all the same: {health}");
    scene.gitlab.set_down(false);
    mayfly.stop().await;
}

async fn never() {
    let scene = Scene::new().await.with_file("[reconcile]\nevery-seconds = 0\n");
    let mayfly = scene.start_without_hook().await;
    let health = mayfly.health().await;
    assert_eq!(health["reconciler"]["every_seconds"], 0, "{health}");
    assert_eq!(health["reconciler"]["last_pass"], Value::Null, "{health}");
    mayfly.stop().await;
}
