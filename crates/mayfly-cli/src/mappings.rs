//! `mayfly mappings`.

mod change;
mod document;
mod file;
mod history;
mod key;
pub(crate) mod lint;
mod look;
pub(crate) mod pause;
mod put;
mod show;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use self::change::{ApplyCommand, DiffCommand, ImportCommand, RmCommand};
use self::history::{HistoryCommand, RollbackCommand};
use self::lint::LintCommand;
use self::look::{ExportCommand, GetCommand, ListCommand};
use self::put::PutCommand;

/// Look at and change which jobs run where.
///
/// A mapping says for the jobs of a name (of one project or of all) and of tags where their runner starts. Changes are written only
/// if nobody else changed the same rows meanwhile, and each is kept with who made it, when, and what was before.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(crate) struct MappingsCommand {
    #[command(subcommand)]
    command: Command,
}

const HELP: &str = "\
A document, as YAML or as JSON, has all mappings or some of them:

  version: 1
  mappings:
    - job: build             # `deploy-*` is every name that begins so, `\"*\"` every name;
                             # a star at the end of a name itself is written `\\*`
      project: group/app     # for one project only
      tags: [linux, docker]  # what the runner has
      type: LAMBDA           # or EC2
      arn: arn:aws:lambda:eu-central-1:123456789012:function:mayfly-shell-runner

Attributes that Mayfly does not know are kept.";

const READ_CODES: &str = "\
Exit codes:
  0  the result is printed, and may be empty
  1  the table or AWS could not be read
  2  the command line is wrong";

const WRITE_CODES: &str = "\
Exit codes:
  0  the table is as it was asked for, which may have taken no change; or it was a dry run
  1  the document is broken, the change was not confirmed, or not all of it could be written: the message says what was
  2  the command line is wrong";

#[derive(Debug, Subcommand)]
enum Command {
    List(ListCommand),
    Get(GetCommand),
    Put(Box<PutCommand>),
    Rm(RmCommand),
    Export(ExportCommand),
    Import(ImportCommand),
    Diff(DiffCommand),
    Apply(ApplyCommand),
    Lint(Box<LintCommand>),
    History(HistoryCommand),
    Rollback(RollbackCommand),
}

pub(crate) async fn run(command: MappingsCommand) -> anyhow::Result<ExitCode> {
    match command.command {
        Command::List(command) => look::list(command).await,
        Command::Get(command) => look::get(command).await,
        Command::Put(command) => put::run(*command).await,
        Command::Rm(command) => change::rm(command).await,
        Command::Export(command) => look::export(command).await,
        Command::Import(command) => change::import(command).await,
        Command::Diff(command) => change::diff(command).await,
        Command::Apply(command) => change::apply(command).await,
        Command::Lint(command) => lint::run(*command).await,
        Command::History(command) => history::list(command).await,
        Command::Rollback(command) => history::rollback(command).await,
    }
}
