//! The bodies of job events (`object_kind: build`), field by field as GitLab 19 sends them.

use mayfly_core::ids::JobId;
use serde_json::{Map, Value, json};

use super::delivery::{Delivery, DeliveryId, Outgoing};
use super::model::{HookId, Job, Pipeline, Project, Runner, Status};
use super::state::State;
use super::time::{in_seconds, now, with_milliseconds};
use crate::random;

impl State {
    /// Tells the project's hooks what the job is now.
    pub(super) fn emit(&mut self, id: JobId) {
        self.emit_body(id, false);
    }

    /// Tells the project's hooks that the job was created with its pipeline: some fields are null in that event.
    pub(super) fn emit_creation(&mut self, id: JobId) {
        self.emit_body(id, true);
    }

    fn emit_body(&mut self, id: JobId, at_pipeline_creation: bool) {
        let Some((body, status, project)) = self.event_body(id, at_pipeline_creation) else { return };
        let hooks: Vec<_> = self
            .hooks
            .values()
            .filter(|hook| {
                hook.job_events && hook.alert_status == "executable" && self.covers(&hook.place, project)
            })
            .map(|hook| hook.id)
            .collect();
        let event_uuid = random::uuid();
        for hook in hooks {
            let delivery = Delivery {
                id: DeliveryId(self.next_id()),
                hook,
                job: id,
                status,
                webhook_id: random::uuid(),
                event_uuid: event_uuid.clone(),
                body: body.clone(),
                sent_at: None,
                answer: None,
            };
            self.queue_delivery(delivery);
        }
    }

    /// Remembers the delivery and puts it where it is sent from.
    pub(super) fn queue_delivery(&mut self, delivery: Delivery) {
        let Some(outgoing) = Outgoing::new(self, &delivery) else { return };
        self.deliveries.insert(delivery.id, delivery);
        if self.knobs.holds_webhooks { self.held.push(outgoing) } else { self.outgoing.push(outgoing) }
    }

    /// A delivery of what a job is now, for a test of a hook; nothing is sent yet.
    pub(super) fn test_delivery(&mut self, hook: HookId, job: JobId) -> Option<Delivery> {
        let (body, status, _) = self.event_body(job, false)?;
        Some(Delivery {
            id: DeliveryId(self.next_id()),
            hook,
            job,
            status,
            webhook_id: random::uuid(),
            event_uuid: random::uuid(),
            body,
            sent_at: None,
            answer: None,
        })
    }

    fn event_body(
        &self,
        id: JobId,
        at_pipeline_creation: bool,
    ) -> Option<(String, Status, mayfly_core::ids::ProjectId)> {
        let job = self.jobs.get(&id)?;
        let project = self.projects.get(&job.project)?;
        let pipeline = self.pipelines.get(&job.pipeline)?;
        // GitLab looks the runner up when it writes the event: one that is deleted is not named.
        let runner = job.taken_by.as_ref().and_then(|by| self.runners.get(&by.runner));
        let runner = runner.filter(|_| !job.waits_for_runner_ack());
        let mut body = Map::new();
        job_part(&mut body, job, pipeline);
        body.insert("runner".to_owned(), runner.map_or(Value::Null, runner_part));
        project_part(&mut body, project, pipeline, &self.url);
        if at_pipeline_creation {
            for field in ["build_queued_duration", "build_failure_reason"] {
                body.insert(field.to_owned(), Value::Null);
            }
        }
        Some((Value::Object(body).to_string(), job.status, project.id))
    }
}

fn job_part(body: &mut Map<String, Value>, job: &Job, pipeline: &Pipeline) {
    let now = now();
    let fields = json!({
        "object_kind": "build",
        "ref": job.spec.git_ref,
        "tag": false,
        "before_sha": "0000000000000000000000000000000000000000",
        "sha": pipeline.sha,
        "retries_count": job.earlier_tries,
        "build_id": job.id,
        "build_name": job.spec.name,
        "build_stage": "test",
        "build_status": job.status.as_str(),
        "build_created_at": with_milliseconds(job.created_at),
        "build_started_at": job.started_at.map(with_milliseconds),
        "build_finished_at": job.finished_at.map(with_milliseconds),
        "build_created_at_iso": in_seconds(job.created_at),
        "build_started_at_iso": job.started_at.map(in_seconds),
        "build_finished_at_iso": job.finished_at.map(in_seconds),
        "build_duration": job.run_seconds(now),
        "build_queued_duration": job.queued_seconds(now),
        "build_allow_failure": false,
        "build_failure_reason": job.failure_reason.as_deref().unwrap_or("unknown_failure"),
        "pipeline_id": job.pipeline,
        "environment": null,
    });
    if let Value::Object(fields) = fields {
        body.extend(fields);
    }
}

fn runner_part(runner: &Runner) -> Value {
    json!({
        "id": runner.id,
        "description": runner.description,
        "runner_type": runner.scope.as_str(),
        "active": !runner.paused,
        "is_shared": runner.scope.as_str() == "instance_type",
        "tags": runner.tags,
    })
}

fn project_part(body: &mut Map<String, Value>, project: &Project, pipeline: &Pipeline, url: &str) {
    let path = &project.path;
    let web_url = format!("{url}/{path}");
    let (git_http_url, git_ssh_url) = (format!("{web_url}.git"), format!("git@gitlab.test:{path}.git"));
    let fields = json!({
        "project_id": project.id,
        "project_name": path.replace('/', " / "),
        "user": {
            "id": 3,
            "name": "Some Body",
            "username": "somebody",
            "avatar_url": null,
            "email": "[REDACTED]",
        },
        "commit": {
            // GitLab writes the pipeline's id here.
            "id": pipeline.id,
            "name": null,
            "sha": pipeline.sha,
            "message": "Change something\n",
            "author_name": "Some Body",
            "author_email": "somebody@gitlab.test",
            "author_url": format!("{url}/somebody"),
            "status": "pending",
            "duration": null,
            "started_at": null,
            "finished_at": null,
            "started_at_iso": null,
            "finished_at_iso": null,
        },
        "repository": {
            "name": project.name(),
            "url": git_ssh_url,
            "description": null,
            "homepage": web_url,
            "git_http_url": git_http_url,
            "git_ssh_url": git_ssh_url,
            "visibility_level": 0,
        },
        "project": {
            "id": project.id,
            "name": project.name(),
            "description": null,
            "web_url": web_url,
            "avatar_url": null,
            "git_ssh_url": git_ssh_url,
            "git_http_url": git_http_url,
            "namespace": project.namespace(),
            "visibility_level": 0,
            "path_with_namespace": path,
            "default_branch": "main",
            "ci_config_path": null,
        },
    });
    if let Value::Object(fields) = fields {
        body.extend(fields);
    }
}
