//! The function's own program, in a stand-in Lambda environment, against stand-in AWS services.
#![expect(clippy::unwrap_used, clippy::panic, reason = "all of it is tests")]

use std::time::Duration;

use mayfly_standins::aws::{Reply, StandinAws};
use mayfly_standins::lambda_runtime::{Answer, Environment, Function};
use serde_json::{Value, json};

const PENDING: &str = include_str!("../../../fixtures/gitlab/job-pending.json");
const CREATED: &str = include_str!("../../../fixtures/gitlab/job-created-documented.json");
const PUSH: &str = include_str!("../../../fixtures/gitlab/push.json");
const SECRET: &str = "the-webhook-secret-of-today";
const PATIENCE: Duration = Duration::from_secs(20);

struct World {
    aws: StandinAws,
    environment: Environment,
}

impl World {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    async fn with(variables: &[(&str, &str)]) -> Self {
        let aws = StandinAws::start(None).await.unwrap();
        aws.put_parameter("/mayfly/webhook", SECRET);
        Self::start(aws, variables).await
    }

    async fn start(aws: StandinAws, variables: &[(&str, &str)]) -> Self {
        let mut function = Function::new(env!("CARGO_BIN_EXE_mayfly-webhook"))
            .timeout(Duration::from_secs(9))
            .env("AWS_ENDPOINT_URL", aws.url().as_str())
            .env("MAYFLY_EVENT_BUS", "mayfly")
            .env("MAYFLY_WEBHOOK_SECRETS", "/mayfly/webhook");
        for (name, value) in variables {
            function = function.env(name, value);
        }
        Self { aws, environment: function.start().await.unwrap() }
    }

    /// Sends a webhook with this secret; the status code and the answer's body come back.
    async fn send(&mut self, token: &str, body: &str) -> (u64, String) {
        self.send_from("192.0.2.7", &[("x-gitlab-token", token)], body).await
    }

    async fn send_from(&mut self, source: &str, headers: &[(&str, &str)], body: &str) -> (u64, String) {
        let mut all: serde_json::Map<String, Value> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        all.insert("x-gitlab-event".to_owned(), json!("Job Hook"));
        all.insert("x-gitlab-instance".to_owned(), json!("https://gitlab.example.com"));
        let request = json!({
            "version": "2.0",
            "routeKey": "POST /webhook",
            "rawPath": "/webhook",
            "rawQueryString": "",
            "headers": all,
            "requestContext": { "http": { "method": "POST", "path": "/webhook", "sourceIp": source } },
            "body": body,
            "isBase64Encoded": false,
        });
        let answer = self.environment.invoke(request.to_string()).await.unwrap().answer;
        let Answer::Response(response) = answer else { panic!("{answer:?}: {:?}", self.environment.log()) };
        let response: Value = serde_json::from_slice(&response).unwrap();
        (response["statusCode"].as_u64().unwrap(), response["body"].as_str().unwrap().to_owned())
    }

    fn calls_of(&self, operation: &str) -> usize {
        self.aws.calls().iter().filter(|call| *call == operation).count()
    }
}

#[tokio::test]
async fn one_webhook_is_one_put_events() {
    let mut world = World::new().await;
    for _ in 0..3 {
        let (status, body) = world.send(SECRET, PENDING).await;
        assert_eq!(status, 202, "{body}");
    }
    assert_eq!(world.aws.calls(), ["GetParameters", "PutEvents", "PutEvents", "PutEvents"]);
    let event = world.aws.events().remove(0);
    assert_eq!(event["Source"], "mayfly.webhook");
    assert_eq!(event["DetailType"], "GitLab job");
    assert_eq!(event["EventBusName"], "mayfly");
    let detail: Value = serde_json::from_str(event["Detail"].as_str().unwrap()).unwrap();
    assert_eq!(detail["status"], "pending");
    assert_eq!(detail["key"], "gitlab.example.com/380/1977");
}

#[tokio::test]
async fn what_nobody_listens_to_is_answered_well_and_not_put_on_the_bus() {
    let mut world = World::new().await;
    for (body, word) in [(CREATED, "created"), (PUSH, "push"), ("{", "JSON"), ("", "JSON")] {
        let (status, answer) = world.send(SECRET, body).await;
        assert_eq!(status, 200, "{answer}");
        assert!(answer.contains(word), "{word}: {answer}");
    }
    assert_eq!(world.calls_of("PutEvents"), 0);
}

#[tokio::test]
async fn what_is_not_authentic_is_refused_and_learns_nothing() {
    let mut world = World::new().await;
    for token in ["", "wrong", "the-webhook-secret-of-toda"] {
        let (status, body) = world.send(token, PENDING).await;
        assert_eq!((status, body.as_str()), (401, r#"{"outcome":"refused","reason":"not authentic"}"#));
    }
    assert_eq!(world.send_from("192.0.2.7", &[], PENDING).await.0, 401);
    assert_eq!(world.calls_of("PutEvents"), 0);
    // Read at the start, and again for the first request that did not match.
    assert_eq!(world.calls_of("GetParameters"), 2);
}

#[tokio::test]
async fn a_rotated_secret_is_accepted_without_a_deployment() {
    let mut world = World::new().await;
    assert_eq!(world.send(SECRET, PENDING).await.0, 202);
    world.aws.put_parameter("/mayfly/webhook", "the-webhook-secret-of-tomorrow");
    assert_eq!(world.send("the-webhook-secret-of-tomorrow", PENDING).await.0, 202);
    assert_eq!(world.send(SECRET, PENDING).await.0, 401);
    assert_eq!(world.calls_of("GetParameters"), 2);
}

#[tokio::test]
async fn one_of_two_secrets_may_be_missing_or_malformed() {
    for value in [None, Some("")] {
        let mut world = World::with(&[("MAYFLY_WEBHOOK_SECRETS", "/mayfly/next,/mayfly/webhook")]).await;
        if let Some(value) = value {
            world.aws.put_parameter("/mayfly/next", value);
        }
        assert_eq!(world.send(SECRET, PENDING).await.0, 202);
        let line = world.environment.log_line("/mayfly/next", PATIENCE).await.unwrap();
        assert!(line.contains("ERROR"), "{line}");
    }
}

#[tokio::test]
async fn without_any_secret_nothing_is_accepted_and_the_sender_hears_503() {
    let mut world = World::with(&[("MAYFLY_WEBHOOK_SECRETS", "/mayfly/none")]).await;
    assert_eq!(world.send(SECRET, PENDING).await.0, 503);
    assert_eq!(world.send("", PENDING).await.0, 503);
    assert_eq!(world.calls_of("PutEvents"), 0);
}

#[tokio::test]
async fn a_required_signature_is_required_also_while_the_signing_token_is_gone() {
    let signing = ("MAYFLY_SIGNING_TOKENS", "/mayfly/signing");
    let mut world = World::with(&[signing, ("MAYFLY_REQUIRE_SIGNATURE", "true")]).await;
    assert_eq!(world.send(SECRET, PENDING).await.0, 503);
    assert_eq!(world.calls_of("PutEvents"), 0);
    let mut world = World::with(&[signing]).await;
    assert_eq!(world.send(SECRET, PENDING).await.0, 202);
}

#[tokio::test]
async fn a_secret_that_could_not_be_read_at_the_start_is_asked_for_again() {
    let aws = StandinAws::start(None).await.unwrap();
    aws.put_parameter("/mayfly/webhook", SECRET);
    for _ in 0..3 {
        aws.answer_next("GetParameters", Reply::error(500, "InternalServerError"));
    }
    let mut world = World::start(aws, &[]).await;
    world.environment.log_line("cannot be read", PATIENCE).await.unwrap();
    assert_eq!(world.send(SECRET, PENDING).await.0, 202);
}

#[tokio::test]
async fn a_bus_that_refuses_is_503_and_logged() {
    let mut world = World::new().await;
    world.aws.answer_next("PutEvents", Reply::error(400, "AccessDeniedException"));
    let (status, body) = world.send(SECRET, PENDING).await;
    assert_eq!(status, 503, "{body}");
    let line = world.environment.log_line("AccessDeniedException", PATIENCE).await.unwrap();
    assert!(line.contains("gitlab.example.com/380/1977"), "{line}");
    // Once it is well again, so are we.
    assert_eq!(world.send(SECRET, PENDING).await.0, 202);
}

fn failed_entry() -> Reply {
    let entry = json!({ "ErrorCode": "ThrottlingException", "ErrorMessage": "too many" });
    Reply { status: 200, body: json!({ "FailedEntryCount": 1, "Entries": [entry] }) }
}

#[tokio::test]
async fn an_entry_that_failed_in_a_good_answer_is_put_again() {
    let mut world = World::new().await;
    world.aws.answer_next("PutEvents", failed_entry());
    assert_eq!(world.send(SECRET, PENDING).await.0, 202);
    assert_eq!((world.calls_of("PutEvents"), world.aws.events().len()), (2, 1));
}

#[tokio::test]
async fn an_entry_that_always_fails_is_503_before_gitlab_gives_up() {
    let mut world = World::new().await;
    for _ in 0..1000 {
        world.aws.answer_next("PutEvents", failed_entry());
    }
    let (status, body) = world.send(SECRET, PENDING).await;
    assert_eq!(status, 503, "{body}");
    assert!(world.calls_of("PutEvents") > 1);
    world.environment.log_line("ThrottlingException", PATIENCE).await.unwrap();
}

#[tokio::test]
async fn only_allowed_sources_are_heard() {
    let mut world = World::with(&[("MAYFLY_ALLOWED_SOURCES", "192.0.2.0/24, 2001:db8::/32")]).await;
    let headers = [("x-gitlab-token", SECRET)];
    for (source, status) in [("192.0.2.7", 202), ("2001:db8::7", 202), ("198.51.100.7", 401), ("", 401)] {
        assert_eq!(world.send_from(source, &headers, PENDING).await.0, status, "{source}");
    }
}

/// What is put on the bus is the input of the state machines, word for word.
#[tokio::test]
async fn no_secret_and_nothing_personal_is_put_on_the_bus() {
    let mut world = World::new().await;
    world.send(SECRET, PENDING).await;
    let details: Vec<String> = world.aws.events().iter().map(|event| event["Detail"].to_string()).collect();
    assert_eq!(details.len(), 1);
    for private in [SECRET, "commit", "@", "user", "before_sha"] {
        assert!(PENDING.contains(private) || private == SECRET, "{private} is in the webhook");
        assert!(!details[0].contains(private), "{}", details[0]);
    }
}

#[tokio::test]
async fn no_secret_and_no_body_is_logged() {
    let mut world = World::with(&[("MAYFLY_LOG", "trace")]).await;
    world.send(SECRET, PENDING).await;
    world.send("another-secret-that-is-wrong", PENDING).await;
    world.environment.log_line("Refused a webhook", PATIENCE).await.unwrap();
    for line in world.environment.log() {
        for private in [SECRET, "another-secret-that-is-wrong", "standin-secret-access-key", "before_sha"] {
            assert!(!line.contains(private), "{line}");
        }
    }
}
