//! What goes wrong, and what becomes of it.

use std::sync::Arc;

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use mayfly_core::ledger::LedgerState;
use mayfly_standins::gitlab::{JobSpec, Status};
use reqwest::StatusCode;
use serde_json::json;

use crate::installation::{Installation, Test, until};

const PENDING: &str = include_str!("../../../../fixtures/gitlab/job-pending.json");
const CREATED: &str = include_str!("../../../../fixtures/gitlab/job-created-documented.json");

pub(crate) fn trials(installation: &Arc<Installation>) -> Vec<Test> {
    let here = || Arc::clone(installation);
    vec![
        ("only_who_knows_a_secret_is_heard", Box::pin(only_who_knows_a_secret(here()))),
        ("a_signed_webhook_is_heard", Box::pin(a_signed_webhook(here()))),
        ("a_job_that_waits_goes_through_the_launch_queue", Box::pin(a_job_that_waits(here()))),
        ("a_broken_mapping_parks_its_job", Box::pin(a_broken_mapping(here()))),
        ("what_cannot_be_handled_is_a_dead_letter_with_its_reason", Box::pin(a_dead_letter(here()))),
        ("a_role_that_lacks_a_right_is_refused", Box::pin(a_role_that_lacks_a_right(here()))),
    ]
}

async fn send(installation: &Installation, secret: &str, body: &'static str) -> StatusCode {
    let request = reqwest::Client::builder().build().unwrap().post(installation.webhook_url());
    let request = request.header("X-Gitlab-Event", "Job Hook").header("X-Gitlab-Token", secret);
    request.header("Content-Type", "application/json").body(body).send().await.unwrap().status()
}

async fn only_who_knows_a_secret(installation: Arc<Installation>) {
    let [first, second] = installation.webhook_secrets();
    for (secret, status) in [
        (first, StatusCode::OK),
        (second, StatusCode::OK),
        ("", StatusCode::UNAUTHORIZED),
        ("wrong", StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(send(&installation, secret, CREATED).await, status, "{secret}");
    }
}

async fn a_signed_webhook(installation: Arc<Installation>) {
    let project = installation.gitlab.create_project("group/signed");
    let token = installation.signing_token();
    installation.gitlab.add_hook(project, installation.webhook_url(), None, Some(token)).unwrap();
    let job = installation.gitlab.run_pipeline(project, vec![JobSpec::new("signed")]).unwrap()[0];
    let job = installation.end_of(job).await;
    assert_eq!(job.status, Status::Success, "{}", job.log);
}

/// GitLab refuses the first registration, so the job is tried again from the queue.
async fn a_job_that_waits(installation: Arc<Installation>) {
    installation.gitlab.fail_next_registration();
    let job = installation.run(JobSpec::new("waiting").script(["echo at last"])).await;
    assert_eq!(job.status, Status::Success, "{}", job.log);
    let record = installation.record_in(job.id, LedgerState::Finished).await;
    let reasons: Vec<_> = record.transitions.iter().map(|transition| transition.reason.as_str()).collect();
    assert!(reasons.iter().any(|reason| reason.contains("outcome unknown")), "{reasons:?}");
}

async fn a_broken_mapping(installation: Arc<Installation>) {
    let job = installation.start(JobSpec::new("broken"));
    let record = installation.record_in(job, LedgerState::Parked).await;
    let reason = &record.transitions.last().unwrap().reason;
    assert!(reason.contains("attribute `type` is not"), "{reason}");
    installation.gitlab.cancel(job).unwrap();
    installation.record_in(job, LedgerState::Finished).await;
}

/// An event that nobody can read goes through rule and state machine to the dead-letter queue.
async fn a_dead_letter(installation: Arc<Installation>) {
    let detail = json!({ "status": "pending", "key": "not a job key", "mark": "of the dead letter" });
    let entry = PutEventsRequestEntry::builder()
        .event_bus_name(installation.output("infrastructure", "EventBusName"))
        .source("mayfly.webhook")
        .detail_type("GitLab job")
        .detail(detail.to_string())
        .build();
    installation.connection.eventbridge().put_events().entries(entry).send().await.unwrap();
    let letter = installation.dead_letter("of the dead letter").await;
    assert_eq!(letter["event"], detail);
    let (machine, error) = (letter["machine"].to_string(), letter["error"].to_string());
    assert!(machine.contains("start-runner"), "{machine}");
    assert!(error.contains("Cause"), "{error}");
}

/// The webhook function gets the dispatcher's role for a moment, which may not put events.
async fn a_role_that_lacks_a_right(installation: Arc<Installation>) {
    let functions = installation.connection.lambda();
    let webhook = installation.output("infrastructure", "WebhookFunctionName");
    let role_of = async |function: &str| {
        let found = functions.get_function_configuration().function_name(function).send().await.unwrap();
        found.role.unwrap()
    };
    let dispatcher = installation.output("autoscaler", "DispatcherFunctionName");
    let (own, other) = (role_of(webhook).await, role_of(dispatcher).await);
    let become_role = async |role: &str, status: StatusCode| {
        functions.update_function_configuration().function_name(webhook).role(role).send().await.unwrap();
        let [secret, _] = installation.webhook_secrets();
        let answered =
            until(|| async { (send(&installation, secret, PENDING).await == status).then_some(()) });
        assert!(answered.await.is_some(), "with role {role} the answer did not become {status}");
    };
    become_role(&other, StatusCode::SERVICE_UNAVAILABLE).await;
    become_role(&own, StatusCode::ACCEPTED).await;
}
