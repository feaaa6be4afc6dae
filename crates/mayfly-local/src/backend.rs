//! The backend `LOCAL`: a runner is an agent process with a folder of its own.
//!
//! The folder's name is made of the launch's token, so a launch that is repeated, also after a crash of the server, finds the
//! first one's folder. Agents are process groups of their own and live on when the server dies; the next server adopts them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use mayfly_core::decide::{RunnerEnd, RunnerOutcome};
use mayfly_core::error::PortError;
use mayfly_core::ids::ResourceId;
use mayfly_core::launch::ClientToken;
use mayfly_core::mapping::TargetType;
use mayfly_core::ports::{Backend, LaunchOrder, LaunchOutcome};
use mayfly_core::runner_name::RunnerName;
use nix::sys::signal::Signal;
use secrecy::ExposeSecret;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tracing::{error, info};

use crate::run_dir::RunDir;

/// How agents are started.
#[derive(Debug, Clone)]
pub struct LocalBackendConfig {
    /// One folder a runner is made in here.
    pub runners_dir: PathBuf,
    /// The program that becomes the agent, with leading arguments.
    pub agent_command: Vec<OsString>,
    /// `gitlab-runner`, with leading arguments.
    pub runner_command: Vec<OsString>,
    /// The server's environment; an agent gets what its job may have.
    pub environment: BTreeMap<OsString, OsString>,
    /// How many runners may live at once.
    pub max_runners: usize,
}

/// A runner that left, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// Which.
    pub runner: RunnerName,
    /// What its agent reported, or that it could not.
    pub end: RunnerEnd,
}

/// Starts, adopts and stops agents. Clones share the state. A runner takes room until its end is written down.
#[derive(Clone)]
pub struct LocalBackend {
    config: Arc<LocalBackendConfig>,
    live: Arc<Mutex<BTreeSet<ResourceId>>>,
    live_count: watch::Sender<usize>,
    is_closing: Arc<AtomicBool>,
    gone: mpsc::UnboundedSender<Gone>,
}

impl LocalBackend {
    /// The backend, and where it tells of runners that left.
    pub fn new(config: LocalBackendConfig) -> (Self, mpsc::UnboundedReceiver<Gone>) {
        let (gone, left) = mpsc::unbounded_channel();
        let backend = Self {
            config: Arc::new(config),
            live: Arc::default(),
            live_count: watch::Sender::new(0),
            is_closing: Arc::default(),
            gone,
        };
        (backend, left)
    }

    /// Watches the runners that an earlier server started: those that live on, and those that left meanwhile.
    pub(crate) fn adopt_all(&self) -> io::Result<()> {
        let entries = match std::fs::read_dir(&self.config.runners_dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let Ok(resource) = ResourceId::new(entry?.file_name().to_string_lossy()) else { continue };
            let dir = self.dir(&resource);
            if dir.is_started() {
                self.watch(resource, None);
            } else if dir.is_abandoned() {
                // A launch that was cut short before its agent began. If it is repeated, it makes the folder anew.
                dir.remove()?;
            }
        }
        Ok(())
    }

    /// Tells of runners that the ledger holds for alive and that have no folder: somebody removed it.
    pub(crate) fn report_missing(&self, runners: &[RunnerName]) {
        for runner in runners.iter().filter(|runner| runner.target == TargetType::Local) {
            if !self.dir(&runner.resource).is_started() {
                let end = RunnerEnd { outcome: RunnerOutcome::Failed, job: None };
                let _ = self.gone.send(Gone { runner: runner.clone(), end });
            }
        }
    }

    /// From now on nothing is started.
    pub(crate) fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
    }

    /// How many runners live, as a value to wait on.
    pub(crate) fn live_count(&self) -> watch::Receiver<usize> {
        self.live_count.subscribe()
    }

    /// How many runners may live at once.
    pub(crate) fn max_runners(&self) -> usize {
        self.config.max_runners
    }

    /// Asks every agent that lives to leave after its job. One that is just starting may not hear it.
    pub(crate) fn drain_all(&self) {
        self.tell_all(|dir| dir.signal(Signal::SIGQUIT));
    }

    /// Stops every agent that lives, or is about to.
    pub(crate) fn stop_all(&self) {
        self.tell_all(RunDir::stop);
    }

    fn tell_all(&self, tell: impl Fn(&RunDir) -> io::Result<()>) {
        for resource in self.live().iter() {
            if let Err(error) = tell(&self.dir(resource)) {
                error!(resource.id = %resource, %error, "Could not reach runner {resource}");
            }
        }
    }

    /// A runner's end is written down, or nobody can write it: from now on it takes no room.
    pub(crate) fn release(&self, runner: &RunnerName) {
        self.live().remove(&runner.resource);
        self.publish_count();
    }

    /// Removes the folder of a runner that left and whose end is written down.
    pub(crate) fn remove_folder(&self, runner: &RunnerName) {
        if let Err(error) = self.dir(&runner.resource).remove() {
            error!(runner.name = %runner, %error, "Could not remove the folder of runner {runner}");
        }
    }

    fn dir(&self, resource: &ResourceId) -> RunDir {
        RunDir::new(self.config.runners_dir.join(resource.as_str()))
    }

    fn live(&self) -> MutexGuard<'_, BTreeSet<ResourceId>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a runner's end in the background. A child is waited for first: it may be the second agent of its folder,
    /// which leaves at once, while the first lives on.
    fn watch(&self, resource: ResourceId, child: Option<Child>) {
        let is_new = self.live().insert(resource.clone());
        self.publish_count();
        if !is_new && child.is_none() {
            return;
        }
        let backend = self.clone();
        tokio::spawn(async move {
            if let Some(mut child) = child
                && let Err(error) = child.wait().await
            {
                error!(resource.id = %resource, %error, "Could not wait for the agent of runner {resource}");
            }
            let dir = backend.dir(&resource);
            let waiting = dir.clone();
            let end = match tokio::task::spawn_blocking(move || waiting.wait_until_gone()).await {
                Ok(Ok(Some(end))) => end,
                killed_or_failed => {
                    error!(resource.id = %resource, "The agent of runner {resource} left no report: {killed_or_failed:?}");
                    mayfly_agent::end_abandoned(&dir.work_dir()).await;
                    RunnerEnd { outcome: RunnerOutcome::Failed, job: None }
                }
            };
            let runner = RunnerName { target: TargetType::Local, resource };
            // The receiver is gone only while the server stops; the next one reads the report.
            let _ = backend.gone.send(Gone { runner, end });
        });
    }

    fn publish_count(&self) {
        let count = self.live().len();
        self.live_count.send_replace(count);
    }

    fn spawn(&self, order: &LaunchOrder, dir: &RunDir) -> io::Result<Child> {
        dir.create()?;
        let (program, arguments) =
            self.config.agent_command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(arguments).arg("--run-dir").arg(dir.path());
        for part in &self.config.runner_command {
            command.arg("--runner-command").arg(part);
        }
        let environment = mayfly_agent::job_environment(&self.config.environment, &order.assignment.settings);
        command.env_clear().envs(environment).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()
    }
}

/// An agent that gets no whole assignment leaves without having begun.
async fn hand_over(child: &mut Child, order: &LaunchOrder) -> io::Result<()> {
    let mut stdin = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    stdin.write_all(order.assignment.to_secret_json().expose_secret().as_bytes()).await
}

#[async_trait]
impl Backend for LocalBackend {
    fn target_type(&self) -> TargetType {
        TargetType::Local
    }

    async fn room(&self) -> Result<usize, PortError> {
        Ok(self.config.max_runners.saturating_sub(self.live().len()))
    }

    async fn find(&self, token: &ClientToken) -> Result<Option<ResourceId>, PortError> {
        let resource = token.to_resource();
        Ok(self.dir(&resource).is_started().then_some(resource))
    }

    async fn launch(&self, order: &LaunchOrder) -> LaunchOutcome {
        let resource = order.token.to_resource();
        let dir = self.dir(&resource);
        if dir.is_started() {
            return LaunchOutcome::Started { resource };
        }
        if self.is_closing.load(Ordering::Relaxed) {
            return LaunchOutcome::Refused { reason: "this Mayfly is stopping".to_owned() };
        }
        {
            let mut live = self.live();
            if live.contains(&resource) {
                // Its agent is just about to begin.
                return LaunchOutcome::Started { resource };
            }
            if live.len() >= self.config.max_runners {
                return LaunchOutcome::Refused { reason: format!("{} runners live already", live.len()) };
            }
            live.insert(resource.clone());
        }
        let mut child = match self.spawn(order, &dir) {
            Ok(child) => child,
            Err(error) => {
                self.live().remove(&resource);
                return LaunchOutcome::Refused { reason: format!("cannot start the agent: {error}") };
            }
        };
        let handed_over = hand_over(&mut child, order).await;
        self.watch(resource.clone(), Some(child));
        match handed_over {
            Ok(()) => LaunchOutcome::Started { resource },
            Err(error) => {
                LaunchOutcome::Unknown { reason: format!("cannot hand the assignment over: {error}") }
            }
        }
    }

    async fn stop(&self, runner: &RunnerName, reason: &str) -> Result<(), PortError> {
        info!(runner.name = %runner, reason, "Stopping runner {runner}");
        let stopped = self.dir(&runner.resource).stop();
        stopped.map_err(|error| PortError::later(format!("stop of runner {runner}"), error))
    }

    /// Also one that left and whose end is not written down yet: what is known of it is on its way, and better than that it
    /// is gone.
    async fn live(&self) -> Result<Option<Vec<RunnerName>>, PortError> {
        let name =
            |resource: &ResourceId| RunnerName { target: TargetType::Local, resource: resource.clone() };
        Ok(Some(self.live().iter().map(name).collect()))
    }
}
