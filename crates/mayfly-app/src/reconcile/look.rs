//! Gathers what a pass depends on.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use mayfly_core::error::PortError;
use mayfly_core::ids::JobKey;
use mayfly_core::ledger::LedgerRecord;
use mayfly_core::mapping::TargetType;
use mayfly_core::ports::{BrokenRecord, JobView, LiveJob, LiveMachine, OurRunner};
use mayfly_core::reconcile::{Memory, ProjectKey, Snapshot, jobs_to_ask, jobs_to_look_up, projects_to_ask};
use mayfly_core::runner_name::RunnerName;

use super::Reconciler;
use crate::dispatcher::{Dispatcher, Registration};
use crate::gather::is_full;

/// How many questions GitLab is asked at once.
const QUESTIONS_AT_ONCE: usize = 10;

/// What was seen.
pub(super) struct Look {
    pub(super) now: Timestamp,
    pub(super) memory: Memory,
    pub(super) open: usize,
    /// What could not be seen.
    pub(super) unseen: Vec<PortError>,
    is_full: bool,
    is_gitlab_silent: bool,
    records: Vec<LedgerRecord>,
    broken: Vec<BrokenRecord>,
    machines: Option<Vec<LiveMachine>>,
    runners: BTreeMap<TargetType, Vec<RunnerName>>,
    registrations: Option<Vec<OurRunner>>,
    projects: BTreeMap<ProjectKey, Vec<LiveJob>>,
    jobs: BTreeMap<JobKey, Option<JobView>>,
}

impl Look {
    /// Looks, in the order that [`Snapshot`] asks for.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub(super) async fn at(reconciler: &Reconciler) -> Result<Self, PortError> {
        let dispatcher = &reconciler.dispatcher;
        let mut look = Self {
            now: dispatcher.clock.now(),
            memory: Memory::default(),
            open: 0,
            unseen: Vec::new(),
            is_full: false,
            is_gitlab_silent: false,
            records: Vec::new(),
            broken: Vec::new(),
            machines: None,
            runners: BTreeMap::new(),
            registrations: None,
            projects: BTreeMap::new(),
            jobs: BTreeMap::new(),
        };
        look.see_compute(dispatcher).await;
        let can_ask_gitlab = look.see_registrations(dispatcher).await;
        look.memory = dispatcher.ledger.memory().await?;
        let sweep = dispatcher.ledger.open().await?;
        look.open = sweep.records.len();
        let asked = projects_to_ask(&look.memory, &sweep, look.now, &reconciler.policy);
        (look.records, look.broken) = (sweep.records, sweep.broken);
        if can_ask_gitlab {
            look.see_projects(dispatcher, &asked).await;
            look.look_up_waiting(dispatcher).await?;
            look.see_jobs(reconciler).await;
        }
        look.now = dispatcher.clock.now();
        Ok(look)
    }

    pub(super) fn snapshot(&self) -> Snapshot<'_> {
        Snapshot {
            now: self.now,
            records: &self.records,
            broken: &self.broken,
            machines: self.machines.as_deref(),
            runners: &self.runners,
            registrations: self.registrations.as_deref(),
            projects: &self.projects,
            jobs: &self.jobs,
            is_full: self.is_full,
            is_gitlab_silent: self.is_gitlab_silent,
            memory: &self.memory,
        }
    }

    async fn see_compute(&mut self, dispatcher: &Dispatcher) {
        self.is_full = self.seen(is_full(dispatcher).await).unwrap_or(false);
        if let Some(machines) = &dispatcher.machines {
            self.machines = self.seen(machines.backend.list().await);
        }
        for backend in &dispatcher.backends {
            if let Some(Some(live)) = self.seen(backend.live().await) {
                self.runners.insert(backend.target_type(), live);
            }
        }
    }

    /// False if GitLab cannot be asked for anything.
    async fn see_registrations(&mut self, dispatcher: &Dispatcher) -> bool {
        if !dispatcher.has_api_token {
            return false;
        }
        if dispatcher.registration == Registration::Shared {
            return true;
        }
        self.registrations = self.seen(dispatcher.gitlab.our_runners().await);
        self.is_gitlab_silent = self.registrations.is_none();
        !self.is_gitlab_silent
    }

    async fn see_projects(&mut self, dispatcher: &Dispatcher, asked: &[ProjectKey]) {
        for some in asked.chunks(QUESTIONS_AT_ONCE) {
            let questions = some.iter().cloned().map(|project| ask_project(dispatcher, project));
            let answers: Vec<_> = stream::iter(questions).buffered(QUESTIONS_AT_ONCE).collect().await;
            let is_silent = answers.iter().all(|(_, answer)| answer.is_err());
            for (project, answer) in answers {
                if let Some(Some(jobs)) = self.seen(answer) {
                    self.projects.insert(project, jobs);
                }
            }
            if is_silent {
                self.is_gitlab_silent = true;
                return;
            }
        }
    }

    /// The records of waiting jobs that are not among the open ones.
    async fn look_up_waiting(&mut self, dispatcher: &Dispatcher) -> Result<(), PortError> {
        let keys = jobs_to_look_up(&self.records, &self.projects);
        if keys.is_empty() {
            return Ok(());
        }
        let sweep = dispatcher.ledger.get_many(&keys, self.now).await?;
        self.records.extend(sweep.records);
        let known = |broken: &BrokenRecord| self.broken.iter().any(|known| known.key == broken.key);
        let unknown: Vec<_> = sweep.broken.into_iter().filter(|broken| !known(broken)).collect();
        self.broken.extend(unknown);
        Ok(())
    }

    async fn see_jobs(&mut self, reconciler: &Reconciler) {
        let asked = jobs_to_ask(&self.records, &self.projects, &reconciler.policy);
        let questions = asked.into_iter().map(|key| ask_job(&reconciler.dispatcher, key));
        let answers: Vec<_> = stream::iter(questions).buffered(QUESTIONS_AT_ONCE).collect().await;
        for (key, answer) in answers {
            if let Some(view) = self.seen(answer) {
                self.jobs.insert(key, view);
            }
        }
    }

    fn seen<T>(&mut self, answer: Result<T, PortError>) -> Option<T> {
        answer.map_err(|error| self.unseen.push(error)).ok()
    }
}

async fn ask_project(
    dispatcher: &Dispatcher,
    project: ProjectKey,
) -> (ProjectKey, Result<Option<Vec<LiveJob>>, PortError>) {
    let jobs = dispatcher.gitlab.live_jobs(project.project).await;
    (project, jobs)
}

async fn ask_job(dispatcher: &Dispatcher, key: JobKey) -> (JobKey, Result<Option<JobView>, PortError>) {
    let view = dispatcher.gitlab.job(key.project, key.job).await;
    (key, view)
}
