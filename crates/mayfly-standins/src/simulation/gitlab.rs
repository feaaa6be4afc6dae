//! The world's GitLab: projects, pipelines with stages, jobs, registrations, and people who push, cancel and retry.

mod people;
mod port;
mod runners;

use std::collections::{BTreeMap, BTreeSet};

use mayfly_core::event::{EventRunner, JobEvent};
use mayfly_core::ids::{
    GitlabHost, Installation, JobId, JobKey, JobName, PipelineId, ProjectId, ProjectPath, RunnerId,
};
use mayfly_core::runner_name::RunnerName;
use mayfly_core::status::JobStatus;
use mayfly_core::tags::TagSet;

use super::agenda::{HOUR, MINUTE, Moment, SECOND, timestamp};
use super::sim::{Event, Sim};
use super::tally::{Fact, Trouble};

pub(super) use port::{GitlabPort, registration_of};
pub(super) use runners::Request;

/// A job's status, as GitLab has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Pending,
    Running,
    /// Its runner is to be told that it is canceled.
    Canceling,
    Success,
    Failed,
    Canceled,
}

impl Status {
    /// The status that events tell; `None` for one without events.
    fn told(self) -> Option<JobStatus> {
        Some(match self {
            Self::Pending => JobStatus::Pending,
            Self::Running => JobStatus::Running,
            Self::Canceling => return None,
            Self::Success => JobStatus::Success,
            Self::Failed => JobStatus::Failed,
            Self::Canceled => JobStatus::Canceled,
        })
    }

    fn word(self) -> &'static str {
        self.told().map_or("canceling", JobStatus::as_str)
    }

    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Canceled)
    }

    /// True if a runner has it.
    pub(super) fn is_on_runner(self) -> bool {
        matches!(self, Self::Running | Self::Canceling)
    }
}

/// One job.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: JobId,
    pub(super) project: usize,
    pub(super) pipeline: usize,
    pub(super) name: JobName,
    pub(super) tags: TagSet,
    pub(super) status: Status,
    /// How long its script takes.
    pub(super) script: Moment,
    fails: bool,
    pub(super) waits_since: Moment,
    taken_at: Moment,
    /// The registration of the runner that has it, or had it last.
    pub(super) runner: Option<RunnerId>,
    /// When it was canceled on its runner.
    canceled_at: Option<Moment>,
    is_retried: bool,
    /// When its final status was reached.
    pub(super) over_at: Moment,
}

/// How long a runner is at a job before its script begins.
pub(super) const BEFORE_SCRIPT: Moment = 10 * SECOND;

impl Job {
    /// False if the job was canceled before its script began: it does not count, and its runner waits for another one.
    pub(super) fn has_begun(&self) -> bool {
        self.canceled_at.is_none_or(|at| at - self.taken_at >= BEFORE_SCRIPT)
    }
}

/// One registration.
#[derive(Debug)]
pub(super) struct Registration {
    /// Its name, if it is one of ours.
    pub(super) name: Option<RunnerName>,
    installation: Option<Installation>,
    description: String,
    project: usize,
    tags: TagSet,
    is_paused: bool,
}

#[derive(Debug)]
struct Project {
    id: ProjectId,
    path: ProjectPath,
    has_shared_tags: bool,
    waiting: BTreeSet<(Moment, JobId)>,
    /// The jobs that a runner has.
    running: BTreeSet<JobId>,
}

#[derive(Debug)]
struct Pipeline {
    id: PipelineId,
    project: usize,
    /// How many stages are still to come.
    stages_left: u64,
    /// How many jobs of the present stage have not succeeded.
    open: u64,
}

/// All of it.
#[derive(Debug)]
pub(super) struct GitlabState {
    pub(super) host: GitlabHost,
    projects: Vec<Project>,
    pipelines: Vec<Pipeline>,
    jobs: Vec<Job>,
    pub(super) registrations: BTreeMap<RunnerId, Registration>,
    /// Ids of registrations; they are not those of jobs.
    registered: u64,
    /// How many more jobs are to begin in this world, retries not counted.
    pub(super) jobs_left: u64,
    /// How often somebody is about to retry a job.
    intentions: u64,
    /// How many jobs wait or run.
    unfinished: u64,
}

/// The id of the first job.
pub(super) const FIRST_JOB: u64 = 1000;
/// The id of the first project.
const FIRST_PROJECT: u64 = 300;
/// The id of the first registration.
const FIRST_RUNNER: u64 = 900_000;
/// How long GitLab believes that a silent runner works on its job.
const SILENCE: Moment = HOUR;
/// How long GitLab lets a job wait.
const LONGEST_WAIT: Moment = 24 * HOUR;

impl GitlabState {
    /// A GitLab in which so many jobs are to begin.
    pub(super) fn new(host: GitlabHost, jobs: u64) -> Self {
        Self {
            host,
            projects: Vec::new(),
            pipelines: Vec::new(),
            jobs: Vec::new(),
            registrations: BTreeMap::new(),
            registered: FIRST_RUNNER,
            jobs_left: jobs,
            intentions: 0,
            unfinished: 0,
        }
    }

    /// Adds a project.
    pub(super) fn add_project(&mut self, path: ProjectPath, has_shared_tags: bool) {
        let id = ProjectId(FIRST_PROJECT + self.projects.len() as u64);
        let (waiting, running) = (BTreeSet::new(), BTreeSet::new());
        self.projects.push(Project { id, path, has_shared_tags, waiting, running });
    }

    fn project(&self, id: ProjectId) -> Option<usize> {
        let place = usize::try_from(id.0.checked_sub(FIRST_PROJECT)?).ok()?;
        (place < self.projects.len()).then_some(place)
    }

    /// The job of this id.
    pub(super) fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(usize::try_from(id.0.checked_sub(FIRST_JOB)?).ok()?)
    }

    fn job_mut(&mut self, id: JobId) -> Option<&mut Job> {
        self.jobs.get_mut(usize::try_from(id.0.checked_sub(FIRST_JOB)?).ok()?)
    }

    /// The key of a job.
    pub(super) fn key(&self, job: &Job) -> JobKey {
        JobKey { host: self.host.clone(), project: self.projects[job.project].id, job: job.id }
    }

    /// True if nothing more is to come: no job waits or runs, and nobody is about to push or retry.
    pub(super) fn is_over(&self) -> bool {
        self.jobs_left == 0 && self.unfinished == 0 && self.intentions == 0
    }

    /// The jobs that this runner has.
    pub(super) fn jobs_on(&self, runner: RunnerId) -> Vec<JobId> {
        let running = self.projects.iter().flat_map(|project| &project.running);
        running.filter(|id| self.job(**id).is_some_and(|job| job.runner == Some(runner))).copied().collect()
    }

    fn event_runner(&self, job: &Job) -> Option<EventRunner> {
        // GitLab forgets which runner had a job once the runner is deleted.
        let id = job.runner?;
        let registration = self.registrations.get(&id)?;
        Some(EventRunner { id, description: Some(registration.description.clone()) })
    }

    fn event(&self, job: &Job, now: Moment) -> Option<JobEvent> {
        Some(JobEvent {
            key: self.key(job),
            name: job.name.clone(),
            status: job.status.told()?,
            project: Some(self.projects[job.project].path.clone()),
            pipeline: Some(self.pipelines[job.pipeline].id),
            runner: self.event_runner(job),
            queued_seconds: Some(seconds(now - job.waits_since)),
            failure_reason: None,
            received_at: timestamp(now),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "GitLab tells a fraction")]
fn seconds(time: Moment) -> f64 {
    time as f64 / 1000.0
}

impl Sim {
    /// A job comes to be, and waits.
    fn add_job(&mut self, job: Job) -> JobId {
        let id = job.id;
        self.gitlab.projects[job.project].waiting.insert((job.waits_since, id));
        self.gitlab.unfinished += 1;
        self.gitlab.jobs.push(job);
        self.tally.fact(Fact::JobsWaited);
        let now = self.now();
        self.story.tell_job(now, id, || "waits in GitLab".to_owned());
        if !self.is_lost_on_purpose(id) {
            self.send_event(id);
        }
        if self.chance.happens(self.mix.thefts) {
            let wait = self.chance.between(0, 2 * MINUTE);
            self.after(wait, Event::Theft(id));
        }
        if self.chance.happens(self.mix.canceled_waiting) {
            let wait = self.chance.between(0, 90 * SECOND);
            self.after(wait, Event::Cancel(id));
        }
        id
    }

    /// True for the job whose `pending` is lost on purpose.
    fn is_lost_on_purpose(&mut self, id: JobId) -> bool {
        let is_due = self.watch.probe.loses_from.is_some_and(|from| self.now() >= from);
        let project = self.gitlab.job(id).map(|job| job.project);
        let is_known =
            self.gitlab.jobs.iter().any(|job| Some(job.project) == project && job.status.is_over());
        let is_lost = is_due && is_known;
        if is_lost {
            self.watch.probe.loses_from = None;
            self.watch.probe.lost = Some(id);
        }
        is_lost
    }

    fn send_event(&mut self, id: JobId) {
        let now = self.now();
        let event = self.gitlab.job(id).and_then(|job| self.gitlab.event(job, now));
        if let Some(event) = event {
            self.deliver(event);
        }
    }

    /// A runner takes a waiting job.
    fn take(&mut self, id: JobId, runner: RunnerId) {
        let now = self.now();
        let Some(job) = self.gitlab.job_mut(id) else { return };
        (job.status, job.runner, job.taken_at) = (Status::Running, Some(runner), now);
        let (project, since) = (job.project, job.waits_since);
        self.gitlab.projects[project].waiting.remove(&(since, id));
        self.gitlab.projects[project].running.insert(id);
        self.story.tell_job(now, id, || format!("runs on runner {runner}"));
        self.send_event(id);
    }

    /// A job is over.
    pub(super) fn finish_job(&mut self, id: JobId, status: Status) {
        let now = self.now();
        let Some(job) = self.gitlab.job_mut(id) else { return };
        if job.status.is_over() {
            return;
        }
        job.status = status;
        job.over_at = now;
        let (project, since, pipeline) = (job.project, job.waits_since, job.pipeline);
        self.gitlab.projects[project].waiting.remove(&(since, id));
        self.gitlab.projects[project].running.remove(&id);
        self.gitlab.unfinished -= 1;
        self.story.tell_job(now, id, || format!("is over in GitLab: {}", status.word()));
        self.send_event(id);
        match status {
            Status::Success => self.succeed(pipeline),
            _ if self.chance.happens(self.mix.retried) => {
                self.gitlab.intentions += 1;
                let wait = self.chance.between(20 * SECOND, 10 * MINUTE);
                self.after(wait, Event::Retry(id));
            }
            _ => {}
        }
    }

    /// One more job of the pipeline's stage is done: perhaps the next stage begins.
    fn succeed(&mut self, pipeline: usize) {
        let of = &mut self.gitlab.pipelines[pipeline];
        of.open = of.open.saturating_sub(1);
        if of.open == 0 && of.stages_left > 0 {
            of.stages_left -= 1;
            self.begin_stage(pipeline);
        }
    }

    /// The job's script is over, or its runner has heard that it is canceled.
    pub(super) fn report(&mut self, id: JobId) {
        let Some(job) = self.gitlab.job(id) else { return };
        match job.status {
            Status::Running if job.fails => self.finish_job(id, Status::Failed),
            Status::Running => self.finish_job(id, Status::Success),
            Status::Canceling => self.finish_job(id, Status::Canceled),
            _ => {}
        }
    }

    /// A silent runner's job: GitLab gives it up after an hour.
    pub(super) fn watch_silent(&mut self, id: JobId) {
        self.after(SILENCE, Event::Stuck(id));
    }

    pub(super) fn stuck(&mut self, id: JobId) {
        if self.gitlab.job(id).is_some_and(|job| job.status.is_on_runner()) {
            self.tally.trouble(Trouble::Stuck);
            self.finish_job(id, Status::Failed);
        }
    }

    /// Looks for jobs that have waited for a day: GitLab ends them, and they are lost.
    pub(super) fn sweep(&mut self) {
        let now = self.now();
        let waiting = self.gitlab.projects.iter().flat_map(|project| &project.waiting);
        let lost = waiting.filter(|(since, _)| now - since >= LONGEST_WAIT).map(|(_, id)| *id).min();
        if let Some(id) = lost {
            self.watch.breaks("every job that GitLab would run is run", Some(id), None, || {
                format!("job {id} has waited for a day")
            });
        }
    }
}
