//! Why a job goes where it goes: each rule looked at, each row of it, and what came of it.

use std::fmt;

use super::Rule;
use crate::mapping::{MappingKey, NamePattern, Target};
use crate::tags::TagSet;

/// Each rule looked at, why it matched or not, and what should be mended. Displayed as logs and the ledger have it, in one line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explanation {
    /// In the order they were looked at.
    pub looks: Vec<Look>,
    /// What an operator should look at.
    pub warnings: Vec<String>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, look) in self.looks.iter().enumerate() {
            formatter.write_str(if index == 0 { "" } else { "; " })?;
            look.fmt(formatter)?;
        }
        for warning in &self.warnings {
            write!(formatter, "; warning: {warning}")?;
        }
        Ok(())
    }
}

/// One thing looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// No row is for the job by its name and project.
    NoRowAtAll,
    /// No row is found by this rule.
    NoRow(Rule),
    /// The rows of one name.
    Rows {
        /// By which rule they are found.
        rule: Rule,
        /// The name they share.
        pattern: NamePattern,
        /// The job's tags, if they are known.
        tags: Option<TagSet>,
        /// In order; at most one is taken.
        rows: Vec<RowLook>,
    },
    /// The default target, if there is one.
    Default(Option<Target>),
    /// The job is kept waiting nevertheless, for this reason.
    Paused(String),
}

/// One row looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowLook {
    /// Its place among the rows that were given, for whoever knows how its keys are written.
    pub place: usize,
    /// The row's key.
    pub key: MappingKey,
    /// Its target; `None` if the row cannot be used.
    pub target: Option<Target>,
    /// What came of it.
    pub verdict: Verdict,
}

/// What came of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The job goes there.
    Taken,
    /// The job asks for tags that the row does not have.
    LacksTags(TagSet),
    /// Another row of the name has fewer tags that the job does not ask for.
    MoreExtraTags,
    /// Another row fits as well, and is earlier in the order of keys.
    LaterInOrder,
}

impl RowLook {
    /// Its target in words.
    pub fn target_text(&self) -> String {
        self.target.as_ref().map_or_else(|| "cannot be used".to_owned(), ToString::to_string)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken => formatter.write_str("taken"),
            Self::LacksTags(missing) => write!(formatter, "does not have the job's tags {missing}"),
            Self::MoreExtraTags => {
                formatter.write_str("fits, but has more tags that the job does not ask for")
            }
            Self::LaterInOrder => formatter.write_str("fits as well, but is later in order"),
        }
    }
}

impl fmt::Display for Look {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRowAtAll => formatter.write_str("no row of the mapping table is for this job"),
            Self::NoRow(rule) => write!(formatter, "{}: no row", rule.as_str()),
            Self::Rows { rule, pattern, tags, rows } => {
                let rule = rule.as_str();
                let taken = rows.iter().find(|row| row.verdict == Verdict::Taken);
                match (taken, tags) {
                    (Some(row), None) => {
                        write!(formatter, "{rule}: row `{}` ({})", row.key, row.target_text())
                    }
                    (Some(row), Some(tags)) => {
                        let target = row.target_text();
                        write!(
                            formatter,
                            "{rule}: row `{}` ({target}) covers the job's tags ({tags})",
                            row.key
                        )
                    }
                    (None, tags) => {
                        let tags = tags.clone().unwrap_or_default();
                        write!(formatter, "{rule}: no row for `{pattern}` covers the job's tags ({tags})")
                    }
                }
            }
            Self::Default(Some(target)) => write!(formatter, "default target: {target}"),
            Self::Paused(reason) => write!(formatter, "it is kept waiting: {reason}"),
            Self::Default(None) => formatter.write_str("default target: none, so the job is not ours"),
        }
    }
}
