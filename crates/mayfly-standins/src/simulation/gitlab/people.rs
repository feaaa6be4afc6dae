//! People who push, cancel and retry, and runners of other people.

use mayfly_core::ids::{JobId, JobName, PipelineId, RunnerId};
use mayfly_core::tags::TagSet;

use super::super::agenda::{MINUTE, Moment, SECOND};
use super::super::mappings::{KINDS, Kind, LONGEST_SHARED, SHARED_TAG};
use super::super::sim::{Event, Sim};
use super::super::tally::{Fact, Trouble};
use super::{FIRST_JOB, Job, Pipeline, Status};

/// The runner of somebody else.
const STRANGER: RunnerId = RunnerId(7);

/// How long it takes on average until somebody pushes again.
const PUSHES_APART: Moment = 35 * SECOND;

impl Sim {
    /// A pipeline begins, and somebody will push again.
    pub(in super::super) fn push(&mut self) {
        if self.gitlab.jobs_left == 0 {
            return;
        }
        let wait = self.chance.between(0, 2 * PUSHES_APART);
        self.after(wait, Event::Push);
        if self.gitlab_down_until().is_some() {
            return;
        }
        let project = self.pick_project();
        let stages_left = self.chance.between(0, 3);
        let place = self.gitlab.pipelines.len();
        let id = PipelineId(place as u64 + 1);
        self.gitlab.pipelines.push(Pipeline { id, project, stages_left, open: 0 });
        self.begin_stage(place);
    }

    /// One of the projects, or, if they are not to be shared, one of its own.
    fn pick_project(&mut self) -> usize {
        let known = self.gitlab.projects.len();
        if self.mix.is_crowded {
            return self.chance.position(known);
        }
        if let Ok(path) = format!("group/own-{known}").parse() {
            self.gitlab.add_project(path, false);
        }
        self.gitlab.projects.len() - 1
    }

    pub(super) fn begin_stage(&mut self, pipeline: usize) {
        let is_crowded = self.mix.is_crowded;
        let is_burst = is_crowded && self.chance.happens(0.02);
        let wanted = if is_burst { self.chance.between(20, 120) } else { self.chance.between(1, 6) };
        let jobs = wanted.min(self.gitlab.jobs_left);
        self.gitlab.jobs_left -= jobs;
        self.gitlab.pipelines[pipeline].open = jobs;
        let kind = self.chance.position(KINDS.len());
        for number in 0..jobs {
            // Most bursts are of one kind: a matrix.
            let kind = match (is_burst, is_crowded) {
                (true, _) => kind,
                (false, true) => self.chance.position(KINDS.len()),
                (false, false) => (kind + usize::try_from(number).unwrap_or(0)) % KINDS.len(),
            };
            let job = self.new_job(pipeline, &KINDS[kind], number);
            self.add_job(job);
        }
    }

    fn new_job(&mut self, pipeline: usize, kind: &Kind, number: u64) -> Job {
        let id = JobId(FIRST_JOB + self.gitlab.jobs.len() as u64);
        let project = self.gitlab.pipelines[pipeline].project;
        let has_shared_tags = self.gitlab.projects[project].has_shared_tags;
        let tags: TagSet = match kind.tag {
            None => TagSet::default(),
            Some(_) if has_shared_tags => [SHARED_TAG].into_iter().collect(),
            Some(tag) if kind.has_tags_of_its_own => [format!("{tag}-{id}")].into_iter().collect(),
            Some(tag) => [tag].into_iter().collect(),
        };
        let longest = if has_shared_tags { kind.longest.min(LONGEST_SHARED) } else { kind.longest };
        let name = if kind.is_numbered { format!("{}-{number}", kind.name) } else { kind.name.to_owned() };
        Job {
            id,
            project,
            pipeline,
            name: JobName::new(name).unwrap_or_else(|_| JobName::unknown()),
            tags,
            status: Status::Pending,
            script: self.chance.mostly_short(3 * SECOND, longest),
            fails: self.chance.happens(self.mix.failing),
            waits_since: self.now(),
            taken_at: 0,
            runner: None,
            canceled_at: None,
            is_retried: false,
            over_at: 0,
        }
    }

    /// A runner of somebody else takes the job, if it still waits.
    pub(in super::super) fn theft(&mut self, id: JobId) {
        if let Some(until) = self.gitlab_down_until() {
            self.at(until + SECOND, Event::Theft(id));
            return;
        }
        let Some(job) = self.gitlab.job(id).filter(|job| job.status == Status::Pending) else { return };
        let script = job.script;
        self.tally.trouble(Trouble::Theft);
        self.take(id, STRANGER);
        self.after(script, Event::TheftOver(id));
    }

    pub(in super::super) fn theft_over(&mut self, id: JobId) {
        match self.gitlab_down_until() {
            Some(until) => self.at(until + SECOND, Event::TheftOver(id)),
            None => self.report(id),
        }
    }

    /// Somebody cancels the job.
    pub(in super::super) fn cancel(&mut self, id: JobId) {
        if let Some(until) = self.gitlab_down_until() {
            self.at(until + SECOND, Event::Cancel(id));
            return;
        }
        let now = self.now();
        let Some(job) = self.gitlab.job_mut(id) else { return };
        match job.status {
            Status::Pending => {
                self.tally.trouble(Trouble::CanceledWaiting);
                self.finish_job(id, Status::Canceled);
            }
            Status::Running => {
                (job.status, job.canceled_at) = (Status::Canceling, Some(now));
                self.tally.trouble(Trouble::CanceledRunning);
                self.story.tell_job(now, id, || "is being canceled".to_owned());
                self.tell_runner(id);
            }
            _ => {}
        }
    }

    /// Somebody retries the job.
    pub(in super::super) fn retry(&mut self, id: JobId) {
        if let Some(until) = self.gitlab_down_until() {
            self.at(until + SECOND, Event::Retry(id));
            return;
        }
        self.gitlab.intentions -= 1;
        if self.retry_job(id).is_some() {
            self.tally.fact(Fact::JobsRetriedByUsers);
        }
    }

    /// A new job in the place of one that is over; `None` if it cannot be.
    pub(super) fn retry_job(&mut self, id: JobId) -> Option<JobId> {
        let job = self.gitlab.job_mut(id).filter(|job| job.status.is_over() && !job.is_retried)?;
        job.is_retried = true;
        let (project, pipeline, name, tags) = (job.project, job.pipeline, job.name.clone(), job.tags.clone());
        let script = job.script;
        let is_done = job.status == Status::Success;
        if is_done {
            self.gitlab.pipelines[pipeline].open += 1;
        }
        let new = JobId(FIRST_JOB + self.gitlab.jobs.len() as u64);
        let now = self.now();
        self.story.tell_job(now, id, || format!("is retried as job {new}"));
        Some(self.add_job(Job {
            id: new,
            project,
            pipeline,
            name,
            tags,
            status: Status::Pending,
            script,
            fails: false,
            waits_since: now,
            taken_at: 0,
            runner: None,
            canceled_at: None,
            is_retried: false,
            over_at: 0,
        }))
    }

    /// Somebody hears of a job that was given up, some time later, and retries it as they are told to.
    pub(in super::super) fn hear_of_parked(&mut self, id: JobId) {
        self.tally.fact(Fact::JobsParked);
        self.gitlab.intentions += 1;
        let wait = self.chance.between(5 * MINUTE, 30 * MINUTE);
        self.after(wait, Event::Mend(id));
    }

    pub(in super::super) fn mend(&mut self, id: JobId) {
        if let Some(until) = self.gitlab_down_until() {
            self.at(until + SECOND, Event::Mend(id));
            return;
        }
        self.gitlab.intentions -= 1;
        if self.gitlab.job(id).is_some_and(|job| job.status == Status::Pending) {
            self.finish_job(id, Status::Canceled);
            self.retry_job(id);
        }
    }
}
