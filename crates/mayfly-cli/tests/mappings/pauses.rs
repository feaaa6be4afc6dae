//! `mayfly pause` and `mayfly resume`.

use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::command::trial;
use crate::world::{World, document, lambda};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_paused_mapping_says_so_wherever_it_is_shown_until_it_is_resumed", pause_one()),
        trial("a_pause_of_all_is_no_mapping_and_survives_an_apply", pause_all()),
        trial("a_pause_outlives_the_change_before_it_that_is_taken_back", rollback()),
        trial("whoever_resumes_is_told_what_is_still_paused", still_paused()),
        trial("a_pause_of_nothing_is_refused", pause_nothing()),
    ]
}

/// Two rows for `build`, one for `test`.
async fn world() -> World {
    let world = World::new().await;
    let mut tagged = lambda("build");
    tagged["tags"] = json!(["linux"]);
    let file = world.file("mappings.json", &document(&[lambda("build"), tagged, lambda("test")]));
    world.mappings(&["apply", &file, "--yes"]).await.ok();
    world
}

/// The reasons of the rows that are paused, by their sort keys.
async fn paused(world: &World) -> Vec<(String, String)> {
    let reason = |item: &Value| item["paused"]["S"].as_str().map(str::to_owned);
    let items = world.items().await;
    items.iter().filter_map(|item| Some((item["sk"]["S"].as_str()?.to_owned(), reason(item)?))).collect()
}

async fn pause_one() {
    let world = world().await;
    let why = ["--reason", "the image is broken", "--yes"];
    world.mayfly(&[&["pause", "build", "--tags", "linux"], &why[..]].concat()).await.ok();
    assert_eq!(paused(&world).await, [("tags#linux".to_owned(), "the image is broken".to_owned())]);
    let said = world.mayfly(&[&["pause", "build"], &why[..]].concat()).await.ok();
    assert!(said.contains("1 to change"), "the other row: {said}");
    assert_eq!(paused(&world).await.len(), 2);
    let listed = world.mappings(&["list"]).await.ok();
    assert_eq!(listed.matches("paused: the image is broken").count(), 2, "{listed}");
    let explained = world.mayfly(&["explain", "--job", "build", "--tags", ""]).await.ok();
    assert!(explained.contains("the image is broken"), "{explained}");
    let again = world.mayfly(&[&["pause", "build"], &why[..]].concat()).await.ok();
    assert_eq!(again, "Nothing to change.\n");

    world.mayfly(&["resume", "build", "--yes"]).await.ok();
    assert_eq!(paused(&world).await, []);
    let history = world.mappings(&["history", "--limit", "1"]).await.ok();
    assert!(history.contains("resume"), "{history}");
}

async fn pause_all() {
    let world = world().await;
    world.mayfly(&["pause", "--reason", "GitLab is upgraded", "--yes"]).await.ok();
    let listed = world.mappings(&["list"]).await.ok();
    let all = "All jobs are kept waiting: GitLab is upgraded; `mayfly resume`\n";
    assert!(listed.ends_with(all) && !listed.contains("further"), "{listed}");
    let filtered = world.mappings(&["list", "--job", "build"]).await.ok();
    assert!(filtered.ends_with(&format!("\n1 further mapping: not asked for.\n{all}")), "{filtered}");
    let json = world.mappings(&["list", "--output", "json"]).await.json();
    assert_eq!((&json["all_paused"], &json["others"]), (&json!("GitLab is upgraded"), &json!(0)), "{json}");
    assert_eq!(json["mappings"].as_array().map(Vec::len), Some(3), "{json}");
    assert!(!world.mappings(&["export"]).await.ok().contains("upgraded"));
    let file = world.file("mappings.json", &document(&[lambda("build")]));
    world.mappings(&["apply", &file, "--prune", "--yes"]).await.ok();
    assert_eq!(world.items().await.len(), 2, "the mapping and the pause");
    let lint = world.mappings(&["lint", "--offline", "--output", "json", "--fail-on", "error"]).await.json();
    let rules: Vec<&str> =
        lint["findings"].as_array().unwrap().iter().filter_map(|it| it["rule"].as_str()).collect();
    assert!(rules.contains(&"paused"), "{lint}");
    world.mayfly(&["resume", "--yes"]).await.ok();
    assert_eq!(world.items().await.len(), 1);
    assert_eq!(world.mayfly(&["resume", "--yes"]).await.ok(), "Nothing to change.\n");
}

async fn rollback() {
    let world = world().await;
    let put = ["put", "--yes", "--job", "test", "--set", "owner=ann", "--output", "json"];
    let change = world.mappings(&put).await.json()["change"].as_str().unwrap().to_owned();
    world.mayfly(&["pause", "test", "--reason", "stop", "--yes"]).await.ok();
    let said = world.mappings(&["rollback", &change, "--yes"]).await.ok();
    assert!(said.contains("    - owner: ann\n0 to add, 1 to change"), "{said}");
    assert_eq!(paused(&world).await, [("tags#".to_owned(), "stop".to_owned())]);
}

async fn still_paused() {
    let world = world().await;
    let pause =
        async |more: &[&str]| world.mayfly(&[&["pause", "--yes", "--reason"], more].concat()).await.ok();
    let resume = async |more: &[&str], changed: &str, notes: &[&str]| {
        let answer = world.mayfly(&[&["resume", "--yes"], more].concat()).await;
        assert_eq!(answer.stderr.lines().collect::<Vec<_>>(), notes, "{more:?}");
        let said = answer.ok();
        assert!(said.contains(changed), "{more:?}: {said}");
    };
    pause(&["broken", "build"]).await;
    pause(&["also broken", "test"]).await;
    let build = "`build` is still paused: broken; `mayfly resume build`";
    let test = "`test` is still paused: also broken; `mayfly resume test`";
    resume(&[], "Nothing to change.", &[build, test]).await;
    pause(&["GitLab is upgraded"]).await;
    let all = "all jobs are still kept waiting: GitLab is upgraded; `mayfly resume`";
    resume(&["build", "--dry-run"], "this is a dry run", &[]).await;
    resume(&["build"], "are written", &[all]).await;
    resume(&["build"], "Nothing to change.", &[all]).await;
    resume(&[], "is written", &[test]).await;
    resume(&["test"], "is written", &[]).await;
}

async fn pause_nothing() {
    let world = world().await;
    let said = "no mapping is meant by this: `mayfly mappings list`";
    world.mayfly(&["pause", "deploy", "--reason", "x", "--yes"]).await.fails(1, said);
    world.mayfly(&["pause", "build"]).await.fails(2, "--reason");
    let unasked = "nothing is written: there is no terminal to ask on; give --yes";
    world.mayfly(&["pause", "build", "--reason", "x"]).await.fails(1, unasked);
    assert_eq!(paused(&world).await, []);
}
