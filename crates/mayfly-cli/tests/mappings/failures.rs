//! What goes wrong, and what is said then.

use libtest_mimic::Trial;
use mayfly_standins::aws::Reply;
use serde_json::{Value, json};

use crate::command::trial;
use crate::world::{HISTORY, TABLE, World, document, lambda, mayfly};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("an_interrupted_apply_is_repeated_and_ends_right", interrupted()),
        trial("a_write_whose_answer_is_lost_is_written_once", lost_answer()),
        trial("two_people_do_not_overwrite_each_other", conflict()),
        trial("a_throttled_table_is_tried_again_and_then_told_of", throttled()),
        trial("every_mistake_of_a_document_has_its_place_and_nothing_is_written", broken_documents()),
        trial("a_wrong_stack_and_missing_credentials_have_a_next_step", not_found()),
    ]
}

async fn interrupted() {
    let world = World::new().await;
    world.mappings(&["put", "--yes", "--job", "old", "--type", "EC2"]).await.ok();
    let wanted: Vec<Value> = (0..150).map(|index| lambda(&format!("job-{index}"))).collect();
    let file = world.file("wanted.json", &document(&wanted));
    world.aws.pass_next("TransactWriteItems");
    world.aws.answer_next("TransactWriteItems", Reply::error(400, "AccessDeniedException"));
    let said = world
        .mappings(&["apply", "--yes", "--prune", &file])
        .await
        .fails(1, "99 of 151 rows are written and stay so");
    assert!(said.contains("52 are not: run the command again"), "{said}");
    assert!(said.contains("these credentials lack the right"), "{said}");
    assert_eq!(world.items().await.len(), 100);
    let history = world.mappings(&["history"]).await.ok();
    assert!(history.contains("and 98 more (interrupted: 99 of 151)"), "{history}");

    let again = world.mappings(&["apply", "--yes", "--prune", &file]).await.ok();
    assert!(again.contains("51 to add, 0 to change, 1 to remove."), "{again}");
    assert_eq!(world.items().await.len(), 150);
    assert_eq!(world.mappings(&["diff", "--prune", &file]).await.ok(), "No differences.\n");

    let history = world.mappings(&["history", "--output", "json"]).await.json();
    for change in [0, 1] {
        let change = history["changes"][change]["change"].as_str().unwrap();
        world.mappings(&["rollback", "--yes", change]).await.ok();
    }
    let left = world.items().await;
    assert_eq!((left.len(), &left[0]["pk"]), (1, &json!({ "S": "job#old" })), "all of it can be taken back");
}

async fn lost_answer() {
    let world = World::new().await;
    world.aws.lose_next("TransactWriteItems");
    world.mappings(&["put", "--yes", "--job", "a", "--type", "EC2"]).await.ok();
    assert_eq!((world.items().await.len(), world.writes()), (1, 2), "the second attempt finds the first");
    let history = world.mappings(&["history", "--output", "json"]).await.json();
    assert_eq!(history["changes"].as_array().unwrap().len(), 1);

    // All attempts of the SDK for each of the command's own.
    for _ in 0..3 * 6 {
        world.aws.answer_next("TransactWriteItems", Reply::error(500, "InternalServerError"));
    }
    let said = world.mappings(&["rm", "--yes", "--job", "a"]).await;
    let said = said.fails(1, "whether anything is written is not known: run the command again");
    assert!(said.contains("InternalServerError"), "{said}");
    assert_eq!(world.items().await.len(), 1);
}

/// What a scan found before somebody changed it.
fn stale(items: &[Value]) -> Reply {
    Reply { status: 200, body: json!({ "Count": items.len(), "ScannedCount": items.len(), "Items": items }) }
}

async fn conflict() {
    let world = World::new().await;
    world.mappings(&["put", "--yes", "--job", "a", "--type", "EC2"]).await.ok();
    world.mappings(&["put", "--yes", "--job", "b", "--type", "EC2"]).await.ok();
    let before = world.items().await;
    let row = |pk: &str, more: Value| {
        let mut item = json!({ "pk": { "S": pk }, "sk": { "S": "tags#" }, "type": { "S": "EC2" } });
        item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        item
    };
    let entry = |job: &str| json!({ "job": job, "type": "EC2", "purchase": "spot" });
    let file = world.file("wanted.json", &document(&[entry("a"), entry("b"), entry("c")]));
    let others = [
        row("job#a", json!({ "type": { "S": "LOCAL" } })),
        row("job#a", json!({ "executor": { "S": "docker" } })),
        row("job#c", json!({})),
    ];
    for other in others {
        let is_new = other["pk"]["S"] == "job#c";
        world.put(other.clone()).await;
        let now = world.items().await;
        world.aws.answer_next("Scan", stale(&before));
        let name = if is_new {
            "the row job#c tags# changed meanwhile; nothing is written"
        } else {
            "the row job#a tags# changed meanwhile; nothing is written"
        };
        let said = world.mappings(&["apply", "--yes", &file]).await.fails(1, name);
        assert!(said.contains("run the command again"), "{said}");
        assert_eq!(world.items().await, now, "not one row of the change is written");
        world.put(before[0].clone()).await;
    }
    // Somebody adds what Mayfly does not know: it stays.
    world.put(row("job#a", json!({ "owner": { "S": "ann" } }))).await;
    let mut stale_now = world.items().await;
    stale_now[0] = before[0].clone();
    world.aws.answer_next("Scan", stale(&stale_now));
    world.mappings(&["apply", "--yes", &file]).await.ok();
    let merged = row("job#a", json!({ "owner": { "S": "ann" }, "purchase": { "S": "spot" } }));
    assert_eq!(world.items().await[0], merged);

    // A row that changed is not removed.
    world.aws.answer_next("GetItem", Reply { status: 200, body: json!({ "Item": before[0] }) });
    world.mappings(&["rm", "--yes", "--job", "a"]).await.fails(1, "the row job#a tags# changed meanwhile");
    assert_eq!(world.items().await.len(), 3);
}

fn canceled(code: &str) -> Reply {
    let reasons = json!([{ "Code": code, "Message": "as the test wants" }, { "Code": "None" }]);
    Reply {
        status: 400,
        body: json!({ "__type": "TransactionCanceledException", "Message": "canceled", "CancellationReasons": reasons }),
    }
}

async fn throttled() {
    let world = World::new().await;
    let put = ["put", "--yes", "--job", "a", "--type", "EC2"];
    for code in ["ThrottlingError", "TransactionConflict"] {
        world.aws.answer_next("TransactWriteItems", canceled(code));
    }
    world.mappings(&put).await.ok();
    assert_eq!(world.writes(), 3);
    for _ in 0..6 {
        world.aws.answer_next("TransactWriteItems", canceled("ThrottlingError"));
    }
    let said = world.mappings(&["rm", "--yes", "--job", "a"]).await.fails(1, "try again in a minute");
    assert!(said.contains("nothing is written: run the command again"), "{said}");
    for _ in 0..3 {
        world.aws.answer_next("Scan", Reply::error(400, "ProvisionedThroughputExceededException"));
    }
    let said = world.mappings(&["list"]).await.fails(1, "cannot read the mappings in eu-central-1");
    assert!(said.contains("AWS throttles: try again in a minute"), "{said}");
}

async fn broken_documents() {
    let world = World::new().await;
    let text = "version: 1\nmappings:\n  - job: build\n    type: FARGATE\n  - job: test\n    type: LAMBDA\n  - job: ok\n    type: EC2\n";
    let file = world.file("broken.yaml", text);
    for command in [vec!["apply", "--yes"], vec!["import", "--yes"], vec!["diff"]] {
        let said =
            world.mappings(&[&command[..], &[&file]].concat()).await.fails(1, "there are 2 mistakes in");
        assert!(said.contains("nothing is written:\n"), "{said}");
        assert!(
            said.contains(&format!("\n{file}:4:11: attribute `type` is not `LAMBDA`, `EC2` or `LOCAL`\n")),
            "{said}"
        );
        assert!(
            said.ends_with(&format!("\n{file}:5:5: attribute `arn` is missing, which `LAMBDA` needs\n")),
            "{said}"
        );
    }
    assert_eq!(world.aws.calls(), [] as [&str; 0], "AWS is not even asked");
    let json = world.file("broken.json", "{\n  \"version\": 1,\n  \"mappings\": [,]\n}");
    world.mappings(&["apply", &json]).await.fails(1, &format!("{json}:3:16: this is no JSON: "));
    world
        .mappings(&["apply", "/nonexistent.yaml"])
        .await
        .fails(1, "cannot read the document /nonexistent.yaml");
    world.mappings(&["apply", "-"]).await.fails(1, "-:1:1: there is nothing in it");
}

async fn not_found() {
    let world = World::new().await;
    world
        .mappings(&["list", "--stack", "mine"])
        .await
        .fails(1, "there is no stack mine in eu-central-1: give the autoscaler's stack");
    world.aws.put_stack("older", &[("MappingTable", TABLE)]);
    world.mappings(&["list", "--stack", "older"]).await.ok();
    let put = ["put", "--yes", "--job", "a", "--type", "EC2"];
    let older = [&put[..], &["--stack", "older"]].concat();
    let said = world.mappings(&older).await.fails(1, "has no output MappingHistoryTable");
    assert!(said.contains("deploy this version"), "{said}");
    let named = [&put[..], &["--mapping-table", TABLE]].concat();
    world.mappings(&named).await.fails(1, "give --history-table beside --mapping-table");
    world.mappings(&[&named[..], &["--history-table", HISTORY]].concat()).await.ok();
    world
        .mappings(&["list", "--mapping-table", "none"])
        .await
        .fails(1, "there is no table or index as asked for in table `none`");
    world.mappings(&["put", "--type", "EC2"]).await.fails(2, "--job");
    world.mappings(&["list", "--data-dir", "x", "--stack", "y"]).await.fails(2, "cannot be used with");

    let aws = world.aws.url().as_str();
    let bare = [("HOME", "/nonexistent"), ("AWS_EC2_METADATA_DISABLED", "true"), ("AWS_ENDPOINT_URL", aws)];
    mayfly(&["mappings", "list"], &bare).await.fails(1, "give --region, AWS_REGION");
    let arguments = ["mappings", "list", "--region", "eu-central-1"];
    mayfly(&arguments, &bare).await.fails(1, "`aws sts get-caller-identity` tells");
}
