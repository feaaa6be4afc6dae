//! One invocation: one assignment, one runner, and an environment as clean after it as it was before.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use lambda_runtime::{Diagnostic, LambdaEvent};
use mayfly_agent::{AgentConfig, StopRequest, end_abandoned, end_descendants, run_alone};
use mayfly_core::assignment::Assignment;
use mayfly_core::clock::{Clock, SystemClock};
use mayfly_core::decide::RunnerEnd;
use mayfly_core::error::Chain;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::Instrument;

use crate::assignment::{self, InvalidEvent};
use crate::budget::{self, Budget};
use crate::settings::Settings;
use crate::shell;
use crate::wipe::{self, WipeError};

/// How long killed processes may take to be gone before and after a job.
const STRAYS: Duration = Duration::from_secs(3);

/// The same when the time is over.
const STRAYS_AT_THE_END: Duration = Duration::from_millis(300);

/// Something of an earlier job is left.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotClean {
    #[error("processes of an earlier job cannot be ended: {ids:?}")]
    Processes { ids: Vec<i32> },
    #[error("files of an earlier job are left")]
    Files(#[source] WipeError),
    #[error("the removal of an earlier job's files did not end")]
    Removal(#[source] tokio::task::JoinError),
}

/// The invocation ran no job, or nobody knows how it ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvocationError {
    #[error(transparent)]
    Event(#[from] InvalidEvent),
    #[error("the environment is not clean, no job is run in it")]
    NotClean(#[source] NotClean),
    #[error("the shell cannot be put into {}", scratch.display())]
    Shell { scratch: PathBuf, source: std::io::Error },
    #[error("the runner was not gone in time, and was killed")]
    OutOfTime,
}

impl From<InvocationError> for Diagnostic {
    fn from(error: InvocationError) -> Self {
        let error_type = match error {
            InvocationError::Event(_) => "InvalidEvent",
            InvocationError::NotClean(_) => "NotClean",
            InvocationError::Shell { .. } => "NoShell",
            InvocationError::OutOfTime => "OutOfTime",
        };
        Self { error_type: error_type.to_owned(), error_message: Chain(&error).to_string() }
    }
}

/// This process takes no more events: what is left of a job may be found by the next one.
#[derive(Debug, thiserror::Error)]
#[error("this environment is not clean and is not used again")]
pub(crate) struct Unfit;

/// The function.
#[derive(Debug)]
pub(crate) struct ShellRunner {
    settings: Settings,
    clock: SystemClock,
    /// The first invocation of a process looks after those before it, too.
    is_first: AtomicBool,
    is_unfit: AtomicBool,
}

impl ShellRunner {
    /// A function with these settings.
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, clock: SystemClock, is_first: true.into(), is_unfit: false.into() }
    }

    /// Handles one event.
    pub(crate) async fn handle(&self, event: LambdaEvent<Value>) -> Result<RunnerEnd, InvocationError> {
        let span = tracing::info_span!("invocation", request = %event.context.request_id);
        let end = budget::deadline(event.context.deadline);
        let handled = self.run(&event.payload, end).instrument(span.clone()).await;
        span.in_scope(|| {
            if let Err(error) = &handled {
                tracing::error!(error = %Chain(error), "no job was done");
            }
        });
        handled
    }

    /// Fails if this process must not take another event.
    pub(crate) fn fit_for_more(&self) -> Result<(), Unfit> {
        if self.is_unfit.load(Ordering::Relaxed) { Err(Unfit) } else { Ok(()) }
    }

    async fn run(&self, event: &Value, end: Timestamp) -> Result<RunnerEnd, InvocationError> {
        let assignment = assignment::read(event)?;
        let budget = Budget::new(self.clock.now(), end);
        let mut work = Box::pin(self.work(assignment, &budget));
        if let Ok(done) = timeout(budget.left(self.clock.now()), &mut work).await {
            return done;
        }
        self.is_unfit.store(true, Ordering::Relaxed);
        end_descendants(STRAYS_AT_THE_END).await;
        // Dropped, it would remove the runner's folder here and now, and there is no time for that. The process ends.
        std::mem::forget(work);
        Err(InvocationError::OutOfTime)
    }

    async fn work(&self, mut assignment: Assignment, budget: &Budget) -> Result<RunnerEnd, InvocationError> {
        let scratch = &self.settings.scratch;
        if self.is_first.swap(false, Ordering::Relaxed) {
            end_abandoned(scratch).await;
        }
        self.clean_up().await.map_err(InvocationError::NotClean)?;
        let config = self.agent_config(budget)?;
        assignment.deadline = budget.deadline_of(&assignment.settings);
        assignment.settings.pass_env.extend(self.settings.passed.iter().cloned());
        // Nobody can tell a function to stop.
        let stop = watch::channel(StopRequest::None).1;
        let end = run_alone(assignment, config, &self.clock, stop).await;
        if let Err(error) = self.clean_up().await {
            tracing::error!(error = %Chain(&error), "the environment is not used again");
        }
        Ok(end)
    }

    /// Ends whatever runs below this process, and removes all files. If that fails, the environment is unfit.
    async fn clean_up(&self) -> Result<(), NotClean> {
        let cleaned = self.try_clean_up().await;
        if cleaned.is_err() {
            self.is_unfit.store(true, Ordering::Relaxed);
        }
        cleaned
    }

    async fn try_clean_up(&self) -> Result<(), NotClean> {
        let ids = end_descendants(STRAYS).await;
        if !ids.is_empty() {
            return Err(NotClean::Processes { ids });
        }
        let mut folders = self.settings.more_to_empty.clone();
        folders.push(self.settings.scratch.clone());
        let removal =
            tokio::task::spawn_blocking(move || folders.iter().try_for_each(|folder| wipe::empty(folder)));
        removal.await.map_err(NotClean::Removal)?.map_err(NotClean::Files)
    }

    fn agent_config(&self, budget: &Budget) -> Result<AgentConfig, InvocationError> {
        let Settings { runner_command, scratch, environment, program, .. } = &self.settings;
        let mut environment = environment.clone();
        let path = environment.get(std::ffi::OsStr::new("PATH")).map(AsRef::as_ref);
        let path = shell::put_before(path, scratch, program)
            .map_err(|source| InvocationError::Shell { scratch: scratch.clone(), source })?;
        environment.insert("PATH".into(), path);
        Ok(AgentConfig {
            runner_command: vec![runner_command.clone()],
            work_dir: scratch.clone(),
            environment,
            timings: budget::agent_timings(),
            time_limit: Some(budget.runner.clone()),
        })
    }
}
