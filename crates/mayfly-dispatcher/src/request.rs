//! What the function is invoked with: one event by a state machine, or a batch by the launch queue.

use aws_lambda_events::sqs::SqsEvent;
use mayfly_aws::dispatch_request::DispatchRequest;
use serde::Deserialize;

/// One invocation's payload.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Request {
    /// From a state machine.
    One(Box<DispatchRequest>),
    /// From the launch queue.
    Batch(SqsEvent),
}

#[cfg(test)]
mod tests {
    use super::*;
    use mayfly_aws::dispatch_request::Action;
    use serde_json::json;

    #[test]
    fn both_forms_are_told_apart() {
        let event = json!({
            "key": "gitlab.example.com/380/1977",
            "name": "test",
            "status": "pending",
            "received_at": "2026-08-01T10:00:00Z",
        });
        let one = serde_json::from_value(json!({ "action": "start", "event": event })).unwrap();
        assert!(matches!(one, Request::One(request) if request.action == Action::Start));
        let record = json!({ "messageId": "m-1", "body": "{}", "attributes": {}, "messageAttributes": {} });
        let batch = serde_json::from_value(json!({ "Records": [record] })).unwrap();
        assert!(matches!(batch, Request::Batch(batch) if batch.records.len() == 1));
        assert!(serde_json::from_value::<Request>(json!({ "action": "launch", "event": event })).is_err());
    }
}
