//! The steps of a run, with their times, and commands that write to a log.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cargo_metadata::camino::Utf8Path;

use crate::process::{announce, timed};

/// How much of the log of a failed command is shown.
const LINES_SHOWN: usize = 40;

/// What was done so far.
#[derive(Debug, Default)]
pub(super) struct Steps {
    done: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    name: String,
    succeeded: bool,
    took: Duration,
}

impl Steps {
    /// Does one step. Its error says which step it was.
    pub(super) fn run<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("\n== {name} ==");
        let (outcome, took) = timed(work);
        self.done.push(Step { name: name.to_owned(), succeeded: outcome.is_ok(), took });
        outcome.with_context(|| format!("step `{name}`"))
    }

    /// Does one step that says whether it succeeded, and has said itself why it did not.
    pub(super) fn check(&mut self, name: &str, work: impl FnOnce() -> Result<bool>) -> Result<bool> {
        let succeeded = self.run(name, work)?;
        if let Some(step) = self.done.last_mut() {
            step.succeeded = succeeded;
        }
        Ok(succeeded)
    }

    /// The steps and their times.
    pub(super) fn table(&self) -> String {
        let mut lines = vec![format!("{:<28}{:<10}{:>8}", "step", "result", "time")];
        for Step { name, succeeded, took } in &self.done {
            let word = if *succeeded { "ok" } else { "FAILED" };
            lines.push(format!("{name:<28}{word:<10}{:>6.1} s", took.as_secs_f64()));
        }
        let all: Duration = self.done.iter().map(|step| step.took).sum();
        lines.push(format!("{:<38}{:>6.1} s", "all", all.as_secs_f64()));
        lines.join("\n")
    }
}

/// Runs a command whose output goes to a log. If it fails, the error names the log and shows its end.
pub(super) fn logged(command: &mut Command, log: &Utf8Path) -> Result<()> {
    let shown = announce(command);
    let file = File::create(log).with_context(|| format!("cannot make {log}"))?;
    let status = command
        .stdin(Stdio::null())
        .stdout(file.try_clone().context("cannot share a file")?)
        .stderr(file)
        .status()
        .with_context(|| format!("{shown}: cannot be started"))?;
    if !status.success() {
        bail!("{shown}: {status}\n{}", end_of(log));
    }
    Ok(())
}

/// The last lines of a log, with a line that says where it is.
pub(super) fn end_of(log: &Utf8Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let shown = &lines[lines.len().saturating_sub(LINES_SHOWN)..];
    format!("the end of {log}:\n{}", shown.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cargo_metadata::camino::Utf8PathBuf;

    #[test]
    fn the_table_has_every_step_and_the_sum() {
        let step = |name: &str, succeeded, millis| Step {
            name: name.to_owned(),
            succeeded,
            took: Duration::from_millis(millis),
        };
        let steps = Steps { done: vec![step("emulator", true, 1540), step("tests", false, 61_000)] };
        let expected = [
            "step                        result        time",
            "emulator                    ok           1.5 s",
            "tests                       FAILED      61.0 s",
            "all                                     62.5 s",
        ];
        assert_eq!(steps.table(), expected.join("\n"));
    }

    #[test]
    fn a_failed_step_is_named_and_counted() {
        let mut steps = Steps::default();
        let error = steps.run("deploy", || -> Result<()> { bail!("refused") }).unwrap_err();
        assert_eq!(format!("{error:#}"), "step `deploy`: refused");
        assert!(!steps.done[0].succeeded);
        assert!(!steps.check("tests", || Ok(false)).unwrap());
        assert!(!steps.done[1].succeeded);
    }

    #[test]
    fn a_failed_command_shows_the_end_of_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = Utf8PathBuf::from_path_buf(folder.path().join("a.log")).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "seq 100; echo wrong >&2; exit 7"]);
        let message = logged(&mut command, &log).unwrap_err().to_string();
        let lines: Vec<&str> = message.lines().collect();
        assert!(lines[0].contains("exit status: 7"), "{message}");
        assert_eq!(lines[1], format!("the end of {log}:"));
        assert_eq!((lines[2], lines[41]), ("62", "wrong"));
    }
}
