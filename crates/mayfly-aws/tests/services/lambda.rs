//! Runners in Lambda functions.

use std::time::Duration;

use aws_sdk_lambda::config::timeout::TimeoutConfig;
use mayfly_aws::lambda::LambdaBackend;
use mayfly_core::assignment::{Assignment, RegistrationEnd};
use mayfly_core::ids::{JobKey, ProjectId};
use mayfly_core::launch::{ClientToken, LaunchRequest, LaunchStep, RefProtection};
use mayfly_core::machine::MachineSpec;
use mayfly_core::mapping::{RunnerSettings, Target, TargetType};
use mayfly_core::ports::{Backend, LaunchOrder, LaunchOutcome};
use mayfly_core::runner_name::RunnerName;
use mayfly_core::tags::TagSet;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::server::{Answer, Mute, Scripted, Then, connection_to_nobody};

const ARN: &str = "arn:aws:lambda:eu-central-1:123456789012:function:shell";

fn token() -> ClientToken {
    let key: JobKey = "gitlab.example.com/380/1977".parse().unwrap();
    ClientToken::new(&key, 0, 0)
}

fn order(target: Target, protection: RefProtection) -> LaunchOrder {
    let token = token();
    let assignment = Assignment {
        runner: RunnerName { target: TargetType::Lambda, resource: token.to_resource() },
        gitlab_url: "https://gitlab.example.com/".parse().unwrap(),
        ca_file: None,
        token: "glrt-secret".into(),
        at_end: RegistrationEnd::DeleteRunner,
        settings: RunnerSettings::default(),
        deadline: "2026-08-01T11:00:00Z".parse().unwrap(),
        job_credentials: None,
    };
    let request = LaunchRequest {
        steps: LaunchStep::plan_for(&target),
        target,
        settings: RunnerSettings::default(),
        mapping: "default".to_owned(),
        tags: TagSet::default(),
        project: ProjectId(380),
        protection,
        machine: None,
    };
    LaunchOrder { token, request: request.into(), assignment }
}

fn function_order() -> LaunchOrder {
    order(Target::Lambda { arn: ARN.to_owned() }, RefProtection::Unknown)
}

fn accepted() -> Answer {
    Answer::new(202, Value::Null)
}

/// An error as Lambda says it.
fn error(status: u16, code: &'static str) -> Answer {
    let body = json!({ "Type": "User", "Message": "words", "message": "words" });
    Answer::new(status, body).with_header("x-amzn-errortype", code)
}

async fn launched(answers: impl IntoIterator<Item = Answer>) -> (LaunchOutcome, usize) {
    let server = Scripted::start(answers).await;
    let backend = LambdaBackend::new(server.connection().lambda(), false);
    let outcome = backend.launch(&function_order()).await;
    (outcome, server.asked().len())
}

/// The kind of an outcome, and its reason without its beginning.
fn told(outcome: LaunchOutcome) -> (&'static str, String) {
    let (kind, reason) = match outcome {
        LaunchOutcome::Started { resource } => return ("started", resource.to_string()),
        LaunchOutcome::Refused { reason } => ("refused", reason),
        LaunchOutcome::Busy { reason } => ("busy", reason),
        LaunchOutcome::Unusable { reason } => ("unusable", reason),
        LaunchOutcome::Unknown { reason } => ("unknown", reason),
        LaunchOutcome::Impossible { reason } => ("impossible", reason),
    };
    assert!(!reason.contains("glrt-secret"), "{reason}");
    let beginning = format!("Lambda: invoke {ARN}: ");
    (kind, reason.strip_prefix(&beginning).expect("the function is named").to_owned())
}

#[tokio::test]
async fn the_request_is_pinned() {
    let server = Scripted::start([accepted()]).await;
    let backend = LambdaBackend::new(server.connection().lambda(), false);
    let order = function_order();
    let outcome = backend.launch(&order).await;
    assert_eq!(outcome, LaunchOutcome::Started { resource: token().to_resource() });

    let asked = server.only_asked();
    assert_eq!(
        asked.line(),
        "POST /2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-central-1%3A123456789012%3Afunction%3Ashell/invocations"
    );
    assert_eq!(asked.header("x-amz-invocation-type"), Some("Event"));
    assert_eq!(asked.header("x-amz-tenant-id"), None);
    assert_eq!(asked.body, order.assignment.to_secret_json().expose_secret().as_bytes());
}

#[tokio::test]
async fn a_tenant_is_a_project_with_and_without_protection() {
    for (protection, tenant) in [
        (RefProtection::Protected, "380-protected"),
        (RefProtection::Unprotected, "380-unprotected"),
        (RefProtection::Unknown, "380-unknown"),
    ] {
        let server = Scripted::start([accepted()]).await;
        let backend = LambdaBackend::new(server.connection().lambda(), true);
        backend.launch(&order(Target::Lambda { arn: ARN.to_owned() }, protection)).await;
        assert_eq!(server.only_asked().header("x-amz-tenant-id"), Some(tenant));
    }
}

#[tokio::test]
async fn errors_are_refused_impossible_or_unknown_and_nothing_is_sent_again() {
    for (status, code, kind) in [
        (429, "TooManyRequestsException", "refused"),
        (409, "ResourceConflictException", "refused"),
        (502, "ResourceNotReadyException", "refused"),
        (502, "EC2ThrottledException", "refused"),
        (502, "ENILimitReachedException", "refused"),
        (502, "SubnetIPAddressLimitReachedException", "refused"),
        (404, "ResourceNotFoundException", "impossible"),
        (400, "InvalidParameterValueException", "impossible"),
        (403, "AccessDeniedException", "impossible"),
        (413, "RequestTooLargeException", "impossible"),
        (502, "KMSDisabledException", "impossible"),
        (500, "ServiceException", "unknown"),
        (503, "SomethingNew", "unknown"),
        (504, "SomethingNew", "unknown"),
    ] {
        let (outcome, asked) = launched([error(status, code)]).await;
        assert_eq!(told(outcome), (kind, format!("{code}: words")));
        assert_eq!(asked, 1, "{code}");
    }
}

#[tokio::test]
async fn the_limit_that_was_met_is_named() {
    let body = json!({
        "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
        "Type": "User",
        "message": "Rate Exceeded.",
    });
    let answer = Answer::new(429, body).with_header("x-amzn-errortype", "TooManyRequestsException");
    let (outcome, _) = launched([answer]).await;
    let reason =
        "TooManyRequestsException (ReservedFunctionConcurrentInvocationLimitExceeded): Rate Exceeded.";
    assert_eq!(told(outcome), ("refused", reason.to_owned()));
}

#[tokio::test]
async fn a_payload_that_lambda_could_not_read_is_not_shown() {
    let body = json!({ "Type": "User", "message": "Unrecognized token 'glrt-secret'" });
    let answer = Answer::new(400, body).with_header("x-amzn-errortype", "InvalidRequestContentException");
    let (outcome, _) = launched([answer]).await;
    assert_eq!(told(outcome), ("impossible", "InvalidRequestContentException".to_owned()));
}

#[tokio::test]
async fn another_success_than_the_one_promised_is_unknown() {
    let (outcome, asked) = launched([Answer::ok(json!({}))]).await;
    assert_eq!(told(outcome), ("unknown", "the answer is 200, not 202".to_owned()));
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn an_answer_that_is_lost_is_unknown_and_nothing_is_sent_again() {
    let server = Mute::start(Then::HangsUp).await;
    let backend = LambdaBackend::new(server.connection().lambda(), false);
    let (kind, reason) = told(backend.launch(&function_order()).await);
    assert_eq!(kind, "unknown", "{reason}");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_unknown_and_nothing_is_sent_again() {
    let server = Mute::start(Then::Waits).await;
    let client = server.connection().lambda();
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_millis(200)).build();
    let config = client.config().to_builder().timeout_config(timeouts).endpoint_url(server.url()).build();
    let backend = LambdaBackend::new(aws_sdk_lambda::Client::from_conf(config), false);
    let (kind, reason) = told(backend.launch(&function_order()).await);
    assert_eq!(kind, "unknown", "{reason}");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn no_connection_at_all_is_a_refusal() {
    let backend = LambdaBackend::new(connection_to_nobody().lambda(), false);
    let (kind, reason) = told(backend.launch(&function_order()).await);
    assert_eq!(kind, "refused");
    assert!(reason.starts_with("no connection: "), "{reason}");
}

#[tokio::test]
async fn each_invocation_has_a_connection_of_its_own() {
    let server = Scripted::start([accepted()]).await;
    let backend = LambdaBackend::new(server.connection().lambda(), false);
    for _ in 0..2 {
        backend.launch(&function_order()).await;
    }
    let asked = server.asked();
    assert_ne!(asked[0].peer, asked[1].peer);
}

#[tokio::test]
async fn what_cannot_be_asked_of_lambda_asks_nothing() {
    let server = Scripted::start([accepted()]).await;
    let backend = LambdaBackend::new(server.connection().lambda(), false);
    let outcome = backend.launch(&order(Target::Ec2(MachineSpec::default()), RefProtection::Unknown)).await;
    assert_eq!(
        outcome,
        LaunchOutcome::Impossible { reason: "Lambda: target EC2 is not a function".to_owned() }
    );
    assert_eq!(backend.target_type(), TargetType::Lambda);
    assert_eq!(backend.room().await.unwrap(), usize::MAX);
    assert_eq!(backend.find(&token()).await.unwrap(), None);
    backend.stop(&function_order().assignment.runner, "its job is over").await.unwrap();
    assert_eq!(server.asked().len(), 0);
}
