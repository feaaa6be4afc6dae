//! The lines of a check-up, and how they are printed.

use serde::Serialize;

use crate::output::{Report, counted, printable, table};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Ok,
    Warning,
    Failure,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    pub(super) level: Level,
    /// What was looked at.
    pub(super) check: String,
    /// How it is.
    pub(super) result: String,
    /// What to do, unless all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

impl Line {
    pub(super) fn ok(check: impl Into<String>, result: impl Into<String>) -> Self {
        Self { level: Level::Ok, check: check.into(), result: result.into(), next: None }
    }

    pub(super) fn warning(
        check: impl Into<String>,
        result: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self { level: Level::Warning, check: check.into(), result: result.into(), next: Some(next.into()) }
    }

    pub(super) fn failure(
        check: impl Into<String>,
        result: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self { level: Level::Failure, check: check.into(), result: result.into(), next: Some(next.into()) }
    }
}

/// A check-up.
#[derive(Debug, Serialize)]
pub(super) struct Findings {
    /// The version of the command that looked.
    version: &'static str,
    ok: usize,
    warnings: usize,
    failures: usize,
    lines: Vec<Line>,
}

impl Findings {
    pub(super) fn new(lines: Vec<Line>) -> Self {
        let count = |level: Level| lines.iter().filter(|line| line.level == level).count();
        Self {
            version: super::VERSION,
            ok: count(Level::Ok),
            warnings: count(Level::Warning),
            failures: count(Level::Failure),
            lines,
        }
    }

    pub(super) fn has_failures(&self) -> bool {
        self.failures > 0
    }
}

impl Report for Findings {
    fn to_text(&self, width: Option<u16>) -> String {
        let rows = self.lines.iter().flat_map(|line| {
            let row = [line.level.as_str().to_owned(), line.check.clone(), line.result.clone()];
            let next = line.next.as_ref().map(|next| [String::new(), String::new(), format!("-> {next}")]);
            [Some(row), next].into_iter().flatten()
        });
        let counts = format!(
            "{} ok, {}, {}",
            self.ok,
            counted(self.warnings, "warning"),
            counted(self.failures, "failure")
        );
        table(width, ["", "CHECK", "RESULT"], rows) + &printable(&counts) + "\n"
    }
}
