//! The program on a runner's machine. It reads one assignment, runs one job, cleans up and says how it ended.

mod command;
#[cfg(feature = "machine")]
mod machine;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use mayfly_agent::{run_alone, stop_requests};
use mayfly_core::clock::SystemClock;
use mayfly_core::decide::RunnerOutcome;

use crate::command::{Arguments, read_assignment};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    #[cfg(feature = "machine")]
    let started = tokio::time::Instant::now();
    let arguments = Arguments::parse();
    #[cfg(feature = "machine")]
    if let Some(command::Command::Machine(arguments)) = arguments.command {
        return machine::run(arguments, started).await;
    }
    tracing_subscriber::fmt()
        .with_env_filter(arguments.runner.log.clone())
        .with_writer(io::stderr)
        .with_ansi(false)
        .init();
    let stop = stop_requests().context("signals cannot be listened for")?;
    let assignment = read_assignment(arguments.assignment.as_deref())?;
    let end = run_alone(assignment, arguments.runner.into_config(), &SystemClock, stop).await;
    say(&serde_json::to_string(&end)?)?;
    Ok(if is_good(end.outcome) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Writes a line to the standard output.
fn say(line: &str) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{line}").context("the end cannot be told")
}

/// True if a job was done, none came, or the runner was told to stop.
fn is_good(outcome: RunnerOutcome) -> bool {
    match outcome {
        RunnerOutcome::JobDone | RunnerOutcome::NoJob | RunnerOutcome::Stopped => true,
        RunnerOutcome::TokenRefused
        | RunnerOutcome::Deadline
        | RunnerOutcome::Failed
        | RunnerOutcome::MachineGone => false,
    }
}
