//! `cargo xtask check`: everything that is to hold before a change is merged, besides the tests.

mod deny;
mod docs;
mod layers;
mod manners;
mod mutants;
mod scripts;
mod stacks;
mod templates;

use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use cargo_metadata::Metadata;
use clap::ValueEnum;

use crate::process::{cargo, run as run_command, timed, workspace};

/// One check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Check {
    /// The layout of the code
    Fmt,
    /// The lints, as errors
    Clippy,
    /// The documentation builds without a warning
    Rustdoc,
    /// The direction of dependencies
    Layers,
    /// What is linked into the functions
    Stacks,
    /// What no lint knows: manifests, crate documentation, tests, length of files
    Manners,
    /// Licences, banned crates and sources of dependencies
    Deny,
    /// The code map names every crate
    Docs,
    /// The templates of the stacks: cfn-lint, checkov, and rights for everything
    Templates,
    /// The shell scripts: shellcheck, and the tests of how images are made
    Scripts,
    /// Deliberate faults are caught by the simulation or the model check. Takes minutes: only when it is asked for
    Mutants,
}

/// What one check came to.
struct CheckResult {
    check: Check,
    /// What is wrong, or why the check could not be made; none if it passed.
    problems: Vec<String>,
    took: Duration,
}

const FMT: [&str; 3] = ["fmt", "--all", "--check"];

const CLIPPY: [&str; 8] =
    ["clippy", "--workspace", "--all-targets", "--all-features", "--locked", "--", "-D", "warnings"];

const RUSTDOC: [&str; 5] = ["doc", "--workspace", "--no-deps", "--document-private-items", "--all-features"];

/// Runs the wanted checks, or all if none is named, one after the other whatever fails; true if all passed.
pub(crate) fn run(only: &[Check], advisories: bool, mutants: bool) -> Result<bool> {
    let workspace = workspace()?;
    let is_wanted = |check: &Check| match check {
        Check::Mutants => mutants || only.contains(check),
        check => only.is_empty() || only.contains(check),
    };
    let wanted = Check::value_variants().iter().copied().filter(is_wanted);
    let results: Vec<CheckResult> = wanted.map(|check| run_one(check, &workspace, advisories)).collect();
    println!("\n{}", table(&results));
    Ok(results.iter().all(|result| result.problems.is_empty()))
}

impl Check {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn problems(self, workspace: &Metadata, advisories: bool) -> Result<Vec<String>> {
        let root = &workspace.workspace_root;
        match self {
            Self::Fmt => problems_of(&mut cargo(root, &FMT)),
            Self::Clippy => problems_of(&mut cargo(root, &CLIPPY)),
            Self::Rustdoc => problems_of(cargo(root, &RUSTDOC).env("RUSTDOCFLAGS", "-D warnings")),
            Self::Layers => layers::problems(workspace),
            Self::Stacks => stacks::problems(workspace),
            Self::Manners => manners::problems(workspace),
            Self::Deny => deny::problems(workspace, advisories),
            Self::Docs => docs::problems(workspace),
            Self::Templates => templates::problems(workspace),
            Self::Scripts => scripts::problems(workspace),
            Self::Mutants => mutants::problems(workspace),
        }
    }
}

fn run_one(check: Check, workspace: &Metadata, advisories: bool) -> CheckResult {
    println!("\n== {} ==", check.name());
    let (outcome, took) = timed(|| check.problems(workspace, advisories));
    let problems = outcome.unwrap_or_else(|error| vec![format!("{error:#}")]);
    for problem in &problems {
        println!("{problem}");
    }
    let word = if problems.is_empty() { "ok" } else { "FAILED" };
    println!("-- {}: {word} after {:.1} s", check.name(), took.as_secs_f64());
    CheckResult { check, problems, took }
}

/// Runs a command that prints its problems itself.
fn problems_of(command: &mut Command) -> Result<Vec<String>> {
    Ok(if run_command(command)? { Vec::new() } else { vec!["the command failed".to_owned()] })
}

fn table(results: &[CheckResult]) -> String {
    let mut lines = vec![format!("{:<11}{:<10}{:>8}  problems", "check", "result", "time")];
    for CheckResult { check, problems, took } in results {
        let word = if problems.is_empty() { "ok" } else { "FAILED" };
        let line = format!("{:<11}{word:<10}{:>6.1} s  {}", check.name(), took.as_secs_f64(), problems.len());
        lines.push(line);
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_every_result() {
        let results = [
            CheckResult { check: Check::Fmt, problems: Vec::new(), took: Duration::from_millis(540) },
            CheckResult {
                check: Check::Layers,
                problems: vec!["a".to_owned()],
                took: Duration::from_secs(61),
            },
        ];
        let expected = [
            "check      result        time  problems",
            "fmt        ok           0.5 s  0",
            "layers     FAILED      61.0 s  1",
        ];
        assert_eq!(table(&results), expected.join("\n"));
    }
}
