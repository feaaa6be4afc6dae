//! The function's process, and its end with everything below it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::sync::watch;

use super::api::Shared;

/// A started function.
#[derive(Debug)]
pub(super) struct FunctionProcess {
    id: Pid,
    status: watch::Receiver<Option<ExitStatus>>,
}

impl FunctionProcess {
    /// Starts the program with just this environment. Its lines go to the log.
    pub(super) fn start(
        program: &Path,
        environment: &BTreeMap<OsString, OsString>,
        shared: &Arc<Shared>,
    ) -> io::Result<Self> {
        shared.set_started();
        let mut child = Command::new(program)
            .env_clear()
            .envs(environment)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let id = Pid::from_raw(id.ok_or_else(|| io::Error::other("the function has no process id"))?);
        let output = child.stdout.take().map(|stream| tokio::spawn(copy_lines(stream, Arc::clone(shared))));
        let errors = child.stderr.take().map(|stream| tokio::spawn(copy_lines(stream, Arc::clone(shared))));
        let (sender, status) = watch::channel(None);
        tokio::spawn(async move {
            let ended = child.wait().await;
            // Once its end is known, so is all it said, unless something below it lives on and holds its output.
            let rest = async {
                for stream in [output, errors].into_iter().flatten() {
                    let _ = stream.await;
                }
            };
            let _ = tokio::time::timeout(std::time::Duration::from_millis(200), rest).await;
            match ended {
                Ok(ended) => {
                    sender.send_replace(Some(ended));
                }
                Err(error) => tracing::error!(%error, "nobody knows how the function ended"),
            }
        });
        Ok(Self { id, status })
    }

    pub(super) fn id(&self) -> Pid {
        self.id
    }

    /// Waits for its end, and tells it again and again.
    pub(super) async fn ended(&mut self) -> ExitStatus {
        let ended = self.status.wait_for(Option::is_some).await.ok().and_then(|status| *status);
        match ended {
            Some(status) => status,
            // Nobody knows; this happens only while the runtime is taken down.
            None => std::future::pending().await,
        }
    }

    /// Kills it and all below it.
    pub(super) fn kill(&self) {
        if self.status.borrow().is_some() {
            return;
        }
        // It stands still first: what it starts could not be found any more.
        let _ = kill(self.id, Signal::SIGSTOP);
        for process in below(self.id.as_raw()) {
            let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
        }
        let _ = kill(self.id, Signal::SIGKILL);
    }
}

impl Drop for FunctionProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn copy_lines(stream: impl AsyncRead + Unpin, shared: Arc<Shared>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        shared.add_line(line);
    }
}

/// The ids of all processes below one, the oldest ancestors first.
fn below(root: i32) -> Vec<i32> {
    let parents: BTreeMap<i32, i32> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(|id| Some((id, parent_of(id)?)))
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(parents.iter().filter(|(id, of)| **of == parent && **id != root).map(|(id, _)| *id));
        next += 1;
    }
    found.split_off(1)
}

/// From `/proc/<id>/stat`: `id (name) state parent …`. The name may contain anything.
fn parent_of(id: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(1)?.parse().ok()
}
