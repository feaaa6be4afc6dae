//! What a test sees of the stand-in: copies of its state at one moment.

use jiff::Timestamp;
use mayfly_core::ids::{JobId, PipelineId, ProjectId, RunnerId};
use mayfly_core::tags::TagSet;

use super::model::{Job, Manager, Runner, Status};

/// One job at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct JobSnapshot {
    /// Its id.
    pub id: JobId,
    /// Its project.
    pub project: ProjectId,
    /// Its pipeline.
    pub pipeline: PipelineId,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub status: Status,
    /// True while a runner has taken it and has not yet said that it runs it.
    pub waits_for_runner_ack: bool,
    /// What its runner wrote so far.
    pub log: String,
    /// The runner that took it, also if that is deleted by now.
    pub runner: Option<RunnerId>,
    /// That runner's description.
    pub runner_description: Option<String>,
    /// The machine that took it.
    pub system_id: Option<String>,
    /// Why it failed.
    pub failure_reason: Option<String>,
    /// With what its script ended.
    pub exit_code: Option<i64>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it began to wait for a runner.
    pub queued_at: Option<Timestamp>,
    /// When a runner began to run it.
    pub started_at: Option<Timestamp>,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
}

impl JobSnapshot {
    pub(super) fn of(job: &Job) -> Self {
        let taken_by = job.taken_by.as_ref();
        Self {
            id: job.id,
            project: job.project,
            pipeline: job.pipeline,
            name: job.spec.name.clone(),
            status: job.status,
            waits_for_runner_ack: job.waits_for_runner_ack(),
            log: String::from_utf8_lossy(&job.log).into_owned(),
            runner: taken_by.map(|by| by.runner),
            runner_description: taken_by.and_then(|by| by.description.clone()),
            system_id: taken_by.map(|by| by.system_id.clone()),
            failure_reason: job.failure_reason.clone(),
            exit_code: job.exit_code,
            created_at: job.created_at,
            queued_at: job.queued_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
        }
    }
}

/// One registered runner at one moment. Its token is not among this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerSnapshot {
    /// Its id.
    pub id: RunnerId,
    /// Its description, by which events name it.
    pub description: Option<String>,
    /// `instance_type`, `group_type` or `project_type`.
    pub runner_type: &'static str,
    /// Its tags.
    pub tags: TagSet,
    /// True if it takes jobs without tags.
    pub run_untagged: bool,
    /// True if it cannot be given to further projects.
    pub locked: bool,
    /// True if it gets no jobs for now.
    pub paused: bool,
    /// How long jobs may run on it, in seconds.
    pub maximum_timeout: Option<u64>,
    /// The machines that used its token.
    pub managers: Vec<Manager>,
}

impl RunnerSnapshot {
    pub(super) fn of(runner: &Runner) -> Self {
        Self {
            id: runner.id,
            description: runner.description.clone(),
            runner_type: runner.scope.as_str(),
            tags: runner.tags.clone(),
            run_untagged: runner.run_untagged,
            locked: runner.locked,
            paused: runner.paused,
            maximum_timeout: runner.maximum_timeout,
            managers: runner.managers.clone(),
        }
    }
}

/// One request the stand-in has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRequest {
    /// The method, such as `POST`.
    pub method: String,
    /// The path without the query, such as `/api/v4/jobs/request`.
    pub path: String,
    /// The status code of the answer.
    pub status: u16,
}
