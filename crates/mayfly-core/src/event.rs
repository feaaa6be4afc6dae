//! The job event: what Mayfly keeps of GitLab's job webhook, as it travels on the bus.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{JobKey, JobName, PipelineId, ProjectPath, RunnerId};
use crate::status::JobStatus;

/// What the rules of the bus know job events by.
pub const SOURCE: &str = "mayfly.webhook";

/// One authentic job event. It holds nothing secret and nothing of the commit or its author.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobEvent {
    /// Which job.
    pub key: JobKey,
    /// The job's name.
    pub name: JobName,
    /// The job's status when GitLab wrote the event. Events come in any order and more than once.
    pub status: JobStatus,
    /// The project's path; absent in the events of old GitLab versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectPath>,
    /// The pipeline, for people who look for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<PipelineId>,
    /// The runner that has the job; absent until one has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<EventRunner>,
    /// How long the job waited for a runner so far, in seconds, as GitLab counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued_seconds: Option<f64>,
    /// Why the job failed. GitLab writes `unknown_failure` for jobs that did not fail: decide by `status`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_reason: Option<String>,
    /// When Mayfly received it.
    pub received_at: Timestamp,
}

/// The runner an event names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRunner {
    /// GitLab's id of the registration.
    pub id: RunnerId,
    /// Its description: the [`RunnerName`](crate::runner_name::RunnerName) of a runner of ours, anything else of others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> JobEvent {
        JobEvent {
            key: "gitlab.example.com/380/1977".parse().unwrap(),
            name: "test".parse().unwrap(),
            status: JobStatus::Running,
            project: Some("gitlab-org/gitlab-test".parse().unwrap()),
            pipeline: Some(PipelineId(2366)),
            runner: Some(EventRunner { id: RunnerId(7), description: Some("mayfly-local-0a1b".to_owned()) }),
            queued_seconds: Some(0.5),
            failure_reason: None,
            received_at: "2026-08-01T10:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn an_event_is_read_back() {
        let written = serde_json::to_string(&event()).unwrap();
        assert_eq!(serde_json::from_str::<JobEvent>(&written).unwrap(), event());
    }

    #[test]
    fn the_written_form_is_pinned() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&event()).unwrap(), @r#"
        {
          "key": "gitlab.example.com/380/1977",
          "name": "test",
          "status": "running",
          "project": "gitlab-org/gitlab-test",
          "pipeline": 2366,
          "runner": {
            "id": 7,
            "description": "mayfly-local-0a1b"
          },
          "queued_seconds": 0.5,
          "received_at": "2026-08-01T10:00:00Z"
        }
        "#);
    }
}
