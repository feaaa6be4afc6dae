//! The world around the protocol: GitLab with its jobs and registrations, and a backend with its compute.

use std::sync::LazyLock;

use jiff::Timestamp;
use mayfly_core::event::{EventRunner, JobEvent};
use mayfly_core::ids::{JobKey, JobName, RunnerId};
use mayfly_core::ports::{JobView, LiveJob};
use mayfly_core::status::JobStatus;
use mayfly_core::tags::TagSet;

use super::plan::{ANOTHER, Backend, JOB, Token};

/// What jobs are called.
static NAME: LazyLock<JobName> = LazyLock::new(|| "test".parse().unwrap());

/// A registration's id in GitLab. The lowest that nobody knows any more is given again, so that states that differ only in
/// what was long ago are the same.
pub(crate) type Id = u8;

pub(crate) fn runner_id(id: Id) -> RunnerId {
    RunnerId(id.into())
}

pub(crate) fn model_id(id: RunnerId) -> Id {
    Id::try_from(id.0).unwrap()
}

/// A registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Registration {
    pub(crate) id: Id,
    pub(crate) token: Token,
    /// It gets no more jobs.
    pub(crate) is_paused: bool,
}

/// The registration on which a job runs or ran, as its events name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct On {
    pub(crate) id: Id,
    pub(crate) token: Token,
}

/// A job as GitLab has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Job {
    Pending,
    Running(On),
    /// With the runner that had it; one that was canceled while it waited had none.
    Over(Option<On>),
}

impl Job {
    fn status(self) -> JobStatus {
        match self {
            Self::Pending => JobStatus::Pending,
            Self::Running(_) => JobStatus::Running,
            Self::Over(Some(_)) => JobStatus::Success,
            Self::Over(None) => JobStatus::Canceled,
        }
    }

    pub(crate) fn on(self) -> Option<On> {
        match self {
            Self::Pending => None,
            Self::Running(on) => Some(on),
            Self::Over(on) => on,
        }
    }
}

/// Which of the two jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Which {
    TheJob,
    Another,
}

impl Which {
    pub(crate) fn key(self) -> &'static JobKey {
        match self {
            Self::TheJob => &JOB,
            Self::Another => &ANOTHER,
        }
    }

    pub(crate) fn of(key: &JobKey) -> Self {
        if *key == *JOB { Self::TheJob } else { Self::Another }
    }
}

/// What a runner does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Work {
    /// It asks for a job.
    Waits,
    Has(Which),
    /// Its job is over, and it is about to leave.
    Done(Which),
}

/// A runner's compute. It was started with the token of a registration that may be gone by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Compute {
    pub(crate) token: Token,
    pub(crate) registered: Id,
    pub(crate) work: Work,
    /// True once it has waited for nearly as long as it may.
    pub(crate) is_impatient: bool,
}

/// A runner that left, as its agent or its service would report it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Left {
    pub(crate) token: Token,
    pub(crate) took: Option<Which>,
}

/// What is true outside of Mayfly.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) backend: Backend,
    pub(crate) job: Job,
    /// The other job; while it is pending, it is not there.
    pub(crate) another: Job,
    pub(crate) registrations: Vec<Registration>,
    pub(crate) computes: Vec<Compute>,
    /// One bit for each token with which something was started.
    pub(crate) started: u32,
    pub(crate) left: Vec<Left>,
}

impl World {
    pub(crate) fn new(backend: Backend) -> Self {
        Self {
            backend,
            job: Job::Pending,
            another: Job::Pending,
            registrations: Vec::new(),
            computes: Vec::new(),
            started: 0,
            left: Vec::new(),
        }
    }

    pub(crate) fn job(&self, which: Which) -> Job {
        match which {
            Which::TheJob => self.job,
            Which::Another => self.another,
        }
    }

    pub(crate) fn set_job(&mut self, which: Which, job: Job) {
        match which {
            Which::TheJob => self.job = job,
            Which::Another => self.another = job,
        }
    }

    pub(crate) fn is_registered(&self, id: Id) -> bool {
        self.registrations.iter().any(|registration| registration.id == id)
    }

    /// True if GitLab would give the runner a job.
    pub(crate) fn may_take(&self, compute: Compute) -> bool {
        let is_open =
            |registration: &Registration| registration.id == compute.registered && !registration.is_paused;
        compute.work == Work::Waits && self.registrations.iter().any(is_open)
    }

    /// True if the backend can tell that something was started with the token.
    pub(crate) fn has_started(&self, token: Token) -> bool {
        self.backend.finds() && self.started & token.bit() != 0
    }

    /// True if GitLab shows a job on the registration.
    pub(crate) fn has_job(&self, id: Id) -> bool {
        [self.job, self.another].iter().any(|job| matches!(job, Job::Running(on) if on.id == id))
    }

    /// GitLab gives the runner no more jobs.
    pub(crate) fn pause(&mut self, id: Id) {
        for registration in self.registrations.iter_mut().filter(|registration| registration.id == id) {
            registration.is_paused = true;
        }
    }

    /// GitLab forgets the registration. Tells the job that its runner has.
    pub(crate) fn unregister(&mut self, id: Id) -> Option<Which> {
        self.registrations.retain(|registration| registration.id != id);
        let mut its = self.computes.iter().filter(|compute| compute.registered == id);
        its.find_map(|compute| match compute.work {
            Work::Has(which) => Some(which),
            Work::Waits | Work::Done(_) => None,
        })
    }

    pub(crate) fn takes(&mut self, index: usize, which: Which) {
        let Compute { registered: id, token, .. } = self.computes[index];
        self.set_job(which, Job::Running(On { id, token }));
        self.computes[index].work = Work::Has(which);
    }

    /// A job that runs ends by itself.
    pub(crate) fn succeeds(&mut self, which: Which) {
        let Job::Running(on) = self.job(which) else { return };
        self.set_job(which, Job::Over(Some(on)));
        for compute in self.computes.iter_mut().filter(|compute| compute.work == Work::Has(which)) {
            compute.work = Work::Done(which);
        }
    }

    /// A job that a runner has is canceled before its script begins: `gitlab-runner` waits for another then.
    pub(crate) fn is_aborted(&mut self, which: Which) {
        let Job::Running(on) = self.job(which) else { return };
        self.set_job(which, Job::Over(Some(on)));
        for compute in self.computes.iter_mut().filter(|compute| compute.work == Work::Has(which)) {
            compute.work = Work::Waits;
        }
    }

    /// True if a runner has waited for as long as it may.
    pub(crate) fn is_anybody_overdue(&self) -> bool {
        self.computes.iter().any(|compute| compute.work == Work::Waits && compute.is_impatient)
    }

    /// A runner leaves by itself. One that dies leaves its registration behind.
    pub(crate) fn leaves(&mut self, index: usize, dies: bool, is_told: bool) {
        let compute = self.computes.remove(index);
        if !dies {
            self.registrations.retain(|registration| registration.id != compute.registered);
        }
        if is_told {
            self.report(compute);
        }
    }

    /// The backend ends all compute of this name.
    pub(crate) fn stop(&mut self, token: Token) -> Vec<Compute> {
        let (stopped, rest) = self.computes.iter().partition(|compute| compute.token == token);
        self.computes = rest;
        stopped
    }

    fn report(&mut self, compute: Compute) {
        let took = match compute.work {
            Work::Waits => None,
            Work::Has(which) | Work::Done(which) => Some(which),
        };
        let left = Left { token: compute.token, took };
        if !self.left.contains(&left) {
            self.left.push(left);
        }
    }

    /// GitLab's answer to the question for the job (`GET /projects/:id/jobs/:id`).
    pub(crate) fn view(&self) -> JobView {
        JobView {
            status: Some(self.job.status()),
            status_word: self.job.status().to_string(),
            tags: TagSet::default(),
            git_ref: None,
            runner: self.job.on().map(|on| self.event_runner(on)),
        }
    }

    /// GitLab's list of the project's jobs that wait and run.
    pub(crate) fn live_jobs(&self) -> Vec<LiveJob> {
        let is_shown = |which: &Which| match self.job(*which) {
            Job::Pending => *which == Which::TheJob,
            Job::Running(_) => true,
            Job::Over(_) => false,
        };
        let shown = [Which::TheJob, Which::Another].into_iter().filter(is_shown);
        shown
            .map(|which| LiveJob {
                id: which.key().job,
                name: NAME.clone(),
                status: self.job(which).status(),
                tags: TagSet::default(),
                pipeline: None,
                queued_seconds: None,
                runner: self.job(which).on().map(|on| self.event_runner(on)),
            })
            .collect()
    }

    /// The event that tells of a job as it is, or as it was while it ran.
    pub(crate) fn event(&self, news: News, now: Timestamp) -> Option<JobEvent> {
        let News { which, is_final } = news;
        let job = match (self.job(which), is_final) {
            (Job::Pending, _) | (Job::Running(_), true) | (Job::Over(None), false) => return None,
            (Job::Over(Some(on)), false) => Job::Running(on),
            (job, _) => job,
        };
        Some(JobEvent {
            status: job.status(),
            runner: job.on().map(|on| self.event_runner(on)),
            ..waiting(which, now)
        })
    }

    fn event_runner(&self, on: On) -> EventRunner {
        EventRunner { id: runner_id(on.id), description: Some(self.backend.name(on.token).to_string()) }
    }
}

/// An event that GitLab has sent, and that may arrive at any time from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct News {
    pub(crate) which: Which,
    pub(crate) is_final: bool,
}

impl News {
    pub(crate) const ALL: [Self; 4] = [
        Self { which: Which::TheJob, is_final: false },
        Self { which: Which::TheJob, is_final: true },
        Self { which: Which::Another, is_final: false },
        Self { which: Which::Another, is_final: true },
    ];
}

/// The event that says that a job waits.
pub(crate) fn waiting(which: Which, now: Timestamp) -> JobEvent {
    JobEvent {
        key: which.key().clone(),
        name: NAME.clone(),
        status: JobStatus::Pending,
        project: None,
        pipeline: None,
        runner: None,
        queued_seconds: None,
        failure_reason: None,
        received_at: now,
    }
}
