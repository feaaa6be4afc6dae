//! `mayfly mappings history` and `rollback`.

use std::process::ExitCode;

use anyhow::{anyhow, bail};
use clap::Args;
use mayfly_aws::dynamodb::some_of;
use mayfly_core::mapping::MappingKey;
use mayfly_core::mapping_edit::{ChangeSet, RowChange, rollback as taken_back};
use serde::Serialize;
use serde::ser::Serializer;

use super::change::EditFlags;
use super::document::{Tree, name_of};
use super::show::{changes_text, changes_tree, title};
use super::{READ_CODES, WRITE_CODES};
use crate::installation::table::{Need, TableFlags};
use crate::output::{OutputFlags, Report, moment, printable, table};

/// Show who changed which mappings, the newest change first.
#[derive(Debug, Args)]
#[command(after_help = READ_CODES, after_long_help = READ_CODES)]
pub(super) struct HistoryCommand {
    /// Only changes of this job's rows, as `list` names it, or of the rows with this partition key; or one change by its name,
    /// attribute by attribute.
    #[arg(value_name = "JOB, KEY OR CHANGE")]
    what: Option<String>,
    /// How many changes are shown at most.
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    table: TableFlags,
    #[command(flatten)]
    output: OutputFlags,
}

/// Take a change back: what it added goes, what it changed and removed is as it was.
///
/// That is a change of its own in the history, and can be taken back as well. A mapping that was paused or resumed since stays so.
#[derive(Debug, Args)]
#[command(after_help = WRITE_CODES, after_long_help = WRITE_CODES)]
pub(super) struct RollbackCommand {
    /// The change, as `history` names it.
    #[arg(value_name = "CHANGE")]
    change: String,
    /// Also take back rows that were changed again since.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    edit: EditFlags,
}

#[derive(Serialize)]
struct History {
    changes: Vec<Shown>,
    /// True if one change was asked for: then it is shown with all it did.
    #[serde(skip)]
    is_one: bool,
}

#[derive(Serialize)]
struct Shown {
    change: String,
    at: String,
    who: String,
    command: String,
    /// False if the command was interrupted, and did not write all it was to write.
    whole: bool,
    #[serde(serialize_with = "as_tree")]
    rows: ChangeSet,
}

fn as_tree<S: Serializer>(change: &ChangeSet, serializer: S) -> Result<S::Ok, S::Error> {
    let tree: Tree = changes_tree(&change.rows);
    tree.serialize(serializer)
}

impl Shown {
    fn of(change: ChangeSet) -> Self {
        Self {
            change: change.head.id(),
            at: moment(change.head.at),
            who: change.head.who.clone(),
            command: change.head.command.clone(),
            whole: change.is_whole(),
            rows: change,
        }
    }

    fn cells(&self) -> [String; 5] {
        let rows = &self.rows.rows;
        let mut what =
            rows.first().and_then(|row| row.after().or(row.before())).map(title).unwrap_or_default();
        if rows.len() > 1 {
            what = format!("{what} and {} more", rows.len() - 1);
        }
        if !self.whole {
            what = format!("{what} (interrupted: {} of {})", rows.len(), self.rows.head.planned);
        }
        [self.change.clone(), self.at.clone(), self.who.clone(), self.command.clone(), what]
    }
}

impl Report for History {
    fn to_text(&self, width: Option<u16>) -> String {
        match self.changes.as_slice() {
            [] => "No changes.\n".to_owned(),
            [shown] if self.is_one => {
                let head =
                    format!("{} at {} by {} with `{}`", shown.change, shown.at, shown.who, shown.command);
                let (done, all) = (shown.rows.rows.len(), shown.rows.head.planned);
                let note = if shown.whole {
                    String::new()
                } else {
                    format!("Interrupted: {done} of {all} rows were written.\n")
                };
                printable(&head) + "\n" + &past(&changes_text(&shown.rows.rows)) + &note
            }
            changes => {
                table(width, ["CHANGE", "AT", "WHO", "COMMAND", "WHAT"], changes.iter().map(Shown::cells))
            }
        }
    }
}

/// What was to be done is done.
fn past(text: &str) -> String {
    let (rows, sum) = text.trim_end().rsplit_once('\n').unwrap_or(("", text.trim_end()));
    format!(
        "{rows}\n{}\n",
        sum.replace("to add", "added").replace("to change", "changed").replace("to remove", "removed")
    )
}

/// True if the text names the row of the change.
fn is_named(change: &RowChange, text: &str) -> bool {
    let (partition_key, sort_key) = change.id();
    let key = MappingKey::parse(partition_key, sort_key);
    partition_key == text || key.is_ok_and(|key| name_of(&key.pattern) == text)
}

/// True for what [`mayfly_core::mapping_edit::ChangeHead::id`] writes.
fn is_change(text: &str) -> bool {
    let form = "00000000T000000.000000Z";
    text.len() == form.len()
        && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            form => byte == form,
        })
}

pub(super) async fn list(command: HistoryCommand) -> anyhow::Result<ExitCode> {
    let opened = command.table.open(Need::History).await?;
    let one = command.what.as_deref().filter(|what| is_change(what));
    let changes = match (one, &command.what) {
        (Some(id), _) => {
            let change = opened.get().change(id).await;
            change.map(|change| change.into_iter().collect())
        }
        (None, what) => {
            let is_asked = |change: &RowChange| what.as_ref().is_none_or(|what| is_named(change, what));
            opened.get().changes(usize::try_from(command.limit)?, is_asked).await
        }
    };
    let changes: Vec<ChangeSet> =
        changes.map_err(|error| opened.explain("read the history of the mappings", &error))?;
    if let (Some(id), true) = (one, changes.is_empty()) {
        return Err(unknown(id));
    }
    let changes = changes.into_iter().map(Shown::of).collect();
    command.output.print(&History { changes, is_one: one.is_some() })?;
    Ok(ExitCode::SUCCESS)
}

fn unknown(change: &str) -> anyhow::Error {
    anyhow!("there is no change {change}: `mayfly mappings history` tells which there are")
}

pub(super) async fn rollback(command: RollbackCommand) -> anyhow::Result<ExitCode> {
    let opened = command.edit.open().await?;
    let id = &command.change;
    let change = if is_change(id) { opened.get().change(id).await } else { Ok(None) };
    let change = change.map_err(|error| opened.explain("read the history of the mappings", &error))?;
    let change = change.ok_or_else(|| unknown(id))?;
    let back = taken_back(&change.rows, opened.rows().await?);
    if !back.changed_since.is_empty() && !command.force {
        let rows: Vec<String> =
            back.changed_since.iter().map(|(pk, sk)| format!("the row {pk} {sk}")).collect();
        bail!(
            "{} changed since {id}, and nothing is written: look with `mayfly mappings history`, and give --force to take \
             back these rows as well",
            some_of(&rows)
        );
    }
    command.edit.make(&format!("mappings rollback {id}"), &opened, &back.changes).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_change_is_told_from_that_of_a_job() {
        for (text, expected) in [
            ("20260304T050607.000089Z", true),
            ("20260304T050607.000089", false),
            ("build", false),
            ("20260304T050607,000089Z", false),
            ("2026030éT050607.00089Z", false),
        ] {
            assert_eq!(is_change(text), expected, "{text}");
        }
    }
}
