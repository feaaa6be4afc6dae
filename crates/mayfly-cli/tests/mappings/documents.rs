//! Whole documents: export, import, diff and apply.

use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::command::trial;
use crate::world::{ARN, TABLE, World, document, lambda};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("rows_that_others_wrote_survive_an_export_and_an_import", foreign_rows()),
        trial("apply_shows_writes_and_then_has_nothing_to_do", apply()),
        trial("the_sample_is_applied", sample()),
    ]
}

/// Rows as a console and other programs write them.
fn by_hand() -> Vec<Value> {
    let row = |pk: &str, sk: &str, more: Value| {
        let mut item = json!({ "pk": { "S": pk }, "sk": { "S": sk } });
        item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        item
    };
    let lambda = json!({ "type": { "S": "LAMBDA" }, "arn": { "S": ARN } });
    vec![
        row("broken", "row", json!({})),
        row("job#50% done", "tags#", json!({ "type": { "S": "EC2" } })),
        row("job#build", "tags#linux", lambda.clone()),
        row("job#build", "tags#linux#docker#linux", lambda),
        row("job#deploy-*", "tags#", json!({ "type": { "S": "FARGATE" }, "job": { "S": "an attribute" } })),
        row(
            "project#g/a#job#*",
            "tags#",
            json!({
                "type": { "S": "EC2" },
                "max_life_seconds": { "S": " 7200 " },
                "pass_env": { "SS": ["A", "B"] },
                "big": { "N": "12345678901234567890123456789012345678" },
                "numbers": { "NS": ["0.5", "1"] },
                "bytes": { "B": "AAEC" },
                "many": { "BS": ["AA==", "AQ=="] },
                "nothing": { "NULL": true },
                "deep": { "M": { "list": { "L": [{ "BOOL": false }, { "M": { "$map": { "S": "" } } }] } } },
            }),
        ),
    ]
}

fn sorted_sets(mut items: Vec<Value>) -> Vec<Value> {
    for value in items.iter_mut().flat_map(|item| item.as_object_mut().unwrap().values_mut()) {
        for set in ["SS", "NS", "BS"] {
            if let Some(elements) = value.get_mut(set).and_then(Value::as_array_mut) {
                elements.sort_by_key(ToString::to_string);
            }
        }
    }
    items
}

async fn foreign_rows() {
    let world = World::new().await;
    for item in by_hand() {
        world.put(item).await;
    }
    let listed = world.mappings(&["list"]).await.ok();
    assert!(listed.contains("attribute `type` is not `LAMBDA`, `EC2` or `LOCAL`"), "{listed}");
    assert!(listed.contains("is not a mapping key"), "{listed}");
    assert!(listed.contains("docker,linux"), "{listed}");

    for file in ["all.yaml", "all.json"] {
        let file = world.path(file).display().to_string();
        world.mappings(&["export", &file]).await.ok();
        let same = world.mappings(&["diff", "--prune", &file]).await;
        assert!(same.stderr.contains("the row is given by `pk` and `sk` and is taken as it is"), "{same:?}");
        assert_eq!(same.ok(), "No differences.\n");
        for item in by_hand() {
            let key = json!({ "pk": item["pk"], "sk": item["sk"] });
            world.foreign("DeleteItem", &json!({ "TableName": TABLE, "Key": key })).await;
        }
        world.mappings(&["import", "--yes", &file]).await.ok();
        assert_eq!(sorted_sets(world.items().await), by_hand());
    }
    let printed = world.mappings(&["export"]).await.ok();
    assert_eq!(printed, std::fs::read_to_string(world.path("all.yaml")).unwrap());
}

async fn apply() {
    let world = World::new().await;
    world.mappings(&["put", "--yes", "--job", "old", "--type", "EC2", "--set", "owner=x"]).await.ok();
    world.mappings(&["put", "--yes", "--job", "kept", "--type", "EC2", "--set", "owner=x"]).await.ok();
    let kept = json!({ "job": "kept", "type": "EC2", "purchase": "spot" });
    let file = world.file("wanted.json", &document(&[lambda("new"), kept]));

    let differs = world.mappings(&["diff", "--prune", &file]).await;
    assert_eq!(differs.code, Some(3), "{differs:?}");
    let expected = format!(
        "~ job kept\n    - owner: x\n    + purchase: spot\n+ job new\n    + arn: {ARN}\n    + type: LAMBDA\n\
         - job old\n    - owner: x\n    - type: EC2\n1 to add, 1 to change, 1 to remove.\n"
    );
    assert_eq!(differs.stdout, expected);
    let differs = world.mappings(&["diff", "--prune", "--output", "json", &file]).await;
    let compared: Value = serde_json::from_str(&differs.stdout).unwrap();
    assert_eq!((differs.code, &compared["same"]), (Some(3), &json!(false)));

    world.aws.forget_calls();
    let dry = world.mappings(&["apply", "--dry-run", "--prune", &file]).await.ok();
    assert_eq!(dry, expected + "Nothing is written: this is a dry run.\n");
    world.mappings(&["apply", "--prune", &file]).await.fails(1, "nothing is written: there is no terminal");
    assert_eq!(world.writes(), 0);
    world.mappings(&["apply", "--yes", &file]).await.ok();
    assert_eq!(world.items().await.len(), 3, "without --prune nothing goes");
    world.mappings(&["apply", "--yes", "--prune", &file]).await.ok();
    assert_eq!((world.items().await.len(), world.writes()), (2, 2));
    assert_eq!(world.mappings(&["apply", "--yes", "--prune", &file]).await.ok(), "Nothing to change.\n");
    assert_eq!(world.mappings(&["diff", "--prune", &file]).await.ok(), "No differences.\n");
    assert_eq!(world.writes(), 2, "nothing to change is no write");
}

async fn sample() {
    let world = World::new().await;
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../helper-scripts/mappings.yaml");
    let outcome = world.mappings(&["apply", "--yes", "--output", "json", file]).await.json();
    assert_eq!(outcome["written"], 9);
    assert_eq!(world.mappings(&["diff", "--prune", file]).await.ok(), "No differences.\n");
    world.mappings(&["lint", "--offline", "--fail-on", "error", file]).await.ok();
}
