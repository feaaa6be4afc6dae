//! What a test does to the stand-in: makes projects, runs pipelines, cancels and retries.

use std::collections::BTreeSet;

use jiff::civil::Date;
use mayfly_core::ids::{JobId, ProjectId, RunnerId};
use mayfly_core::tags::TagSet;

use super::delivery::{Delivery, DeliveryId, Outgoing, signing_key};
use super::model::{Hook, HookId, HookPlace, JobSpec, Scope, Status};
use super::state::NewRunner;
use super::time::now;
use super::{StandinError, StandinGitlab};

impl StandinGitlab {
    /// A further personal access token, with only these scopes (such as `read_api`).
    pub fn create_token(&self, scopes: &[&str]) -> String {
        self.shared.change(|state| state.add_access_token(scopes))
    }

    /// A further personal access token, with only these scopes, that ends on this day.
    pub fn create_token_until(&self, scopes: &[&str], end: Date) -> String {
        self.shared.change(|state| {
            let token = state.add_access_token(scopes);
            state.token_ends.insert(token.clone(), end);
            token
        })
    }

    /// Archives a project, as its owner does in the user interface.
    pub fn archive_project(&self, project: ProjectId) {
        self.shared.change(|state| {
            if let Some(project) = state.projects.get_mut(&project) {
                project.is_archived = true;
            }
        });
    }

    /// The project of this path, such as `group/app`; made if there is none.
    pub fn create_project(&self, path: &str) -> ProjectId {
        self.shared.change(|state| state.add_project(path))
    }

    /// Adds a hook for job events. The signing token is `whsec_` and the base64 of 32 bytes.
    pub fn add_hook(
        &self,
        project: ProjectId,
        url: &str,
        token: Option<&str>,
        signing_token: Option<&str>,
    ) -> Result<HookId, StandinError> {
        let signing_key = match signing_token {
            Some(token) => Some(signing_key(token).ok_or(StandinError::InvalidSigningToken)?),
            None => None,
        };
        self.shared.change(|state| {
            if !state.projects.contains_key(&project) {
                return Err(StandinError::missing("project", project));
            }
            let id = HookId(state.next_id());
            let (url, token) = (url.to_owned(), token.map(str::to_owned));
            let hook = Hook {
                id,
                place: HookPlace::Project(project),
                url,
                token,
                signing_key,
                job_events: true,
                push_events: false,
                verifies_certificates: true,
                alert_status: "executable",
            };
            state.hooks.insert(id, hook);
            Ok(id)
        })
    }

    /// A project runner whose token any number of machines may use. It takes jobs without tags only if it has none itself.
    pub fn create_shared_runner<S: Into<String>>(
        &self,
        project: ProjectId,
        tags: impl IntoIterator<Item = S>,
    ) -> (RunnerId, String) {
        let tags: TagSet = tags.into_iter().collect();
        self.shared.change(|state| {
            let runner = state.add_runner(NewRunner {
                token_prefix: "glrt-t3_",
                description: Some("shared runner".to_owned()),
                scope: Scope::Projects(BTreeSet::from([project])),
                run_untagged: tags.is_empty(),
                tags,
                locked: false,
                paused: false,
                maximum_timeout: None,
                maintenance_note: None,
            });
            (runner.id, runner.token.clone())
        })
    }

    /// Creates a pipeline: an event `created` for each job, then `pending` for each that is not manual.
    pub fn run_pipeline(&self, project: ProjectId, jobs: Vec<JobSpec>) -> Result<Vec<JobId>, StandinError> {
        self.shared.change(|state| state.run_pipeline(project, jobs))
    }

    /// Starts a manual job.
    pub fn play(&self, job: JobId) -> Result<(), StandinError> {
        self.shared.change(|state| state.play(job))
    }

    /// Cancels a job. A running one is `canceling` first if its runner can stop gracefully.
    pub fn cancel(&self, job: JobId) -> Result<(), StandinError> {
        self.shared.change(|state| state.cancel(job))
    }

    /// Runs a finished job again: a new job with a new id. Each job can be retried once.
    pub fn retry(&self, job: JobId) -> Result<JobId, StandinError> {
        self.shared.change(|state| state.retry(job))
    }

    /// Ends a job as GitLab itself does for a job nobody takes (`stuck_pending_no_matching_runners`) or one that is lost.
    pub fn drop_job(&self, job: JobId, failure_reason: &str) -> Result<(), StandinError> {
        self.shared.change(|state| {
            let status = state.job(job)?.status;
            if status.is_final() {
                return Err(StandinError::WrongStatus { action: "drop", job, status });
            }
            state.finish(job, Status::Failed, Some(failure_reason.to_owned()), None);
            Ok(())
        })
    }

    /// Removes a runner's registration, as its owner does in the user interface.
    pub fn delete_runner(&self, runner: RunnerId) -> Result<(), StandinError> {
        let removed = self.shared.change(|state| state.runners.remove(&runner));
        removed.map(drop).ok_or_else(|| StandinError::missing("runner", runner))
    }

    /// Sends a delivery (again): the same body and `webhook-id`, a new timestamp. Returns once there is an answer.
    ///
    /// This is also how a test sends what [`take_held_deliveries`](Self::take_held_deliveries) gave it.
    pub async fn resend(&self, delivery: &Delivery) -> Result<Delivery, StandinError> {
        let outgoing = self.shared.change(|state| {
            let id = DeliveryId(state.next_id());
            let again = Delivery { id, sent_at: Some(now()), answer: None, ..delivery.clone() };
            let outgoing = Outgoing::new(state, &again)?;
            state.deliveries.insert(id, again);
            Some(outgoing)
        });
        let outgoing = outgoing.ok_or_else(|| StandinError::missing("hook", delivery.hook.0))?;
        let id = outgoing.id;
        outgoing.send(self.shared.clone()).await;
        self.shared
            .read(|state| state.deliveries.get(&id).cloned())
            .ok_or_else(|| StandinError::missing("delivery", id.0))
    }
}
