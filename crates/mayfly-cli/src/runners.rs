//! `mayfly runners`.

mod end;
mod lives;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use mayfly_core::clock::{Clock, SystemClock};

use self::end::EndCommand;
use self::lives::Lives;
use crate::installation::InstallationFlags;
use crate::output::OutputFlags;

/// List every runner that is not known to be gone, the oldest first, and why it lives.
///
/// This is what the ledger says; the reconciler compares it with what there is. `mayfly runners end` ends one.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, after_long_help = EXIT_CODES, args_conflicts_with_subcommands = true)]
pub(crate) struct RunnersCommand {
    #[command(subcommand)]
    action: Option<RunnersAction>,
    #[command(flatten)]
    list: ListFlags,
}

#[derive(Debug, Subcommand)]
enum RunnersAction {
    List(ListCommand),
    End(EndCommand),
}

/// List every runner that is not known to be gone, as `mayfly runners` alone does.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, after_long_help = EXIT_CODES)]
struct ListCommand {
    #[command(flatten)]
    flags: ListFlags,
}

#[derive(Debug, Args)]
struct ListFlags {
    #[command(flatten)]
    installation: InstallationFlags,
    #[command(flatten)]
    output: OutputFlags,
}

const EXIT_CODES: &str = "\
States:
  starting  asked for, and its agent is not up yet
  waiting   for its job, or for any other that it may take
  running   it has a job
  leaving   its job is over, or it was told to end
  overdue   its maximum life, and what its start may take, are over: the reconciler ends it

Exit codes:
  0  the list is printed, and may be empty
  1  the ledger or AWS could not be read
  2  the command line is wrong";

pub(crate) async fn run(command: RunnersCommand) -> anyhow::Result<ExitCode> {
    match command.action {
        None => list(command.list).await,
        Some(RunnersAction::List(command)) => list(command.flags).await,
        Some(RunnersAction::End(command)) => end::run(command).await,
    }
}

async fn list(command: ListFlags) -> anyhow::Result<ExitCode> {
    let ledger = command.installation.ledger().await?;
    let sweep = ledger.open().await?;
    command.output.print(&Lives::of(&sweep, SystemClock.now()))?;
    Ok(ExitCode::SUCCESS)
}
