//! The things a GitLab knows: projects, hooks, runners, pipelines and jobs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use mayfly_core::ids::{JobId, PipelineId, ProjectId, RunnerId};
use mayfly_core::tags::TagSet;

/// Where a job stands, in GitLab's words. More than the statuses that have an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// The job exists.
    Created,
    /// It waits for a person.
    Manual,
    /// It waits for a runner, or for the word of a runner that has just taken it.
    Pending,
    /// A runner runs it.
    Running,
    /// It is canceled, and its runner was asked to stop.
    Canceling,
    /// Over, well.
    Success,
    /// Over, badly.
    Failed,
    /// Over, because somebody said so.
    Canceled,
}

impl Status {
    /// GitLab's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Manual => "manual",
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Canceling => "canceling",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }

    /// True if nothing comes after it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Canceled)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// One job of a pipeline, as `.gitlab-ci.yml` would describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSpec {
    /// Its name.
    pub name: String,
    /// The tags a runner must have to take it.
    pub tags: TagSet,
    /// Its script, line by line.
    pub script: Vec<String>,
    /// How long it may run.
    pub timeout: Duration,
    /// Its variables.
    pub variables: BTreeMap<String, String>,
    /// True if it waits for a person (`when: manual`).
    pub manual: bool,
    /// The branch it runs for, or `refs/merge-requests/…`. The branch `main` is protected, as GitLab's default branch is.
    pub git_ref: String,
}

impl JobSpec {
    /// A job that says `true`, without tags, with GitLab's default timeout of an hour.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            tags: TagSet::default(),
            script: vec!["true".to_owned()],
            timeout: Duration::from_hours(1),
            variables: BTreeMap::new(),
            manual: false,
            git_ref: "main".to_owned(),
        }
    }

    /// The same job for this branch.
    #[must_use]
    pub fn git_ref(mut self, git_ref: impl Into<String>) -> Self {
        self.git_ref = git_ref.into();
        self
    }

    /// The same job with these tags.
    #[must_use]
    pub fn tags<S: Into<String>>(mut self, tags: impl IntoIterator<Item = S>) -> Self {
        self.tags = tags.into_iter().collect();
        self
    }

    /// The same job with this script.
    #[must_use]
    pub fn script<S: Into<String>>(mut self, lines: impl IntoIterator<Item = S>) -> Self {
        self.script = lines.into_iter().map(Into::into).collect();
        self
    }

    /// The same job with this timeout, in whole seconds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same job with one more variable.
    #[must_use]
    pub fn variable(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(key.into(), value.into());
        self
    }

    /// The same job, waiting for a person.
    #[must_use]
    pub fn manual(mut self) -> Self {
        self.manual = true;
        self
    }
}

/// GitLab's numeric id of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HookId(pub u64);

#[derive(Debug)]
pub(super) struct Project {
    pub(super) id: ProjectId,
    pub(super) path: String,
    pub(super) is_archived: bool,
}

impl Project {
    /// The last part of the path.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Everything before the last part of the path.
    pub(super) fn namespace(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(namespace, _)| namespace)
    }

    /// True if it is in this group or one below it.
    pub(super) fn is_in(&self, group: &str) -> bool {
        self.path.strip_prefix(group).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// What a hook belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HookPlace {
    Project(ProjectId),
    Group(u64),
}

pub(super) struct Hook {
    pub(super) id: HookId,
    pub(super) place: HookPlace,
    pub(super) url: String,
    pub(super) token: Option<String>,
    pub(super) signing_key: Option<Vec<u8>>,
    pub(super) job_events: bool,
    pub(super) push_events: bool,
    pub(super) verifies_certificates: bool,
    /// GitLab's word: `executable`, `temporarily_disabled` or `disabled`.
    pub(super) alert_status: &'static str,
}

#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) id: PipelineId,
    pub(super) iid: u64,
    pub(super) project: ProjectId,
    pub(super) sha: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    Instance,
    /// All projects below this path.
    Group(String),
    Projects(BTreeSet<ProjectId>),
}

impl Scope {
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Instance => "instance_type",
            Self::Group(_) => "group_type",
            Self::Projects(_) => "project_type",
        }
    }

    fn covers(&self, project: &Project) -> bool {
        match self {
            Self::Instance => true,
            Self::Group(path) => project.is_in(path),
            Self::Projects(projects) => projects.contains(&project.id),
        }
    }
}

/// One machine that uses a runner's token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manager {
    /// GitLab's id of the record.
    pub id: u64,
    /// By which GitLab tells machines with the same token apart.
    pub system_id: String,
    /// When it was heard of first.
    pub created_at: Timestamp,
    /// When it was heard of last.
    pub contacted_at: Timestamp,
}

pub(super) struct Runner {
    pub(super) id: RunnerId,
    pub(super) token: String,
    pub(super) description: Option<String>,
    pub(super) scope: Scope,
    pub(super) tags: TagSet,
    pub(super) run_untagged: bool,
    pub(super) locked: bool,
    pub(super) paused: bool,
    pub(super) maximum_timeout: Option<u64>,
    pub(super) maintenance_note: Option<String>,
    pub(super) managers: Vec<Manager>,
    /// Counts the changes of the queue this runner sees; what `X-GitLab-Last-Update` tells.
    pub(super) queue_version: u64,
}

impl Runner {
    /// GitLab's rule: the runner's tags cover the job's, and a job without tags needs a runner that takes such.
    pub(super) fn may_take(&self, spec: &JobSpec, project: &Project) -> bool {
        let tags_fit = if spec.tags.is_empty() { self.run_untagged } else { self.tags.covers(&spec.tags) };
        tags_fit && self.scope.covers(project)
    }

    pub(super) fn last_update(&self) -> String {
        format!("{:08x}{:016x}", self.id.0, self.queue_version)
    }
}

/// What is known of the machine that took a job. Outlives the runner's registration.
#[derive(Debug, Clone)]
pub(super) struct TakenBy {
    pub(super) runner: RunnerId,
    pub(super) description: Option<String>,
    pub(super) system_id: String,
    pub(super) cancels_gracefully: bool,
}

pub(super) struct Job {
    pub(super) id: JobId,
    pub(super) project: ProjectId,
    pub(super) pipeline: PipelineId,
    pub(super) spec: JobSpec,
    pub(super) status: Status,
    /// A new one each time a runner takes the job.
    pub(super) token: String,
    pub(super) taken_by: Option<TakenBy>,
    pub(super) log: Vec<u8>,
    pub(super) artifacts: Option<Vec<u8>>,
    pub(super) failure_reason: Option<String>,
    pub(super) exit_code: Option<i64>,
    pub(super) earlier_tries: usize,
    /// True if there is another job in its place.
    pub(super) is_retried: bool,
    pub(super) is_final_update_accepted: bool,
    pub(super) created_at: Timestamp,
    pub(super) queued_at: Option<Timestamp>,
    pub(super) started_at: Option<Timestamp>,
    pub(super) finished_at: Option<Timestamp>,
}

impl Job {
    /// True between the moment a runner takes the job and its word that it runs it (two-phase commit).
    pub(super) fn waits_for_runner_ack(&self) -> bool {
        self.status == Status::Pending && self.taken_by.is_some()
    }

    /// Seconds between `pending` and `running`, or the end, or now.
    pub(super) fn queued_seconds(&self, now: Timestamp) -> Option<f64> {
        let until = self.started_at.or(self.finished_at).unwrap_or(now);
        self.queued_at.map(|queued| until.duration_since(queued).as_secs_f64())
    }

    /// Seconds between `running` and the end, or now.
    pub(super) fn run_seconds(&self, now: Timestamp) -> Option<f64> {
        self.started_at.map(|started| self.finished_at.unwrap_or(now).duration_since(started).as_secs_f64())
    }
}
