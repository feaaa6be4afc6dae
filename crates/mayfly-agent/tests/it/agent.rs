//! The library against scripted runners.

use std::future::pending;
use std::process::Stdio;
use std::time::Duration;

use axum::http::StatusCode;
use mayfly_agent::{StopRequest, run};
use mayfly_core::assignment::RegistrationEnd;
use mayfly_core::decide::{RunnerEnd, RunnerOutcome};
use mayfly_core::ids::JobId;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::support::{MovedClock, PATIENCE, TOKEN, World};

/// Runs the agent to its end with a clock nobody moves.
async fn run_to_end(world: &World, stop: impl Future<Output = ()>) -> RunnerEnd {
    let clock = MovedClock::default();
    let (sender, requests) = watch::channel(StopRequest::None);
    let run = run(world.assignment.clone(), world.config.clone(), &clock, requests);
    let stop = async {
        stop.await;
        sender.send_replace(StopRequest::Now);
        pending::<RunnerEnd>().await
    };
    let first = async {
        tokio::select! { end = run => end, end = stop => end }
    };
    timeout(PATIENCE, first).await.unwrap()
}

/// Nobody ever asks for anything.
fn no_stop() -> watch::Receiver<StopRequest> {
    watch::channel(StopRequest::None).1
}

/// Runs the agent to its end, and moves the clock when the script asks for it.
async fn run_and_move_clock(world: &World, seconds: i64) -> RunnerEnd {
    let clock = MovedClock::default();
    let run = run(world.assignment.clone(), world.config.clone(), &clock, no_stop());
    let both = async { tokio::join!(run, world.meet(|| clock.move_by(seconds))) };
    timeout(PATIENCE, both).await.unwrap().0
}

fn end(outcome: RunnerOutcome, job: Option<u64>) -> RunnerEnd {
    RunnerEnd { outcome, job: job.map(JobId) }
}

/// Runs a script that needs nobody, and compares how the runner ended.
async fn check(script: &str, expected: RunnerEnd) {
    let world = World::new(script, StatusCode::OK).await;
    assert_eq!(run_to_end(&world, pending()).await, expected, "{script}");
    world.assert_nothing_is_left();
}

#[tokio::test]
async fn a_runner_that_did_its_job_leaves_nothing() {
    let script = r#"
        tr '\0' '\n' < /proc/$$/cmdline > "$observed/arguments"
        env > "$observed/environment"
        stat -c %a "$config" "$(dirname "$config")/.." > "$observed/modes"
        cp "$config" "$observed/config"
        pwd > "$observed/directory"
        started
        while [ -e "$config" ]; do :; done
        received 1977
        log "Job succeeded"
    "#;
    let mut world = World::new(script, StatusCode::OK).await;
    world.assignment.settings.pass_env = vec!["FEATURE".to_owned(), "CI_SERVER_TOKEN".to_owned()];
    assert_eq!(run_to_end(&world, pending()).await, end(RunnerOutcome::JobDone, Some(1977)));
    world.assert_nothing_is_left();

    let directory = world.observed("directory").trim().to_owned();
    let arguments = world.observed("arguments");
    let expected = format!(
        "--log-format json run-single -c {directory}/config/config.toml -r mayfly-local-0a1b --max-builds 1 --wait-timeout 300"
    );
    assert!(arguments.trim().replace('\n', " ").ends_with(&expected), "{arguments}");
    assert!(!arguments.contains(TOKEN));

    let environment = world.observed("environment");
    let has = |line: &str| environment.lines().any(|other| other == line);
    assert!(has("FEATURE=on") && has("LANG=C.UTF-8"), "{environment}");
    assert!(
        has(&format!("HOME={directory}/home")) && has(&format!("TMPDIR={directory}/tmp")),
        "{environment}"
    );
    for absent in [TOKEN, "MAYFLY_SETTING", "aws-secret", "AWS_LAMBDA_RUNTIME_API", "other-secret"] {
        assert!(!environment.contains(absent), "{absent}: {environment}");
    }

    assert_eq!(world.observed("modes"), "600\n700\n");
    assert!(world.observed("config").contains(TOKEN));
    let asked = world.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].starts_with("DELETE /api/v4/runners ") && asked[0].contains(TOKEN), "{asked:?}");
}

#[tokio::test]
async fn the_exit_code_counts_only_without_a_job() {
    check("started; exit 0", end(RunnerOutcome::NoJob, None)).await;
    check("started; exit 1", end(RunnerOutcome::Failed, None)).await;
    check("started; received 7; exit 1", end(RunnerOutcome::JobDone, Some(7))).await;
    check("started; received 7; kill -KILL $$", end(RunnerOutcome::JobDone, Some(7))).await;
}

#[tokio::test]
async fn a_log_of_plain_text_is_understood_too() {
    let script =
        r#"echo "Checking for jobs... received   job=8 repo_url=https://x"; printf '\xff\n'; exit 0"#;
    check(script, end(RunnerOutcome::JobDone, Some(8))).await;
}

#[tokio::test]
async fn a_runner_that_cannot_start_has_failed_and_its_registration_is_ended() {
    for command in [vec![], vec!["/nowhere/gitlab-runner".into()]] {
        let mut world = World::new("", StatusCode::OK).await;
        world.config.runner_command = command;
        assert_eq!(run_to_end(&world, pending()).await, end(RunnerOutcome::Failed, None));
        world.assert_nothing_is_left();
        assert_eq!(world.asked().len(), 1);
    }
}

#[tokio::test]
async fn without_a_work_folder_the_registration_is_ended_all_the_same() {
    let mut world = World::new("", StatusCode::OK).await;
    world.config.work_dir = world.file("nowhere");
    assert_eq!(run_to_end(&world, pending()).await, end(RunnerOutcome::Failed, None));
    assert_eq!(world.asked().len(), 1);
}

#[tokio::test]
async fn an_assignment_past_its_time_starts_nothing() {
    let world = World::new(r#": > "$observed/started""#, StatusCode::OK).await;
    let clock = MovedClock::default();
    clock.move_by(3600);
    let run = run(world.assignment.clone(), world.config.clone(), &clock, no_stop());
    assert_eq!(timeout(PATIENCE, run).await.unwrap(), end(RunnerOutcome::Deadline, None));
    assert!(!world.file("observed/started").exists());
    world.assert_nothing_is_left();
}

#[tokio::test]
async fn told_to_stop_a_runner_reports_its_job_and_goes() {
    let script = r#"
        trap 'log "Job failed (system failure): aborted: terminated"; : > "$observed/reported"; exit 0' TERM
        started; received 7; log "on it"; meet
        wait_for_signals
    "#;
    let mut world = World::new(script, StatusCode::OK).await;
    world.config.timings.kill_after_term = PATIENCE;
    let end_told = run_to_end(&world, world.meet(|| {})).await;
    assert_eq!(end_told, end(RunnerOutcome::Stopped, Some(7)));
    world.observed("reported");
    world.assert_nothing_is_left();
}

/// A runner whose job's script writes to a pipe that the runner reads, as `gitlab-runner` has it. Told to end, it ends the
/// script, and notes what was in the pipe.
pub(crate) const WITH_A_SCRIPT: &str = r#"
    exec 8< <(printf 'half a line'; exec sleep 1000)
    script=$!
    trap 'kill $script; job_log=$(cat <&8); printf "%s" "$job_log" > "$observed/job_log"; exit 0' TERM
    # The agent knows of the job once it has removed the configuration.
    received 7; while [ -e "$config" ]; do :; done; meet; log "go on"
    wait_for_signals
"#;

#[tokio::test]
async fn a_job_that_is_stopped_says_why_in_its_own_log() {
    let mut told_to_stop = World::new(WITH_A_SCRIPT, StatusCode::OK).await;
    told_to_stop.config.timings.kill_after_term = PATIENCE;
    run_to_end(&told_to_stop, told_to_stop.meet(|| {})).await;
    let log = told_to_stop.observed("job_log");
    assert!(
        log.starts_with("half a line\nMayfly: this job is stopped, because its runner was told to end"),
        "{log}"
    );

    let mut late = World::new(WITH_A_SCRIPT, StatusCode::OK).await;
    late.config.timings.kill_after_term = PATIENCE;
    assert_eq!(run_and_move_clock(&late, 3600 - 30).await, end(RunnerOutcome::Deadline, Some(7)));
    let log = late.observed("job_log");
    assert!(log.contains("its mapping lets it live for 3600 s (`max_life_seconds`)."), "{log}");
}

#[tokio::test]
async fn the_job_of_a_runner_behind_a_wrapper_is_told_too() {
    let script = format!(
        "({WITH_A_SCRIPT}) & inner=$!
        trap 'kill $inner' TERM
        wait $inner; wait $inner"
    );
    let mut world = World::new(&script, StatusCode::OK).await;
    world.config.timings.kill_after_term = PATIENCE;
    run_to_end(&world, world.meet(|| {})).await;
    let log = world.observed("job_log");
    assert!(log.contains("its runner was told to end"), "{log}");
}

#[tokio::test]
async fn a_job_that_does_not_end_is_killed_and_its_runner_reports_it() {
    let script = r#"
        exec 8< <(trap '' TERM; (setsid sleep 1000 &); sleep 1000; sleep 1000)
        script=$!
        trap 'kill $script; while read -r _ <&8; do :; done; : > "$observed/reported"; exit 0' TERM
        started; received 7; meet
        wait_for_signals
    "#;
    let mut world = World::new(script, StatusCode::OK).await;
    world.config.timings.kill_job_after_term = Duration::from_millis(50);
    world.config.timings.kill_after_term = PATIENCE;
    let end_told = run_to_end(&world, world.meet(|| {})).await;
    assert_eq!(end_told, end(RunnerOutcome::Stopped, Some(7)));
    world.observed("reported");
    world.assert_nothing_is_left();
}

#[tokio::test]
async fn a_job_that_was_over_before_the_stop_is_done() {
    let script = r#"started; received 7; log "Job succeeded"; meet; trap '' TERM; wait_for_signals"#;
    let world = World::new(script, StatusCode::OK).await;
    let end_told = run_to_end(&world, world.meet(|| {})).await;
    assert_eq!(end_told, end(RunnerOutcome::JobDone, Some(7)));
}

#[tokio::test]
async fn a_runner_that_ignores_its_deadline_is_killed() {
    let script = r#"trap '' TERM; started; received 7; meet; log "go on"; wait_for_signals"#;
    let world = World::new(script, StatusCode::OK).await;
    let end_told = run_and_move_clock(&world, 3600 - 30).await;
    assert_eq!(end_told, end(RunnerOutcome::Deadline, Some(7)));
    world.assert_nothing_is_left();
}

#[tokio::test]
async fn a_runner_that_waits_for_too_long_is_ended() {
    for script in [
        r#"started; meet; log "still waiting"; wait_for_signals"#,
        r#"trap '' TERM; started; meet; log "still waiting"; wait_for_signals"#,
    ] {
        let world = World::new(script, StatusCode::OK).await;
        assert_eq!(run_and_move_clock(&world, 361).await, end(RunnerOutcome::NoJob, None));
        world.assert_nothing_is_left();
    }
}

const TURNED_AWAY: &str = r#"
    started
    printf '{"level":"error","msg":"Checking for jobs... forbidden","status":"403 Forbidden"}\n' >&2
    log "Runner is not healthy!"
"#;

#[tokio::test]
async fn a_runner_whose_token_gitlab_refuses_does_not_wait() {
    let world = World::new(&format!("{TURNED_AWAY} wait_for_signals"), StatusCode::FORBIDDEN).await;
    assert_eq!(run_to_end(&world, pending()).await, end(RunnerOutcome::TokenRefused, None));
    assert!(world.asked()[0].starts_with("POST /api/v4/runners/verify "), "{:?}", world.asked());
    world.assert_nothing_is_left();
}

#[tokio::test]
async fn a_runner_that_is_turned_away_with_a_good_token_goes_on() {
    let script = format!("{TURNED_AWAY} received 9");
    let world = World::new(&script, StatusCode::OK).await;
    assert_eq!(run_to_end(&world, pending()).await, end(RunnerOutcome::JobDone, Some(9)));
}

#[tokio::test]
async fn a_gitlab_that_cannot_say_leaves_the_runner_its_wait_time() {
    let script = format!(r#"{TURNED_AWAY} meet; log "still waiting"; wait_for_signals"#);
    let world = World::new(&script, StatusCode::BAD_GATEWAY).await;
    assert_eq!(run_and_move_clock(&world, 361).await, end(RunnerOutcome::NoJob, None));
}

#[tokio::test]
async fn a_shared_registration_loses_only_this_machines_record() {
    let script = r#"cp "$(dirname "$config")/.runner_system_id" "$observed/system_id"; started; exit 0"#;
    let mut world = World::new(script, StatusCode::OK).await;
    world.assignment.at_end = RegistrationEnd::DeleteManager;
    run_to_end(&world, pending()).await;
    let asked = world.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].starts_with("DELETE /api/v4/runners/managers "), "{asked:?}");
    assert!(asked[0].contains(&world.observed("system_id")), "{asked:?}");
}

#[tokio::test]
async fn a_gitlab_that_does_not_answer_holds_nobody_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut world = World::new("started; exit 0", StatusCode::OK).await;
    world.assignment.gitlab_url = format!("http://{}/", silent.local_addr().unwrap()).parse().unwrap();
    world.config.timings.farewell = std::time::Duration::from_millis(200);
    assert_eq!(run_to_end(&world, pending()).await, end(RunnerOutcome::NoJob, None));
    world.assert_nothing_is_left();
}

/// Leaves four processes: in a session of their own, orphaned, with the log still open, and without any environment. Also
/// a folder nobody may write to.
const LEAVES_A_MESS: &str = r#"
    hide() { (setsid "$@" &); }
    started; received 7
    hide bash -c "echo \$\$ > $observed/orphan; exec sleep 1000" > /dev/null 2>&1
    hide bash -c "echo \$\$ > $observed/talker; while :; do echo hello; sleep 0.1; done"
    hide bash -c "bash -c 'echo \$\$ > $observed/grandchild; exec sleep 1000' & wait" > /dev/null 2>&1
    hide env -i bash -c "echo \$\$ > $observed/nameless; exec sleep 1000" > /dev/null 2>&1
    mkdir -p "$TMPDIR/module/package"; touch "$TMPDIR/module/package/file"; chmod -R a-w "$TMPDIR/module"
    for name in orphan talker grandchild nameless; do until [ -s "$observed/$name" ]; do :; done; done
"#;

#[tokio::test]
async fn what_a_job_leaves_running_is_killed_and_other_children_are_not() {
    let mut unrelated = tokio::process::Command::new("sleep")
        .arg("1000")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let world = World::new(LEAVES_A_MESS, StatusCode::OK).await;
    assert_eq!(run_to_end(&world, pending()).await, end(RunnerOutcome::JobDone, Some(7)));
    for name in ["orphan", "talker", "grandchild", "nameless"] {
        assert!(!world.process_is_there(name), "{name}");
    }
    assert_eq!(unrelated.try_wait().unwrap(), None);
    world.assert_nothing_is_left();
}

#[tokio::test]
async fn the_agent_can_be_given_to_a_task() {
    let world = World::new("started; received 3", StatusCode::OK).await;
    let (assignment, config) = (world.assignment.clone(), world.config.clone());
    let task = tokio::spawn(async move { run(assignment, config, &MovedClock::default(), no_stop()).await });
    assert_eq!(timeout(PATIENCE, task).await.unwrap().unwrap(), end(RunnerOutcome::JobDone, Some(3)));
}
