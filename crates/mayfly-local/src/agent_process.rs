//! The agent's side of the backend `LOCAL`: a process that reads its assignment from standard input, once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context;
use mayfly_agent::{AgentConfig, AgentTimings, run_alone, stop_requests};
use mayfly_core::assignment::Assignment;
use mayfly_core::clock::SystemClock;
use nix::sys::signal::{Signal, raise};
use tokio::io::AsyncReadExt;
use tracing::{Instrument, info, info_span};

use crate::run_dir::RunDir;

/// The arguments that the backend gives.
#[derive(Debug, Clone, clap::Args)]
pub struct AgentArgs {
    /// The runner's folder.
    #[arg(long)]
    run_dir: PathBuf,
    /// `gitlab-runner`, and each leading argument.
    #[arg(long, required = true, allow_hyphen_values = true)]
    runner_command: Vec<OsString>,
}

/// Runs one runner to its end. Leaves at once, and well, if another process runs or ran it.
///
/// # Errors
///
/// If the assignment never came, or the folder cannot be written.
pub async fn run(args: AgentArgs) -> anyhow::Result<()> {
    // Before anything can be lost by a signal that nobody listens to.
    let stop = stop_requests().context("cannot listen for signals")?;
    let mut json = Vec::new();
    tokio::io::stdin().read_to_end(&mut json).await.context("cannot read the assignment")?;
    let assignment = Assignment::from_json(&json)?;
    drop(json);
    let dir = RunDir::new(args.run_dir);
    let Some(_lock) = dir.begin().context("cannot begin in the runner's folder")? else {
        info!(runner.name = %assignment.runner, "Runner {} is run by another process", assignment.runner);
        return Ok(());
    };
    if dir.is_stopped() {
        // It came before this process was known; from here on it is as if it came now.
        raise(Signal::SIGTERM).context("cannot stop")?;
    }
    let config = AgentConfig {
        runner_command: args.runner_command,
        work_dir: dir.work_dir(),
        environment: environment(),
        timings: AgentTimings::default(),
        time_limit: None,
    };
    // Every line of the log tells whose it is.
    let span = info_span!("runner", name = %assignment.runner);
    let end = run_alone(assignment, config, &SystemClock, stop).instrument(span).await;
    dir.write_report(&end).context("cannot write the report")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the agent's environment is read here, once, and passed on as a value"
)]
fn environment() -> BTreeMap<OsString, OsString> {
    std::env::vars_os().collect()
}
