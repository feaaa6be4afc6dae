//! What the use cases need of the world, named by need. Adapters implement these; each has one contract suite that the
//! fake and the real adapter both pass.

use async_trait::async_trait;
use secrecy::SecretString;

use crate::error::PortError;
use crate::event::JobEvent;
use crate::ids::{JobName, ProjectPath, SecretName};
use crate::mapping::StoredMapping;

mod gitlab;
mod launch;
mod ledger;
mod meter;

pub use gitlab::{GitRef, Gitlab, JobView, LiveJob, NewRunner, OurRunner, RegisteredRunner, RunnerJob};
pub use launch::{
    Backend, FleetOutcome, HandOver, JobRoles, LaunchOrder, LaunchOutcome, LiveMachine, MachineBackend,
};
pub use ledger::{BrokenRecord, Ledger, Sweep, Written};
pub use meter::{Fact, Meter, NoMeter, Queueing};

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

/// Takes events to the dispatcher, at least once, in any order.
#[async_trait]
pub trait EventBus: Send + Sync {
    /// Returns once the event is safe. An error means that the sender must hear of it.
    async fn publish(&self, event: &JobEvent) -> Result<(), PortError>;
}

/// Keeps the secrets of an installation: Parameter Store, or the settings of `mayfly local`.
#[async_trait]
pub trait SecretStore: Send + Sync {
    /// The secret of this name below the configured path; `None` if there is none.
    async fn get(&self, name: &SecretName) -> Result<Option<SecretString>, PortError>;
}
