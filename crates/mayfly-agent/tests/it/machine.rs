//! `mayfly-agent machine` as an instance runs it.

mod aws;
mod ends;
mod interruption;
mod jobs;
mod log;
mod tls;
mod watchdog;

use std::process::{Output, Stdio};

use axum::http::StatusCode;
use secrecy::ExposeSecret;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use self::aws::Aws;
use crate::support::{PATIENCE, World};

/// How fast the agent is in these tests.
const FAST: [&str; 4] = ["--ask-every", "20ms", "--spot-poll", "20ms"];

/// A world whose machine is an instance.
struct InstanceWorld {
    world: World,
    aws: Aws,
}

/// What an agent left.
struct Ended {
    /// What it said at the end, without the line's end.
    said: String,
    code: Option<i32>,
    log: String,
}

impl InstanceWorld {
    /// An instance for which the world's assignment waits. Its runner is this script.
    async fn new(script: &str) -> Self {
        let instance = Self::without_assignment(script).await;
        instance.assign();
        instance
    }

    async fn without_assignment(script: &str) -> Self {
        Self { world: World::new(script, StatusCode::OK).await, aws: Aws::start().await }
    }

    /// Writes the world's assignment, as it is by now.
    fn assign(&self) {
        let json = self.world.assignment.to_secret_json();
        self.aws.with(|state| state.assignment = Some(json.expose_secret().to_owned()));
    }

    /// The agent, not started yet.
    fn command(&self, program: Command, arguments: &[&str]) -> Command {
        let mut command = program;
        command
            .arg("machine")
            .args(FAST)
            .args(arguments)
            .arg("--work-dir")
            .arg(&self.world.config.work_dir)
            .arg("--")
            .args(&self.world.config.runner_command)
            .env_clear()
            .envs(&self.world.config.environment)
            .env("AWS_ENDPOINT_URL", self.aws.url())
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", self.aws.url())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    fn start(&self, arguments: &[&str]) -> Child {
        self.command(agent(), arguments).spawn().unwrap()
    }

    /// Runs the agent to its end.
    async fn run(&self, arguments: &[&str]) -> Ended {
        ended(self.start(arguments)).await
    }
}

fn agent() -> Command {
    Command::new(env!("CARGO_BIN_EXE_mayfly-agent"))
}

async fn ended(agent: Child) -> Ended {
    let Output { status, stdout, stderr } =
        timeout(PATIENCE, agent.wait_with_output()).await.unwrap().unwrap();
    Ended {
        said: String::from_utf8(stdout).unwrap().trim_end().to_owned(),
        code: status.code(),
        log: String::from_utf8(stderr).unwrap(),
    }
}

impl Ended {
    #[track_caller]
    fn check(&self, said: &str, code: i32) {
        assert_eq!((self.said.as_str(), self.code), (said, Some(code)), "{}", self.log);
    }
}
