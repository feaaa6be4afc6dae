//! `mayfly pause` and `mayfly resume`.

use std::process::ExitCode;

use clap::Args;
use mayfly_core::ids::ProjectPath;
use mayfly_core::mapping::NamePattern;
use mayfly_core::mapping_edit::{Paused, plan_pause};
use mayfly_core::tags::TagSet;

use super::WRITE_CODES;
use super::change::EditFlags;
use super::key::read_pattern;

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
        let (changes, rows) = plan_pause(table.rows().await?, which.as_ref(), reason);
        if rows == 0 {
            anyhow::bail!("no mapping is meant by this: `mayfly mappings list` tells which there are");
        }
        edit.make(command, &table, &changes).await
    }
}

pub(crate) async fn pause(command: PauseCommand) -> anyhow::Result<ExitCode> {
    command.which.write("pause", Some(&command.reason), &command.edit).await
}

pub(crate) async fn resume(command: ResumeCommand) -> anyhow::Result<ExitCode> {
    command.which.write("resume", None, &command.edit).await
}
