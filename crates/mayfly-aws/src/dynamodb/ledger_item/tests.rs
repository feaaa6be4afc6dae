use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::SignedDuration;
use mayfly_core::error::Chain;
use mayfly_core::machine::MachineSpec;
use mayfly_standins::contracts::{ABSURD_NAMES, NOW, full_machine_spec, full_record, new_record};
use proptest::prelude::*;
use serde_json::Value;

use super::super::attributes::text;
use super::*;

const KEY: &str = "gitlab.example.com/380/1977";
const RUNNER: &str = "mayfly-ec2-i-0abc123";

/// What comes back of a record that is written.
fn as_stored(record: &LedgerRecord) -> LedgerRecord {
    LedgerRecord { version: record.version + 1, ..record.clone() }
}

fn check(record: &LedgerRecord) {
    assert_eq!(to_record(to_item(record).unwrap()).unwrap(), as_stored(record));
}

/// The item in the form in which DynamoDB itself writes items, in a fixed order.
fn shown(record: &LedgerRecord) -> String {
    let item: serde_dynamo::Item = serde_dynamo::to_item(LedgerItem::written_over(record)).unwrap();
    serde_json::to_string_pretty(&sorted(serde_json::to_value(item).unwrap())).unwrap()
}

/// Sorts objects, in case a feature of some other crate keeps them in the order of insertion.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> =
                members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(members.into_iter().collect())
        }
        Value::Array(values) => values.into_iter().map(sorted).collect(),
        other => other,
    }
}

#[test]
fn every_part_of_a_record_is_read_back() {
    let full = full_record(KEY, RUNNER);
    check(&new_record(KEY, "build"));
    check(&full);
    check(&LedgerRecord { claim: None, ..full.clone() });
    check(&LedgerRecord { runner: None, ..full.clone() });
    check(&LedgerRecord { version: 41, project: None, explanation: None, ..full.clone() });
    check(&LedgerRecord { transitions: Vec::new(), ..full.clone() });
    let mut partly = full;
    partly.runner.as_mut().unwrap().moments = Moments { running: Some(NOW), ..Moments::default() };
    check(&partly);
    for name in ABSURD_NAMES {
        check(&new_record(KEY, name));
    }
}

#[test]
fn every_state_and_rank_is_read_back() {
    for state in [
        LedgerState::Seen,
        LedgerState::Claimed,
        LedgerState::Launched,
        LedgerState::Running,
        LedgerState::Finished,
        LedgerState::Parked,
        LedgerState::Ignored,
    ] {
        let mut record = new_record(KEY, "build");
        record.enter(state, "for the test", NOW);
        check(&record);
        let item = to_item(&record).unwrap();
        assert_eq!(item["state"], AttributeValue::S(state.as_str().to_owned()), "what the ledger filters by");
    }
    for rank in [Rank::Created, Rank::Pending, Rank::Running, Rank::Finished] {
        check(&LedgerRecord { rank, ..new_record(KEY, "build") });
    }
    for target in [Target::Ec2(MachineSpec::default()), Target::Ec2(full_machine_spec()), Target::Local] {
        let mut record = full_record(KEY, RUNNER);
        Arc::make_mut(&mut record.claim.as_mut().unwrap().request).target = target;
        check(&record);
    }
}

/// The claim and the runner of a full record's item.
fn parts(item: &mut Item) -> [&mut Item; 2] {
    let [Some(AttributeValue::M(claim)), Some(AttributeValue::M(runner))] =
        item.get_disjoint_mut(["claim", "runner"])
    else {
        unreachable!("a full record has both")
    };
    [claim, runner]
}

#[test]
fn an_item_from_before_protection_and_machines_were_known_is_read() {
    let mut record = full_record(KEY, RUNNER);
    let mut item = to_item(&record).unwrap();
    let [claim, runner] = parts(&mut item);
    assert!(claim.remove("fleet").is_some());
    for attribute in ["moments", "stopped_at"] {
        assert!(runner.remove(attribute).is_some(), "{attribute}");
    }
    let Some(AttributeValue::M(request)) = claim.get_mut("request") else { unreachable!("a request") };
    for attribute in ["protection", "machine"] {
        assert!(request.remove(attribute).is_some(), "{attribute}");
    }
    request.insert("target".to_owned(), AttributeValue::M([("type".to_owned(), text("EC2"))].into()));
    let claim = record.claim.as_mut().unwrap();
    claim.fleet = None;
    Arc::make_mut(&mut claim.request).protection = RefProtection::Unknown;
    Arc::make_mut(&mut claim.request).machine = None;
    Arc::make_mut(&mut claim.request).target = Target::Ec2(MachineSpec::default());
    let runner = record.runner.as_mut().unwrap();
    runner.moments = Moments::default();
    runner.stopped_at = None;
    assert_eq!(to_record(item).unwrap(), as_stored(&record));
}

#[test]
fn a_record_says_that_it_is_open_as_long_as_it_is() {
    let mut record = full_record(KEY, RUNNER);
    assert_eq!(to_item(&record).unwrap().get("open"), Some(&text("yes")));
    record.enter(LedgerState::Finished, "for the test", NOW);
    assert_eq!(to_item(&record).unwrap().get("open"), Some(&text("yes")), "a former runner lives");
    record.former.clear();
    assert_eq!(to_item(&record).unwrap().get("open"), None);
}

#[test]
fn an_item_that_does_not_say_since_when_it_is_known_is_known_since_its_first_transition() {
    let mut record = full_record(KEY, RUNNER);
    record.known_since = NOW + SignedDuration::from_hours(1);
    let first_heard_of = |record: &LedgerRecord| {
        let mut item = to_item(record).unwrap();
        assert!(item.remove("known_since").is_some());
        to_record(item).unwrap().known_since
    };
    assert_eq!(first_heard_of(&record), NOW);
    record.transitions.clear();
    record.expires_at = NOW + RETENTION;
    assert_eq!(first_heard_of(&record), NOW, "or at the latest since it was last written");
    record.expires_at = Timestamp::from_second(Timestamp::MIN.as_second()).unwrap();
    assert_eq!(first_heard_of(&record), Timestamp::MIN);
}

#[test]
fn an_expiry_is_kept_in_whole_seconds() {
    let mut record = new_record(KEY, "build");
    record.expires_at = NOW + SignedDuration::from_millis(1_999);
    let stored = to_record(to_item(&record).unwrap()).unwrap();
    assert_eq!(stored.expires_at, NOW + SignedDuration::from_secs(1));
}

#[test]
fn what_cannot_be_read_is_named() {
    let number = |digits: &str| AttributeValue::N(digits.to_owned());
    let text = |words: &str| AttributeValue::S(words.to_owned());
    for (attribute, value, expected) in [
        ("version", None, "attribute `version` is missing"),
        ("version", Some(AttributeValue::Null(true)), "attribute `version` is missing"),
        ("version", Some(text("1")), "attribute `version` cannot be read: "),
        ("version", Some(number("-1")), "attribute `version` cannot be read: "),
        (
            "version",
            Some(number("18446744073709551615")),
            "attribute `version` cannot be read: there is no next",
        ),
        ("known_since", Some(text("yesterday")), "attribute `known_since` cannot be read: "),
        ("not_before", Some(number("1")), "attribute `not_before` cannot be read: "),
        ("former", Some(AttributeValue::L(vec![text("i-0")])), "attribute `former` cannot be read: "),
        ("retries", Some(number("-1")), "attribute `retries` cannot be read: "),
        ("retry", Some(text("perhaps")), "attribute `retry` cannot be read: "),
        ("state", Some(text("paused")), "attribute `state` cannot be read: "),
        ("rank", Some(number("2")), "attribute `rank` cannot be read: "),
        ("pk", Some(text("job#1977")), "attribute `pk` cannot be read: `1977` is not a job key"),
        (
            "pk",
            Some(text(KEY)),
            "attribute `pk` cannot be read: `gitlab.example.com/380/1977` does not begin with",
        ),
        ("job_name", Some(text("")), "attribute `job_name` cannot be read: "),
        ("claim", Some(AttributeValue::M([].into())), "attribute `claim` cannot be read: missing field"),
        ("runner", Some(text("i-0")), "attribute `runner` cannot be read: "),
        ("runner_name", None, "attribute `runner_name` is missing"),
        ("runner_name", Some(text("i-0")), "attribute `runner_name` cannot be read: "),
        ("transitions", None, "attribute `transitions` is missing"),
        ("expires_at", Some(number("99999999999999999")), "attribute `expires_at` cannot be read: "),
    ] {
        let mut item = to_item(&full_record(KEY, RUNNER)).unwrap();
        match value {
            Some(value) => item.insert(attribute.to_owned(), value),
            None => item.remove(attribute),
        };
        let error = to_record(item).unwrap_err();
        let text = Chain(&error).to_string();
        assert!(text.starts_with(expected), "{attribute}: {text}");
    }
}

#[test]
fn the_item_of_a_new_record_is_pinned() {
    let mut record = new_record(KEY, "build");
    record.transitions.clear();
    insta::assert_snapshot!(shown(&record), @r#"
    {
      "expires_at": {
        "N": "4103136000"
      },
      "job_name": {
        "S": "build"
      },
      "known_since": {
        "S": "2100-01-01T00:00:00Z"
      },
      "open": {
        "S": "yes"
      },
      "pk": {
        "S": "job#gitlab.example.com/380/1977"
      },
      "rank": {
        "S": "pending"
      },
      "schema": {
        "N": "1"
      },
      "state": {
        "S": "seen"
      },
      "transitions": {
        "L": []
      },
      "version": {
        "N": "1"
      }
    }
    "#);
}

#[test]
fn the_item_of_a_full_record_is_pinned() {
    let mut record = full_record(KEY, RUNNER);
    record.transitions.drain(..record.transitions.len() - 2);
    insta::assert_snapshot!("full_record", shown(&record));
}

prop_compose! {
    fn moment()(seconds in 0_i64..=8_000_000_000, nanoseconds in 0..1_000_000_000) -> Timestamp {
        Timestamp::new(seconds, nanoseconds).unwrap()
    }
}

proptest! {
    #[test]
    fn any_record_is_read_back(
        name in ".{1,255}",
        explanation in proptest::option::of(".*"),
        holder in ".*",
        numbers: (u64, u64, u64, u32, u32),
        tags in proptest::collection::vec(".{0,9}", 0..5),
        moments in proptest::collection::vec((moment(), ".*"), 1..20),
    ) {
        let (job, runner, version, attempt, life) = numbers;
        let mut record = full_record(&format!("gitlab.example.com:8443/1/{job}"), RUNNER);
        record.name = name.parse().unwrap();
        record.version = version >> 1;
        record.explanation = explanation;
        for (at, reason) in &moments {
            record.enter(LedgerState::Seen, reason.as_str(), *at);
        }
        record.expires_at = Timestamp::from_second(moments[0].0.as_second()).unwrap();
        let claim = record.claim.as_mut().unwrap();
        claim.holder = Holder(holder);
        claim.lease_until = moments[0].0;
        claim.attempt = attempt;
        claim.registered = Some(RunnerId(runner));
        let request = Arc::make_mut(&mut claim.request);
        request.tags = tags.iter().collect();
        request.settings.max_life_seconds = life;
        request.settings.pass_env = tags;
        prop_assert_eq!(to_record(to_item(&record).unwrap()).unwrap(), as_stored(&record));
    }
}
