//! What the use cases need of the world, named by need. Adapters implement these; each has one contract suite that the
//! fake and the real adapter both pass.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;

use crate::assignment::{Assignment, JobCredentials};
use crate::error::PortError;
use crate::event::JobEvent;
use crate::fleet::{Fleet, FleetOrder};
use crate::ids::{JobId, JobKey, JobName, ProjectId, ProjectPath, ResourceId, RoleArn, RunnerId, SecretName};
use crate::launch::{ClientToken, LaunchRequest};
use crate::ledger::LedgerRecord;
use crate::mapping::{StoredMapping, TargetType};
use crate::runner_name::RunnerName;
use crate::status::JobStatus;
use crate::tags::TagSet;

/// Reads the mapping table.
#[async_trait]
pub trait MappingStore: Send + Sync {
    /// All rows that may be for this job: exact names and prefixes, of the project and of all. Further rows do no harm,
    /// a missing one does.
    async fn candidates(
        &self,
        project: Option<&ProjectPath>,
        job: &JobName,
    ) -> Result<Vec<StoredMapping>, PortError>;
}

/// What became of a conditional write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is written, and its version is one higher.
    Yes,
    /// Somebody else wrote first: read again and decide again.
    Conflict,
}

/// Keeps one record a job. An expired record is as good as none, whether or not the store has removed it.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// The record of a job.
    async fn get(&self, key: &JobKey, now: Timestamp) -> Result<Option<LedgerRecord>, PortError>;

    /// Writes the record if what is stored still has the record's version, or, for version 0, if nothing unexpired is
    /// stored. Of several writers of one version exactly one gets [`Written::Yes`].
    async fn put(&self, record: &LedgerRecord, now: Timestamp) -> Result<Written, PortError>;

    /// The record whose runner has this name. May lag behind a write by a moment.
    async fn by_runner(&self, runner: &RunnerName, now: Timestamp)
    -> Result<Option<LedgerRecord>, PortError>;

    /// Writes a call down before it is made, unless something is written under its token already. Returns what is written
    /// then: of several writers of one token, all get the same. Kept for a day.
    async fn freeze(&self, fleet: &Fleet, now: Timestamp) -> Result<Fleet, PortError>;

    /// All records in the states `seen`, `claimed`, `launched` and `running`.
    async fn unfinished(&self, now: Timestamp) -> Result<Vec<LedgerRecord>, PortError>;
}

/// Takes events to the dispatcher, at least once, in any order.
#[async_trait]
pub trait EventBus: Send + Sync {
    /// Returns once the event is safe. An error means that the sender must hear of it.
    async fn publish(&self, event: &JobEvent) -> Result<(), PortError>;
}

/// What is to be started.
#[derive(Debug, Clone)]
pub struct LaunchOrder {
    /// The same for every repetition of this launch.
    pub token: ClientToken,
    /// The frozen request.
    pub request: LaunchRequest,
    /// What the runner must know.
    pub assignment: Assignment,
}

/// What became of a launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaunchOutcome {
    /// A runner was started, now or by an earlier call with the same token.
    Started {
        /// What the backend calls its compute.
        resource: ResourceId,
    },
    /// Definitely nothing was started (capacity, limit): the next step may be tried.
    Refused {
        /// Why.
        reason: String,
    },
    /// Definitely nothing was started, because too much was asked for at once: the same may be tried a little later.
    Busy {
        /// Why.
        reason: String,
    },
    /// What was started cannot be used and is ended again, for a reason that every step would meet: the whole plan is tried
    /// later, and later each time.
    Unusable {
        /// Why.
        reason: String,
    },
    /// Nobody knows whether something was started: only the same token may be tried.
    Unknown {
        /// Why.
        reason: String,
    },
    /// Definitely nothing was started, and nothing ever will with this request.
    Impossible {
        /// Why.
        reason: String,
    },
}

/// Starts, finds and stops the runners of one target type.
#[async_trait]
pub trait Backend: Send + Sync {
    /// The target type it serves.
    fn target_type(&self) -> TargetType;

    /// How many more runners may start now.
    async fn room(&self) -> Result<usize, PortError>;

    /// What was started with this token, though it may be gone by now; `None` if nothing ever was.
    async fn find(&self, token: &ClientToken) -> Result<Option<ResourceId>, PortError>;

    /// Starts a runner. Calling it again with the same token starts nothing more.
    async fn launch(&self, order: &LaunchOrder) -> LaunchOutcome;

    /// Ends a runner and its compute. Ending one that is gone is `Ok`.
    async fn stop(&self, runner: &RunnerName, reason: &str) -> Result<(), PortError>;
}

/// What became of a call that starts machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FleetOutcome {
    /// Machines were started, now or by an earlier call with the same token. There may be fewer than asked for, or none.
    Launched {
        /// Their ids in a fixed order, the same in every answer to the same call.
        machines: Vec<ResourceId>,
        /// Why there are fewer, in EC2's words. That is definite: the rest was not started.
        shortage: Option<String>,
    },
    /// Nothing was started, and something else may be asked for: no capacity, or a limit.
    Refused {
        /// Why.
        reason: String,
    },
    /// Nothing was started, and the same may be asked for a little later: throttled.
    Busy {
        /// Why.
        reason: String,
    },
    /// Nobody knows whether something was started: only the same call may be made.
    Unknown {
        /// Why.
        reason: String,
    },
    /// Nothing was started, and nothing ever will with this request.
    Impossible {
        /// Why.
        reason: String,
    },
}

/// What became of an assignment for a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandOver {
    /// It waits for the machine to read it, in the place of an earlier one for the same job if there was one.
    Waits,
    /// The machine has one for another job that it has not read yet: it is not ours to use.
    Taken,
}

/// Starts machines, many at once, tells each what it is for, and ends them. Only their service knows their names, so an
/// assignment follows its machine.
#[async_trait]
pub trait MachineBackend: Send + Sync {
    /// Starts a machine for each member of the call. Calling it again with the same token and order starts nothing more,
    /// and answers with the same machines.
    async fn launch(&self, token: &ClientToken, order: &FleetOrder) -> FleetOutcome;

    /// False if the machine is gone, or about to be. One that its service does not know yet is there.
    async fn is_there(&self, machine: &ResourceId) -> Result<bool, PortError>;

    /// Leaves the assignment where only this machine may read it, once.
    async fn hand_over(
        &self,
        machine: &ResourceId,
        job: &JobKey,
        assignment: &Assignment,
    ) -> Result<HandOver, PortError>;

    /// Removes an assignment that nobody read. One that was read, or never was, is `Ok`.
    async fn withdraw(&self, machine: &ResourceId) -> Result<(), PortError>;

    /// Ends a machine, and no other than one of ours. Ending one that is gone is `Ok`; that a fresh one is unknown to its
    /// service is an error that passes.
    async fn stop(&self, machine: &ResourceId, is_fresh: bool) -> Result<(), PortError>;
}

/// Lets a job act in a role.
#[async_trait]
pub trait JobRoles: Send + Sync {
    /// Credentials of the role for this job, good for an hour at most: that is how long AWS gives a role that another role
    /// asks for.
    async fn credentials(&self, role: &RoleArn, job: &JobKey) -> Result<JobCredentials, PortError>;
}

/// A job as GitLab tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobView {
    /// Its status; `None` for one that has no event (`manual`, `canceling`, …).
    pub status: Option<JobStatus>,
    /// GitLab's word for the status.
    pub status_word: String,
    /// Its tags.
    pub tags: TagSet,
    /// What it runs for; `None` if GitLab does not say.
    pub git_ref: Option<GitRef>,
}

/// A branch or a tag of a repository, or a merge request's `refs/merge-requests/…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitRef {
    /// Its name.
    pub name: String,
    /// True for a tag.
    pub is_tag: bool,
}

/// A runner to be registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRunner {
    /// Its description, by which events name it.
    pub name: RunnerName,
    /// The project it is locked to.
    pub project: ProjectId,
    /// Its tags; with none it takes untagged jobs.
    pub tags: TagSet,
    /// How long a job may run on it. GitLab asks for at least 600 s.
    pub maximum_timeout: Duration,
}

/// A registration.
#[derive(Debug, Clone)]
pub struct RegisteredRunner {
    /// Its id.
    pub id: RunnerId,
    /// Its token, told only now.
    pub token: SecretString,
}

/// GitLab, as the dispatcher needs it.
#[async_trait]
pub trait Gitlab: Send + Sync {
    /// The job; `None` if there is none, or none that the token may see.
    async fn job(&self, project: ProjectId, job: JobId) -> Result<Option<JobView>, PortError>;

    /// Whether a branch or tag is protected. One that is gone is not, and neither is a merge request's.
    async fn is_protected(&self, project: ProjectId, git_ref: &GitRef) -> Result<bool, PortError>;

    /// Registers a runner for one project (`POST /user/runners`).
    async fn create_runner(&self, runner: &NewRunner) -> Result<RegisteredRunner, PortError>;

    /// Registers a runner with a registration token (`POST /runners`; GitLab before 20).
    async fn register_runner(
        &self,
        registration_token: &SecretString,
        runner: &NewRunner,
    ) -> Result<RegisteredRunner, PortError>;

    /// Removes a registration by its id. Removing one that is gone is `Ok`.
    async fn delete_runner(&self, id: RunnerId) -> Result<(), PortError>;
}

/// Keeps the secrets of an installation: Parameter Store, or the settings of `mayfly local`.
#[async_trait]
pub trait SecretStore: Send + Sync {
    /// The secret of this name below the configured path; `None` if there is none.
    async fn get(&self, name: &SecretName) -> Result<Option<SecretString>, PortError>;
}
