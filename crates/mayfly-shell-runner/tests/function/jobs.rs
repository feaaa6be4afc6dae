//! What a job is and sees.

use libtest_mimic::Trial;
use mayfly_core::mapping::RunnerSettings;
use mayfly_standins::gitlab::Status;
use mayfly_standins::lambda_runtime::{Answer, Function};
use serde_json::json;

use crate::trial;
use crate::world::{PATIENCE, World, invoke, response};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_job_runs_and_its_registration_ends", a_job_runs()),
        trial("without_a_job_the_runner_leaves", without_a_job()),
        trial("a_job_sees_nothing_of_the_function", a_job_sees_nothing_of_the_function()),
        trial("a_job_gets_aws_credentials_if_its_mapping_says_so", credentials()),
        trial("a_jobs_shell_reads_no_profile", the_shell_reads_no_profile()),
        trial("a_login_shell_through_the_function_is_quiet", a_login_shell_is_quiet()),
        trial("what_is_no_assignment_is_refused_without_being_repeated", no_assignment()),
        trial("a_function_without_a_runner_program_says_so", no_runner_program()),
    ]
}

async fn a_job_runs() {
    let world = World::new().await;
    let mut environment = world.start().await;
    let job = world.run(&mut environment, "echo hello from the job").await;
    assert_eq!(job.status, Status::Success);
    assert!(job.log.contains("hello from the job"), "{}", job.log);
    assert!(world.gitlab.runners().is_empty());
    world.assert_scratch_is_empty(&environment);
    // The log names the request on the runner's own lines, too.
    let line = environment.log_line("Checking for jobs... received", PATIENCE).await.unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["target"], "gitlab_runner");
    assert_eq!(line["span"]["name"], "invocation");
}

async fn without_a_job() {
    let world = World::new().await;
    let mut environment = world.start().await;
    let settings = RunnerSettings { wait_timeout_seconds: 1, ..RunnerSettings::default() };
    let invocation = invoke(&mut environment, &world.assignment(settings)).await;
    assert_eq!(response(&environment, &invocation), json!({ "outcome": "no-job" }));
    assert!(world.gitlab.runners().is_empty());
}

/// Names of variables that no job may have.
const NOT_FOR_JOBS: [&str; 7] = [
    "AWS_LAMBDA_",
    "LAMBDA_",
    "MAYFLY_SCRATCH",
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "LD_LIBRARY_PATH",
    "standin-s",
];

async fn a_job_sees_nothing_of_the_function() {
    let world = World::new().await;
    let mut environment = world.start().await;
    let settings = RunnerSettings {
        pass_env: vec!["_HANDLER".to_owned(), "AWS_LAMBDA_RUNTIME_API".to_owned()],
        ..RunnerSettings::default()
    };
    let job = world.run_with(&mut environment, settings, "env").await;
    for absent in NOT_FOR_JOBS {
        assert!(!job.log.contains(absent), "{absent}: {}", job.log);
    }
    let home = format!("HOME={}/mayfly-", world.scratch(&environment).display());
    for present in ["\nPATH=", "\nLANG=en_US.UTF-8", "\nUSER=", "\nTZ=:UTC", &home] {
        assert!(job.log.contains(present), "{present}: {}", job.log);
    }
    assert!(!job.log.contains("mayfly-shell"), "{}", job.log);
}

async fn credentials() {
    let world = World::new().await;
    let mut environment = world.start().await;
    let settings = RunnerSettings { keep_aws_credentials: true, ..RunnerSettings::default() };
    let job = world.run_with(&mut environment, settings, "env").await;
    for present in [
        "AWS_ACCESS_KEY_ID=ASIASTANDIN",
        "AWS_SECRET_ACCESS_KEY=standin-secret-access-key",
        "AWS_SESSION_TOKEN=standin-session-token",
        "AWS_REGION=eu-west-1",
    ] {
        assert!(job.log.contains(present), "{present}: {}", job.log);
    }
    assert!(!job.log.contains("AWS_LAMBDA_"), "{}", job.log);
}

async fn the_shell_reads_no_profile() {
    let world = World::new().await;
    let mut environment = world.start().await;
    let script = r#"
        shopt -q login_shell && echo "a login shell" || echo "no login shell"
        bash -l -c 'shopt -q login_shell && echo "a login shell of the job"'
        echo "umask $(umask)"
        (exit 3) || echo "code $?"
    "#;
    let job = world.run(&mut environment, script).await;
    for present in ["\nno login shell\n", "\na login shell of the job\n", "\numask 0022\n", "\ncode 3\n"] {
        assert!(job.log.contains(present), "{present}: {}", job.log);
    }
}

/// The same program under the name `bash`, beside the real one, with a profile that is noisy.
async fn a_login_shell_is_quiet() {
    let world = World::new().await;
    std::fs::write(world.path(".bash_profile"), "echo noise of a profile\n").unwrap();
    std::fs::create_dir(world.path("shell")).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_mayfly-shell-runner"), world.path("shell/bash")).unwrap();
    let login_shell = |path: &str| {
        let path = path.replace('@', &world.path("shell").display().to_string());
        let output = std::process::Command::new("bash")
            .args(["-l", "-c", "echo \"in $PATH\""])
            .env_clear()
            .env("HOME", world.path(""))
            .env("PATH", path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(login_shell("/usr/bin:/bin").contains("noise of a profile"));
    assert_eq!(login_shell("@:/usr/bin:/bin"), "in /usr/bin:/bin\n");
}

async fn no_assignment() {
    let world = World::new().await;
    let mut environment = world.start().await;
    for event in [r#"{"token":"glrt-half-an-assignment"}"#, r#""glrt-half-an-assignment""#, "{"] {
        let invocation = environment.invoke(event).await.unwrap();
        let Answer::Error(error) = invocation.answer else { panic!("{invocation:?}") };
        assert!(!error.error_message.contains("glrt-half"), "{error:?}");
        if event.contains(':') {
            assert_eq!(error.error_type, "InvalidEvent");
            assert!(
                error.error_message.contains("`deadline`, `gitlab_url`, `runner`, `settings`"),
                "{error:?}"
            );
        }
    }
    assert!(!environment.log().join("\n").contains("glrt-half"), "{:#?}", environment.log());
    // It still takes good ones.
    assert_eq!(world.run(&mut environment, "true").await.status, Status::Success);
}

async fn no_runner_program() {
    let world = World::new().await;
    let function: Function = world.function().env("MAYFLY_RUNNER_COMMAND", "no-such-runner");
    let mut environment = function.start().await.unwrap();
    let invocation = invoke(&mut environment, &world.assignment(RunnerSettings::default())).await;
    assert_eq!(response(&environment, &invocation), json!({ "outcome": "failed" }));
    environment.log_line("no-such-runner", PATIENCE).await.unwrap();
    assert!(world.gitlab.runners().is_empty());
}
