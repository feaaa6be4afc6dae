//! What production code is given in a world: its ports and settings.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use jiff::Timestamp;
use mayfly_app::{Dispatcher, Machines, Reconciler, Registration};
use mayfly_core::decide::LaunchPolicy;
use mayfly_core::error::PortError;
use mayfly_core::ids::{InvalidId, JobName, SecretName};
use mayfly_core::launch::Holder;
use mayfly_core::machine::{Architecture, MachineDefaults};
use mayfly_core::mapping::StoredMapping;
use mayfly_core::ports::{Fact as Noted, Ledger, MappingStore, Meter, SecretStore};
use mayfly_core::reconcile::ReconcilePolicy;
use secrecy::SecretString;
use url::Url;

use crate::fakes::{MemoryJobRoles, MemoryLedger};

use super::agenda::{Agenda, HOUR, Moment};
use super::chance::Chance;
use super::compute::Computes;
use super::gitlab::{GitlabPort, GitlabState};
use super::lambda::LambdaPort;
use super::ledger::LedgerPort;
use super::machines::MachinesPort;
use super::mappings::{default_target, mappings};
use super::queue::{LaunchQueue, QueuePort};
use super::sim::{Outages, Sim, World};
use super::story::Story;
use super::tally::{Fact, Tally};
use super::watch::Watch;
use super::world::WorldSettings;

/// How many projects there are.
const PROJECTS: u64 = 8;
/// How long outages are drawn for; jobs begin for a shorter time.
const OUTAGES_FOR: Moment = 8 * HOUR;

/// One environment of a function: it does one thing at a time.
pub(super) struct Environment {
    pub(super) dispatcher: Dispatcher,
    pub(super) reconciler: Reconciler,
    pub(super) queue: Arc<QueuePort>,
}

/// One installation of Mayfly.
pub(super) struct Installation {
    pub(super) world: World,
    ledger: Arc<MemoryLedger>,
    template: Dispatcher,
    queue: Arc<QueuePort>,
    environments: u64,
}

impl Installation {
    pub(super) fn new(settings: &WorldSettings, story: Story) -> Result<Self, InvalidId> {
        let mut chance = Chance::new(settings.seed, settings.number);
        let mix = settings.mix;
        let outages = Outages::draw(&mut chance, &mix, OUTAGES_FOR);
        let mut gitlab = GitlabState::new("gitlab.example.com".parse()?, settings.jobs);
        for number in 0..PROJECTS {
            gitlab.add_project(format!("group/app-{number}").parse()?, chance.happens(mix.shared_tags));
        }
        let table = Arc::new(mappings()?);
        let default = default_target(settings.number);
        let mut watch = Watch::default();
        let rows = table.candidates(None, &JobName::unknown()).now_or_never();
        for row in rows.and_then(Result::ok).unwrap_or_default() {
            if let StoredMapping::Readable(mapping) = row {
                watch.lives.insert(mapping.key.to_string(), mapping.settings.max_life_seconds);
            }
        }
        watch.lives.insert("default".to_owned(), default.settings.max_life_seconds);
        let world = World::new(Sim {
            agenda: Agenda::default(),
            chance,
            mix,
            gitlab,
            computes: Computes::default(),
            queue: LaunchQueue::default(),
            outages,
            watch,
            tally: Tally::default(),
            story,
            begun: Vec::new(),
            current: 0,
            is_dead: false,
        });
        let ledger = Arc::new(MemoryLedger::default());
        let template = Dispatcher {
            installation: mayfly_core::ids::Installation::new("simulation")?,
            holder: Holder(String::new()),
            clock: Arc::new(world.clone()),
            mappings: table,
            ledger: Arc::new(LedgerPort::new(world.clone(), Arc::clone(&ledger))),
            gitlab: Arc::new(GitlabPort(world.clone())),
            has_api_token: true,
            secrets: Arc::new(NoSecrets),
            asks_protection: false,
            backends: vec![Arc::new(LambdaPort(world.clone()))],
            machines: Some(Machines {
                backend: Arc::new(MachinesPort(world.clone())),
                roles: Arc::new(MemoryJobRoles::until(Timestamp::MAX)),
                defaults: machine_defaults()?,
            }),
            registration: Registration::PerJob,
            default_target: Some(default),
            gitlab_url: gitlab_url()?,
            ca_file: None,
            policy: LaunchPolicy::default(),
            meter: Arc::new(CountingMeter(world.clone())),
        };
        let queue = Arc::new(QueuePort(world.clone()));
        Ok(Self { world, ledger, template, queue, environments: 0 })
    }

    /// A new environment.
    pub(super) fn environment(&mut self) -> Arc<Environment> {
        self.environments += 1;
        let holder = Holder(format!("environment-{}", self.environments));
        let dispatcher = Dispatcher { holder, ..self.template.clone() };
        let reconciler = Reconciler {
            dispatcher: dispatcher.clone(),
            starts: self.queue.clone(),
            policy: ReconcilePolicy::default(),
        };
        Arc::new(Environment { dispatcher, reconciler, queue: Arc::clone(&self.queue) })
    }

    /// True if the ledger has open records.
    pub(super) fn has_open_records(&self) -> bool {
        let sweep = self.ledger.open().now_or_never();
        sweep.and_then(Result::ok).is_some_and(|sweep| !sweep.records.is_empty())
    }
}

/// Counts what production code says happened.
struct CountingMeter(World);

impl Meter for CountingMeter {
    fn note(&self, fact: &Noted) {
        if let Noted::Relaunched = fact {
            self.0.lock().tally.fact(Fact::Relaunched);
        }
    }
}

/// In registration mode `per-job` nobody asks for a secret.
struct NoSecrets;

#[async_trait]
impl SecretStore for NoSecrets {
    async fn get(&self, _: &SecretName) -> Result<Option<SecretString>, PortError> {
        Ok(None)
    }
}

fn gitlab_url() -> Result<Url, InvalidId> {
    let text = "https://gitlab.example.com/";
    Url::parse(text).map_err(|_| InvalidId { text: text.to_owned(), expected: "a URL" })
}

fn machine_defaults() -> Result<MachineDefaults, InvalidId> {
    Ok(MachineDefaults {
        stack: "mayfly".to_owned(),
        launch_template: "lt-0abc".to_owned(),
        launch_template_version: "1".to_owned(),
        architecture: Architecture::Arm64,
        images: BTreeMap::from([(Architecture::Arm64, "ami-0123456789abcdef0".parse()?)]),
        instance_types: BTreeMap::from([(Architecture::Arm64, vec!["m7g.large".parse()?])]),
        subnets: vec!["subnet-0a".parse()?],
        root_device: "/dev/xvda".to_owned(),
        root_volume_key: None,
    })
}
