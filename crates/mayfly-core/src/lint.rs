//! What is wrong in a mapping table, or will surprise somebody: pure, from the rows, and from what is known of the installation, of
//! functions and of the jobs in `.gitlab-ci.yml` files.

mod facts;
mod functions;
mod index;
mod jobs;
mod reach;
mod rows;
mod rules;
mod tags;

use std::collections::BTreeMap;
use std::fmt;

use crate::mapping::{MappingKey, StoredMapping};

pub use facts::{
    CiFacts, CiJob, CiTags, DefaultFact, FunctionFact, InstallationFacts, Invocable, JobTags, Site, Unread,
};
pub use rules::{LintRule, Severity};

use self::index::RowIndex;

/// A row of the table with its keys as they are written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRow {
    /// As it is in the table.
    pub partition_key: String,
    /// As it is in the table.
    pub sort_key: String,
    /// What it is read as.
    pub mapping: StoredMapping,
}

impl TableRow {
    /// The key it is read as, if it can be read.
    pub fn key(&self) -> Option<&MappingKey> {
        match &self.mapping {
            StoredMapping::Readable(mapping) => Some(&mapping.key),
            StoredMapping::Unreadable { key, .. } => key.as_ref(),
            StoredMapping::Pause { .. } => None,
        }
    }

    /// Both keys, as people know the row.
    pub fn name(&self) -> String {
        format!("{} {}", self.partition_key, self.sort_key)
    }
}

/// Everything that findings depend on.
#[derive(Debug, Clone, Copy)]
pub struct LintInput<'a> {
    /// All rows, in the order of their keys as written.
    pub rows: &'a [TableRow],
    /// What is known of the installation.
    pub installation: &'a InstallationFacts,
    /// What is known of the functions that rows and the default target name, by their ARN.
    pub functions: &'a BTreeMap<String, FunctionFact>,
    /// The jobs of `.gitlab-ci.yml` files, if any were given.
    pub ci: Option<&'a CiFacts>,
}

/// Something that somebody should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule that found it.
    pub rule: LintRule,
    /// How bad it is.
    pub severity: Severity,
    /// Where it is.
    pub place: Place,
    /// What it is.
    pub message: String,
    /// What to do.
    pub advice: String,
}

/// Where a finding is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A row of the table, by its keys as written.
    Row(String),
    /// The installation's default target.
    DefaultTarget,
    /// A line of a file.
    File {
        /// Its path, as it was given.
        file: String,
        /// The first is 1.
        line: usize,
        /// The job that is meant, if it is one.
        job: Option<String>,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row(keys) => formatter.write_str(keys),
            Self::DefaultTarget => formatter.write_str("default target"),
            Self::File { file, line, .. } => write!(formatter, "{file}:{line}"),
        }
    }
}

impl Finding {
    fn new(rule: LintRule, place: Place, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { rule, severity: rule.severity(), place, message: message.into(), advice: advice.into() }
    }

    fn of_row(rule: LintRule, row: &TableRow, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(rule, Place::Row(row.name()), message, advice)
    }

    fn with(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }
}

/// Looks for everything there is a rule for. Findings are in the order of their places, the worst of each place first.
pub fn lint(input: &LintInput<'_>) -> Vec<Finding> {
    let index = RowIndex::new(input.rows);
    let mut findings = Vec::new();
    for row in input.rows {
        rows::check(row, input, &mut findings);
    }
    functions::check(input, &mut findings);
    reach::check(&index, input.installation.job_tags, &mut findings);
    tags::check(&index, input, &mut findings);
    if let Some(ci) = input.ci {
        jobs::check(&index, input, ci, &mut findings);
    }
    findings.sort_by(|a, b| (&a.place, b.severity, a.rule).cmp(&(&b.place, a.severity, b.rule)));
    findings
}

#[cfg(test)]
mod tests;
