//! The launch queue.

use std::time::Duration;

use mayfly_aws::dispatch_request::DispatchRequest;
use mayfly_aws::sqs::LaunchQueue;
use serde_json::json;

use crate::server::{Answer, Mute, Scripted, Then, connection_to_nobody};
use crate::{assert_error, event};

const URL: &str = "https://sqs.eu-central-1.amazonaws.com/123456789012/launches";
const OPERATION: &str = "SQS: send message to https://sqs.eu-central-1.amazonaws.com/123456789012/launches for job \
                         gitlab.example.com/380/1977 failed";

fn sent() -> Answer {
    Answer::ok(json!({ "MessageId": "1" }))
}

#[tokio::test]
async fn the_request_is_pinned() {
    let server = Scripted::start([sent()]).await;
    let queue = LaunchQueue::new(server.connection().sqs(), URL);
    queue.send(&event(1977), Duration::from_millis(14_500)).await.unwrap();

    let asked = server.only_asked();
    assert_eq!(asked.line(), "POST / AmazonSQS.SendMessage");
    assert_eq!(asked.header("x-amz-security-token"), Some("session"));
    let mut body = asked.json();
    let message = body["MessageBody"].take();
    assert_eq!(body, json!({ "QueueUrl": URL, "DelaySeconds": 15, "MessageBody": null }));
    let request: DispatchRequest = serde_json::from_str(message.as_str().unwrap()).unwrap();
    assert_eq!(request, DispatchRequest::Start { event: event(1977) });
}

#[tokio::test]
async fn a_longer_delay_than_sqs_knows_is_its_longest() {
    let server = Scripted::start([sent()]).await;
    let queue = LaunchQueue::new(server.connection().sqs(), URL);
    queue.send(&event(1977), Duration::from_hours(2)).await.unwrap();
    assert_eq!(server.only_asked().json()["DelaySeconds"], 900);
}

#[tokio::test]
async fn answers_say_later_or_never() {
    for (answer, attempts, is_transient, cause) in [
        (
            Answer::error(400, "com.amazonaws.sqs#QueueDoesNotExist", "The specified queue does not exist.")
                .with_header("x-amzn-query-error", "AWS.SimpleQueueService.NonExistentQueue;Sender"),
            1,
            false,
            "there is no such queue, check its URL in the settings (AWS.SimpleQueueService.NonExistentQueue: The \
             specified queue does not exist.)",
        ),
        (
            Answer::error(400, "com.amazonaws.sqs#QueueDoesNotExist", "The specified queue does not exist."),
            1,
            false,
            "there is no such queue, check its URL in the settings (QueueDoesNotExist: The specified queue does not \
             exist.)",
        ),
        (
            Answer::error(403, "AccessDeniedException", "no"),
            1,
            false,
            "access is denied, check the rights of the role (AccessDeniedException: no)",
        ),
        (
            Answer::error(400, "ThrottlingException", "Rate exceeded"),
            3,
            true,
            "ThrottlingException: Rate exceeded",
        ),
        (Answer::error(500, "InternalFailure", "sorry"), 3, true, "InternalFailure: sorry"),
    ] {
        let server = Scripted::start([answer]).await;
        let queue = LaunchQueue::new(server.connection().sqs(), URL);
        let error = queue.send(&event(1977), Duration::ZERO).await.unwrap_err();
        assert_error(&error, is_transient, &format!("{OPERATION}: {cause}"));
        assert_eq!(server.asked().len(), attempts, "{cause}");
    }
}

#[tokio::test]
async fn a_connection_that_is_lost_is_made_again() {
    let server = Mute::start(Then::HangsUp).await;
    for connection in [server.connection(), connection_to_nobody()] {
        let queue = LaunchQueue::new(connection.sqs(), URL);
        let error = queue.send(&event(1977), Duration::ZERO).await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        assert_eq!(server.connections(), 3);
    }
}

#[tokio::test]
async fn a_connection_that_died_since_the_last_call_is_not_noticed() {
    let server = Mute::start(Then::AnswersOnce(200)).await;
    let queue = LaunchQueue::new(server.connection().sqs(), URL);
    for job in 1..4 {
        queue.send(&event(job), Duration::ZERO).await.unwrap();
        assert_eq!(u64::try_from(server.connections()).unwrap(), job);
    }
}

#[tokio::test]
async fn calls_one_after_the_other_share_a_connection() {
    let server = Scripted::start([sent()]).await;
    let queue = LaunchQueue::new(server.connection().sqs(), URL);
    for job in 1..4 {
        queue.send(&event(job), Duration::ZERO).await.unwrap();
    }
    let peers: Vec<_> = server.asked().iter().map(|asked| asked.peer).collect();
    assert_eq!(peers, [peers[0]; 3]);
}
