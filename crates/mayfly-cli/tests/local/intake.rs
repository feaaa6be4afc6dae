//! What comes in at the door: the documented payload, repeated and out of order; what is not authentic; what is no job event.

use libtest_mimic::Trial;
use mayfly_standins::gitlab::{Answer, JobSpec, Status};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::command::trial;
use crate::mayfly::{LONG, Mayfly, Scene, WEBHOOK_TOKEN};

/// The example of GitLab's documentation, whose job is only `created`.
const DOCUMENTED: &str = include_str!("../../../../fixtures/gitlab/job-created-documented.json");

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("the_documented_payload_starts_one_runner", documented()),
        trial("the_same_payload_fifty_times_at_once_starts_one_runner", fifty_times()),
        trial("success_before_pending_starts_none", success_first()),
        trial("what_is_not_authentic_is_refused_and_leaves_no_trace", not_authentic()),
        trial("what_is_no_job_event_is_ignored_with_a_reason_and_counted", no_job_event()),
        trial("absurd_names_are_kept_apart_and_their_jobs_run", absurd_names()),
        trial("a_locked_store_answers_503_and_keeps_the_event", locked_store()),
        trial("a_store_that_is_gone_answers_503_and_keeps_the_event", store_gone()),
    ]
}

fn documented_as(status: &str) -> String {
    let mut body: Value = serde_json::from_str(DOCUMENTED).unwrap();
    assert_eq!(body["build_status"], "created");
    body["build_status"] = json!(status);
    body.to_string()
}

/// A Mayfly whose runners share a token: the documented job is of no project that the stand-in has.
async fn shared_scene() -> Scene {
    let scene = Scene::new().await;
    let (_, token) = scene.gitlab.create_shared_runner(scene.project, ["linux"]);
    scene.without("MAYFLY_API_TOKEN").with("MAYFLY_REGISTRATION", "shared").with("MAYFLY_RUNNER_TOKEN", token)
}

fn post(mayfly: &Mayfly, body: impl Into<reqwest::Body>) -> RequestBuilder {
    let client = mayfly_gitlab::http_client(None, LONG).unwrap();
    client.post(mayfly.url("/webhook")).header("Content-Type", "application/json").body(body)
}

async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn send(mayfly: &Mayfly, body: impl Into<reqwest::Body>) -> (u16, Value) {
    answer(post(mayfly, body).header("X-Gitlab-Token", WEBHOOK_TOKEN)).await
}

async fn documented() {
    let mut scene = shared_scene().await;
    scene = scene.with_file(
        "[[mappings]]\njob = \"test\"\ntype = \"LOCAL\"\nsettings = { wait_timeout_seconds = 5 }\n",
    );
    let mut mayfly = scene.start_without_hook().await;
    let (status, reason) = send(&mayfly, documented_as("pending")).await;
    assert_eq!((status, &reason["outcome"]), (202, &json!("accepted")), "{reason}");
    mayfly.log_line("Started runner mayfly-local-").await;
    assert_eq!(mayfly.health().await["runners"]["live"], 1);
    mayfly.stop().await;
}

async fn fifty_times() {
    let scene = shared_scene().await;
    let mut mayfly = scene.start_without_hook().await;
    let mut sending = JoinSet::new();
    for _ in 0..50 {
        let request = post(&mayfly, documented_as("pending")).header("X-Gitlab-Token", WEBHOOK_TOKEN);
        sending.spawn(answer(request));
    }
    for (status, reason) in sending.join_all().await {
        assert_eq!(status, 202, "{reason}");
    }
    // Who comes while the first one starts it looks again later.
    let told = [
        "Started nothing for job 192.168.64.1:3005/380/1977: a runner was started for it already",
        "Job 192.168.64.1:3005/380/1977 waits: a start of its runner is under way",
    ];
    mayfly.log_lines_with_any(&told, 49).await;
    assert_eq!(mayfly.log().iter().filter(|line| line.contains("Started runner")).count(), 1);
    assert_eq!(mayfly.health().await["runners"]["live"], 1);
    mayfly.stop().await;
}

async fn success_first() {
    let scene = shared_scene().await;
    let mut mayfly = scene.start_without_hook().await;
    assert_eq!(send(&mayfly, documented_as("success")).await.0, 202);
    mayfly.log_line("is over: success").await;
    assert_eq!(send(&mayfly, documented_as("pending")).await.0, 202);
    mayfly.log_line("Started nothing for job 192.168.64.1:3005/380/1977: the job is over").await;
    assert_eq!(mayfly.health().await["runners"]["live"], 0);
    mayfly.stop().await;
}

async fn not_authentic() {
    const SIGNING_TOKEN: &str = "whsec_dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q=";
    let body = documented_as("pending");
    let scene = shared_scene().await;
    let mayfly = scene.start_without_hook().await;
    for request in [
        post(&mayfly, body.clone()),
        post(&mayfly, body.clone()).header("X-Gitlab-Token", "wrong"),
        post(&mayfly, body.clone()).header("X-Gitlab-Token", ""),
        post(&mayfly, body.clone()).header("X-Gitlab-Token", format!("{WEBHOOK_TOKEN}x")),
    ] {
        check_refused(&mayfly, request).await;
    }
    mayfly.stop().await;

    // A signature that was right in April 2025, over a body that nobody changed since.
    let scene = shared_scene().await.with("MAYFLY_SIGNING_TOKEN", SIGNING_TOKEN);
    let mayfly = scene.start_without_hook().await;
    let old = r#"{"object_kind":"build","build_id":1977,"build_status":"pending"}"#;
    let stale = post(&mayfly, old)
        .header("webhook-id", "f5e5f430-f57b-4e6e-9fac-d9128cd7232f")
        .header("webhook-timestamp", "1744578123")
        .header("webhook-signature", "v1,mDPaUN5vaz499R9VF8mrgvzCkGPt7BDAqKDUTKpzmtc=");
    check_refused(&mayfly, stale).await;
    let token_alone = post(&mayfly, body).header("X-Gitlab-Token", WEBHOOK_TOKEN);
    check_refused(&mayfly, token_alone).await;
    mayfly.stop().await;
}

async fn check_refused(mayfly: &Mayfly, request: RequestBuilder) {
    let (status, reason) = answer(request).await;
    assert_eq!((status, reason), (401, json!({ "outcome": "refused", "reason": "not authentic" })));
    check_nothing_is_kept(mayfly).await;
}

async fn check_nothing_is_kept(mayfly: &Mayfly) {
    let health = mayfly.health().await;
    assert_eq!((&health["queue"]["waiting"], &health["runners"]["live"]), (&json!(0), &json!(0)), "{health}");
    assert_eq!(health["webhooks"]["accepted"], Value::Null, "{health}");
}

async fn no_job_event() {
    let scene = shared_scene().await;
    let mayfly = scene.start_without_hook().await;
    let wrong_type = documented_as("pending").replace("1095.588715", "\"soon\"");
    let wrong_runner = documented_as("pending").replace("\"id\":380987", "\"id\":[]");
    let mut large = documented_as("pending");
    large.insert_str(1, &format!("\"padding\":\"{}\",", "x".repeat(25_000_000)));
    let bodies: [(&str, Vec<u8>, &str); 8] = [
        ("not_json", b"{\"object_kind\":".to_vec(), ""),
        ("not_json", b"\xff\xfe{}".to_vec(), ""),
        ("not_json", Vec::new(), ""),
        ("other_hook", include_bytes!("../../../../fixtures/gitlab/push.json").to_vec(), "push"),
        ("unknown_status", documented_as("manual").into_bytes(), "manual"),
        ("unreadable", wrong_type.into_bytes(), "build_queued_duration"),
        ("unreadable", wrong_runner.into_bytes(), "runner"),
        ("too_large", large.into_bytes(), "4 MiB"),
    ];
    for (kind, body, named) in bodies {
        let before = mayfly.health().await["webhooks"]["ignored_by_kind"][kind].as_u64().unwrap_or(0);
        let (status, reason) = send(&mayfly, body).await;
        assert_eq!((status, &reason["outcome"]), (200, &json!("ignored")), "{kind}: {reason}");
        let said = reason["reason"].as_str().unwrap();
        assert!(said.contains(named) && !said.is_empty(), "{kind}: {said}");
        assert_eq!(mayfly.health().await["webhooks"]["ignored_by_kind"][kind], before + 1, "{kind}");
    }
    check_nothing_is_kept(&mayfly).await;
    let with_unknown_fields = documented_as("pending").replacen('{', "{\"of_the_future\":{\"a\":[1]},", 1);
    assert_eq!(send(&mayfly, with_unknown_fields).await.0, 202, "fields nobody knows do no harm");
    mayfly.stop().await;
}

async fn absurd_names() {
    let scene = Scene::new().await.with("MAYFLY_MAX_RUNNERS", "8").with_file(
        "[[mappings]]\njob = \"c# 🚀 100%\"\ntags = [\"a#b\"]\ntype = \"LOCAL\"\nsettings = { wait_timeout_seconds = 5 }\n",
    );
    let mut mayfly = scene.start().await;
    let long = "ü".repeat(255);
    let specs = ["c# 🚀 100%", "c%23 🚀 100%25", long.as_str(), "job#x tags#"]
        .map(|name| JobSpec::new(name).tags(["a#b"]))
        .to_vec();
    let jobs = scene.gitlab.run_pipeline(scene.project, specs).unwrap();
    for job in &jobs {
        scene.gitlab.wait_for(*job, Status::Success, LONG).await.unwrap();
    }
    let claimed = mayfly.log_lines("Claimed job", 4).await;
    let mapped: Vec<&String> =
        claimed.iter().filter(|line| line.contains("row `job#c%23 🚀 100%25 tags#a%23b`")).collect();
    assert_eq!(mapped.len(), 1, "{claimed:?}");
    mayfly.stop().await;
}

async fn locked_store() {
    let scene = Scene::new().await;
    let mut mayfly = scene.start().await;
    let locker = rusqlite::Connection::open(scene.data_dir().join("mayfly.db")).unwrap();
    locker.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let job = check_503(&scene, &mut mayfly, "locked").await;
    locker.execute_batch("ROLLBACK").unwrap();
    scene.gitlab.wait_for(job, Status::Success, LONG).await.unwrap();
    assert_eq!(mayfly.health().await["status"], "ok");
    mayfly.stop().await;
}

async fn store_gone() {
    let scene = Scene::new().await;
    let mut mayfly = scene.start().await;
    let (here, away) = (scene.data_dir().join("mayfly.db"), scene.data_dir().join("away.db"));
    std::fs::rename(&here, &away).unwrap();
    let job = check_503(&scene, &mut mayfly, "is gone").await;
    std::fs::rename(&away, &here).unwrap();
    scene.gitlab.wait_for(job, Status::Success, LONG).await.unwrap();
    mayfly.stop().await;
}

/// Every webhook of a new job is answered 503, with the reason, and kept.
async fn check_503(scene: &Scene, mayfly: &mut Mayfly, cause: &str) -> mayfly_core::ids::JobId {
    let jobs = scene.gitlab.run_pipeline(scene.project, vec![JobSpec::new("build")]).unwrap();
    let is_answered = |deliveries: &[mayfly_standins::gitlab::Delivery]| {
        deliveries.iter().any(|delivery| delivery.status == Status::Pending && delivery.answer.is_some())
    };
    let deliveries = scene.gitlab.wait_for_deliveries(is_answered, LONG).await.unwrap();
    let pending = deliveries.into_iter().find(|delivery| delivery.status == Status::Pending).unwrap();
    match pending.answer.unwrap() {
        Answer::Http { status, body } => {
            assert_eq!(status, 503);
            assert!(body.contains(cause) && body.contains("the event is kept in memory"), "{body}");
        }
        Answer::Nobody(error) => panic!("{error}"),
    }
    let health = mayfly.health().await;
    assert_eq!(health["status"], "degraded");
    assert!(health["queue"]["store_error"].as_str().unwrap().contains(cause), "{health}");
    jobs[0]
}
