//! Changes one by one, their history, and how they are taken back.

use libtest_mimic::Trial;
use mayfly_aws::dynamodb::{create_tables, embedded_client};
use mayfly_standins::tables::EmbeddedTables;
use serde_json::{Value, json};

use crate::command::trial;
use crate::world::{ARN, World, mayfly};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_row_is_put_changed_shown_and_removed", put_and_remove()),
        trial("a_file_of_attributes_says_nothing_of_the_key", key_in_a_file()),
        trial("a_row_typed_by_hand_is_changed_by_its_own_keys_alone", typed_by_hand()),
        trial("every_change_is_kept_and_can_be_taken_back", history()),
        trial("a_change_is_taken_back_over_a_later_one_only_by_force", rollback_over_a_later_change()),
        trial("a_data_folder_is_edited_beside_its_server", data_folder()),
        trial("the_help_of_each_command_says_what_it_does", help()),
    ]
}

const BUILD: [&str; 4] = ["--job", "build", "--tags", "linux,docker"];

fn with<'a>(command: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [command, more].concat()
}

async fn put_and_remove() {
    let world = World::new().await;
    let put = with(&["put", "--yes"], &BUILD);
    let first = with(&put, &["--type", "lambda", "--arn", ARN, "--set", "owner=the build team"]);
    let said = world.mappings(&first).await.ok();
    assert!(said.contains("+ job build with tags docker,linux\n    + arn: arn:aws"), "{said}");
    assert!(said.contains("1 to add, 0 to change, 0 to remove."), "{said}");
    assert!(said.contains("1 row is written. This is change 20"), "{said}");

    let second = with(&put, &["--max-life-seconds", "900", "--set", "pass_env=[LANG, TZ]"]);
    let said = world.mappings(&second).await.ok();
    assert!(
        said.contains(
            "~ job build with tags docker,linux\n    + max_life_seconds: 900\n    + pass_env: [LANG, TZ]"
        ),
        "{said}"
    );
    assert_eq!(world.mappings(&second).await.ok(), "Nothing to change.\n");

    let file = world.file("more.yaml", "owner: the build team\nmax_life_seconds: 900\n");
    assert_eq!(world.mappings(&with(&put, &["--file", &file])).await.ok(), "Nothing to change.\n");
    let broken = world.file("broken.yaml", "a: 1\nb: {$textSet: []}\n");
    let said = world.mappings(&with(&put, &["--file", &broken])).await.fails(1, "there is 1 mistake in");
    assert!(said.contains(&format!("{broken}:2:15: DynamoDB has no empty sets")), "{said}");
    world.mappings(&with(&put, &["--set", "pk=x"])).await.fails(2, "this is no name of an attribute");
    let shown = world.mappings(&with(&["get"], &BUILD)).await.ok();
    let expected = format!(
        "version: 1\nmappings:\n  - job: build\n    tags: [docker, linux]\n    type: LAMBDA\n    arn: {ARN}\n    \
         max_life_seconds: 900\n    owner: the build team\n    pass_env: [LANG, TZ]\n"
    );
    assert_eq!(shown, expected);
    let listed = world.mappings(&["list"]).await.ok();
    let lines: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[1], ["build", "docker,linux", "LAMBDA", "shell"], "{listed}");
    let none = world.mappings(&["list", "--type", "EC2"]).await.ok();
    assert_eq!(none, "No mappings.\n1 further mapping: not asked for.\n");

    world
        .mappings(&with(&["put", "--yes", "--unset", "arn"], &BUILD))
        .await
        .fails(1, "attribute `arn` is missing, which `LAMBDA` needs; give --arn");
    world
        .mappings(&["put", "--yes", "--job", "x"])
        .await
        .fails(1, "attribute `type` is missing; give --type");
    world.mappings(&with(&["rm"], &BUILD)).await.fails(1, "give --yes to write without asking");
    world.mappings(&with(&["rm", "--dry-run"], &BUILD)).await.ok();
    assert_eq!(world.items().await.len(), 1, "a dry run and an unanswered question change nothing");
    let outcome = world.mappings(&with(&["rm", "--yes", "--output", "json"], &BUILD)).await.json();
    assert_eq!(
        (&outcome["written"], &outcome["changes"][0]["change"]),
        (&json!(1), &json!("remove")),
        "{outcome}"
    );
    assert_eq!(outcome["changes"][0]["before"]["owner"], "the build team", "{outcome}");
    assert_eq!(world.items().await, [] as [Value; 0]);
    world.mappings(&with(&["get"], &BUILD)).await.fails(3, "there is no row job#build tags#docker#linux");
    let again = world.mappings(&with(&["rm", "--yes"], &BUILD)).await;
    assert_eq!(again.stdout, "", "{again:?}");
    again.fails(3, "there is no row job#build tags#docker#linux in the table: `mayfly mappings list`");
}

async fn key_in_a_file() {
    let world = World::new().await;
    let key = "pk: job#victim\nsk: tags#\njob: victim\nproject: g/a\ntags: [linux]\ntype: LOCAL\n";
    let key = world.file("key.yaml", key);
    let said = world
        .mappings(&["put", "--yes", "--job", "build", "--file", &key])
        .await
        .fails(1, "there are 5 mistakes in");
    assert!(
        said.contains(&format!("\n{key}:1:1: `pk` belongs to the key, which the flags give\n")),
        "{said}"
    );
    let within = "`tags` belongs to the key, which the flags give; an attribute of this name stands within `attributes`";
    assert!(said.contains(&format!("\n{key}:5:1: {within}\n")), "{said}");
    assert_eq!(world.items().await, [] as [Value; 0]);
}

async fn typed_by_hand() {
    let world = World::new().await;
    let row = json!({ "pk": { "S": "job#hand" }, "sk": { "S": "tags#linux#arm" }, "type": { "S": "EC2" } });
    world.put(row.clone()).await;
    let key = ["--job", "hand", "--tags", "linux,arm"];
    let typed = "typed by hand in another way: give --pk 'job#hand' --sk 'tags#linux#arm'";
    world.mappings(&with(&["get"], &key)).await.fails(3, typed);
    world.mappings(&with(&["rm", "--yes"], &key)).await.fails(3, typed);
    let put = with(&["put", "--yes", "--purchase", "spot"], &key);
    let said = world.mappings(&with(&put, &["--type", "EC2"])).await.fails(1, typed);
    assert!(
        said.contains("there is a row for these jobs and tags already, and nothing is written"),
        "{said}"
    );
    assert_eq!(world.items().await, [row]);
    let key = ["--pk", "job#hand", "--sk", "tags#linux#arm"];
    world.mappings(&with(&["put", "--yes", "--purchase", "spot"], &key)).await.ok();
    assert_eq!(world.items().await[0]["purchase"], json!({ "S": "spot" }));
    world.mappings(&with(&["rm", "--yes"], &key)).await.ok();
    assert_eq!(world.items().await, [] as [Value; 0]);
}

async fn changes(world: &World, what: &[&str]) -> Vec<Value> {
    let history = world.mappings(&[&["history", "--output", "json"], what].concat()).await.json();
    history["changes"].as_array().unwrap().clone()
}

async fn history() {
    let world = World::new().await;
    assert_eq!(world.mappings(&["history"]).await.ok(), "No changes.\n");
    world
        .mappings(&["put", "--yes", "--job", "build", "--type", "EC2", "--set", "note={$binary: AAE=}"])
        .await
        .ok();
    world.mappings(&["put", "--yes", "--job", "test", "--type", "EC2"]).await.ok();
    world.mappings(&["put", "--yes", "--job", "build", "--purchase", "spot"]).await.ok();
    world.mappings(&["rm", "--yes", "--job", "build"]).await.ok();
    let all = changes(&world, &[]).await;
    let commands: Vec<&str> = all.iter().map(|change| change["command"].as_str().unwrap()).collect();
    assert_eq!(commands, ["mappings rm", "mappings put", "mappings put", "mappings put"]);
    assert!(all.iter().all(|change| change["who"] == "arn:aws:sts::123456789012:assumed-role/operator/me"
        && change["whole"] == true));
    assert_eq!(changes(&world, &["build"]).await.len(), 3);
    assert_eq!(changes(&world, &["job#test"]).await.len(), 1);
    assert_eq!(changes(&world, &["--limit", "1"]).await, all[..1]);
    assert_eq!(changes(&world, &["nothing"]).await, [] as [Value; 0]);

    let removal = all[0]["change"].as_str().unwrap();
    let text = world.mappings(&["history", removal]).await.ok();
    assert!(
        text.contains(
            "by arn:aws:sts::123456789012:assumed-role/operator/me with `mappings rm`\n- job build\n"
        ),
        "{text}"
    );
    assert!(
        text.contains("    - note: {$binary: AAE=}\n") && text.ends_with("0 added, 0 changed, 1 removed.\n"),
        "{text}"
    );
    world.mappings(&["rollback", "--yes", removal]).await.ok();
    let back = json!({ "pk": { "S": "job#build" }, "sk": { "S": "tags#" }, "type": { "S": "EC2" },
        "purchase": { "S": "spot" }, "note": { "B": "AAE=" } });
    assert_eq!(world.items().await[0], back);
    assert_eq!(world.mappings(&["rollback", "--yes", removal]).await.ok(), "Nothing to change.\n");
    let newest = changes(&world, &[]).await[0].clone();
    assert_eq!(newest["command"], format!("mappings rollback {removal}"));
    world.mappings(&["rollback", "--yes", newest["change"].as_str().unwrap()]).await.ok();
    assert_eq!(world.items().await.len(), 1, "what was taken back can be taken back");
    let unknown = "there is no change 20200101T000000.000000Z: `mayfly mappings history` tells";
    world.mappings(&["rollback", "20200101T000000.000000Z"]).await.fails(1, unknown);
    world.mappings(&["history", "20200101T000000.000000Z"]).await.fails(1, unknown);
}

async fn rollback_over_a_later_change() {
    let world = World::new().await;
    let put = |life| ["put", "--yes", "--job", "build", "--type", "EC2", "--max-life-seconds", life];
    world.mappings(&put("200")).await.ok();
    world.mappings(&put("300")).await.ok();
    world.mappings(&put("400")).await.ok();
    let second = changes(&world, &[]).await[1]["change"].as_str().unwrap().to_owned();
    let refused = "the row job#build tags# changed since";
    let said = world.mappings(&["rollback", "--yes", &second]).await.fails(1, refused);
    assert!(said.contains("nothing is written") && said.contains("--force"), "{said}");
    world.mappings(&["rollback", "--yes", "--force", &second]).await.ok();
    assert_eq!(world.items().await[0]["max_life_seconds"], json!({ "N": "200" }));
}

async fn data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().display().to_string();
    let edit = async |arguments: &[&str]| {
        let arguments = [&["mappings"], arguments, &["--data-dir", &data_dir]].concat();
        mayfly(&arguments, &[("USER", "ann"), ("HOSTNAME", "laptop")]).await
    };
    edit(&["list"]).await.fails(1, "is this the data folder of a `mayfly local`?");
    // As an older version made it, and open as by a server.
    let tables = EmbeddedTables::in_file(&folder.path().join("mayfly.db")).await.unwrap();
    create_tables(&embedded_client(tables.url().as_str()), "mayfly-mappings", "mayfly-ledger").await.unwrap();
    edit(&["put", "--yes", "--job", "build", "--type", "LOCAL"]).await.ok();
    drop(tables);
    edit(&["put", "--yes", "--job", "test", "--type", "LOCAL"]).await.ok();
    let listed = edit(&["list", "--output", "json"]).await.json();
    let jobs: Vec<&Value> =
        listed["mappings"].as_array().unwrap().iter().map(|row| &row["mapping"]["job"]).collect();
    assert_eq!(jobs, ["build", "test"]);
    let history = edit(&["history", "--output", "json"]).await.json();
    assert_eq!(history["changes"][0]["who"], "ann@laptop");
}

async fn help() {
    for (command, named) in [
        ("list", "--project"),
        ("get", "--pk"),
        ("put", "Attributes that are not named stay as they are"),
        ("rm", "--dry-run"),
        ("export", "can be compared line by line"),
        ("import", "None is removed"),
        ("diff", "3 if there are differences"),
        ("apply", "the same command writes the rest"),
        ("history", "--limit"),
        ("rollback", "--force"),
    ] {
        let text = mayfly(&["mappings", command, "--help"], &[])
            .await
            .ok()
            .replace("\n          ", " ")
            .replace('\n', " ");
        assert!(text.contains(named), "{named} is not in:\n{text}");
        assert!(text.contains("--data-dir") && text.contains("--mapping-table"), "{text}");
        assert!(text.contains("Exit codes:   0  "), "{text}");
    }
    let text = mayfly(&["mappings", "--help"], &[]).await.ok();
    assert!(text.contains("  version: 1\n") && text.contains("are kept"), "{text}");
}
