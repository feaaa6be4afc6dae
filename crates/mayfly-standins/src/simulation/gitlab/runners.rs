//! What runners ask of GitLab.

use mayfly_core::ids::{JobId, RunnerId};

use super::super::sim::Sim;
use super::Status;

/// What a runner hears that asks for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Request {
    /// GitLab is down.
    Silence,
    /// Its registration is gone.
    Forbidden,
    /// There is nothing for it.
    Nothing,
    /// This job.
    Job(JobId),
}

impl Sim {
    /// A runner asks for a job: it gets the one that has waited longest of those that it may take.
    pub(in super::super) fn request_job(&mut self, runner: RunnerId) -> Request {
        if self.gitlab_down_until().is_some() {
            return Request::Silence;
        }
        let Some(registration) = self.gitlab.registrations.get(&runner) else { return Request::Forbidden };
        if registration.is_paused {
            return Request::Nothing;
        }
        let mut waiting = self.gitlab.projects[registration.project].waiting.iter();
        let found = waiting.find(|(_, id)| {
            let job = self.gitlab.job(*id);
            job.is_some_and(|job| {
                // A runner that was registered without tags takes jobs without tags.
                let may_be_untagged = !job.tags.is_empty() || registration.tags.is_empty();
                may_be_untagged && registration.tags.covers(&job.tags)
            })
        });
        let Some(id) = found.map(|(_, id)| *id) else { return Request::Nothing };
        self.take(id, runner);
        let waited = self.gitlab.job(id).map_or(0, |job| job.taken_at - job.waits_since);
        self.tally.longest_wait = self.tally.longest_wait.max(waited);
        self.tally.all_waits += waited;
        Request::Job(id)
    }

    /// True if GitLab has this job running on this runner.
    pub(in super::super) fn has_running(&self, job: JobId, runner: RunnerId) -> bool {
        self.gitlab.job(job).is_some_and(|job| job.status == Status::Running && job.runner == Some(runner))
    }

    /// A runner removes its own registration. False if GitLab is down.
    pub(in super::super) fn leave(&mut self, runner: RunnerId) -> bool {
        if self.gitlab_down_until().is_some() {
            return false;
        }
        self.gitlab.registrations.remove(&runner);
        true
    }
}
