//! `mayfly mappings rm`, `import`, `diff` and `apply`, and how every command makes its change.

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::{anyhow, bail};
use clap::Args;
use indicatif::ProgressBar;
use mayfly_aws::answer_code;
use mayfly_aws::dynamodb::{WriteError, transactions_of};
use mayfly_core::clock::{Clock, SystemClock};
use mayfly_core::mapping_edit::{ChangeHead, Others, RowChange, plan};
use serde::Serialize;

use super::WRITE_CODES;
use super::document::Tree;
use super::file;
use super::key::KeyFlags;
use super::show::{changes_text, changes_tree};
use crate::consent::consent;
use crate::installation::table::{Need, OpenedTable, TableFlags};
use crate::output::{OutputFlags, Report, counted};

const RM_CODES: &str = "\
Exit codes:
  0  the mapping is removed, or it was a dry run
  1  the change was not confirmed, or could not be written
  2  the command line is wrong
  3  there is no such row, as after the first of two such commands; nothing is written";

/// Remove one mapping.
#[derive(Debug, Args)]
#[command(after_help = RM_CODES, after_long_help = RM_CODES)]
pub(super) struct RmCommand {
    #[command(flatten)]
    key: KeyFlags,
    #[command(flatten)]
    edit: EditFlags,
}

/// Write the mappings of a document: those that are new, and those that differ. None is removed.
#[derive(Debug, Args)]
#[command(after_help = WRITE_CODES, after_long_help = WRITE_CODES)]
pub(super) struct ImportCommand {
    #[command(flatten)]
    document: DocumentArgument,
    #[command(flatten)]
    edit: EditFlags,
}

const DIFF_CODES: &str = "\
Exit codes:
  0  there are no differences
  1  the document is broken, or the table or AWS could not be read
  2  the command line is wrong
  3  there are differences";

/// Show what `apply` would change. The exit code is 0 if that is nothing, and 3 if there are differences.
#[derive(Debug, Args)]
#[command(after_help = DIFF_CODES, after_long_help = DIFF_CODES)]
pub(super) struct DiffCommand {
    #[command(flatten)]
    document: DocumentArgument,
    /// Mappings that the document does not have are differences as well.
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    table: TableFlags,
    #[command(flatten)]
    output: OutputFlags,
}

/// Make the table have the mappings of a document.
///
/// Shows the difference and asks. A second run has nothing to change. Up to 99 rows are written all or nothing; more are written
/// in several such steps, removals last, and if that is interrupted, the same command writes the rest.
#[derive(Debug, Args)]
#[command(after_help = WRITE_CODES, after_long_help = WRITE_CODES)]
pub(super) struct ApplyCommand {
    #[command(flatten)]
    document: DocumentArgument,
    /// Remove the mappings that the document does not have.
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    edit: EditFlags,
}

#[derive(Debug, Args)]
struct DocumentArgument {
    /// The document: JSON if the file ends with `.json` or begins with `{`, YAML otherwise; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: String,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Change")]
pub(super) struct EditFlags {
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    /// Show what would be changed, and change nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    table: TableFlags,
    #[command(flatten)]
    output: OutputFlags,
}

impl EditFlags {
    pub(super) async fn open(&self) -> anyhow::Result<OpenedTable> {
        self.table.open(Need::History).await
    }

    pub(super) fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// Shows the changes, asks, and writes them.
    pub(super) async fn make(
        &self,
        command: &str,
        table: &OpenedTable,
        changes: &[RowChange],
    ) -> anyhow::Result<ExitCode> {
        let transactions =
            transactions_of(changes).map_err(|error| anyhow!("{error}; nothing is written"))?;
        let mut outcome = Outcome { dry_run: self.dry_run, written: 0, change: None, changes };
        if self.dry_run || changes.is_empty() {
            self.output.print(&outcome)?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut shown = changes_text(changes);
        if transactions > 1 {
            // Writing to a String cannot fail.
            let _ = writeln!(
                shown,
                "They are written in {transactions} steps, each all or nothing. If that is interrupted, the same command \
                 writes the rest."
            );
        }
        self.show(&shown)?;
        let unasked =
            "nothing is written: there is no terminal to ask on; give --yes to write without asking";
        consent("Write this?", unasked, self.yes)?;
        let who = table.who().await?;
        let head =
            ChangeHead { at: SystemClock.now(), who, command: command.to_owned(), planned: changes.len() };
        write(table, &head, changes).await?;
        outcome.written = changes.len();
        outcome.change = Some(head.id());
        self.output.print(&outcome)?;
        Ok(ExitCode::SUCCESS)
    }

    /// For whoever reads JSON, the changes are in the outcome; whoever is asked sees them beside it.
    fn show(&self, text: &str) -> anyhow::Result<()> {
        if !self.output.is_json() {
            return self.output.print(&Shown(text));
        }
        if !self.yes {
            crate::note(text.trim_end());
        }
        Ok(())
    }
}

async fn write(table: &OpenedTable, head: &ChangeHead, changes: &[RowChange]) -> anyhow::Result<()> {
    let progress = ProgressBar::new(u64::try_from(changes.len())?);
    let mut written = 0;
    let result = table.get().write(head, changes, |count| {
        written = count;
        progress.set_position(u64::try_from(count).unwrap_or(u64::MAX));
    });
    let result = result.await;
    progress.finish_and_clear();
    let Err(error) = result else { return Ok(()) };
    let reason = match &error {
        WriteError::Failed(error) => table.explain("write the mappings", error),
        WriteError::Changed(_) | WriteError::TooLarge { .. } => anyhow!("{error}"),
    };
    bail!("{reason:#}; {}", what_is_written(written, changes.len(), &head.id(), is_known(&error)))
}

/// False if there was no answer: then the rows that were asked for last may be written or not.
fn is_known(error: &WriteError) -> bool {
    match error {
        WriteError::Failed(error) => {
            !error.is_transient() || answer_code(error).is_some_and(|code| code != "InternalServerError")
        }
        WriteError::Changed(_) | WriteError::TooLarge { .. } => true,
    }
}

/// What an operator must know of a change that failed, and the next step.
fn what_is_written(written: usize, all: usize, change: &str, is_known: bool) -> String {
    const AGAIN: &str = "run the command again, which looks at the table anew";
    match (written, is_known) {
        (0, true) => format!("nothing is written: {AGAIN}"),
        (0, false) => format!("whether anything is written is not known: {AGAIN} and writes what is not"),
        (_, false) => format!(
            "{written} of {all} rows are written and stay so, as change {change}, and of some further ones it is not known: \
             {AGAIN} and writes what is not"
        ),
        (_, true) => format!(
            "{written} of {all} rows are written and stay so, as change {change}, and {} are not: {AGAIN} and writes the \
             rest, or take back what is written with `mayfly mappings rollback {change}`",
            all - written
        ),
    }
}

/// A text that is printed as it is.
#[derive(Serialize)]
struct Shown<'a>(&'a str);

impl Report for Shown<'_> {
    fn to_text(&self, _width: Option<u16>) -> String {
        self.0.to_owned()
    }
}

/// What came of a change.
#[derive(Serialize)]
struct Outcome<'a> {
    dry_run: bool,
    written: usize,
    change: Option<String>,
    #[serde(serialize_with = "as_tree")]
    changes: &'a [RowChange],
}

fn as_tree<S: serde::Serializer>(changes: &&[RowChange], serializer: S) -> Result<S::Ok, S::Error> {
    changes_tree(changes).serialize(serializer)
}

impl Report for Outcome<'_> {
    fn to_text(&self, _width: Option<u16>) -> String {
        match &self.change {
            None if self.changes.is_empty() => "Nothing to change.\n".to_owned(),
            None => changes_text(self.changes) + "Nothing is written: this is a dry run.\n",
            Some(id) => {
                let (rows, are) =
                    (counted(self.written, "row"), if self.written == 1 { "is" } else { "are" });
                format!("{rows} {are} written. This is change {id}.\n")
            }
        }
    }
}

/// What a comparison found.
#[derive(Serialize)]
struct Comparison {
    same: bool,
    changes: Tree,
    #[serde(skip)]
    text: String,
}

impl Report for Comparison {
    fn to_text(&self, _width: Option<u16>) -> String {
        self.text.clone()
    }
}

fn others(prune: bool) -> Others {
    if prune { Others::Remove } else { Others::Keep }
}

pub(super) async fn rm(command: RmCommand) -> anyhow::Result<ExitCode> {
    let table = command.edit.open().await?;
    let asked = command.key.ask(&table).await?;
    let Some(row) = asked.row else { return Ok(asked.complain()) };
    command.edit.make("mappings rm", &table, &[RowChange::Remove(row)]).await
}

pub(super) async fn import(command: ImportCommand) -> anyhow::Result<ExitCode> {
    write_document("mappings import", &command.document, Others::Keep, &command.edit).await
}

pub(super) async fn apply(command: ApplyCommand) -> anyhow::Result<ExitCode> {
    let name = if command.prune { "mappings apply --prune" } else { "mappings apply" };
    write_document(name, &command.document, others(command.prune), &command.edit).await
}

async fn write_document(
    command: &str,
    argument: &DocumentArgument,
    others: Others,
    edit: &EditFlags,
) -> anyhow::Result<ExitCode> {
    let document = file::read(&argument.file)?;
    let table = edit.open().await?;
    let changes = plan(table.rows().await?, document.rows, others);
    edit.make(command, &table, &changes).await
}

pub(super) async fn diff(command: DiffCommand) -> anyhow::Result<ExitCode> {
    let document = file::read(&command.document.file)?;
    let table = command.table.open(Need::Mappings).await?;
    let changes = plan(table.rows().await?, document.rows, others(command.prune));
    let same = changes.is_empty();
    let text = if same { "No differences.\n".to_owned() } else { changes_text(&changes) };
    command.output.print(&Comparison { same, changes: changes_tree(&changes), text })?;
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::from(3) })
}
