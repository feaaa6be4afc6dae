//! The `mayfly-agent` program as a machine runs it.

use std::fs;
use std::process::{Output, Stdio};

use axum::http::StatusCode;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use secrecy::ExposeSecret;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::support::{PATIENCE, TOKEN, World};

fn agent(world: &World, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_mayfly-agent"))
        .arg("--work-dir")
        .arg(&world.config.work_dir)
        .args(arguments)
        .arg("--")
        .args(&world.config.runner_command)
        .envs(&world.config.environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn hand_over(agent: &mut Child, world: &World) {
    let json = world.assignment.to_secret_json();
    let mut stdin = agent.stdin.take().unwrap();
    stdin.write_all(json.expose_secret().as_bytes()).await.unwrap();
}

async fn output_of(agent: Child) -> Output {
    timeout(PATIENCE, agent.wait_with_output()).await.unwrap().unwrap()
}

#[tokio::test]
async fn it_says_how_it_ended_and_never_tells_the_token() {
    let script = r#"
        token=$(sed -n 's/^token = "\(.*\)"/\1/p' "$config")
        log "my token is $token"; echo "and in plain text $token"
        started; received 1977; exit 1
    "#;
    let world = World::new(script, StatusCode::OK).await;
    let mut agent = agent(&world, &["--log", "debug"]);
    hand_over(&mut agent, &world).await;
    let output = output_of(agent).await;
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "{\"outcome\":\"job-done\",\"job\":1977}\n");
    assert!(output.status.success());
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("my token is [masked]") && log.contains("and in plain text [masked]"), "{log}");
    assert!(!log.contains(TOKEN), "{log}");
    world.assert_nothing_is_left();
}

#[tokio::test]
async fn it_removes_the_file_with_the_assignment_and_fails_when_its_runner_fails() {
    let world = World::new("started; exit 1", StatusCode::OK).await;
    let file = world.file("assignment.json");
    fs::write(&file, world.assignment.to_secret_json().expose_secret()).unwrap();
    let output = output_of(agent(&world, &["--assignment", file.to_str().unwrap()])).await;
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "{\"outcome\":\"failed\"}\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(!file.exists());
}

#[tokio::test]
async fn told_to_end_it_tells_its_runner() {
    let script = "trap 'exit 0' TERM; started; received 7; meet; wait_for_signals";
    let world = World::new(script, StatusCode::OK).await;
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut agent = agent(&world, &[]);
        let id = Pid::from_raw(agent.id().unwrap().try_into().unwrap());
        hand_over(&mut agent, &world).await;
        timeout(PATIENCE, world.meet(|| kill(id, signal).unwrap())).await.unwrap();
        let output = output_of(agent).await;
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "{\"outcome\":\"stopped\",\"job\":7}\n");
        assert!(output.status.success());
        world.assert_nothing_is_left();
    }
}

#[tokio::test]
async fn it_finds_a_process_that_hides_completely() {
    let script = r#"
        started; received 7
        (cd / && exec env -i setsid bash -c "echo \$\$ > $observed/hidden; exec sleep 1000" > /dev/null 2>&1 &)
        until [ -s "$observed/hidden" ]; do :; done
    "#;
    let world = World::new(script, StatusCode::OK).await;
    let mut agent = agent(&world, &[]);
    hand_over(&mut agent, &world).await;
    assert!(output_of(agent).await.status.success());
    assert!(!world.process_is_there("hidden"));
}

#[tokio::test]
async fn what_is_no_assignment_is_refused_without_being_repeated() {
    let world = World::new("", StatusCode::OK).await;
    let mut agent = agent(&world, &[]);
    agent.stdin.take().unwrap().write_all(b"{\"token\":\"glrt-half-an-assignment\"}").await.unwrap();
    let output = output_of(agent).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert!(!String::from_utf8(output.stderr).unwrap().contains("glrt-half"));
}
