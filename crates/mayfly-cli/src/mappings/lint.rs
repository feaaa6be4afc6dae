//! `mayfly mappings lint`.

mod functions;
mod report;
mod sarif;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use mayfly_core::ids::ProjectPath;
use mayfly_core::lint::{CiFacts, JobTags, LintInput, Severity, TableRow, lint};

use self::report::{LintReport, Looked};
use super::document::Document;
use super::file;
use crate::ci_file;
use crate::installation::mappings::{DefaultFlag, MappingFlags, facts_offline, table_row};
use crate::output::{terminal_width, write_out};

/// Look for mistakes in the mapping table: rows that cannot be read or reached, tags that do not decide, functions that are missing
/// or too short, and, with --ci, jobs without a mapping and mappings without a job.
///
/// Each finding names its row or its line, its rule, and what to do.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, after_long_help = EXIT_CODES)]
pub(crate) struct LintCommand {
    /// A document of mappings to look at instead of the table, before it is applied; `-` is standard input.
    #[arg(value_name = "FILE")]
    document: Option<String>,
    /// A `.gitlab-ci.yml` file, at the root of its repository, to compare the table with. May be repeated. Local files that it
    /// includes are read too; what is included from elsewhere is named.
    #[arg(long, value_name = "FILE")]
    ci: Vec<PathBuf>,
    /// The project that the files are of, such as `group/app`; or one for each file, in the order of --ci. Without it, the files
    /// may be of any project.
    #[arg(long, value_name = "PATH", requires = "ci")]
    project: Vec<ProjectPath>,
    /// Ask Lambda for no function; for a document, ask AWS for nothing at all.
    #[arg(long)]
    offline: bool,
    /// The installation has no API token, so that it never knows the tags of jobs.
    #[arg(long)]
    without_job_tags: bool,
    /// The default target, if it is not as the stack has it, or `local` for a data folder.
    #[arg(long, value_name = "TARGET")]
    default_target: Option<DefaultFlag>,
    /// The mildest finding that the exit code tells of.
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "warning")]
    fail_on: FailOn,
    #[command(flatten)]
    mappings: MappingFlags,
    /// How findings are printed. Text is for people and may change; JSON keeps its names; SARIF (2.1.0) is for tools that show
    /// findings of many programs.
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    output: LintFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LintFormat {
    Text,
    Json,
    Sarif,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Error,
    Warning,
    Note,
    Never,
}

const EXIT_CODES: &str = "\
Severities:
  error    jobs are lost
  warning  somebody is in for a surprise
  note     good to know

Exit codes:
  0  nothing, or nothing as bad as --fail-on says
  1  the table, AWS or a file could not be read
  2  the command line is wrong
  3  there are findings as bad as --fail-on says, or worse

Examples:
  mayfly mappings lint
  mayfly mappings lint --ci .gitlab-ci.yml --project group/app
  mayfly mappings lint mappings.yaml --offline
  mayfly mappings lint --data-dir mayfly-data --output sarif > mayfly.sarif";

/// There is something to look at.
const FOUND: u8 = 3;

impl FailOn {
    fn severity(self) -> Option<Severity> {
        match self {
            Self::Error => Some(Severity::Error),
            Self::Warning => Some(Severity::Warning),
            Self::Note => Some(Severity::Note),
            Self::Never => None,
        }
    }
}

pub(crate) async fn run(command: LintCommand) -> anyhow::Result<ExitCode> {
    if !matches!(command.project.len(), 0 | 1) && command.project.len() != command.ci.len() {
        crate::complain("give --project once, or once for each --ci");
        return Ok(ExitCode::from(2));
    }
    let ci = read_files(&command)?;
    let document = command.document.as_deref().map(file::read).transpose()?;
    let default = command.default_target.as_ref();
    let (mut installation, rows, functions) = match document {
        Some(document) if command.offline => {
            (facts_offline(default), in_key_order(&document), BTreeMap::new())
        }
        document => {
            let installation = command.mappings.find().await?;
            let opened = command.mappings.mappings(&installation, default).await?;
            let rows = match document {
                Some(document) => in_key_order(&document),
                None => opened.rows().await?,
            };
            let functions = match &opened.account {
                Some(account) if !command.offline => {
                    functions::look_up(account, &rows, opened.default_target()).await
                }
                _ => BTreeMap::new(),
            };
            (opened.facts, rows, functions)
        }
    };
    if command.without_job_tags {
        installation.job_tags = JobTags::NeverKnown;
    }
    let input =
        LintInput { rows: &rows, installation: &installation, functions: &functions, ci: ci.as_ref() };
    let findings = lint(&input);
    let worst = findings.iter().map(|finding| finding.severity).max();
    let looked = Looked { rows: rows.len(), functions: functions.len(), jobs: ci.map(|ci| ci.jobs.len()) };
    let report = LintReport::new(findings, looked);
    write_out(&match command.output {
        LintFormat::Text => report.to_text(terminal_width()),
        LintFormat::Json => serde_json::to_string_pretty(&report)? + "\n",
        LintFormat::Sarif => serde_json::to_string_pretty(&sarif::log(&report))? + "\n",
    })?;
    let fails = command.fail_on.severity().is_some_and(|limit| worst >= Some(limit));
    Ok(if fails { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
}

fn in_key_order(document: &Document) -> Vec<TableRow> {
    let mut rows: Vec<TableRow> = document.rows.iter().map(table_row).collect();
    rows.sort_by(|a, b| (&a.partition_key, &a.sort_key).cmp(&(&b.partition_key, &b.sort_key)));
    rows
}

fn read_files(command: &LintCommand) -> anyhow::Result<Option<CiFacts>> {
    if command.ci.is_empty() {
        return Ok(None);
    }
    let mut facts = CiFacts::default();
    for (number, file) in command.ci.iter().enumerate() {
        let project = command.project.get(number).or(command.project.first());
        ci_file::read(file, project, &mut facts)?;
    }
    Ok(Some(facts))
}
