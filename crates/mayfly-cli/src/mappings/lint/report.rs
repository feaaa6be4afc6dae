//! Findings for people, and as JSON.

use std::fmt::Write;

use mayfly_core::lint::{Finding, LintRule, Place, Severity};
use serde::Serialize;

use crate::output::{counted, printable};

/// What was found, and in how much. JSON keeps these names.
#[derive(Debug, Serialize)]
pub(super) struct LintReport {
    pub(super) findings: Vec<FindingView>,
    summary: Summary,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Looked {
    pub(super) rows: usize,
    /// Functions that Lambda was asked for.
    pub(super) functions: usize,
    /// Jobs of files; absent if no file was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) jobs: Option<usize>,
}

#[derive(Debug, Serialize)]
struct Summary {
    errors: usize,
    warnings: usize,
    notes: usize,
    #[serde(flatten)]
    looked: Looked,
}

#[derive(Debug, Serialize)]
pub(super) struct FindingView {
    pub(super) rule: &'static str,
    pub(super) severity: &'static str,
    pub(super) message: String,
    pub(super) advice: String,
    /// The keys of the row, as they are written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) row: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) job: Option<String>,
    /// What is neither a row nor in a file, such as the default target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) setting: Option<&'static str>,
    #[serde(skip)]
    pub(super) of: LintRule,
}

impl LintReport {
    pub(super) fn new(findings: Vec<Finding>, looked: Looked) -> Self {
        let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
        let summary = Summary {
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            notes: count(Severity::Note),
            looked,
        };
        Self { findings: findings.into_iter().map(FindingView::of).collect(), summary }
    }

    /// Grouped by row and by file.
    pub(super) fn to_text(&self, width: Option<u16>) -> String {
        let mut text = String::new();
        for group in self.findings.chunk_by(|a, b| a.heading() == b.heading()) {
            // Writing to a String cannot fail.
            let heading = group.first().map(FindingView::heading).unwrap_or_default();
            let _ = writeln!(text, "{}", printable(&heading));
            for finding in group {
                text += &finding.to_text(width);
            }
            text.push('\n');
        }
        text + &self.summary.to_line()
    }
}

impl Summary {
    fn to_line(&self) -> String {
        let mut line = format!(
            "{}, {} and {} in {}",
            counted(self.errors, "error"),
            counted(self.warnings, "warning"),
            counted(self.notes, "note"),
            counted(self.looked.rows, "row")
        );
        if let Some(jobs) = self.looked.jobs {
            line = line + " and " + &counted(jobs, "job");
        }
        line + "\n"
    }
}

impl FindingView {
    fn of(finding: Finding) -> Self {
        let mut view = Self {
            rule: finding.rule.id(),
            severity: finding.severity.as_str(),
            message: finding.message,
            advice: finding.advice,
            row: None,
            file: None,
            line: None,
            job: None,
            setting: None,
            of: finding.rule,
        };
        match finding.place {
            Place::Row(keys) => view.row = Some(keys),
            Place::DefaultTarget => view.setting = Some("DefaultTarget"),
            Place::File { file, line, job } => {
                (view.file, view.line, view.job) = (Some(file), Some(line), job);
            }
        }
        view
    }

    fn heading(&self) -> String {
        match (&self.row, &self.file, self.setting) {
            (Some(row), _, _) => row.clone(),
            (None, Some(file), _) => file.clone(),
            (None, None, setting) => setting.unwrap_or_default().to_owned(),
        }
    }

    fn to_text(&self, width: Option<u16>) -> String {
        let place = match (&self.file, self.line) {
            (Some(file), Some(line)) => format!("{file}:{line}: "),
            _ => String::new(),
        };
        let message = format!("{place}{}: {} ({})", self.severity, self.message, self.rule);
        wrapped(&printable(&message), "  ", "    ", width)
            + &wrapped(&printable(&self.advice), "    → ", "      ", width)
    }
}

/// Breaks a text at spaces, if there is a width.
fn wrapped(text: &str, first: &str, further: &str, width: Option<u16>) -> String {
    let width = width.map_or(usize::MAX, usize::from);
    let (mut lines, mut line) = (String::new(), first.to_owned());
    let mut is_begun = false;
    for word in text.split(' ') {
        if is_begun && line.chars().count() + 1 + word.chars().count() > width {
            lines = lines + &line + "\n";
            further.clone_into(&mut line);
            is_begun = false;
        }
        line = if is_begun { line + " " + word } else { line + word };
        is_begun = true;
    }
    lines + &line + "\n"
}

#[cfg(test)]
pub(in crate::mappings::lint) use tests::sample;

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(rule: LintRule, place: Place) -> Finding {
        let message = "the key is read as `job#a tags#x#y`, and not written so".to_owned();
        Finding { rule, severity: rule.severity(), place, message, advice: "write it so".to_owned() }
    }

    pub(in crate::mappings::lint) fn sample() -> LintReport {
        let of_file = |line, job| Place::File { file: "ci/.gitlab-ci.yml".to_owned(), line, job };
        let findings = vec![
            finding(LintRule::NotCanonicalKey, Place::Row("job#a tags#y#x".to_owned())),
            finding(LintRule::MissingFunction, Place::Row("job#a tags#y#x".to_owned())),
            finding(LintRule::MissingFunction, Place::DefaultTarget),
            finding(LintRule::JobWithoutMapping, of_file(3, Some("build".to_owned()))),
            finding(LintRule::NotRead, of_file(9, None)),
        ];
        LintReport::new(findings, Looked { rows: 1, functions: 1, jobs: Some(2) })
    }

    #[test]
    fn findings_are_grouped_by_their_place() {
        let expected = "\
job#a tags#y#x
  warning: the key is read as `job#a tags#x#y`, and not
    written so (unsorted-key)
    → write it so
  error: the key is read as `job#a tags#x#y`, and not
    written so (missing-function)
    → write it so

DefaultTarget
  error: the key is read as `job#a tags#x#y`, and not
    written so (missing-function)
    → write it so

ci/.gitlab-ci.yml
  ci/.gitlab-ci.yml:3: warning: the key is read as `job#a
    tags#x#y`, and not written so (job-without-mapping)
    → write it so
  ci/.gitlab-ci.yml:9: note: the key is read as `job#a
    tags#x#y`, and not written so (file-not-read)
    → write it so

2 errors, 2 warnings and 1 note in 1 row and 2 jobs
";
        assert_eq!(sample().to_text(Some(60)), expected);
    }

    #[test]
    fn a_finding_keeps_its_names_in_json() {
        let json = serde_json::to_value(sample()).unwrap();
        let finding = serde_json::json!({
            "rule": "job-without-mapping",
            "severity": "warning",
            "message": "the key is read as `job#a tags#x#y`, and not written so",
            "advice": "write it so",
            "file": "ci/.gitlab-ci.yml",
            "line": 3,
            "job": "build",
        });
        assert_eq!(json["findings"][3], finding);
        let summary = serde_json::json!({ "errors": 2, "warnings": 2, "notes": 1, "rows": 1, "functions": 1, "jobs": 2 });
        assert_eq!(json["summary"], summary);
    }

    #[test]
    fn nothing_moves_the_terminal() {
        let row = Place::Row("job#\u{1b}[2J tags#".to_owned());
        let looked = Looked { rows: 1, functions: 0, jobs: None };
        let text = LintReport::new(vec![finding(LintRule::UnreadableRow, row)], looked).to_text(None);
        assert!(!text.contains('\u{1b}'), "{text:?}");
        assert!(text.ends_with("1 error, 0 warnings and 0 notes in 1 row\n"), "{text}");
    }
}
