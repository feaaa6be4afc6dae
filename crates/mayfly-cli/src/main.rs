#![doc = include_str!("../README.md")]

mod ci_file;
mod consent;
mod doctor;
mod events;
mod explain;
mod gitlab_access;
mod hooks;
mod installation;
mod job_ref;
mod local;
mod log;
mod many;
mod mappings;
mod output;
mod reconcile;
mod runners;
mod secret;
mod timeline;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mayfly_local::agent_process::{self, AgentArgs};

use crate::doctor::DoctorCommand;
use crate::events::EventsCommand;
use crate::explain::ExplainCommand;
use crate::hooks::HooksCommand;
use crate::local::LocalCommand;
use crate::log::LogFlags;
use crate::mappings::MappingsCommand;
use crate::mappings::pause::{self, PauseCommand, ResumeCommand};
use crate::reconcile::ReconcileCommand;
use crate::runners::RunnersCommand;
use crate::timeline::TimelineCommand;

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
    Timeline(Box<TimelineCommand>),
    Runners(Box<RunnersCommand>),
    Mappings(Box<MappingsCommand>),
    Pause(Box<PauseCommand>),
    Resume(Box<ResumeCommand>),
    Reconcile(Box<ReconcileCommand>),
    Hooks(HooksCommand),
    Doctor(Box<DoctorCommand>),
    Events(Box<EventsCommand>),
    Explain(Box<ExplainCommand>),
    /// One runner, started by `mayfly local`; reads its assignment from standard input.
    #[command(hide = true)]
    Agent(AgentArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    log::init(&cli.log);
    let result = match cli.command {
        Command::Local(command) => local::run(*command, &cli.log).map(|()| ExitCode::SUCCESS),
        Command::Timeline(command) => block_on(timeline::run(*command)),
        Command::Runners(command) => block_on(runners::run(*command)),
        Command::Mappings(command) => block_on(mappings::run(*command)),
        Command::Pause(command) => block_on(pause::pause(*command)),
        Command::Resume(command) => block_on(pause::resume(*command)),
        Command::Reconcile(command) => block_on(reconcile::run(*command)),
        Command::Hooks(command) => block_on(hooks::run(command)),
        Command::Doctor(command) => block_on(doctor::run(*command)),
        Command::Events(command) => block_on(events::run(*command)),
        Command::Explain(command) => block_on(explain::run(*command)),
        Command::Agent(arguments) => {
            block_on(async { agent_process::run(arguments).await.map(|()| ExitCode::SUCCESS) })
        }
    };
    result.unwrap_or_else(|error| {
        complain(&format!("{error:#}"));
        ExitCode::FAILURE
    })
}

fn block_on(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}

/// Says what is wrong. Nobody is left to tell if standard error is closed.
fn complain(what: &str) {
    let _ = writeln!(std::io::stderr(), "error: {what}");
}

/// Says something beside the result.
fn note(what: &str) {
    let _ = writeln!(std::io::stderr(), "{what}");
}
