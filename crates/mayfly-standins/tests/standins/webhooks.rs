//! Webhooks as they arrive at a receiver.

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use mayfly_core::ids::ProjectId;
use mayfly_standins::gitlab::{Answer, JobSpec, StandinGitlab, Status};
use serde_json::Value;
use sha2::Sha256;

use crate::support::{Http, Received, Runner, SOON, Sink, send};

const SIGNING_TOKEN: &str = "whsec_dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q=";

async fn gitlab_and_sink(answer: StatusCode) -> (StandinGitlab, ProjectId, Sink) {
    let gitlab = StandinGitlab::start().await.unwrap();
    let project = gitlab.create_project("group/app");
    let sink = Sink::start(answer).await;
    gitlab.add_hook(project, &sink.url, Some("the secret"), Some(SIGNING_TOKEN)).unwrap();
    (gitlab, project, sink)
}

/// The events of the receiver in the order of a job's life, whatever order they came in.
fn statuses(received: &[Received]) -> Vec<String> {
    let mut bodies: Vec<Value> = received.iter().map(Received::json).collect();
    let order = ["created", "pending", "running", "success", "failed", "canceled"];
    bodies.sort_by_key(|body| order.iter().position(|status| body["build_status"] == *status));
    bodies.iter().map(|body| body["build_status"].as_str().unwrap().to_owned()).collect()
}

fn with_status(received: &[Received], status: &str) -> Value {
    received.iter().map(Received::json).find(|body| body["build_status"] == status).unwrap()
}

#[tokio::test]
async fn a_job_that_runs_sends_four_events_with_all_headers() {
    let (gitlab, project, mut sink) = gitlab_and_sink(StatusCode::OK).await;
    let (runner_id, token) = gitlab.create_shared_runner(project, ["linux"]);
    let job = gitlab.run_pipeline(project, vec![JobSpec::new("build").tags(["linux"])]).unwrap()[0];
    let mut runner = Runner::start(&gitlab, &token, &["--max-builds", "1"]);
    assert_eq!(runner.exit().await.code(), Some(0));
    let received = sink.received(4).await;
    assert_eq!(statuses(&received), ["created", "pending", "running", "success"]);
    for event in &received {
        assert_eq!(event.header("content-type"), "application/json");
        assert_eq!(event.header("x-gitlab-event"), "Job Hook");
        assert_eq!(event.header("x-gitlab-token"), "the secret");
        assert_eq!(event.header("x-gitlab-instance"), gitlab.url().as_str().trim_end_matches('/'));
        assert_eq!(event.header("webhook-id"), event.header("idempotency-key"));
        assert_eq!(event.json()["build_id"], job.0);
        assert_eq!(event.json()["project"]["path_with_namespace"], "group/app");
    }
    let created = with_status(&received, "created");
    assert!(created["build_failure_reason"].is_null() && created["build_queued_duration"].is_null());
    let pending = with_status(&received, "pending");
    assert!(pending["runner"].is_null() && pending["build_started_at"].is_null());
    let running = with_status(&received, "running");
    assert_eq!(running["runner"]["id"], runner_id.0);
    assert_eq!(running["runner"]["description"], "shared runner");
    assert_eq!(running["runner"]["tags"][0], "linux");
    assert_eq!(running["commit"]["id"], running["pipeline_id"]);
}

#[tokio::test]
async fn the_signature_covers_id_time_and_body() {
    let (gitlab, project, mut sink) = gitlab_and_sink(StatusCode::OK).await;
    gitlab.run_pipeline(project, vec![JobSpec::new("build")]).unwrap();
    let key = STANDARD.decode(SIGNING_TOKEN.strip_prefix("whsec_").unwrap()).unwrap();
    for event in sink.received(2).await {
        let signature = event.header("webhook-signature").strip_prefix("v1,").unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(
            format!("{}.{}.", event.header("webhook-id"), event.header("webhook-timestamp")).as_bytes(),
        );
        mac.update(&event.body);
        mac.verify_slice(&STANDARD.decode(signature).unwrap()).unwrap();
    }
}

#[tokio::test]
async fn without_secrets_there_is_neither_token_nor_signature() {
    let gitlab = StandinGitlab::start().await.unwrap();
    let project = gitlab.create_project("group/app");
    let mut sink = Sink::start(StatusCode::OK).await;
    gitlab.add_hook(project, &sink.url, None, None).unwrap();
    gitlab.run_pipeline(project, vec![JobSpec::new("build")]).unwrap();
    for event in sink.received(2).await {
        assert!(!event.headers.contains_key("x-gitlab-token"));
        assert!(!event.headers.contains_key("webhook-signature"));
        assert!(event.headers.contains_key("webhook-timestamp"));
    }
}

#[tokio::test]
async fn a_job_canceled_while_pending_names_no_runner() {
    let (gitlab, project, mut sink) = gitlab_and_sink(StatusCode::OK).await;
    let job = gitlab.run_pipeline(project, vec![JobSpec::new("build")]).unwrap()[0];
    gitlab.cancel(job).unwrap();
    let received = sink.received(3).await;
    assert_eq!(statuses(&received), ["created", "pending", "canceled"]);
    let canceled = with_status(&received, "canceled");
    assert!(canceled["runner"].is_null() && canceled["build_started_at"].is_null());
    assert_eq!(canceled["build_failure_reason"], "unknown_failure");
}

#[tokio::test]
async fn a_manual_job_is_pending_only_when_it_is_played() {
    let (gitlab, project, mut sink) = gitlab_and_sink(StatusCode::OK).await;
    let job = gitlab.run_pipeline(project, vec![JobSpec::new("deploy").manual()]).unwrap()[0];
    assert_eq!(gitlab.job(job).unwrap().status, Status::Manual);
    assert_eq!(gitlab.deliveries().len(), 1);
    gitlab.play(job).unwrap();
    assert_eq!(statuses(&sink.received(2).await), ["created", "pending"]);
}

#[tokio::test]
async fn held_deliveries_go_out_in_the_order_the_test_wants() {
    let (gitlab, project, mut sink) = gitlab_and_sink(StatusCode::OK).await;
    gitlab.hold_webhooks(true);
    let job = gitlab.run_pipeline(project, vec![JobSpec::new("build")]).unwrap()[0];
    gitlab.cancel(job).unwrap();
    let held = gitlab.take_held_deliveries();
    for delivery in held.iter().rev() {
        assert_eq!(
            gitlab.resend(delivery).await.unwrap().answer.and_then(|answer| answer.status()),
            Some(200)
        );
    }
    let arrived: Vec<Value> =
        sink.received(3).await.iter().map(|event| event.json()["build_status"].clone()).collect();
    assert_eq!(arrived, ["canceled", "pending", "created"]);
}

#[tokio::test]
async fn released_deliveries_go_out_by_themselves() {
    let (gitlab, project, mut sink) = gitlab_and_sink(StatusCode::OK).await;
    gitlab.hold_webhooks(true);
    gitlab.run_pipeline(project, vec![JobSpec::new("build")]).unwrap();
    assert!(gitlab.deliveries().iter().all(|delivery| delivery.sent_at.is_none()));
    gitlab.hold_webhooks(false);
    assert_eq!(statuses(&sink.received(2).await), ["created", "pending"]);
}

#[tokio::test]
async fn a_failed_delivery_is_noted_and_not_repeated_and_a_resent_one_keeps_its_id() {
    let (gitlab, project, mut sink) = gitlab_and_sink(StatusCode::SERVICE_UNAVAILABLE).await;
    gitlab.run_pipeline(project, vec![JobSpec::new("build")]).unwrap();
    let answered = |delivery: &mayfly_standins::gitlab::Delivery| {
        delivery.answer.as_ref().and_then(Answer::status) == Some(503)
    };
    let deliveries = gitlab.wait_for_deliveries(|all| all.iter().all(answered), SOON).await.unwrap();
    assert_eq!(deliveries.len(), 2);
    gitlab.resend(&deliveries[1]).await.unwrap();
    let received = sink.received(3).await;
    assert_eq!(received.len(), 3);
    assert_eq!(received[2].header("webhook-id"), deliveries[1].webhook_id);
    assert_eq!(received[2].body, deliveries[1].body);
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_noted() {
    let gitlab = StandinGitlab::start().await.unwrap();
    let project = gitlab.create_project("group/app");
    gitlab.add_hook(project, "http://127.0.0.1:1/", None, None).unwrap();
    gitlab.run_pipeline(project, vec![JobSpec::new("build")]).unwrap();
    let unheard =
        |delivery: &mayfly_standins::gitlab::Delivery| matches!(delivery.answer, Some(Answer::Nobody(_)));
    gitlab.wait_for_deliveries(|all| all.iter().all(unheard), SOON).await.unwrap();
}

#[tokio::test]
async fn the_end_of_a_job_whose_runner_is_deleted_names_no_runner() {
    let (gitlab, project, mut sink) = gitlab_and_sink(StatusCode::OK).await;
    let (runner, token) = gitlab.create_shared_runner(project, ["linux"]);
    let job = gitlab.run_pipeline(project, vec![JobSpec::new("build").tags(["linux"])]).unwrap()[0];
    let http = Http::new(&gitlab);
    let (status, given) =
        send(http.request("POST", "jobs/request").json(&serde_json::json!({"token": token}))).await;
    assert_eq!((status, given["id"].as_u64()), (201, Some(job.0)));
    gitlab.delete_runner(runner).unwrap();
    let end = serde_json::json!({"token": given["token"], "state": "success"});
    assert_eq!(send(http.request("PUT", &format!("jobs/{job}")).json(&end)).await.0, 200);
    assert!(with_status(&sink.received(4).await, "success")["runner"].is_null());
}

#[tokio::test]
async fn a_wrong_signing_token_is_refused() {
    let gitlab = StandinGitlab::start().await.unwrap();
    let project = gitlab.create_project("group/app");
    assert!(gitlab.add_hook(project, "http://127.0.0.1:1/", None, Some("whsec_dGVzdA==")).is_err());
}
