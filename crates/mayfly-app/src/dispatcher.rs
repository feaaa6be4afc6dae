//! What the use cases are given: the ports, and how this installation is set up.

use std::path::PathBuf;
use std::sync::Arc;

use mayfly_core::clock::Clock;
use mayfly_core::decide::LaunchPolicy;
use mayfly_core::ids::Installation;
use mayfly_core::launch::Holder;
use mayfly_core::machine::MachineDefaults;
use mayfly_core::mapping::TargetType;
use mayfly_core::ports::{
    Backend, Gitlab, JobRoles, Ledger, MachineBackend, MappingStore, Meter, SecretStore,
};
use mayfly_core::resolve::DefaultTarget;
use url::Url;

/// One dispatcher: its ports and its settings.
#[derive(Clone)]
pub struct Dispatcher {
    /// Which installation it belongs to: its registrations say so, and no others are removed.
    pub installation: Installation,
    /// Who this dispatcher is, in claims.
    pub holder: Holder,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Which jobs go where.
    pub mappings: Arc<dyn MappingStore>,
    /// Every job we know.
    pub ledger: Arc<dyn Ledger>,
    /// GitLab's API.
    pub gitlab: Arc<dyn Gitlab>,
    /// Whether GitLab can be asked for jobs: there is an API token.
    pub has_api_token: bool,
    /// The secrets of the installation.
    pub secrets: Arc<dyn SecretStore>,
    /// Whether Lambda runners are kept apart by project and protection, so that GitLab is asked for it.
    pub asks_protection: bool,
    /// One backend a target type.
    pub backends: Vec<Arc<dyn Backend>>,
    /// The machines of target type `EC2`; `None`: this installation has none.
    pub machines: Option<Machines>,
    /// How runners get their token.
    pub registration: Registration,
    /// Where jobs without a mapping go; `None`: they are not ours.
    pub default_target: Option<DefaultTarget>,
    /// GitLab's address as runners reach it.
    pub gitlab_url: Url,
    /// A file with the certificates of a private authority, on the runner's machine.
    pub ca_file: Option<PathBuf>,
    /// How long things last.
    pub policy: LaunchPolicy,
    /// Counts what happens.
    pub meter: Arc<dyn Meter>,
}

impl Dispatcher {
    /// The backend of a target type; `None` if this installation has none.
    pub fn backend(&self, target: TargetType) -> Option<&dyn Backend> {
        self.backends.iter().map(AsRef::as_ref).find(|backend| backend.target_type() == target)
    }
}

/// What it takes to run jobs on machines of their own.
#[derive(Clone)]
pub struct Machines {
    /// Starts and ends them.
    pub backend: Arc<dyn MachineBackend>,
    /// Roles for the jobs on them.
    pub roles: Arc<dyn JobRoles>,
    /// What the stack has for them.
    pub defaults: MachineDefaults,
}

/// How runners get their token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// One runner is registered for each job, with just the job's tags, locked to its project. Needs an API token.
    PerJob,
    /// All share a runner that exists: the secret `RunnerToken`, or the one a mapping names.
    Shared,
    /// One runner is registered for each job with the secret `RegistrationToken`. GitLab before 20, and off by default there.
    RegistrationToken,
}
