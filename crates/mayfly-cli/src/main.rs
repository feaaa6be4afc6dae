#![doc = include_str!("../README.md")]

mod ci_file;
mod completions;
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
mod man;
mod many;
mod mappings;
mod output;
mod reconcile;
mod runners;
mod secret;
mod timeline;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use mayfly_local::agent_process::{self, AgentArgs};

use crate::completions::CompletionsCommand;
use crate::doctor::DoctorCommand;
use crate::events::EventsCommand;
use crate::explain::ExplainCommand;
use crate::hooks::HooksCommand;
use crate::local::LocalCommand;
use crate::log::LogFlags;
use crate::man::ManCommand;
use crate::mappings::MappingsCommand;
use crate::mappings::pause::{self, PauseCommand, ResumeCommand};
use crate::reconcile::ReconcileCommand;
use crate::runners::RunnersCommand;
use crate::timeline::TimelineCommand;

/// GitLab CI runners that live for exactly one job.
#[derive(Parser)]
#[command(name = "mayfly", version, max_term_width = 100, after_help = MORE, after_long_help = LONG_HELP)]
struct Cli<C: Subcommand> {
    #[command(flatten)]
    log: LogFlags,
    #[command(subcommand)]
    command: C,
}

/// The commands in the order of their use: one machine, where jobs go, the installation, what becomes of jobs, the command itself.
#[derive(Subcommand)]
enum Command {
    Local(Box<LocalCommand>),
    Mappings(Box<MappingsCommand>),
    Pause(Box<PauseCommand>),
    Resume(Box<ResumeCommand>),
    Explain(Box<ExplainCommand>),
    Hooks(HooksCommand),
    Doctor(Box<DoctorCommand>),
    Timeline(Box<TimelineCommand>),
    Runners(Box<RunnersCommand>),
    Reconcile(Box<ReconcileCommand>),
    Events(Box<EventsCommand>),
    Completions(CompletionsCommand),
    Man(ManCommand),
}

/// How the program is started: by people, or by itself.
#[derive(Subcommand)]
enum Start {
    #[command(flatten)]
    Command(Command),
    /// One runner, started by `mayfly local`; reads its assignment from standard input.
    #[command(hide = true)]
    Agent(AgentArgs),
}

const MORE: &str =
    "`mayfly --help` also tells exit codes, environment variables and files; each command takes --help.";

const LONG_HELP: &str = "\
Exit codes:
  0  it is done, or the result is printed
  1  it failed, and the message says what and what to do
  2  the command line is wrong
  3  the answer is no: differences (mappings diff), findings (mappings lint), failures (doctor),
     a job that goes nowhere (explain), or that is not known (timeline), a runner that is not
     known (runners end)

Environment:
  AWS_PROFILE, AWS_REGION, …     credentials and region, as the AWS CLI takes them
  AWS_ENDPOINT_URL               another address than that of AWS, such as an emulator
  MAYFLY_API_TOKEN               the token for GitLab's API
  MAYFLY_GITLAB_URL              GitLab's address, as --gitlab-url
  MAYFLY_GITLAB_CA_FILE          certificates of a private authority, as --gitlab-ca-file
  MAYFLY_WEBHOOK_SECRET          the webhook's secret (hooks install)
  MAYFLY_SIGNING_TOKEN           its signing token (hooks install, local)
  MAYFLY_LOG, MAYFLY_LOG_FORMAT  as --log and --log-format
  MAYFLY_…                       each flag of `mayfly local`, whose help names them
  NO_COLOR                       if it is set, nothing is coloured

A secret is never a flag. The variable of the same name with _FILE added names a file that
holds it, such as MAYFLY_API_TOKEN_FILE.

Files:
  ~/.aws/config, ~/.aws/credentials  profiles of the AWS CLI
  mayfly-data                        the data folder of `mayfly local`, unless told otherwise

Results go to standard output; the log, questions and progress bars to standard error. What
goes to no terminal is never coloured. `--output json` is for programs and keeps its names.";

/// The definition of the command as people see it.
fn shown() -> clap::Command {
    Cli::<Command>::command()
}

fn main() -> ExitCode {
    let cli = Cli::<Start>::parse();
    log::init(&cli.log);
    let result = match cli.command {
        Start::Command(command) => run(command, &cli.log),
        Start::Agent(arguments) => {
            block_on(async { agent_process::run(arguments).await.map(|()| ExitCode::SUCCESS) })
        }
    };
    result.unwrap_or_else(|error| {
        complain(&format!("{error:#}"));
        ExitCode::FAILURE
    })
}

fn run(command: Command, log: &LogFlags) -> anyhow::Result<ExitCode> {
    match command {
        Command::Local(command) => local::run(*command, log).map(|()| ExitCode::SUCCESS),
        Command::Mappings(command) => block_on(mappings::run(*command)),
        Command::Pause(command) => block_on(pause::pause(*command)),
        Command::Resume(command) => block_on(pause::resume(*command)),
        Command::Explain(command) => block_on(explain::run(*command)),
        Command::Hooks(command) => block_on(hooks::run(command)),
        Command::Doctor(command) => block_on(doctor::run(*command)),
        Command::Timeline(command) => block_on(timeline::run(*command)),
        Command::Runners(command) => block_on(runners::run(*command)),
        Command::Reconcile(command) => block_on(reconcile::run(*command)),
        Command::Events(command) => block_on(events::run(*command)),
        Command::Completions(command) => completions::run(&command, shown()),
        Command::Man(command) => man::run(&command, shown()),
    }
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
