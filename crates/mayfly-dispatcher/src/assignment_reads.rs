//! The stream of the assignment table: an item that is gone was read by its machine.

use jiff::Timestamp;
use mayfly_core::decide::{MachineNews, MachineState};
use serde::Deserialize;

/// A batch of changes, as far as they matter here.
#[derive(Debug, Deserialize)]
pub(crate) struct AssignmentReads {
    #[serde(rename = "Records")]
    records: Vec<Change>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    event_name: String,
    /// Only where DynamoDB itself removed the item, because it had expired.
    #[serde(default)]
    user_identity: Option<serde::de::IgnoredAny>,
    dynamodb: Keys,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    /// In seconds since 1970.
    approximate_creation_date_time: f64,
    keys: Key,
}

#[derive(Debug, Deserialize)]
struct Key {
    pk: Text,
}

#[derive(Debug, Deserialize)]
struct Text {
    #[serde(rename = "S")]
    text: String,
}

impl AssignmentReads {
    /// Which machines have read their assignment, and when.
    pub(crate) fn news(&self) -> impl Iterator<Item = MachineNews> {
        self.records.iter().filter_map(Change::news)
    }
}

impl Change {
    fn news(&self) -> Option<MachineNews> {
        if self.event_name != "REMOVE" || self.user_identity.is_some() {
            return None;
        }
        let (_role, machine) = self.dynamodb.keys.pk.text.split_once(':')?;
        #[expect(clippy::cast_possible_truncation, reason = "whole seconds since 1970 are few enough")]
        let seconds = self.dynamodb.approximate_creation_date_time as i64;
        Some(MachineNews {
            id: machine.parse().ok()?,
            state: MachineState::AssignmentRead,
            at: Timestamp::from_second(seconds).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn change(event_name: &str, key: &str, expired: bool) -> serde_json::Value {
        let mut change = json!({
            "eventID": "1",
            "eventName": event_name,
            "eventSource": "aws:dynamodb",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_785_578_400.0,
                "Keys": { "pk": { "S": key } },
                "SequenceNumber": "111",
                "StreamViewType": "KEYS_ONLY",
            },
        });
        if expired {
            change["userIdentity"] = json!({ "type": "Service", "principalId": "dynamodb.amazonaws.com" });
        }
        change
    }

    #[test]
    fn only_an_item_that_somebody_removed_was_read() {
        let reads: AssignmentReads = serde_json::from_value(json!({ "Records": [
            change("INSERT", "AROAEXAMPLE:i-1", false),
            change("REMOVE", "AROAEXAMPLE:i-2", false),
            change("REMOVE", "AROAEXAMPLE:i-3", true),
            change("REMOVE", "no key of ours", false),
        ] }))
        .unwrap();
        let news: Vec<_> = reads.news().collect();
        assert_eq!(news.len(), 1);
        assert_eq!((news[0].id.as_str(), news[0].state), ("i-2", MachineState::AssignmentRead));
        assert_eq!(news[0].at.to_string(), "2026-08-01T10:00:00Z");
    }
}
