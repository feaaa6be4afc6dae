//! Items written by others: rows typed by hand in a console, and items of a later version of Mayfly.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use mayfly_core::ledger::LedgerRecord;
use mayfly_core::mapping::{Executor, StoredMapping, Target};
use mayfly_core::ports::{Ledger, MappingStore, Written};
use mayfly_standins::contracts;

use crate::server::{LEDGER_TABLE, MAPPING_TABLE, Server};
use crate::{job, ledger_of, mappings_of};

async fn put(server: &Server, table: &str, attributes: &[(&str, AttributeValue)]) {
    let item: HashMap<String, AttributeValue> =
        attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    server.client().put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

#[tokio::test]
async fn a_row_typed_in_a_console_is_read() {
    let server = Server::in_memory().await;
    let arn = "arn:aws:lambda:eu-central-1:123456789012:function:shell";
    put(
        &server,
        MAPPING_TABLE,
        &[
            ("pk", text("job#build")),
            ("sk", text("tags#linux#docker#linux")),
            ("type", text("LAMBDA")),
            ("arn", text(arn)),
            ("executor", text("docker")),
            ("wait_timeout_seconds", text("60")),
            ("max_life_seconds", AttributeValue::N("7200".to_owned())),
            ("keep_aws_credentials", text("true")),
            ("retries_after_loss", text("2")),
            ("pass_env", AttributeValue::Ss(vec!["A".to_owned(), "B".to_owned()])),
            ("comment", text("ask the build team")),
        ],
    )
    .await;
    let rows = mappings_of(&server).candidates(None, &job("build")).await.unwrap();
    let readable = rows.iter().find_map(|row| match row {
        StoredMapping::Readable(mapping) => Some(mapping),
        StoredMapping::Unreadable { .. } | StoredMapping::Pause { .. } => None,
    });
    let mapping = readable.unwrap();
    assert_eq!(mapping.key.to_string(), "job#build tags#docker#linux");
    assert_eq!(mapping.target, Target::Lambda { arn: arn.to_owned() });
    assert_eq!(mapping.settings.executor, Executor::Docker);
    assert_eq!(mapping.settings.wait_timeout_seconds, 60);
    assert_eq!(mapping.settings.max_life_seconds, 7200);
    assert!(mapping.settings.keep_aws_credentials);
    assert_eq!(mapping.settings.retries_after_loss, 2);
    assert_eq!(mapping.settings.pass_env, ["A", "B"]);
}

#[tokio::test]
async fn a_name_typed_without_escapes_is_found() {
    let server = Server::in_memory().await;
    for key in ["job#50% done", "job#a*b", "project#g/100%#job#50%25 done"] {
        put(&server, MAPPING_TABLE, &[("pk", text(key)), ("sk", text("tags#")), ("type", text("EC2"))]).await;
    }
    let store = mappings_of(&server);
    let project = "g/100%".parse().unwrap();
    for (project, name, expected) in
        [(None, "50% done", 1), (None, "a*b", 1), (None, "axb", 0), (Some(&project), "50% done", 2)]
    {
        let rows = store.candidates(project, &job(name)).await.unwrap();
        assert_eq!(rows.len(), expected, "{name}: {rows:?}");
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_hides_no_other_and_is_told_only_to_the_jobs_it_may_be_for() {
    let server = Server::in_memory().await;
    let [ec2, fargate] = [text("EC2"), text("FARGATE")];
    for (pk, sk, target) in [
        ("job#build", "tags#", &ec2),
        ("job#build", "tags#linux", &fargate),
        ("job#build", "no tags", &ec2),
        ("job#deploy-*", "tags#", &fargate),
    ] {
        put(&server, MAPPING_TABLE, &[("pk", text(pk)), ("sk", text(sk)), ("type", target.clone())]).await;
    }
    let rows = mappings_of(&server).candidates(None, &job("build")).await.unwrap();
    assert_eq!(rows.len(), 3, "{rows:?}");
    let mut unreadable: Vec<String> = rows
        .into_iter()
        .filter_map(|row| match row {
            StoredMapping::Readable(_) | StoredMapping::Pause { .. } => None,
            StoredMapping::Unreadable { key, row, reason } => {
                assert!(key.is_none_or(|key| key.to_string() == row));
                Some(format!("{row}: {reason}"))
            }
        })
        .collect();
    unreadable.sort();
    assert_eq!(
        unreadable,
        [
            "job#build no tags: `no tags` is not a sort key (`tags#<tag>#<tag>…`)",
            "job#build tags#linux: attribute `type` is not `LAMBDA`, `EC2` or `LOCAL`",
        ]
    );
    assert_eq!(mappings_of(&server).list().await.unwrap().len(), 4);
}

#[tokio::test]
async fn an_item_of_a_later_version_is_read() {
    let server = Server::in_memory().await;
    let ledger = ledger_of(&server);
    let record = contracts::full_record("gitlab.example.com/380/1977", "mayfly-ec2-i-0abc");
    assert_eq!(ledger.put(&record, contracts::NOW).await.unwrap(), Written::Yes);
    server
        .client()
        .update_item()
        .table_name(LEDGER_TABLE)
        .key("pk", text("job#gitlab.example.com/380/1977"))
        .update_expression(
            "SET #new = :new, #claim.#new = :new, #claim.#request.#new = :new, #claim.#request.#settings.#new = :new, \
             #runner.#new = :new, #schema = :schema",
        )
        .expression_attribute_names("#new", "new_in_version_9")
        .expression_attribute_names("#claim", "claim")
        .expression_attribute_names("#request", "request")
        .expression_attribute_names("#settings", "settings")
        .expression_attribute_names("#runner", "runner")
        .expression_attribute_names("#schema", "schema")
        .expression_attribute_values(":new", AttributeValue::L(vec![AttributeValue::Bool(true)]))
        .expression_attribute_values(":schema", AttributeValue::N("9".to_owned()))
        .send()
        .await
        .unwrap();
    let stored = LedgerRecord { version: 1, ..record };
    assert_eq!(ledger.get(&stored.key, contracts::NOW).await.unwrap(), Some(stored));
}

#[tokio::test]
async fn a_pause_typed_by_hand_is_found_for_every_job() {
    let server = Server::in_memory().await;
    put(&server, MAPPING_TABLE, &[("pk", text("pause")), ("sk", text("all")), ("reason", text("upgrade"))])
        .await;
    let rows = mappings_of(&server).candidates(None, &job("build")).await.unwrap();
    assert_eq!(rows, [StoredMapping::Pause { reason: "upgrade".to_owned() }]);
}
