//! Everything the stand-in remembers, and how jobs move through their statuses.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::civil::Date;
use mayfly_core::ids::{JobId, PipelineId, ProjectId, RunnerId};
use mayfly_core::tags::TagSet;

use super::StandinError;
use super::delivery::{Delivery, DeliveryId, Outgoing};
use super::model::{Hook, HookId, Job, JobSpec, Manager, Pipeline, Project, Runner, Scope, Status, TakenBy};
use super::time::now;
use super::view::SeenRequest;
use crate::random;

/// What a test can set to make life hard, and how patient the stand-in is.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(super) struct Knobs {
    pub(super) is_down: bool,
    /// Webhooks of groups need a subscription.
    pub(super) has_premium: bool,
    /// Like a GitLab before 16.11, which can neither test webhooks nor tell what they sent.
    pub(super) is_old: bool,
    pub(super) failing_job_lookups: usize,
    pub(super) failing_registrations: usize,
    pub(super) refused_runner_tokens: BTreeSet<String>,
    pub(super) holds_webhooks: bool,
    /// Paths whose requests wait before they have any effect.
    pub(super) held_paths: BTreeSet<String>,
    pub(super) allows_registration_tokens: bool,
    pub(super) accepts_before_ok: bool,
    pub(super) long_poll: Duration,
    pub(super) ack_timeout: Duration,
    pub(super) trace_update_interval: u64,
}

pub(super) struct State {
    pub(super) url: String,
    pub(super) registration_token: String,
    /// Access tokens with their scopes.
    pub(super) access_tokens: BTreeMap<String, BTreeSet<String>>,
    /// The day on which an access token ends, if it does.
    pub(super) token_ends: BTreeMap<String, Date>,
    pub(super) projects: BTreeMap<ProjectId, Project>,
    pub(super) groups: BTreeMap<u64, String>,
    pub(super) hooks: BTreeMap<HookId, Hook>,
    pub(super) pipelines: BTreeMap<PipelineId, Pipeline>,
    pub(super) jobs: BTreeMap<JobId, Job>,
    pub(super) runners: BTreeMap<RunnerId, Runner>,
    pub(super) deliveries: BTreeMap<DeliveryId, Delivery>,
    pub(super) held: Vec<Outgoing>,
    pub(super) outgoing: Vec<Outgoing>,
    pub(super) requests: Vec<SeenRequest>,
    /// The paths of requests that came while held, also of those whose sender has gone.
    pub(super) held_requests: Vec<String>,
    pub(super) knobs: Knobs,
    last_id: u64,
}

/// A runner to be registered.
pub(super) struct NewRunner {
    pub(super) token_prefix: &'static str,
    pub(super) description: Option<String>,
    pub(super) scope: Scope,
    pub(super) tags: TagSet,
    pub(super) run_untagged: bool,
    pub(super) locked: bool,
    pub(super) paused: bool,
    pub(super) maximum_timeout: Option<u64>,
    pub(super) maintenance_note: Option<String>,
}

impl State {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            registration_token: format!("GR1348941{}", random::token_text()),
            access_tokens: BTreeMap::new(),
            token_ends: BTreeMap::new(),
            projects: BTreeMap::new(),
            groups: BTreeMap::new(),
            hooks: BTreeMap::new(),
            pipelines: BTreeMap::new(),
            jobs: BTreeMap::new(),
            runners: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            held: Vec::new(),
            outgoing: Vec::new(),
            requests: Vec::new(),
            held_requests: Vec::new(),
            knobs: Knobs {
                is_down: false,
                has_premium: false,
                is_old: false,
                failing_job_lookups: 0,
                failing_registrations: 0,
                refused_runner_tokens: BTreeSet::new(),
                holds_webhooks: false,
                held_paths: BTreeSet::new(),
                allows_registration_tokens: true,
                accepts_before_ok: false,
                long_poll: Duration::from_secs(1),
                ack_timeout: Duration::from_mins(2),
                trace_update_interval: 1,
            },
            last_id: 100,
        }
    }

    /// A number that no other thing has, so that a mixed-up id is noticed.
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn add_access_token(&mut self, scopes: &[&str]) -> String {
        let token = format!("glpat-{}", random::token_text());
        self.access_tokens.insert(token.clone(), scopes.iter().map(|&scope| scope.to_owned()).collect());
        token
    }

    pub(super) fn add_project(&mut self, path: &str) -> ProjectId {
        if let Some(project) = self.projects.values().find(|project| project.path == path) {
            return project.id;
        }
        for (index, _) in path.match_indices('/') {
            let group = &path[..index];
            if !self.groups.values().any(|known| known == group) {
                let id = self.next_id();
                self.groups.insert(id, group.to_owned());
            }
        }
        let id = ProjectId(self.next_id());
        self.projects.insert(id, Project { id, path: path.to_owned(), is_archived: false });
        id
    }

    /// Finds a project by its number or its path, as the REST API does.
    pub(super) fn project(&self, id_or_path: &str) -> Option<&Project> {
        match id_or_path.parse() {
            Ok(id) => self.projects.get(&ProjectId(id)),
            Err(_) => self.projects.values().find(|project| project.path == id_or_path),
        }
    }

    pub(super) fn add_runner(&mut self, new: NewRunner) -> &Runner {
        let id = RunnerId(self.next_id());
        self.runners.entry(id).or_insert(Runner {
            id,
            token: format!("{}{}", new.token_prefix, random::token_text()),
            description: new.description,
            scope: new.scope,
            tags: new.tags,
            run_untagged: new.run_untagged,
            locked: new.locked,
            paused: new.paused,
            maximum_timeout: new.maximum_timeout,
            maintenance_note: new.maintenance_note,
            managers: Vec::new(),
            queue_version: 1,
        })
    }

    /// The runner whose machine shows this token, unless a test says that it is refused.
    pub(super) fn runner_by_token(&self, token: &str) -> Option<&Runner> {
        if self.knobs.refused_runner_tokens.contains(token) {
            return None;
        }
        self.runners.values().find(|runner| runner.token == token)
    }

    /// Notes that a machine with this runner's token was heard of.
    pub(super) fn contact(&mut self, runner: RunnerId, system_id: &str) {
        let id = self.next_id();
        let now = now();
        let Some(runner) = self.runners.get_mut(&runner) else { return };
        match runner.managers.iter_mut().find(|manager| manager.system_id == system_id) {
            Some(manager) => manager.contacted_at = now,
            None => runner.managers.push(Manager {
                id,
                system_id: system_id.to_owned(),
                created_at: now,
                contacted_at: now,
            }),
        }
    }

    pub(super) fn run_pipeline(
        &mut self,
        project: ProjectId,
        specs: Vec<JobSpec>,
    ) -> Result<Vec<JobId>, StandinError> {
        if !self.projects.contains_key(&project) {
            return Err(StandinError::missing("project", project));
        }
        let id = PipelineId(self.next_id());
        let iid = self.pipelines.values().filter(|pipeline| pipeline.project == project).count() as u64 + 1;
        let sha = format!("{:040x}", u128::from(id.0) * 0x9e37_79b9_7f4a_7c15);
        self.pipelines.insert(id, Pipeline { id, iid, project, sha });
        let mut jobs = Vec::new();
        for spec in specs {
            let job = self.add_job(project, id, spec, 0);
            self.emit_creation(job);
            jobs.push(job);
        }
        for &job in &jobs {
            let is_manual = self.jobs.get(&job).is_some_and(|job| job.spec.manual);
            if is_manual { self.set_manual(job) } else { self.enqueue(job) }
        }
        Ok(jobs)
    }

    /// Starts a job that waits for a person.
    pub(super) fn play(&mut self, job: JobId) -> Result<(), StandinError> {
        self.expect_status(job, |status| status == Status::Manual, "play")?;
        self.enqueue(job);
        Ok(())
    }

    /// Runs a job again, as a new job. GitLab does so for jobs that are over or `canceling` and were not retried before.
    pub(super) fn retry(&mut self, id: JobId) -> Result<JobId, StandinError> {
        self.expect_status(id, |status| status.is_final() || status == Status::Canceling, "retry")?;
        let job = self.job_mut(id)?;
        if job.is_retried {
            return Err(StandinError::RetriedBefore(id));
        }
        job.is_retried = true;
        let (project, pipeline, spec) = (job.project, job.pipeline, job.spec.clone());
        let same = |other: &&Job| other.pipeline == pipeline && other.spec.name == spec.name;
        let earlier_tries = self.jobs.values().filter(same).count();
        let retried = self.add_job(project, pipeline, spec, earlier_tries);
        self.emit(retried);
        self.enqueue(retried);
        Ok(retried)
    }

    /// Cancels a job: at once, or, if a runner runs it that can stop gracefully, by asking that runner.
    pub(super) fn cancel(&mut self, id: JobId) -> Result<(), StandinError> {
        self.expect_status(id, |status| !status.is_final() && status != Status::Canceling, "cancel")?;
        let job = self.job_mut(id)?;
        let is_graceful = job.taken_by.as_ref().is_some_and(|by| by.cancels_gracefully);
        if job.status == Status::Running && is_graceful {
            job.status = Status::Canceling;
            return Ok(());
        }
        self.finish(id, Status::Canceled, None, None);
        Ok(())
    }

    /// Ends a job whose runner is to stop gracefully and has not done so.
    pub(super) fn force_cancel(&mut self, id: JobId) -> Result<(), StandinError> {
        self.expect_status(id, |status| status == Status::Canceling, "force the cancellation of")?;
        self.finish(id, Status::Canceled, None, None);
        Ok(())
    }

    /// Gives the runner the oldest job it may take.
    pub(super) fn take_job(&mut self, runner: RunnerId, by: TakenBy, two_phase: bool) -> Option<JobId> {
        let runner = self.runners.get(&runner).filter(|runner| !runner.paused)?;
        let projects = &self.projects;
        let may_take = |job: &&mut Job| {
            job.status == Status::Pending
                && job.taken_by.is_none()
                && projects.get(&job.project).is_some_and(|project| runner.may_take(&job.spec, project))
        };
        let job = self.jobs.values_mut().find(may_take)?;
        job.taken_by = Some(by);
        job.token = format!("glcbt-{}", random::token_text());
        let id = job.id;
        if !two_phase {
            self.start(id);
        }
        Some(id)
    }

    /// Puts a taken job back into the queue if the runner that took it with this token has not said that it runs it.
    /// No event tells of it, as the status does not change.
    pub(super) fn requeue(&mut self, id: JobId, token: &str) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if job.waits_for_runner_ack() && job.token == token {
            job.taken_by = None;
            self.tick_queues(id);
        }
    }

    /// The runner runs it.
    pub(super) fn start(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.status = Status::Running;
        job.started_at = Some(now());
        self.emit(id);
    }

    pub(super) fn finish(
        &mut self,
        id: JobId,
        status: Status,
        reason: Option<String>,
        exit_code: Option<i64>,
    ) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if !matches!(job.status, Status::Running | Status::Canceling) {
            // A runner that took the job and never said that it runs it is not named.
            job.taken_by = None;
        }
        job.status = status;
        job.finished_at = Some(now());
        job.failure_reason = reason;
        job.exit_code = exit_code;
        self.emit(id);
    }

    pub(super) fn job(&self, id: JobId) -> Result<&Job, StandinError> {
        self.jobs.get(&id).ok_or_else(|| StandinError::missing("job", id))
    }

    pub(super) fn job_mut(&mut self, id: JobId) -> Result<&mut Job, StandinError> {
        self.jobs.get_mut(&id).ok_or_else(|| StandinError::missing("job", id))
    }

    fn expect_status(
        &self,
        id: JobId,
        is_right: impl Fn(Status) -> bool,
        action: &'static str,
    ) -> Result<(), StandinError> {
        let status = self.job(id)?.status;
        if is_right(status) { Ok(()) } else { Err(StandinError::WrongStatus { action, job: id, status }) }
    }

    fn add_job(
        &mut self,
        project: ProjectId,
        pipeline: PipelineId,
        spec: JobSpec,
        earlier_tries: usize,
    ) -> JobId {
        let id = JobId(self.next_id());
        let job = Job {
            id,
            project,
            pipeline,
            spec,
            status: Status::Created,
            token: random::token_text(),
            taken_by: None,
            log: Vec::new(),
            artifacts: None,
            failure_reason: None,
            exit_code: None,
            earlier_tries,
            is_retried: false,
            is_final_update_accepted: false,
            created_at: now(),
            queued_at: None,
            started_at: None,
            finished_at: None,
        };
        self.jobs.insert(id, job);
        id
    }

    fn set_manual(&mut self, id: JobId) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.status = Status::Manual;
        }
    }

    fn enqueue(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.status = Status::Pending;
        job.queued_at = Some(now());
        self.emit(id);
        self.tick_queues(id);
    }

    /// Tells the runners that may take the job that their queue has changed; wakes their long polls.
    fn tick_queues(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(&id) else { return };
        let Some(project) = self.projects.get(&job.project) else { return };
        for runner in self.runners.values_mut().filter(|runner| runner.may_take(&job.spec, project)) {
            runner.queue_version += 1;
        }
    }
}
