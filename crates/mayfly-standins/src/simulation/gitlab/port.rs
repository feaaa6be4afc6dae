//! The world's GitLab as a port.

use async_trait::async_trait;
use mayfly_core::error::PortError;
use mayfly_core::ids::{Installation, JobId, ProjectId, RunnerId};
use mayfly_core::ports::{
    GitRef, Gitlab, JobView, LiveJob, NewRunner, OurRunner, RegisteredRunner, RunnerJob,
};
use secrecy::SecretString;

use super::super::agenda::Moment;
use super::super::sim::{Sim, World};
use super::super::tally::{Call, Trouble};
use super::{GitlabState, Job, Registration, Status, seconds};

/// GitLab, as production code sees it.
pub(in super::super) struct GitlabPort(pub(in super::super) World);

impl GitlabPort {
    async fn ask<T: Send>(
        &self,
        call: Call,
        effect: impl FnOnce(&mut Sim) -> Result<T, PortError> + Send,
    ) -> Result<T, PortError> {
        self.0
            .ask(call, |sim| {
                if sim.gitlab_down_until().is_some() {
                    sim.tally.trouble(Trouble::GitlabDown);
                    return Err(PortError::later(call.as_str(), "502 Bad Gateway"));
                }
                effect(sim)
            })
            .await
    }
}

fn not_found(call: Call) -> PortError {
    PortError::never(call.as_str(), "404 Not Found")
}

#[async_trait]
impl Gitlab for GitlabPort {
    async fn job(&self, project: ProjectId, job: JobId) -> Result<Option<JobView>, PortError> {
        self.ask(Call::GitlabJob, |sim| {
            let found = sim.gitlab.job(job).filter(|job| sim.gitlab.projects[job.project].id == project);
            Ok(found.map(|job| view(&sim.gitlab, job)))
        })
        .await
    }

    async fn is_protected(&self, _: ProjectId, _: &GitRef) -> Result<bool, PortError> {
        Ok(false)
    }

    async fn create_runner(&self, runner: &NewRunner) -> Result<RegisteredRunner, PortError> {
        self.ask(Call::GitlabCreateRunner, |sim| {
            let project =
                sim.gitlab.project(runner.project).ok_or_else(|| not_found(Call::GitlabCreateRunner))?;
            sim.gitlab.registered += 1;
            let id = RunnerId(sim.gitlab.registered);
            let registration = Registration {
                name: Some(runner.name.clone()),
                installation: Some(runner.installation.clone()),
                description: runner.name.to_string(),
                project,
                tags: runner.tags.clone(),
                is_paused: false,
            };
            sim.gitlab.registrations.insert(id, registration);
            sim.tell_registered(runner, id);
            Ok(RegisteredRunner { id, token: token(id) })
        })
        .await
    }

    async fn register_runner(&self, _: &SecretString, _: &NewRunner) -> Result<RegisteredRunner, PortError> {
        Err(PortError::never("GitLab: register runner", "this GitLab has no registration tokens"))
    }

    async fn delete_runner(&self, id: RunnerId) -> Result<(), PortError> {
        self.ask(Call::GitlabDeleteRunner, |sim| {
            sim.unregister(id);
            Ok(())
        })
        .await
    }

    async fn live_jobs(&self, project: ProjectId) -> Result<Option<Vec<LiveJob>>, PortError> {
        self.ask(Call::GitlabLiveJobs, |sim| {
            let now = sim.now();
            Ok(sim.gitlab.project(project).map(|project| live_jobs(&sim.gitlab, project, now)))
        })
        .await
    }

    async fn jobs_on_runner(&self, id: RunnerId) -> Result<Vec<RunnerJob>, PortError> {
        self.ask(Call::GitlabJobsOnRunner, |sim| {
            if !sim.gitlab.registrations.contains_key(&id) {
                return Ok(Vec::new());
            }
            let jobs = sim.gitlab.jobs_on(id).into_iter().filter_map(|job| sim.gitlab.job(job));
            Ok(jobs
                .map(|job| RunnerJob { project: sim.gitlab.projects[job.project].id, job: job.id })
                .collect())
        })
        .await
    }

    async fn our_runners(&self) -> Result<Vec<OurRunner>, PortError> {
        self.ask(Call::GitlabOurRunners, |sim| {
            let named = sim.gitlab.registrations.iter();
            let ours = named.filter_map(|(id, registration)| Some((*id, registration.name.clone()?)));
            Ok(ours.map(|(id, name)| OurRunner { id, name }).collect())
        })
        .await
    }

    async fn installation_of(&self, id: RunnerId) -> Result<Option<Installation>, PortError> {
        self.ask(Call::GitlabInstallationOf, |sim| {
            Ok(sim.gitlab.registrations.get(&id).and_then(|registration| registration.installation.clone()))
        })
        .await
    }

    async fn pause_runner(&self, id: RunnerId) -> Result<(), PortError> {
        self.ask(Call::GitlabPauseRunner, |sim| {
            if let Some(registration) = sim.gitlab.registrations.get_mut(&id) {
                registration.is_paused = true;
            }
            Ok(())
        })
        .await
    }

    async fn cancel_job(&self, _: ProjectId, job: JobId) -> Result<(), PortError> {
        self.ask(Call::GitlabCancelJob, |sim| {
            sim.finish_job(job, Status::Canceled);
            sim.tell_runner(job);
            Ok(())
        })
        .await
    }

    async fn retry_job(&self, _: ProjectId, job: JobId) -> Result<Option<JobId>, PortError> {
        self.ask(Call::GitlabRetryJob, |sim| {
            let new = sim.retry_job(job);
            if new.is_some() {
                sim.tally.fact(super::super::tally::Fact::JobsRetriedByUs);
            }
            Ok(new)
        })
        .await
    }
}

impl Sim {
    fn tell_registered(&mut self, runner: &NewRunner, id: RunnerId) {
        if !self.story.is_told() {
            return;
        }
        let (now, task) = (self.now(), self.current);
        let words = || format!("[task {task}] {} is registered as {id} for {}", runner.name, runner.tags);
        let job = runner.name.resource.as_str().parse().ok().and_then(|token| self.job_of_step(&token));
        match (self.computes.find(&runner.name), job) {
            (_, Some(job)) => self.story.tell_job(now, job, words),
            (Some(which), None) => self.story.tell_compute(now, which, words),
            (None, None) => {}
        }
    }
}

/// What a registration's token begins with; the rest is its id.
const TOKEN: &str = "glrt-";

fn token(id: RunnerId) -> SecretString {
    format!("{TOKEN}{id}").into()
}

/// The registration of a token.
pub(in super::super) fn registration_of(token: &str) -> Option<RunnerId> {
    token.strip_prefix(TOKEN)?.parse().ok()
}

fn view(gitlab: &GitlabState, job: &Job) -> JobView {
    JobView {
        status: job.status.told(),
        status_word: job.status.word().to_owned(),
        tags: job.tags.clone(),
        git_ref: None,
        runner: gitlab.event_runner(job),
    }
}

fn live_jobs(gitlab: &GitlabState, project: usize, now: Moment) -> Vec<LiveJob> {
    let project = &gitlab.projects[project];
    let waiting = project.waiting.iter().map(|(_, id)| id);
    let jobs = waiting.chain(&project.running).filter_map(|id| gitlab.job(*id));
    let live = jobs.filter_map(|job| {
        let status = job.status.told()?;
        let until = if job.status == Status::Pending { now } else { job.taken_at };
        Some(LiveJob {
            id: job.id,
            name: job.name.clone(),
            status,
            tags: job.tags.clone(),
            pipeline: Some(gitlab.pipelines[job.pipeline].id),
            queued_seconds: Some(seconds(until - job.waits_since)),
            runner: gitlab.event_runner(job),
        })
    });
    live.collect()
}
