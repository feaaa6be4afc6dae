//! The running `gitlab-runner`: its start, its log, and signals to it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// Longer lines are cut into pieces.
const LONGEST_LINE_BYTES: u64 = 64 * 1024;

/// How many lines wait for the agent before the runner does.
const LINES_IN_FLIGHT: usize = 64;

/// The runner cannot be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("no runner program is named")]
    NoProgram,
    #[error("the runner program `{}` cannot be started", program.display())]
    Spawn { program: PathBuf, source: io::Error },
}

/// What is started.
#[derive(Debug)]
pub(crate) struct RunnerOrder<'a> {
    /// The program with its leading arguments.
    pub(crate) command: &'a [OsString],
    /// The configuration it reads.
    pub(crate) config_file: &'a Path,
    /// The section of the configuration it takes.
    pub(crate) name: String,
    /// How long it waits for a job.
    pub(crate) wait_timeout: Duration,
    /// All of its environment.
    pub(crate) environment: &'a BTreeMap<OsString, OsString>,
    /// Where it runs.
    pub(crate) directory: &'a Path,
}

/// A runner in a process group of its own. It is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct RunnerProcess {
    child: Child,
    group: Option<Pid>,
    lines: mpsc::Receiver<String>,
}

impl RunnerProcess {
    /// Starts the runner. No secret is among its arguments or in its environment.
    pub(crate) fn start(order: &RunnerOrder<'_>) -> Result<Self, StartError> {
        let (program, leading) = order.command.split_first().ok_or(StartError::NoProgram)?;
        let program = program_path(program);
        let spawn_error = |source| StartError::Spawn { program: program.clone(), source };
        let mut child = Command::new(&program)
            .args(leading)
            .args(["--log-format", "json", "run-single", "-c"])
            .arg(order.config_file)
            .args(["-r", &order.name, "--max-builds", "1", "--wait-timeout"])
            // 0 would mean: wait for ever.
            .arg(order.wait_timeout.as_secs().max(1).to_string())
            .env_clear()
            .envs(order.environment)
            .current_dir(order.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(spawn_error)?;
        let (sender, lines) = mpsc::channel(LINES_IN_FLIGHT);
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(read_lines(stdout, sender.clone()));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(read_lines(stderr, sender));
        }
        let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        Ok(Self { child, group, lines })
    }

    /// Waits for its end and for lines of its log, at once. Nothing is lost if this is dropped before it is ready.
    pub(crate) async fn next(&mut self) -> RunnerNews {
        tokio::select! {
            // Lines that are left are read after the end: a leftover process that writes without pause must not hide it.
            Some(line) = self.lines.recv() => RunnerNews::Line(line),
            status = self.child.wait() => RunnerNews::Exited(status),
        }
    }

    /// The next line after its end; `None` once everybody who could write one is gone.
    pub(crate) async fn next_line(&mut self) -> Option<String> {
        self.lines.recv().await
    }

    /// Its id; `None` once it was waited for, because the id may be somebody else's then.
    pub(crate) fn id(&self) -> Option<Pid> {
        self.group.filter(|_| self.child.id().is_some())
    }

    /// Sends a signal to the runner. Only SIGKILL goes to its whole process group: on anything else the runner itself ends the
    /// scripts of its job, which are in groups of their own, but for the moment between a script's start and that.
    pub(crate) fn signal(&self, signal: Signal) {
        let Some(id) = self.id() else { return };
        let sent = if signal == Signal::SIGKILL { killpg(id, signal) } else { kill(id, signal) };
        if let Err(error) = sent {
            tracing::warn!(%signal, %error, "the runner cannot be signalled");
        }
    }
}

/// What a runner does.
#[derive(Debug)]
pub(crate) enum RunnerNews {
    /// It wrote this to its log.
    Line(String),
    /// It is gone.
    Exited(io::Result<ExitStatus>),
}

/// A path is taken from here, because the runner starts elsewhere; a mere name is looked for in its `PATH`.
fn program_path(program: &OsString) -> PathBuf {
    let path = Path::new(program);
    if path.components().count() > 1 {
        std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
    } else {
        path.to_owned()
    }
}

async fn read_lines(stream: impl AsyncRead + Unpin, lines: mpsc::Sender<String>) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut reader).take(LONGEST_LINE_BYTES).read_until(b'\n', &mut line).await {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "the runner's log cannot be read any further");
                return;
            }
        }
        if lines.send(String::from_utf8_lossy(&line).into_owned()).await.is_err() {
            return;
        }
    }
}
