//! `mayfly pause` and `mayfly resume`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use mayfly_core::ids::ProjectPath;
use mayfly_core::mapping::{Mapping, NamePattern, StoredMapping};
use mayfly_core::mapping_edit::{Paused, plan_pause};
use mayfly_core::row::MappingRow;
use mayfly_core::tags::TagSet;

use super::WRITE_CODES;
use super::change::EditFlags;
use super::document::name_of;
use super::key::read_pattern;
use crate::output::printable;

/// Keep jobs waiting: those of a mapping, or all.
///
/// Jobs that come from now on, and those that wait, get no runner until `mayfly resume`. The ledger says why they wait, and so do
/// `mayfly timeline` and `mayfly explain`. Runners that are started already go on. Jobs without a mapping are kept waiting only if all
/// are. It takes half a minute until the dispatcher sees a change.
#[derive(Debug, Args)]
#[command(after_help = WRITE_CODES, after_long_help = WRITE_CODES)]
pub(crate) struct PauseCommand {
    #[command(flatten)]
    which: Which,
    /// Why; whoever looks at a waiting job is told.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    edit: EditFlags,
}

/// Let jobs start again that `mayfly pause` keeps waiting.
///
/// Without a mapping it ends the pause of all; mappings that are paused by themselves stay so. Waiting jobs start within two minutes.
#[derive(Debug, Args)]
#[command(after_help = WRITE_CODES, after_long_help = WRITE_CODES)]
pub(crate) struct ResumeCommand {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    edit: EditFlags,
}

#[derive(Debug, Args)]
struct Which {
    /// The job's name as the mapping has it: all rows of this name are meant. Without it, all jobs.
    #[arg(value_name = "MAPPING", value_parser = read_pattern)]
    mapping: Option<NamePattern>,
    /// Only rows for this project.
    #[arg(long, value_name = "PATH", requires = "mapping")]
    project: Option<ProjectPath>,
    /// Only the row with just these tags, with commas between them.
    #[arg(long, value_name = "TAG,…", value_delimiter = ',', requires = "mapping")]
    tags: Option<Vec<String>>,
}

impl Which {
    fn paused(&self) -> Option<Paused> {
        let tags = self.tags.as_ref();
        Some(Paused {
            pattern: self.mapping.clone()?,
            project: self.project.clone(),
            tags: tags.map(|tags| {
                tags.iter().map(|tag| tag.trim()).filter(|tag| !tag.is_empty()).collect::<TagSet>()
            }),
        })
    }

    async fn write(&self, command: &str, reason: Option<&str>, edit: &EditFlags) -> anyhow::Result<ExitCode> {
        let table = edit.open().await?;
        let which = self.paused();
        let rows = table.rows().await?;
        let (changes, meant) = plan_pause(rows.clone(), which.as_ref(), reason);
        if meant == 0 {
            anyhow::bail!("no mapping is meant by this: `mayfly mappings list` tells which there are");
        }
        let code = edit.make(command, &table, &changes).await?;
        if reason.is_none() && !edit.is_dry_run() {
            for note in still_paused(&rows, which.is_none()) {
                crate::note(&printable(&note));
            }
        }
        Ok(code)
    }
}

/// What else keeps jobs waiting after a resume, and the next step: the pause of all after that of mappings, and mappings, each
/// name once, after that of all.
fn still_paused(rows: &[MappingRow], is_of_all: bool) -> Vec<String> {
    let mut by_name = BTreeMap::new();
    for row in rows {
        match row.read() {
            StoredMapping::Pause { reason } if !is_of_all => {
                return vec![format!("all jobs are still kept waiting: {reason}; `mayfly resume`")];
            }
            StoredMapping::Readable(Mapping { key, paused: Some(reason), .. }) if is_of_all => {
                by_name.entry(name_of(&key.pattern)).or_insert(reason);
            }
            _ => {}
        }
    }
    let note = |(name, reason): (String, String)| {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.:/".contains(letter);
        let word = if name.chars().all(is_plain) { name.clone() } else { format!("'{name}'") };
        format!("`{name}` is still paused: {reason}; `mayfly resume {word}`")
    };
    by_name.into_iter().map(note).collect()
}

pub(crate) async fn pause(command: PauseCommand) -> anyhow::Result<ExitCode> {
    command.which.write("pause", Some(&command.reason), &command.edit).await
}

pub(crate) async fn resume(command: ResumeCommand) -> anyhow::Result<ExitCode> {
    command.which.write("resume", None, &command.edit).await
}
