//! A dispatcher whose world answers as slowly as the real one, in Tokio's time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use mayfly_app::{Dispatcher, Machines, Registration};
use mayfly_core::clock::Clock;
use mayfly_core::decide::LaunchPolicy;
use mayfly_core::error::PortError;
use mayfly_core::event::JobEvent;
use mayfly_core::fleet::Fleet;
use mayfly_core::ids::{Installation, JobId, JobKey, ProjectId, RunnerId, SecretName};
use mayfly_core::launch::Holder;
use mayfly_core::ledger::LedgerRecord;
use mayfly_core::machine::{MachineSpec, Market};
use mayfly_core::mapping::{RunnerSettings, Target};
use mayfly_core::ports::{
    BrokenRecord, GitRef, Gitlab, JobView, Ledger, LiveJob, NewRunner, NoMeter, OurRunner, RegisteredRunner,
    RunnerJob, SecretStore, Sweep, Written,
};
use mayfly_core::reconcile::Memory;
use mayfly_core::resolve::DefaultTarget;
use mayfly_core::runner_name::RunnerName;
use mayfly_core::status::JobStatus;
use mayfly_standins::contracts::machine_defaults;
use mayfly_standins::ec2::{FleetCall, Override};
use mayfly_standins::fakes::{MemoryJobRoles, MemoryLedger, MemoryMachines, MemoryMappingStore};
use secrecy::SecretString;
use tokio::time::{Instant, sleep};

/// How long GitLab takes for an answer.
const GITLAB: Duration = Duration::from_millis(200);
/// How long DynamoDB takes for an answer.
const DYNAMODB: Duration = Duration::from_millis(8);
/// How long a `CreateFleet` of type `instant` takes: it launches before it answers.
const CREATE_FLEET: Duration = Duration::from_secs(3);

/// The present moment as Tokio has it.
struct TokioClock(Instant);

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::try_from(self.0.elapsed()).unwrap()
    }
}

/// A GitLab where every job waits.
#[derive(Default)]
struct SlowGitlab {
    registered: AtomicU64,
}

#[async_trait]
impl Gitlab for SlowGitlab {
    async fn job(&self, _: ProjectId, _: JobId) -> Result<Option<JobView>, PortError> {
        sleep(GITLAB).await;
        Ok(Some(JobView {
            status: Some(JobStatus::Pending),
            status_word: "pending".to_owned(),
            tags: ["linux"].into_iter().collect(),
            git_ref: None,
            runner: None,
        }))
    }

    async fn is_protected(&self, _: ProjectId, _: &GitRef) -> Result<bool, PortError> {
        unreachable!("machines are not shared")
    }

    async fn create_runner(&self, _: &NewRunner) -> Result<RegisteredRunner, PortError> {
        sleep(GITLAB).await;
        let id = RunnerId(self.registered.fetch_add(1, Ordering::Relaxed));
        Ok(RegisteredRunner { id, token: "glrt-of-the-burst".into() })
    }

    async fn register_runner(
        &self,
        _: &SecretString,
        runner: &NewRunner,
    ) -> Result<RegisteredRunner, PortError> {
        self.create_runner(runner).await
    }

    async fn delete_runner(&self, _: RunnerId) -> Result<(), PortError> {
        unreachable!("nothing fails")
    }

    async fn live_jobs(&self, _: ProjectId) -> Result<Option<Vec<LiveJob>>, PortError> {
        unreachable!("only a reconciler asks for it")
    }

    async fn jobs_on_runner(&self, _: RunnerId) -> Result<Vec<RunnerJob>, PortError> {
        unreachable!("nothing is ended")
    }

    async fn our_runners(&self) -> Result<Vec<OurRunner>, PortError> {
        unreachable!("only a reconciler asks for it")
    }

    async fn installation_of(&self, _: RunnerId) -> Result<Option<Installation>, PortError> {
        unreachable!("only a reconciler asks for it")
    }

    async fn pause_runner(&self, _: RunnerId) -> Result<(), PortError> {
        unreachable!("only a reconciler asks for it")
    }

    async fn cancel_job(&self, _: ProjectId, _: JobId) -> Result<(), PortError> {
        unreachable!("only a reconciler asks for it")
    }

    async fn retry_job(&self, _: ProjectId, _: JobId) -> Result<Option<JobId>, PortError> {
        unreachable!("only a reconciler asks for it")
    }
}

struct SlowLedger(MemoryLedger);

#[async_trait]
impl Ledger for SlowLedger {
    async fn get(&self, key: &JobKey, now: Timestamp) -> Result<Option<LedgerRecord>, PortError> {
        sleep(DYNAMODB).await;
        self.0.get(key, now).await
    }

    async fn put(&self, record: &LedgerRecord, now: Timestamp) -> Result<Written, PortError> {
        sleep(DYNAMODB).await;
        self.0.put(record, now).await
    }

    async fn by_runner(
        &self,
        runner: &RunnerName,
        now: Timestamp,
    ) -> Result<Option<LedgerRecord>, PortError> {
        self.0.by_runner(runner, now).await
    }

    async fn freeze(&self, fleet: &Fleet, now: Timestamp) -> Result<Fleet, PortError> {
        sleep(DYNAMODB).await;
        self.0.freeze(fleet, now).await
    }

    async fn open(&self) -> Result<Sweep, PortError> {
        self.0.open().await
    }

    async fn get_many(&self, keys: &[JobKey], now: Timestamp) -> Result<Sweep, PortError> {
        self.0.get_many(keys, now).await
    }

    async fn forget(&self, record: &LedgerRecord) -> Result<Written, PortError> {
        self.0.forget(record).await
    }

    async fn mend(&self, broken: &BrokenRecord, record: &LedgerRecord) -> Result<Written, PortError> {
        self.0.mend(broken, record).await
    }

    async fn memory(&self) -> Result<Memory, PortError> {
        self.0.memory().await
    }

    async fn remember(&self, memory: &Memory) -> Result<(), PortError> {
        self.0.remember(memory).await
    }
}

struct NoSecrets;

#[async_trait]
impl SecretStore for NoSecrets {
    async fn get(&self, _: &SecretName) -> Result<Option<SecretString>, PortError> {
        Ok(None)
    }
}

pub(crate) struct World {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) machines: Arc<MemoryMachines>,
    gitlab: Arc<SlowGitlab>,
    jobs: u64,
}

impl World {
    pub(crate) fn new(jobs: u64) -> Self {
        let machines = Arc::new(MemoryMachines::default().with_latency(CREATE_FLEET));
        let gitlab = Arc::new(SlowGitlab::default());
        let dispatcher = Dispatcher {
            installation: "test".parse().unwrap(),
            holder: Holder("burst".to_owned()),
            clock: Arc::new(TokioClock(Instant::now())),
            mappings: Arc::new(MemoryMappingStore::default()),
            ledger: Arc::new(SlowLedger(MemoryLedger::default())),
            gitlab: gitlab.clone(),
            has_api_token: true,
            asks_protection: false,
            secrets: Arc::new(NoSecrets),
            backends: Vec::new(),
            machines: Some(Machines {
                backend: machines.clone(),
                roles: Arc::new(MemoryJobRoles::until(Timestamp::UNIX_EPOCH)),
                defaults: machine_defaults(),
            }),
            registration: Registration::PerJob,
            default_target: Some(DefaultTarget {
                target: Target::Ec2(MachineSpec::default()),
                settings: RunnerSettings::default(),
            }),
            gitlab_url: "https://gitlab.example.com".parse().unwrap(),
            ca_file: None,
            policy: LaunchPolicy::default(),
            meter: Arc::new(NoMeter),
        };
        Self { dispatcher, machines, gitlab, jobs }
    }

    pub(crate) fn pending(&self) -> impl Iterator<Item = JobEvent> {
        (0..self.jobs).map(|job| JobEvent {
            key: key(job),
            name: "build".parse().unwrap(),
            status: JobStatus::Pending,
            project: None,
            pipeline: None,
            runner: None,
            queued_seconds: None,
            failure_reason: None,
            received_at: Timestamp::UNIX_EPOCH,
        })
    }

    pub(crate) async fn records(&self) -> Vec<LedgerRecord> {
        let mut records = Vec::new();
        for job in 0..self.jobs {
            records.extend(self.dispatcher.ledger.get(&key(job), Timestamp::UNIX_EPOCH).await.unwrap());
        }
        records
    }

    /// When EC2 had answered for each machine, in seconds after the first event.
    pub(crate) async fn started_after_seconds(&self) -> Vec<f64> {
        let records = self.records().await;
        records
            .iter()
            .map(|record| record.runner.as_ref().unwrap().launched_at.as_duration().as_secs_f64())
            .collect()
    }

    pub(crate) fn registrations(&self) -> u64 {
        self.gitlab.registered.load(Ordering::Relaxed)
    }
}

fn key(job: u64) -> JobKey {
    format!("gitlab.example.com/380/{}", 1000 + job).parse().unwrap()
}

/// A call for the machine of one job.
pub(crate) fn one_order(job: u64) -> FleetCall {
    FleetCall {
        token: job.to_string(),
        launch_template: "lt-0abc".to_owned(),
        version: "3".to_owned(),
        market: Market::Spot,
        overrides: vec![Override {
            instance_type: "m7g.large".to_owned(),
            subnet: "subnet-0a".to_owned(),
            image: "ami-0123456789abcdef0".to_owned(),
            root_volume_gib: None,
        }],
        count: 1,
        tags: BTreeMap::new(),
        volume_tags: BTreeMap::new(),
    }
}
