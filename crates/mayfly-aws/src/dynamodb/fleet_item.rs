//! A call that starts machines, as it is frozen in the ledger table.

use jiff::{SignedDuration, Timestamp};
use mayfly_core::fleet::{Fleet, FleetOrder};
use mayfly_core::launch::ClientToken;
use serde::Serialize;

use super::attributes::{InvalidAttribute, Item, optional, required};

/// What the partition keys of these items begin with.
const KEY_PREFIX: &str = "fleet#";

/// How long a call is kept: no longer may its token be used (AWS's EC2 API reference keeps tokens for a day at least).
const RETENTION: SignedDuration = SignedDuration::from_hours(24);

/// Written into every item, as into those of jobs.
const SCHEMA: u32 = 1;

/// One item. The names of its fields are the names of the attributes.
#[derive(Serialize)]
struct FleetItem<'a> {
    pk: String,
    schema: u32,
    token: &'a ClientToken,
    /// Missing if the call was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<&'a FleetOrder>,
    /// Whole seconds since 1970.
    expires_at: i64,
}

/// The partition key of a call.
pub(super) fn partition_key_of(token: &ClientToken) -> String {
    format!("{KEY_PREFIX}{token}")
}

/// The call as it is written now.
pub(super) fn to_item(fleet: &Fleet, now: Timestamp) -> Result<Item, serde_dynamo::Error> {
    serde_dynamo::aws_sdk_dynamodb_1::to_item(FleetItem {
        pk: partition_key_of(&fleet.token),
        schema: SCHEMA,
        token: &fleet.token,
        order: fleet.order.as_ref(),
        expires_at: (now + RETENTION).as_second(),
    })
}

/// Reads an item, and passes over attributes it does not know.
pub(super) fn to_fleet(mut item: Item) -> Result<Fleet, InvalidAttribute> {
    Ok(Fleet { token: required(&mut item, "token")?, order: optional(&mut item, "order")? })
}

#[cfg(test)]
mod tests {
    use mayfly_core::error::Chain;
    use mayfly_core::ids::JobKey;
    use mayfly_standins::contracts::{NOW, fleet_order, full_machine_request};
    use serde_json::json;

    use super::super::PARTITION_KEY;
    use super::super::attributes::text;
    use super::*;

    fn fleet() -> Fleet {
        let key: JobKey = "gitlab.example.com/380/1977".parse().unwrap();
        let order = FleetOrder { machine: full_machine_request(), ..fleet_order([1977, 1978]) };
        Fleet { token: ClientToken::new(&key, 0, 0), order: Some(order) }
    }

    #[test]
    fn a_call_is_read_back_with_what_a_later_version_adds() {
        for fleet in [fleet(), Fleet::given_up(fleet().token)] {
            let mut item = to_item(&fleet, NOW).unwrap();
            assert_eq!(item[PARTITION_KEY], text(format!("fleet#{}", fleet.token)));
            item.insert("new_in_version_9".to_owned(), text("x"));
            assert_eq!(to_fleet(item).unwrap(), fleet);
        }
    }

    #[test]
    fn the_item_of_a_call_is_pinned() {
        let item: serde_dynamo::Item = serde_dynamo::to_item(FleetItem {
            pk: partition_key_of(&fleet().token),
            schema: SCHEMA,
            token: &fleet().token,
            order: fleet().order.as_ref(),
            expires_at: 1,
        })
        .unwrap();
        let written = serde_json::to_value(item).unwrap();
        let texts = |words: &[&str]| json!({ "L": words.iter().map(|word| json!({ "S": word })).collect::<Vec<_>>() });
        let machine = json!({
            "stack": { "S": "mayfly-autoscaler" },
            "launch_template": { "S": "lt-0abc" },
            "launch_template_version": { "S": "3" },
            "image": { "S": "/mayfly/images/x86" },
            "instance_types": texts(&["m7i.large", "c7i-flex.2xlarge"]),
            "subnets": texts(&["subnet-0b", "subnet-0a"]),
            "root_device": { "S": "/dev/xvda" },
            "root_volume_gib": { "N": "100" },
            "root_volume_key": { "S": "arn:aws:kms:eu-west-1:123456789012:key/0a1b" },
            "tags": { "M": { "cost center": { "S": "4711" }, "empty": { "S": "" }, "team": { "S": "build" } } },
        });
        let order = json!({
            "members": texts(&["contract.example.com/1/1977", "contract.example.com/1/1978"]),
            "machine": { "M": machine },
            "market": { "S": "spot" },
            "mapping": { "S": "job#build tags#" },
            "asked_at": { "S": "2100-01-01T00:00:00Z" },
            "deadline": { "S": "2100-01-01T01:00:00Z" },
        });
        let token = fleet().token;
        let expected = json!({
            "pk": { "S": format!("fleet#{token}") },
            "schema": { "N": "1" },
            "token": { "S": token.as_str() },
            "order": { "M": order },
            "expires_at": { "N": "1" },
        });
        assert_eq!(written, expected);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (attribute, value, expected) in [
            ("token", None, "attribute `token` is missing"),
            ("order", Some(text("x")), "attribute `order` cannot be read: "),
        ] {
            let mut item = to_item(&fleet(), NOW).unwrap();
            match value {
                Some(value) => item.insert(attribute.to_owned(), value),
                None => item.remove(attribute),
            };
            let error = to_fleet(item).unwrap_err();
            assert!(Chain(&error).to_string().starts_with(expected), "{attribute}");
        }
    }
}
