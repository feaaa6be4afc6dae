#![doc = include_str!("../README.md")]

mod cast;
mod pipeline;
mod timeline;

use std::ffi::OsString;
use std::io::{Write, stderr};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mayfly_local::agent_process::{self, AgentArgs};
use tracing_subscriber::EnvFilter;

/// Runs a small pipeline through Mayfly on this machine and prints what happened to each job.
#[derive(Parser)]
#[command(name = "cargo demo", max_term_width = 100)]
struct Cli {
    /// What to log to standard error besides: `info` shows every step as it happens.
    #[arg(long, value_name = "FILTER", default_value = "error")]
    log: String,
    #[command(subcommand)]
    part: Option<Part>,
}

/// The demo is one program that plays several parts, each in a process of its own.
#[derive(Subcommand)]
enum Part {
    #[command(hide = true)]
    Agent(AgentArgs),
    #[command(hide = true)]
    StandinRunner {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(format!("dynoxide=off,{}", cli.log)))
        .with_writer(stderr)
        .with_target(false)
        .log_internal_errors(false)
        .init();
    let result = match cli.part {
        Some(Part::StandinRunner { arguments }) => {
            let program = OsString::from("gitlab-runner");
            return mayfly_standins::runner::main_with_args(std::iter::once(program).chain(arguments));
        }
        Some(Part::Agent(arguments)) => block_on(agent_process::run(arguments)),
        None => block_on(pipeline::run(&cli.log)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if standard error is closed.
            let _ = writeln!(stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn block_on(part: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(part)
}
