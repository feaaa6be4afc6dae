//! One look at the world, and what it takes to find something in it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::event::EventRunner;
use crate::ids::{JobId, JobKey, ResourceId, RunnerId};
use crate::ledger::{LedgerRecord, RunnerRecord};
use crate::mapping::TargetType;
use crate::ports::{BrokenRecord, JobView, LiveJob, LiveMachine, OurRunner};
use crate::runner_name::RunnerName;
use crate::status::{JobStatus, Rank};

use super::memory::{Memory, ProjectKey};

/// One look at the world. What could not be seen is `None`, and nothing is concluded from it.
///
/// The order of looking matters: machines and registrations first, because whose they are is written down before they come
/// to be; then the ledger; then GitLab's jobs, because a job that the ledger knows and GitLab does not show is over.
#[derive(Debug, Clone, Copy)]
pub struct Snapshot<'a> {
    /// The present moment.
    pub now: Timestamp,
    /// The open records, and those of jobs that GitLab shows waiting.
    pub records: &'a [LedgerRecord],
    /// What is in the place of records and cannot be read.
    pub broken: &'a [BrokenRecord],
    /// The machines that live.
    pub machines: Option<&'a [LiveMachine]>,
    /// The other runners that live, of each target type whose backend tells.
    pub runners: &'a BTreeMap<TargetType, Vec<RunnerName>>,
    /// The registrations in GitLab.
    pub registrations: Option<&'a [OurRunner]>,
    /// What waits and runs in each project that was asked.
    pub projects: &'a BTreeMap<ProjectKey, Vec<LiveJob>>,
    /// The jobs that were asked for one by one; `None`: their project has no such job.
    pub jobs: &'a BTreeMap<JobKey, Option<JobView>>,
    /// True if no backend has room for a runner: then jobs wait for it.
    pub is_full: bool,
    /// True if GitLab was asked and did not answer everything.
    pub is_gitlab_silent: bool,
    /// What the last pass left.
    pub memory: &'a Memory,
}

/// What GitLab says of a job.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Told<'a> {
    /// Nothing: it was not asked, or did not show the job.
    Nothing,
    /// It waits.
    Waits(&'a LiveJob),
    /// It runs.
    Runs(&'a LiveJob),
    /// It is over.
    Over(JobStatus, Option<&'a EventRunner>),
    /// It is not there any more.
    Deleted,
    /// It neither waits nor runs, and is not over: it is being canceled, perhaps.
    Else,
}

/// Whether a runner's compute is there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Presence<'a> {
    /// Its backend does not tell, or could not be asked.
    Unknown,
    /// It is not.
    Missing,
    /// It is; for a machine, what its service tells of it.
    There(Option<&'a LiveMachine>),
}

/// A look at the world in which things are found.
pub(super) struct Index<'a> {
    pub(super) now: Timestamp,
    pub(super) snapshot: &'a Snapshot<'a>,
    pub(super) records: BTreeMap<&'a JobKey, &'a LedgerRecord>,
    machines: Option<BTreeMap<&'a ResourceId, &'a LiveMachine>>,
    runners: BTreeMap<TargetType, BTreeSet<&'a RunnerName>>,
    jobs: BTreeMap<(&'a ProjectKey, JobId), &'a LiveJob>,
    busy_by_id: BTreeMap<RunnerId, JobKey>,
    busy_by_name: BTreeMap<RunnerName, JobKey>,
}

impl<'a> Index<'a> {
    pub(super) fn new(snapshot: &'a Snapshot<'a>) -> Self {
        let mut index = Self {
            now: snapshot.now,
            snapshot,
            records: snapshot.records.iter().map(|record| (&record.key, record)).collect(),
            machines: snapshot
                .machines
                .map(|machines| machines.iter().map(|machine| (&machine.id, machine)).collect()),
            runners: snapshot
                .runners
                .iter()
                .map(|(target, names)| (*target, names.iter().collect()))
                .collect(),
            jobs: BTreeMap::new(),
            busy_by_id: BTreeMap::new(),
            busy_by_name: BTreeMap::new(),
        };
        for (project, job) in index.live_jobs() {
            index.jobs.insert((project, job.id), job);
            let Some(runner) = job.runner.as_ref().filter(|_| job.status == JobStatus::Running) else {
                continue;
            };
            index.busy_by_id.insert(runner.id, key_of(project, job));
            if let Some(name) = name_of(runner) {
                index.busy_by_name.insert(name, key_of(project, job));
            }
        }
        index
    }

    /// All jobs that wait or run in the projects that were asked.
    pub(super) fn live_jobs(&self) -> impl Iterator<Item = (&'a ProjectKey, &'a LiveJob)> + use<'a> {
        self.snapshot.projects.iter().flat_map(|(project, jobs)| jobs.iter().map(move |job| (project, job)))
    }

    /// True if the project's jobs were asked for.
    pub(super) fn was_asked(&self, key: &JobKey) -> bool {
        self.snapshot.projects.contains_key(&ProjectKey::of(key))
    }

    pub(super) fn told(&self, key: &JobKey) -> Told<'a> {
        if let Some(job) = self.jobs.get(&(&ProjectKey::of(key), key.job)) {
            return if job.status == JobStatus::Running { Told::Runs(job) } else { Told::Waits(job) };
        }
        match self.snapshot.jobs.get(key) {
            None => Told::Nothing,
            Some(None) => Told::Deleted,
            Some(Some(view)) => match view.status {
                Some(status) if status.is_final() => Told::Over(status, view.runner.as_ref()),
                _ => Told::Else,
            },
        }
    }

    /// True if the job is known to be over: the ledger says so, or GitLab shows neither that it waits nor that it runs.
    pub(super) fn is_over(&self, key: &JobKey) -> bool {
        if self.records.get(key).is_some_and(|record| record.rank == Rank::Finished) {
            return true;
        }
        match self.told(key) {
            Told::Over(..) | Told::Deleted => true,
            Told::Nothing => self.was_asked(key) && !self.records.contains_key(key),
            Told::Waits(_) | Told::Runs(_) | Told::Else => false,
        }
    }

    pub(super) fn presence(&self, runner: &RunnerName) -> Presence<'a> {
        if runner.target == TargetType::Ec2 {
            return match &self.machines {
                None => Presence::Unknown,
                Some(machines) => machines
                    .get(&runner.resource)
                    .map_or(Presence::Missing, |machine| Presence::There(Some(machine))),
            };
        }
        match self.runners.get(&runner.target) {
            None => Presence::Unknown,
            Some(names) if names.contains(runner) => Presence::There(None),
            Some(_) => Presence::Missing,
        }
    }

    /// The job that GitLab shows on the runner.
    pub(super) fn job_on(&self, runner: &RunnerName, registered: Option<RunnerId>) -> Option<&JobKey> {
        registered.and_then(|id| self.busy_by_id.get(&id)).or_else(|| self.busy_by_name.get(runner))
    }

    /// True if GitLab would show a job of this runner, were there one: it may take jobs of this one project only.
    pub(super) fn would_show_job(&self, record: &LedgerRecord, runner: &RunnerRecord) -> bool {
        runner.registered.is_some() && self.was_asked(&record.key)
    }
}

/// The key of a job of a project.
pub(super) fn key_of(project: &ProjectKey, job: &LiveJob) -> JobKey {
    JobKey { host: project.host.clone(), project: project.project, job: job.id }
}

/// The name of the runner, if it is one of ours.
pub(super) fn name_of(runner: &EventRunner) -> Option<RunnerName> {
    runner.description.as_deref()?.parse().ok()
}
