#![doc = include_str!("../README.md")]

mod local;
mod log;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mayfly_local::agent_process::{self, AgentArgs};

use crate::local::LocalCommand;
use crate::log::LogFlags;

/// GitLab CI runners that live for exactly one job.
#[derive(Parser)]
#[command(name = "mayfly", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    log: LogFlags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Local(Box<LocalCommand>),
    /// One runner, started by `mayfly local`; reads its assignment from standard input.
    #[command(hide = true)]
    Agent(AgentArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    log::init(&cli.log);
    let result = match cli.command {
        Command::Local(command) => local::run(*command, &cli.log),
        Command::Agent(arguments) => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Into::into)
            .and_then(|runtime| runtime.block_on(agent_process::run(arguments))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if standard error is closed.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
