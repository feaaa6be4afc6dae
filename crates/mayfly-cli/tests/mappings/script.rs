//! `helper-scripts/apply-mappings`: a real shell, the real command, and a stand-in for AWS.

use std::path::Path;
use std::process::Stdio;

use libtest_mimic::Trial;
use serde_json::json;
use tokio::process::Command;

use crate::command::trial;
use crate::world::{ARN, Answer, HISTORY, TABLE, World, document, lambda};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../helper-scripts/apply-mappings");

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("the_script_lints_shows_and_applies_a_document", applied()),
        trial("the_script_writes_nothing_that_lint_calls_an_error", refused_by_lint()),
        trial("the_script_passes_its_flags_on", flags()),
        trial("the_script_says_what_is_wrong_with_its_command_line", misused()),
    ]
}

/// Runs the script with `mayfly` on the PATH, or without.
async fn run(world: &World, arguments: &[&str], has_mayfly: bool) -> Answer {
    let mayfly = Path::new(env!("CARGO_BIN_EXE_mayfly")).parent().unwrap();
    let path =
        if has_mayfly { format!("{}:/usr/bin:/bin", mayfly.display()) } else { "/usr/bin:/bin".to_owned() };
    let mut command = Command::new("sh");
    command.arg(SCRIPT).args(arguments).env_clear().envs(world.aws.variables()).env("PATH", path);
    command.stdin(Stdio::null()).output().await.unwrap().into()
}

async fn applied() {
    let world = World::new().await;
    world.aws.put_function(ARN, 900);
    let file = world.file("wanted.json", &document(&[lambda("build"), lambda("test")]));

    let dry = run(&world, &["--dry-run", &file], true).await.ok();
    assert!(dry.contains("2 to add, 0 to change, 0 to remove."), "{dry}");
    let unasked = run(&world, &[&file], true).await;
    unasked.fails(1, "nothing is written: there is no terminal to ask on");
    assert_eq!(world.writes(), 0);

    let said = run(&world, &["--yes", &file], true).await.ok();
    for expected in ["+ job build\n", "2 rows are written.", "Next:\n  mayfly explain"] {
        assert!(said.contains(expected), "{expected} is not in: {said}");
    }
    assert_eq!(world.items().await.len(), 2);
    let again = run(&world, &["--yes", &file], true).await.ok();
    assert!(again.contains("Nothing to change."), "{again}");
}

async fn refused_by_lint() {
    let world = World::new().await;
    let file = world.file("gone.json", &document(&[lambda("build")]));
    world.aws.delete_function("shell");
    let refused = run(&world, &["--yes", &file], true).await;
    assert!(refused.stdout.contains(ARN), "{refused:?}");
    refused.fails(3, "nothing is written: mend the errors in");
    let file = world.file("broken.json", &document(&[json!({ "job": "build" })]));
    run(&world, &["--yes", &file], true).await.fails(1, "broken.json:1:");
    assert_eq!(world.writes(), 0);
}

async fn flags() {
    let world = World::new().await;
    world.aws.put_function(ARN, 900);
    world.aws.delete_stack("mayfly-autoscaler");
    world.aws.put_stack("other", &[("MappingTable", TABLE), ("MappingHistoryTable", HISTORY)]);
    world.mappings(&["put", "--stack", "other", "--yes", "--job", "old", "--type", "EC2"]).await.ok();
    let file = world.file("a document.json", &document(&[lambda("build")]));

    run(&world, &["--yes", &file], true).await.fails(1, "mayfly-autoscaler");
    let arguments = ["--stack", "other", "--region", "eu-central-1", "--prune", "--yes", &file];
    let said = run(&world, &arguments, true).await.ok();
    assert!(said.contains("1 to add, 0 to change, 1 to remove."), "{said}");
    let both = run(&world, &["--profile", "ann", "--data-dir", "data", &file], true).await;
    both.fails(2, "'--profile <NAME>' cannot be used with '--data-dir <FOLDER>'");
}

async fn misused() {
    let world = World::new().await;
    let file = world.file("wanted.json", &document(&[lambda("build")]));
    run(&world, &["--stack"], true).await.fails(2, "--stack needs a value");
    run(&world, &["--force", &file], true).await.fails(2, "there is no option --force");
    run(&world, &[&file, "more.yaml"], true).await.fails(2, "give one document");
    run(&world, &["-"], true).await.fails(2, "cannot be standard input");
    run(&world, &[&file], false).await.fails(1, "cargo install --locked --path crates/mayfly-cli");
    let help = run(&world, &["--help"], false).await.ok();
    assert!(help.contains("Exit codes:"), "{help}");
}
