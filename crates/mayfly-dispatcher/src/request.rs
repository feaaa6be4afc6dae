//! What the function is invoked with: one event by a state machine, or a batch by the launch queue.

use aws_lambda_events::sqs::SqsEvent;
use mayfly_aws::dispatch_request::DispatchRequest;
use serde::Deserialize;
use serde_json::Value;

/// One invocation's payload. A batch is known by its `Records`; an error says what is wrong with the one form it must have then.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) enum Request {
    /// From a state machine.
    One(Box<DispatchRequest>),
    /// From the launch queue.
    Batch(SqsEvent),
}

impl TryFrom<Value> for Request {
    type Error = serde_json::Error;

    fn try_from(payload: Value) -> Result<Self, serde_json::Error> {
        if payload.get("Records").is_some() {
            serde_json::from_value(payload).map(Self::Batch)
        } else {
            serde_json::from_value(payload).map(Self::One)
        }
    }
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
        let broken =
            serde_json::from_value::<Request>(json!({ "action": "launch", "event": event })).unwrap_err();
        assert!(broken.to_string().contains("unknown variant `launch`"), "{broken}");
    }
}
