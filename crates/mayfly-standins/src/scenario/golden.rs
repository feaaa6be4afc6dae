//! Compares a transcript with the one that is kept.

use std::path::Path;

use regex::Regex;
use snapbox::data::DataFormat;
use snapbox::{Assert, Data, Redactions};

use super::ScenarioError;

/// What differs each time, and what is written for it. Patterns that are longer come first.
const VARYING: [(&str, &str); 14] = [
    ("[TIME]", "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.][0-9]+)?Z"),
    ("[CHANGE]", "[0-9]{8}T[0-9]{6}[.][0-9]{6}Z"),
    ("[AFTER]", "[+][0-9]+[.][0-9]{3} s"),
    ("[LENGTH]", "(?:waited   |, )(?<redacted>[0-9]+[.][0-9]{3} s)"),
    ("[AGE]", "  (?<redacted>[0-9]{3,} d(?: [0-9]+ h)?)"),
    ("[AGE]", "  (?<redacted>[0-9]+ s) +(?:runs its job|waits for|its machine|its agent)"),
    ("[AGE]", "  (?:pending|running|success|failed|canceled) +(?<redacted>[0-9]+ s)"),
    ("[RUNNER]", "mayfly-(?:ec2-i-|lambda-|local-)[0-9a-f]{8,}(?:-[0-9a-f-]+)?"),
    ("[ID]", "(?:registration|runner) (?<redacted>[0-9]+)"),
    ("[ID]", "(?m)^ [a-z]+(?:/[a-z]+)+ +(?<redacted>[0-9]+) "),
    // The agent and GitLab's event tell it at the same time.
    ("[END]", "(?:gone|its runner ended): (?<redacted>job [^ ]+ is over: success|its job is over)"),
    (
        "[HOLDER]",
        r"(?:; |: .)(?<redacted>local-[0-9a-f]{32}|[0-9]{4}/[0-9]{2}/[0-9]{2}/\[[$]LATEST\][0-9a-f]+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})",
    ),
    ("[COUNT]", "(?<redacted>[0-9]+) further mapping"),
    ("[CALLER]", "arn:aws:(?:iam|sts)::[0-9]{12}:(?:assumed-role/operator/me|root|user/[a-z]+)"),
];

/// What is written for what differs: what all worlds have in common, and what one of them knows.
pub(super) struct Redacted(Redactions);

impl Redacted {
    /// `of_the_world` are placeholders, such as `[GITLAB]`, with what they stand for.
    pub(super) fn new(of_the_world: &[(&'static str, String)]) -> Result<Self, ScenarioError> {
        let wrong = |error: &dyn std::fmt::Display| ScenarioError(error.to_string());
        let mut redactions = Redactions::new();
        for (placeholder, pattern) in VARYING {
            let pattern = Regex::new(pattern).map_err(|error| wrong(&error))?;
            redactions.insert(placeholder, pattern).map_err(|error| wrong(&error))?;
        }
        for (placeholder, value) in of_the_world {
            redactions.insert(placeholder, value.clone()).map_err(|error| wrong(&error))?;
        }
        Ok(Self(redactions))
    }

    /// What a command said, without what differs each time.
    pub(super) fn of(&self, said: &str) -> String {
        even(&self.0.redact(said))
    }
}

/// Compares a transcript with the file of its session. With `SNAPSHOTS=overwrite` in the environment, the file is written anew.
pub fn compare(transcript: &str, file: &Path) -> Result<(), ScenarioError> {
    let kept = Data::read_from(file, Some(DataFormat::Text)).raw();
    let compared = Assert::new().action_env("SNAPSHOTS").try_eq(
        Some(&"as it went"),
        Data::text(transcript.to_owned()),
        kept,
    );
    compared.map_err(|error| ScenarioError(error.to_string()))
}

/// The columns behind a placeholder are as wide as what it stands for: two blanks are enough for all of them. So are they in the
/// lines of the same table above and below.
fn even(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut even = String::new();
    for table in lines.chunk_by(|left, right| is_row(left) && is_row(right)) {
        let varies = table.len() > 1 && table.iter().any(|line| line.contains("]  "));
        for line in table {
            if varies {
                even += &narrow(line);
            } else {
                even += line;
            }
            even.push('\n');
        }
    }
    even
}

/// True for a line of a table: it has columns.
fn is_row(line: &str) -> bool {
    line.starts_with(' ') && line.trim().contains("  ")
}

fn narrow(line: &str) -> String {
    let begin = line.len() - line.trim_start().len();
    let columns: Vec<&str> =
        line[begin..].split("  ").map(str::trim).filter(|column| !column.is_empty()).collect();
    format!("{}{}", &line[..begin], columns.join("  "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_varies_is_replaced_and_the_columns_behind_it_are_even() {
        let text = "waited   0.123 s until its runner was asked for, 21.000 s until that was up\n\n \
                    TIME (UTC)                AFTER      WHAT\n \
                    2100-01-01T00:00:00.123Z  +0.000 s   it was asked for\n \
                    2100-01-01T00:00:18.123Z  +18.000 s  mayfly-ec2-i-0123456789abcdef0 runs\n\n \
                    JOB    TYPE\n build  EC2\n";
        let expected = "waited   [LENGTH] until its runner was asked for, [LENGTH] until that was up\n\n \
                        TIME (UTC)  AFTER  WHAT\n \
                        [TIME]  [AFTER]  it was asked for\n \
                        [TIME]  [AFTER]  [RUNNER] runs\n\n \
                        JOB    TYPE\n build  EC2\n";
        let redacted = Redacted::new(&[]).unwrap();
        assert_eq!(redacted.of(text), expected);
    }

    #[test]
    fn another_transcript_is_told_with_what_differs() {
        let folder = std::env::temp_dir().join(format!("mayfly-golden-{}", std::process::id()));
        std::fs::write(&folder, "$ mayfly\nat [TIME]\n").unwrap();
        assert!(compare("$ mayfly\nat [TIME]\n", &folder).is_ok());
        let said = compare("$ mayfly\nat noon\n", &folder).unwrap_err().to_string();
        assert!(said.contains("noon"), "{said}");
        std::fs::remove_file(folder).unwrap();
    }
}
