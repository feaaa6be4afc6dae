//! The program on a runner's machine. It reads one assignment, runs one job, cleans up and says how it ended.

mod command;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use mayfly_agent::{run_alone, stop_requests};
use mayfly_core::clock::SystemClock;
use mayfly_core::decide::RunnerOutcome;

use crate::command::Arguments;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(arguments.log.clone())
        .with_writer(io::stderr)
        .with_ansi(false)
        .init();
    let stop = stop_requests().context("signals cannot be listened for")?;
    let assignment = arguments.read_assignment()?;
    let end = run_alone(assignment, arguments.into_config(), &SystemClock, stop).await;

    writeln!(io::stdout(), "{}", serde_json::to_string(&end)?).context("the end cannot be told")?;
    Ok(match end.outcome {
        RunnerOutcome::JobDone | RunnerOutcome::NoJob | RunnerOutcome::Stopped => ExitCode::SUCCESS,
        RunnerOutcome::TokenRefused | RunnerOutcome::Deadline | RunnerOutcome::Failed => ExitCode::FAILURE,
    })
}
