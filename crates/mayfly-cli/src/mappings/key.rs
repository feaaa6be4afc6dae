//! The row that a command is about.

use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;
use mayfly_core::ids::ProjectPath;
use mayfly_core::mapping::{MappingKey, NamePattern};
use mayfly_core::row::MappingRow;
use mayfly_core::tags::TagSet;

use super::document::pattern_of;
use crate::installation::table::OpenedTable;
use crate::output::printable;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Row")]
#[group(required = true, multiple = true)]
pub(super) struct KeyFlags {
    /// The job's name; `deploy-*` is every name that begins so, `*` every name, and a star at the end of a name itself is
    /// written `\*`.
    #[arg(long, value_name = "NAME", value_parser = read_pattern)]
    job: Option<NamePattern>,
    /// The only project the row is for, such as `group/app`.
    #[arg(long, value_name = "PATH", requires = "job")]
    project: Option<ProjectPath>,
    /// The tags of the row, with commas between them.
    #[arg(long, value_name = "TAG,…", value_delimiter = ',', requires = "job")]
    tags: Vec<String>,
    /// The partition key as it is in the table, for a row that was typed by hand.
    #[arg(long, value_name = "KEY", requires = "sk", conflicts_with = "job")]
    pk: Option<String>,
    /// The sort key as it is in the table.
    #[arg(long, value_name = "KEY", requires = "pk", conflicts_with = "job")]
    sk: Option<String>,
}

pub(super) fn read_pattern(name: &str) -> Result<NamePattern, String> {
    pattern_of(name)
}

/// The exit code for a row that is not there.
const NO_ROW: u8 = 3;

/// A row as it was asked for by its keys.
pub(super) struct Asked {
    /// The partition key and the sort key.
    pub(super) id: (String, String),
    /// The row, if it is there.
    pub(super) row: Option<MappingRow>,
    /// What to do, if somebody typed the key of the row in another way.
    pub(super) typed: Option<String>,
}

impl Asked {
    /// Says that there is no such row, and what to do.
    pub(super) fn complain(&self) -> ExitCode {
        let next_step = self.typed.as_deref().unwrap_or("`mayfly mappings list` tells which there are");
        let (partition_key, sort_key) = &self.id;
        let said = format!("there is no row {partition_key} {sort_key} in the table: {next_step}");
        crate::complain(&printable(&said));
        ExitCode::from(NO_ROW)
    }
}

/// What to do about a row that is not there by this id, if one of the same jobs and tags is, whose key somebody typed in another way.
fn next_step(rows: &[MappingRow], (partition_key, sort_key): &(String, String)) -> Option<String> {
    let wanted = MappingKey::parse(partition_key, sort_key).ok()?;
    let is_it = |row: &&MappingRow| {
        MappingKey::parse(&row.partition_key, &row.sort_key).is_ok_and(|key| key == wanted)
    };
    let row = rows.iter().find(is_it)?;
    Some(format!(
        "its key was typed by hand in another way: give --pk '{}' --sk '{}'",
        row.partition_key, row.sort_key
    ))
}

impl KeyFlags {
    /// Asks the table for the row.
    pub(super) async fn ask(&self, table: &OpenedTable) -> anyhow::Result<Asked> {
        let id = self.id()?;
        let row = table.row(&id).await?;
        let typed = if row.is_none() { next_step(&table.rows().await?, &id) } else { None };
        Ok(Asked { id, row, typed })
    }

    /// The row's partition key and sort key.
    fn id(&self) -> anyhow::Result<(String, String)> {
        if let (Some(partition_key), Some(sort_key)) = (&self.pk, &self.sk) {
            return Ok((partition_key.clone(), sort_key.clone()));
        }
        let pattern = self.job.clone().ok_or_else(|| anyhow!("give --job, or --pk and --sk"))?;
        let tags: TagSet = self.tags.iter().map(|tag| tag.trim()).collect();
        let key = MappingKey { project: self.project.clone(), pattern, tags };
        Ok((key.partition_key(), key.sort_key()))
    }
}
