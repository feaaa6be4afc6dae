//! `mayfly mappings list`, `get` and `export`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use mayfly_core::ids::ProjectPath;
use mayfly_core::mapping::{PAUSE_KEY, TargetType};
use mayfly_core::row::PAUSED;

use super::READ_CODES;
use super::document::{Format, Tree, document_of, yaml_of};
use super::file;
use super::key::KeyFlags;
use super::show::Listing;
use crate::installation::table::{Need, TableFlags};
use crate::output::{OutputFlags, Report, counted};

/// List the mappings, in the order of their keys.
#[derive(Debug, Args)]
#[command(after_help = READ_CODES, after_long_help = READ_CODES)]
pub(super) struct ListCommand {
    /// Only rows for this project.
    #[arg(long, value_name = "PATH")]
    project: Option<ProjectPath>,
    /// Only rows whose job name begins so.
    #[arg(long, value_name = "BEGINNING")]
    job: Option<String>,
    /// Only rows with this target: `LAMBDA`, `EC2` or `LOCAL`.
    #[arg(long = "type", value_name = "TYPE", value_parser = read_type)]
    target: Option<TargetType>,
    #[command(flatten)]
    table: TableFlags,
    #[command(flatten)]
    output: OutputFlags,
}

pub(super) fn read_type(word: &str) -> Result<TargetType, String> {
    TargetType::parse(&word.to_uppercase()).ok_or_else(|| "it is none of LAMBDA, EC2 and LOCAL".to_owned())
}

const GET_CODES: &str = "\
Exit codes:
  0  the mapping is printed
  1  the table or AWS could not be read
  2  the command line is wrong
  3  there is no such row";

/// Print one mapping, as a document that `import` takes.
#[derive(Debug, Args)]
#[command(after_help = GET_CODES, after_long_help = GET_CODES)]
pub(super) struct GetCommand {
    #[command(flatten)]
    key: KeyFlags,
    #[command(flatten)]
    table: TableFlags,
    #[command(flatten)]
    output: OutputFlags,
}

/// Write all mappings as a document.
///
/// The order is that of the keys, so that two exports can be compared line by line. Rows that nobody can read, and rows whose keys
/// are not written as Mayfly writes them, are given by `pk` and `sk`, so that an import makes them what they were. What is paused is
/// left out: an import neither pauses nor resumes.
#[derive(Debug, Args)]
#[command(after_help = READ_CODES, after_long_help = READ_CODES)]
pub(super) struct ExportCommand {
    /// The file; JSON if it ends with `.json`, YAML otherwise. Without it, standard output.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    table: TableFlags,
    #[command(flatten)]
    output: OutputFlags,
}

/// What a document has is printed as it is.
impl Report for Tree {
    fn to_text(&self, _width: Option<u16>) -> String {
        yaml_of(self)
    }
}

pub(super) async fn list(command: ListCommand) -> anyhow::Result<ExitCode> {
    let rows = command.table.open(Need::Mappings).await?.rows().await?;
    let listing = Listing::of(rows, command.project.as_ref(), command.job.as_deref(), command.target);
    command.output.print(&listing)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn get(command: GetCommand) -> anyhow::Result<ExitCode> {
    let table = command.table.open(Need::Mappings).await?;
    let asked = command.key.ask(&table).await?;
    let Some(row) = &asked.row else { return Ok(asked.complain()) };
    command.output.print(&document_of([row]))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn export(command: ExportCommand) -> anyhow::Result<ExitCode> {
    let mut rows = command.table.open(Need::Mappings).await?.rows().await?;
    rows.retain(|row| row.id() != PAUSE_KEY);
    for row in &mut rows {
        row.attributes.remove(PAUSED);
    }
    let document = document_of(&rows);
    let Some(name) = command.file else {
        command.output.print(&document)?;
        return Ok(ExitCode::SUCCESS);
    };
    let text = match Format::of(&name.to_string_lossy(), "") {
        Format::Json => serde_json::to_string_pretty(&document)? + "\n",
        Format::Yaml => yaml_of(&document),
    };
    file::write(&name, &text)?;
    crate::note(&format!("{}: {}", name.display(), counted(rows.len(), "mapping")));
    Ok(ExitCode::SUCCESS)
}
