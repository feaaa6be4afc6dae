//! The event bus.

use std::time::Duration;

use mayfly_aws::eventbridge::EventBridgeBus;
use mayfly_core::event::JobEvent;
use mayfly_core::ports::EventBus;
use serde_json::{Value, json};

use crate::server::{Answer, Mute, Scripted, Then};
use crate::{assert_error, event};

const OPERATION: &str =
    "EventBridge: put event `pending` of job gitlab.example.com/380/1 on bus `mayfly` failed";

/// An answer with one result an entry: taken, or refused with this code.
fn results(codes: &[Option<&str>]) -> Answer {
    let entries: Vec<Value> = codes
        .iter()
        .map(|code| match code {
            Some(code) => json!({ "ErrorCode": code, "ErrorMessage": "words" }),
            None => json!({ "EventId": "11710aed-b79e-4468-a20b-bb3c0c3b4860" }),
        })
        .collect();
    let failed = codes.iter().flatten().count();
    Answer::ok(json!({ "FailedEntryCount": failed, "Entries": entries }))
}

fn bus(server: &Scripted) -> EventBridgeBus {
    EventBridgeBus::new(server.connection().eventbridge(), "mayfly")
}

/// The jobs of the events that came with each call.
fn jobs_put(server: &Scripted) -> Vec<Vec<u64>> {
    let job = |entry: &Value| {
        let event: JobEvent = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
        event.key.job.0
    };
    let jobs = |body: Value| body["Entries"].as_array().unwrap().iter().map(job).collect();
    server.asked().iter().map(|asked| jobs(asked.json())).collect()
}

#[tokio::test]
async fn the_request_is_pinned() {
    let server = Scripted::start([results(&[None])]).await;
    bus(&server).publish(&event(1)).await.unwrap();
    let asked = server.only_asked();
    assert_eq!(asked.line(), "POST / AWSEvents.PutEvents");
    let mut body = asked.json();
    let detail = body["Entries"][0]["Detail"].take();
    assert_eq!(detail, serde_json::to_string(&event(1)).unwrap());
    assert_eq!(
        body,
        json!({
            "Entries": [{
                "EventBusName": "mayfly",
                "Source": "mayfly.webhook",
                "DetailType": "GitLab job",
                "Time": 1_785_578_400.25,
                "Detail": null,
            }],
        })
    );
}

#[tokio::test]
async fn an_event_that_was_not_taken_is_put_again_and_only_that() {
    let busy = Some("ThrottlingException");
    let server = Scripted::start([
        results(&[None, busy, None, Some("InternalFailure")]),
        results(&[busy, None]),
        results(&[None]),
    ])
    .await;
    let events = [1, 2, 3, 4].map(event);
    bus(&server).publish_all(&events).await.unwrap();
    assert_eq!(jobs_put(&server), [vec![1, 2, 3, 4], vec![2, 4], vec![2]]);
}

#[tokio::test]
async fn ten_events_go_with_one_call() {
    let server = Scripted::start([results(&[None; 10]), results(&[None; 2])]).await;
    let events: Vec<JobEvent> = (1..=12).map(event).collect();
    bus(&server).publish_all(&events).await.unwrap();
    assert_eq!(jobs_put(&server), [(1..=10).collect::<Vec<_>>(), vec![11, 12]]);
    bus(&server).publish_all(&[]).await.unwrap();
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn what_is_refused_for_good_is_told_and_not_put_again() {
    let server = Scripted::start([
        results(&[Some("NotAuthorizedForSourceException"), Some("ThrottlingException")]),
        results(&[None]),
    ])
    .await;
    let error = bus(&server).publish_all(&[1, 2].map(event)).await.unwrap_err();
    assert_error(
        &error,
        false,
        "EventBridge: put 2 events on bus `mayfly` failed: NotAuthorizedForSourceException: words",
    );
    assert_eq!(jobs_put(&server), [vec![1, 2], vec![2]], "the other one is on the bus");
}

#[tokio::test]
async fn what_is_refused_until_the_time_is_over_is_told_in_the_words_of_the_service() {
    let server = Scripted::start([results(&[Some("ThrottlingException")])]).await;
    let budget = Duration::from_millis(450);
    let error = bus(&server).with_budget(budget).publish(&event(1)).await.unwrap_err();
    let cause = "not taken within 450ms, the last time because of ThrottlingException: words";
    assert_error(&error, true, &format!("{OPERATION}: {cause}"));
    assert!(server.asked().len() > 1);
}

#[tokio::test]
async fn answers_say_later_or_never() {
    for (answer, attempts, is_transient, cause) in [
        (
            Answer::error(400, "AccessDeniedException", "no"),
            1,
            false,
            "access is denied, check the rights of the role (AccessDeniedException: no)",
        ),
        (
            Answer::error(400, "ResourceNotFoundException", "Event bus mayfly does not exist."),
            1,
            false,
            "there is no event bus `mayfly`, check its name in the settings (ResourceNotFoundException: Event bus mayfly \
             does not exist.)",
        ),
        (
            Answer::error(400, "ThrottlingException", "Rate exceeded"),
            3,
            true,
            "ThrottlingException: Rate exceeded",
        ),
        (Answer::error(500, "InternalException", "sorry"), 3, true, "InternalException: sorry"),
    ] {
        let server = Scripted::start([answer]).await;
        let error = bus(&server).publish(&event(1)).await.unwrap_err();
        assert_error(&error, is_transient, &format!("{OPERATION}: {cause}"));
        assert_eq!(server.asked().len(), attempts, "{cause}");
    }
}

#[tokio::test]
async fn a_bus_that_never_answers_is_given_up_in_time() {
    let server = Mute::start(Then::Waits).await;
    let bus = EventBridgeBus::new(server.connection().eventbridge(), "mayfly");
    let bus = bus.with_budget(Duration::from_millis(300));
    let answer = tokio::time::timeout(Duration::from_secs(2), bus.publish(&event(1))).await;
    let error = answer.expect("an answer in time").unwrap_err();
    assert_error(&error, true, &format!("{OPERATION}: no answer within 300ms"));
}
