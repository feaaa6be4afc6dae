//! The row that a command is about.

use anyhow::anyhow;
use clap::Args;
use mayfly_core::ids::ProjectPath;
use mayfly_core::mapping::{MappingKey, NamePattern};
use mayfly_core::row::MappingRow;
use mayfly_core::tags::TagSet;

use super::document::pattern_of;
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

/// What to do about a row that is not there by this id: somebody may have typed its key in another way.
pub(super) fn next_step(rows: &[MappingRow], (partition_key, sort_key): &(String, String)) -> String {
    let wanted = MappingKey::parse(partition_key, sort_key).ok();
    let is_it = |row: &&MappingRow| {
        wanted.is_some() && MappingKey::parse(&row.partition_key, &row.sort_key).ok() == wanted
    };
    match rows.iter().find(is_it) {
        Some(row) => printable(&format!(
            "its key was typed by hand in another way: give --pk '{}' --sk '{}'",
            row.partition_key, row.sort_key
        )),
        None => "`mayfly mappings list` tells which there are".to_owned(),
    }
}

impl KeyFlags {
    /// The row's partition key and sort key.
    pub(super) fn id(&self) -> anyhow::Result<(String, String)> {
        if let (Some(partition_key), Some(sort_key)) = (&self.pk, &self.sk) {
            return Ok((partition_key.clone(), sort_key.clone()));
        }
        let pattern = self.job.clone().ok_or_else(|| anyhow!("give --job, or --pk and --sk"))?;
        let tags: TagSet = self.tags.iter().map(|tag| tag.trim()).collect();
        let key = MappingKey { project: self.project.clone(), pattern, tags };
        Ok((key.partition_key(), key.sort_key()))
    }
}
