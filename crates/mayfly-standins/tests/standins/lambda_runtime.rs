//! The stand-in Runtime API, with small functions written in shell.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use mayfly_standins::lambda_runtime::{Answer, Function, FunctionError, RuntimeError};
use tempfile::TempDir;

use crate::support::SOON;

/// Speaks HTTP over bash's own sockets. `next` sets `id` and `event`, `answer` takes what to send where.
const PRELUDE: &str = r#"#!/bin/bash
api=/2018-06-01/runtime/invocation
call() { exec 3<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API/://}"; printf '%s %s HTTP/1.1\r\nHost: a\r\nContent-Length: %s\r\n\r\n%s' "$1" "$2" "${#3}" "$3" >&3; }
next() {
    call GET "$api/next" ''
    while IFS= read -r line <&3 && line=${line%$'\r'} && [ -n "$line" ]; do
        case $line in [Ll]ambda-[Rr]untime-[Aa]ws*) id=${line#*: };; [Cc]ontent-[Ll]ength*) size=${line#*: };; esac
    done
    IFS= read -r -N "$size" event <&3
}
answer() { call POST "$api/$id/$1" "$2"; read -r status <&3; echo "told: $status"; }
"#;

fn function(folder: &TempDir, script: &str) -> Function {
    let program = folder.path().join("bootstrap");
    std::fs::write(&program, format!("{PRELUDE}{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    Function::new(program)
}

#[tokio::test]
async fn a_function_gets_events_and_answers_them() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
        next; answer response "{\"got\":$event,\"for\":\"$NAME\"}"
        next; answer error '{"errorType":"Never","errorMessage":"too much"}'
    "#;
    let mut environment = function(&folder, script).env("NAME", "test").start().await.unwrap();
    assert!(environment.ready(SOON).await.unwrap() < SOON);

    let first = environment.invoke(r#"{"n":1}"#).await.unwrap();
    assert_eq!(first.answer, Answer::Response(br#"{"got":{"n":1},"for":"test"}"#.to_vec()));
    let second = environment.invoke("{}").await.unwrap();
    let expected = FunctionError { error_type: "Never".to_owned(), error_message: "too much".to_owned() };
    assert_eq!(second.answer, Answer::Error(expected));
    assert_ne!(first.request_id, second.request_id);
    environment.log_line("told: HTTP/1.1 202", SOON).await.unwrap();
}

#[tokio::test]
async fn a_function_that_ends_is_told_from_one_that_answers() {
    let folder = tempfile::tempdir().unwrap();
    let mut environment = function(&folder, "echo no; exit 3").start().await.unwrap();
    let error = environment.ready(SOON).await.unwrap_err();
    assert!(
        matches!(&error, RuntimeError::Ended { status, log } if status.code() == Some(3) && log == &["no"]),
        "{error}"
    );

    let mut environment = function(&folder, "next; exit 4").start().await.unwrap();
    let invocation = environment.invoke("{}").await.unwrap();
    assert!(
        matches!(invocation.answer, Answer::Exited(status) if status.code() == Some(4)),
        "{invocation:?}"
    );
}

#[tokio::test]
async fn an_environment_whose_time_is_over_is_dead_with_all_that_runs_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let script = "sleep 1000 & echo \"child $!\"; next; wait";
    let function = function(&folder, script).timeout(Duration::from_millis(300));
    let mut environment = function.start().await.unwrap();
    let line = environment.log_line("child ", SOON).await.unwrap();
    let child = Path::new("/proc").join(line.trim_start_matches("child ")).join("exe");
    assert!(child.exists());
    let invocation = environment.invoke("{}").await.unwrap();
    assert_eq!(invocation.answer, Answer::TimedOut);
    assert!(!environment.ended(SOON).await.unwrap().success());
    assert!(!child.exists());
}
