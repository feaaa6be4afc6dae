//! Runs the commands that do the work, and says which.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use cargo_metadata::camino::Utf8Path;
use cargo_metadata::{Metadata, MetadataCommand};

/// How long an ended command's output may be silent before it counts as complete. Something the command left behind can
/// hold its output open for ever.
const SILENCE_AFTER_END: Duration = Duration::from_millis(500);

/// The folders of the stacks, in the order in which they are deployed.
pub(crate) const STACKS: [&str; 3] = ["infrastructure", "shell-runner", "autoscaler"];

/// The workspace and its members, without their dependencies' own packages.
pub(crate) fn workspace() -> Result<Metadata> {
    MetadataCommand::new().no_deps().exec().context("cargo metadata failed")
}

/// A cargo command at the root of the workspace.
pub(crate) fn cargo(root: &Utf8Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(root);
    command
}

/// True if this cargo subcommand is installed.
pub(crate) fn has_cargo_subcommand(name: &str) -> bool {
    Command::new("cargo")
        .args([name, "--version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs a command that prints for itself; true if it succeeded.
pub(crate) fn run(command: &mut Command) -> Result<bool> {
    let shown = announce(command);
    let status = command.status().with_context(|| format!("{shown}: cannot be started"))?;
    Ok(status.success())
}

/// Runs a command for its standard output. A failure is an error.
pub(crate) fn output_of(command: &mut Command) -> Result<String> {
    let shown = show(command);
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| format!("{shown}: cannot be started"))?;
    if !output.status.success() {
        bail!("{shown}: {}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("{shown}: its output is not UTF-8"))
}

/// Runs a command, prints its output as it comes, and returns it too: true if it succeeded, and its lines. Both streams
/// go through one pipe, so that the lines stay in order.
pub(crate) fn run_and_read(command: &mut Command) -> Result<(bool, Vec<String>)> {
    let shown = announce(command);
    let (reader, writer) = io::pipe().context("cannot make a pipe")?;
    command.stdout(writer.try_clone().context("cannot share a pipe")?).stderr(writer);
    let mut child = command.spawn().with_context(|| format!("{shown}: cannot be started"))?;
    // The command holds our own ends for writing: with them open the output would never end.
    command.stdout(Stdio::null()).stderr(Stdio::null());

    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || send_lines(BufReader::new(reader), &sender));
    let mut lines = Vec::new();
    loop {
        match receiver.recv_timeout(SILENCE_AFTER_END) {
            Ok(line) => {
                writeln!(io::stdout(), "{line}").context("cannot print")?;
                lines.push(line);
            }
            Err(RecvTimeoutError::Timeout) => {
                if child.try_wait().with_context(|| shown.clone())?.is_some() {
                    break;
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let status = child.wait().with_context(|| shown.clone())?;
    Ok((status.success(), lines))
}

/// Does something and says how long it took.
#[expect(clippy::disallowed_methods, reason = "times are only shown here, nothing is decided by them")]
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begin = Instant::now();
    let result = work();
    (result, begin.elapsed())
}

fn send_lines(mut reader: impl BufRead, sender: &Sender<String>) {
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes).is_ok_and(|length| length > 0) {
        let line = String::from_utf8_lossy(&bytes);
        if sender.send(line.trim_end_matches(['\n', '\r']).to_owned()).is_err() {
            return;
        }
        bytes.clear();
    }
}

/// Prints the command that is about to run, and returns it as printed.
pub(crate) fn announce(command: &Command) -> String {
    let shown = show(command);
    println!("$ {shown}");
    shown
}

fn show(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy().into_owned()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn both_streams_are_read_in_order_and_the_failure_is_seen() {
        let mut command = shell("echo one; echo two >&2; echo three; exit 3");
        let (succeeded, lines) = run_and_read(&mut command).unwrap();
        assert!(!succeeded);
        assert_eq!(lines, ["one", "two", "three"]);
    }

    #[test]
    fn what_a_command_leaves_behind_does_not_hold_us_up() {
        let (succeeded, lines) = run_and_read(&mut shell("sleep 600 & echo $!")).unwrap();
        assert!(succeeded);
        assert!(shell(&format!("kill {}", lines[0])).status().unwrap().success());
    }

    #[test]
    fn output_is_returned_and_a_failure_is_an_error() {
        assert_eq!(output_of(&mut shell("echo out")).unwrap(), "out\n");
        assert!(output_of(&mut shell("exit 1")).unwrap_err().to_string().starts_with("sh -c exit 1: "));
    }
}
