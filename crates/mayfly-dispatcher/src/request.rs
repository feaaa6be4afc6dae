//! What the function is invoked with: one event by a state machine, a batch by the launch queue, or what a stream tells.

use aws_lambda_events::sqs::SqsEvent;
use mayfly_aws::dispatch_request::DispatchRequest;
use serde::Deserialize;
use serde_json::Value;

use crate::assignment_reads::AssignmentReads;

/// One invocation's payload. A batch is known by its `Records`; an error says what is wrong with the one form it must have then.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) enum Request {
    /// From a state machine.
    One(Box<DispatchRequest>),
    /// From the launch queue.
    Batch(SqsEvent),
    /// From the stream of the assignment table.
    Reads(AssignmentReads),
}

impl TryFrom<Value> for Request {
    type Error = serde_json::Error;

    fn try_from(payload: Value) -> Result<Self, serde_json::Error> {
        match payload.pointer("/Records/0/eventSource").and_then(Value::as_str) {
            Some("aws:dynamodb") => serde_json::from_value(payload).map(Self::Reads),
            _ if payload.get("Records").is_some() => serde_json::from_value(payload).map(Self::Batch),
            _ => serde_json::from_value(payload).map(Self::One),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        assert!(matches!(one, Request::One(request) if matches!(*request, DispatchRequest::Start { .. })));
        let record = json!({ "messageId": "m-1", "body": "{}", "attributes": {}, "messageAttributes": {} });
        let batch = serde_json::from_value(json!({ "Records": [record] })).unwrap();
        assert!(matches!(batch, Request::Batch(batch) if batch.records.len() == 1));
        let read = json!({
            "eventSource": "aws:dynamodb",
            "eventName": "REMOVE",
            "dynamodb": { "ApproximateCreationDateTime": 0.0, "Keys": { "pk": { "S": "AROAEXAMPLE:i-1" } } },
        });
        let reads = serde_json::from_value(json!({ "Records": [read] })).unwrap();
        assert!(matches!(reads, Request::Reads(reads) if reads.news().count() == 1));
        let broken =
            serde_json::from_value::<Request>(json!({ "action": "launch", "event": event })).unwrap_err();
        assert!(broken.to_string().contains("unknown variant `launch`"), "{broken}");
    }
}
