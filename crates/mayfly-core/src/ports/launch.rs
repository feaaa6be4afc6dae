//! Where runners start, as ports.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::assignment::{Assignment, JobCredentials};
use crate::error::PortError;
use crate::fleet::FleetOrder;
use crate::ids::{JobKey, ResourceId, RoleArn};
use crate::launch::{ClientToken, LaunchRequest};
use crate::mapping::TargetType;
use crate::runner_name::RunnerName;

/// What is to be started.
#[derive(Debug, Clone)]
pub struct LaunchOrder {
    /// The same for every repetition of this launch.
    pub token: ClientToken,
    /// The frozen request.
    pub request: Arc<LaunchRequest>,
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

    /// The runners that live; `None` if its service does not tell.
    async fn live(&self) -> Result<Option<Vec<RunnerName>>, PortError>;
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

    /// Removes an assignment that nobody read; true if there was one. After that the machine gets none any more, unless
    /// another is handed over.
    async fn withdraw(&self, machine: &ResourceId) -> Result<bool, PortError>;

    /// Ends a machine, and no other than one of ours. Ending one that is gone is `Ok`; that a fresh one is unknown to its
    /// service is an error that passes.
    async fn stop(&self, machine: &ResourceId, is_fresh: bool) -> Result<(), PortError>;

    /// All machines of this installation that live or are about to. One that was started within the last minutes may be
    /// missing.
    async fn list(&self) -> Result<Vec<LiveMachine>, PortError>;
}

/// A machine as its service tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveMachine {
    /// Its id.
    pub id: ResourceId,
    /// When it must be gone, if it says so.
    pub deadline: Option<Timestamp>,
    /// The call that started it, if it says so.
    pub launch: Option<ClientToken>,
}

/// Lets a job act in a role.
#[async_trait]
pub trait JobRoles: Send + Sync {
    /// Credentials of the role for this job, good for an hour at most: that is how long AWS gives a role that another role
    /// asks for.
    async fn credentials(&self, role: &RoleArn, job: &JobKey) -> Result<JobCredentials, PortError>;
}
