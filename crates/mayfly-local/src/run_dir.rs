//! A runner's folder: what server and agent tell each other, whichever of them dies.
//!
//! * `lock`: held by the agent as long as it lives. Whoever can lock it knows that the agent is gone.
//! * `started`: made once, under the lock. A second agent with the same folder finds it and leaves.
//! * `pid`: the agent's process, valid while the lock is held.
//! * `stop`: made by the server to stop an agent that may not have begun yet. An agent looks for it once it has.
//! * `report.json`: how it ended, written last.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use mayfly_core::decide::RunnerEnd;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::data_dir::make_private_dir;

/// The folder of one runner.
#[derive(Debug, Clone)]
pub(crate) struct RunDir {
    path: PathBuf,
}

/// Proof that this process is the one agent of a folder.
#[derive(Debug)]
pub(crate) struct AgentLock {
    _lock: File,
}

impl RunDir {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn create(&self) -> io::Result<()> {
        make_private_dir(&self.work_dir())
    }

    /// Where the agent makes the runner's private folder.
    pub(crate) fn work_dir(&self) -> PathBuf {
        self.path.join("work")
    }

    /// True if an agent ever began here.
    pub(crate) fn is_started(&self) -> bool {
        self.path.join("started").exists()
    }

    /// For the agent: begins, unless another began before.
    pub(crate) fn begin(&self) -> io::Result<Option<AgentLock>> {
        let lock = self.open_lock()?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        if self.is_started() {
            return Ok(None);
        }
        fs::write(self.path.join("pid"), std::process::id().to_string())?;
        File::create_new(self.path.join("started"))?.sync_all()?;
        Ok(Some(AgentLock { _lock: lock }))
    }

    /// For the agent: writes how it ended.
    pub(crate) fn write_report(&self, end: &RunnerEnd) -> io::Result<()> {
        let draft = self.path.join("report.json.new");
        fs::write(&draft, serde_json::to_vec(end)?)?;
        fs::rename(draft, self.path.join("report.json"))
    }

    /// For the server: waits until the agent is gone and tells how it ended; `None` if it could not say, because it was
    /// killed. Blocks the thread.
    pub(crate) fn wait_until_gone(&self) -> io::Result<Option<RunnerEnd>> {
        self.open_lock()?.lock()?;
        Ok(self.report())
    }

    /// For the server: stops the agent, also one that is only about to begin. One that is gone is `Ok`.
    pub(crate) fn stop(&self) -> io::Result<()> {
        match fs::write(self.path.join("stop"), "") {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => self.signal(Signal::SIGTERM),
        }
    }

    /// For the agent that has begun: true if it was stopped before it could hear a signal.
    pub(crate) fn is_stopped(&self) -> bool {
        self.path.join("stop").exists()
    }

    /// For the server: sends the agent a signal. One that is gone, or has not begun, is `Ok`.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        if !self.is_started() {
            return Ok(());
        }
        let lock = self.open_lock()?;
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // The lock is held, so the process of this number is the agent.
        let Ok(pid) = fs::read_to_string(self.path.join("pid"))?.trim().parse() else { return Ok(()) };
        kill(Pid::from_raw(pid), signal).map_err(io::Error::from)
    }

    pub(crate) fn remove(&self) -> io::Result<()> {
        mayfly_agent::remove_folder(&self.path)
    }

    /// For the server that alone uses the folders: true if no agent began here and none is about to.
    pub(crate) fn is_abandoned(&self) -> bool {
        !self.is_started() && self.open_lock().is_ok_and(|lock| lock.try_lock().is_ok())
    }

    /// Half a report is none.
    fn report(&self) -> Option<RunnerEnd> {
        let report = fs::read(self.path.join("report.json")).ok()?;
        serde_json::from_slice(&report).ok()
    }

    fn open_lock(&self) -> io::Result<File> {
        OpenOptions::new().create(true).truncate(false).write(true).open(self.path.join("lock"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mayfly_core::decide::RunnerOutcome;
    use mayfly_core::ids::JobId;

    #[test]
    fn only_the_first_agent_of_a_folder_begins() {
        let temp = tempfile::tempdir().unwrap();
        let dir = RunDir::new(temp.path().join("runner"));
        dir.create().unwrap();
        assert!(!dir.is_started());
        let first = dir.begin().unwrap();
        assert!(first.is_some());
        assert!(dir.begin().unwrap().is_none(), "while the first lives");
        drop(first);
        assert!(dir.begin().unwrap().is_none(), "after the first is gone");
    }

    #[test]
    fn an_agent_that_begins_after_its_stop_hears_of_it() {
        let temp = tempfile::tempdir().unwrap();
        let dir = RunDir::new(temp.path().join("runner"));
        dir.stop().unwrap();
        assert!(!dir.path().exists(), "a runner that is gone stays gone");
        dir.create().unwrap();
        assert!(!dir.is_stopped());
        dir.stop().unwrap();
        let lock = dir.begin().unwrap();
        assert!(lock.is_some() && dir.is_stopped());
    }

    #[test]
    fn a_report_is_read_back_and_half_a_one_is_none() {
        let temp = tempfile::tempdir().unwrap();
        let dir = RunDir::new(temp.path());
        assert_eq!(dir.wait_until_gone().unwrap(), None);
        let end = RunnerEnd { outcome: RunnerOutcome::JobDone, job: Some(JobId(7)) };
        dir.write_report(&end).unwrap();
        assert_eq!(dir.wait_until_gone().unwrap(), Some(end));
        fs::write(temp.path().join("report.json"), "{\"outcome\":").unwrap();
        assert_eq!(dir.wait_until_gone().unwrap(), None);
    }
}
