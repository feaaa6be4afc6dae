//! A job's script: how it is written for the shell, and how it is run.

use std::fmt::Write;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStdin, Command};

use super::network_types::{Job, Variable};
use super::trace::Trace;

/// What a shell does when it is terminated.
const ON_TERM: &str = "trap 'exit 1' TERM";

/// The script of a job for one login shell: variables, folder, then every line, each shown before it runs.
pub(super) fn write_script(shell: &str, job: &Job, variables: &[Variable], folder: &Path) -> String {
    // Writing to a String cannot fail.
    let mut inner = String::new();
    for variable in variables.iter().filter(|variable| is_name(&variable.key)) {
        let _ = writeln!(inner, "export {}={}", variable.key, quote(&variable.value));
    }
    let _ = writeln!(inner, "cd {}", quote(&folder.to_string_lossy()));
    for line in job.steps.iter().flat_map(|step| &step.script) {
        let shown = match line.split_once('\n') {
            Some((first, _)) => format!("$ {first} # collapsed multi-line command"),
            None => format!("$ {line}"),
        };
        let _ = writeln!(inner, "printf '%s\\n' {}\n{line}", quote(&shown));
    }
    let set = if shell == "bash" { "set -eo pipefail" } else { "set -e" };
    let inner = quote(&inner);
    // The script comes on standard input: its commands must not read the rest of it. The subshell keeps the exit code of a
    // line that fails, and the trap keeps the shell from printing the script when it is terminated.
    format!("{set}\nset +o noclobber\n{ON_TERM}\n({ON_TERM}; eval {inner}) < /dev/null\nexit 0\n")
}

/// A shell at work, in a process group of its own.
pub(super) struct Script {
    child: Child,
    input: Option<ChildStdin>,
    text: String,
    output: pipe::Receiver,
}

/// The process group of a script.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group(Pid);

impl Group {
    /// Sends a signal to all of it. A group that is gone needs none.
    pub(super) fn signal(self, signal: Signal) {
        let _ = killpg(self.0, signal);
    }
}

impl Script {
    /// Starts `<shell> -l` with the environment of this program. Standard output and error share one pipe, so that the
    /// log has them in the order in which they were written.
    pub(super) fn start(shell: &str, text: String) -> io::Result<(Self, Group)> {
        let (output, writer) = io::pipe()?;
        let mut child = Command::new(shell)
            .arg("-l")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::from(writer.try_clone()?))
            .stderr(Stdio::from(writer))
            .spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let group = Group(Pid::from_raw(id.ok_or_else(|| io::Error::other("the shell has no process id"))?));
        let input = child.stdin.take();
        let output = pipe::Receiver::from_owned_fd(output.into())?;
        Ok((Self { child, input, text, output }, group))
    }

    /// Feeds the shell, takes its output into the log, and waits for its end: that of the shell and of everything that
    /// holds its output open.
    pub(super) async fn finish(&mut self, trace: &Trace<'_>) -> io::Result<ExitStatus> {
        let Self { child, input, text, output } = self;
        let feed = async {
            if let Some(mut input) = input.take() {
                // A shell that ends early does not read everything.
                let _ = input.write_all(text.as_bytes()).await;
            }
            Ok(())
        };
        let copy = async {
            let mut buffer = vec![0; 16 * 1024];
            loop {
                match output.read(&mut buffer).await? {
                    0 => return Ok::<(), io::Error>(()),
                    size => trace.write(&buffer[..size]),
                }
            }
        };
        let ((), (), status) = tokio::try_join!(feed, copy, child.wait())?;
        Ok(status)
    }
}

fn is_name(key: &str) -> bool {
    !key.starts_with(|first: char| first.is_ascii_digit())
        && !key.is_empty()
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_is_one_word_of_the_shell() {
        assert_eq!(quote("it's $HOME"), r"'it'\''s $HOME'");
    }

    #[test]
    fn only_names_of_variables_are_exported() {
        for (key, expected) in
            [("CI_JOB_ID", true), ("_x1", true), ("1x", false), ("a-b", false), ("", false)]
        {
            assert_eq!(is_name(key), expected, "{key}");
        }
    }
}
