//! What the tests share: a dispatcher, what it is wired to, and the events of a job.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mayfly_app::{Dispatcher, Registration};
use mayfly_core::clock::Clock;
use mayfly_core::decide::LaunchPolicy;
use mayfly_core::event::{EventRunner, JobEvent};
use mayfly_core::ids::{GitlabHost, JobId, JobKey, ProjectId, RunnerId, SecretName};
use mayfly_core::launch::Holder;
use mayfly_core::ledger::LedgerRecord;
use mayfly_core::mapping::{RunnerSettings, Target};
use mayfly_core::ports::{Ledger, NoMeter, SecretStore};
use mayfly_core::resolve::DefaultTarget;
use mayfly_core::runner_name::RunnerName;
use mayfly_core::status::JobStatus;
use mayfly_gitlab::client::{GitlabClient, GitlabClientConfig};
use mayfly_standins::fakes::{Failing, MemoryBackend, MemoryLedger, MemoryMappingStore};
use mayfly_standins::gitlab::{JobSpec, StandinGitlab};
use secrecy::SecretString;

/// A clock that moves when told.
pub(crate) struct HandClock(Mutex<Timestamp>);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

struct NoSecrets;

#[async_trait::async_trait]
impl SecretStore for NoSecrets {
    async fn get(&self, _: &SecretName) -> Result<Option<SecretString>, mayfly_core::error::PortError> {
        Ok(None)
    }
}

pub(crate) struct World {
    pub(crate) gitlab: StandinGitlab,
    pub(crate) project: ProjectId,
    pub(crate) job: JobId,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) ledger: Arc<Failing<MemoryLedger>>,
    pub(crate) backend: Arc<MemoryBackend>,
    pub(crate) dispatcher: Dispatcher,
}

impl World {
    /// One pending job, one dispatcher, room for ten runners.
    pub(crate) async fn new() -> Self {
        Self::with_ledger(Failing::new(MemoryLedger::default())).await
    }

    pub(crate) async fn with_ledger(ledger: Failing<MemoryLedger>) -> Self {
        let gitlab = StandinGitlab::start().await.unwrap();
        let project = gitlab.create_project("group/app");
        let job = gitlab.run_pipeline(project, vec![JobSpec::new("build").tags(["linux"])]).unwrap()[0];
        let clock = Arc::new(HandClock(Mutex::new("2030-01-01T00:00:00Z".parse().unwrap())));
        let ledger = Arc::new(ledger);
        let backend = Arc::new(MemoryBackend::with_capacity(10));
        let client = GitlabClient::new(GitlabClientConfig {
            url: gitlab.url().clone(),
            api_token: Some(gitlab.api_token().into()),
            ca_pem: None,
            timeout: Duration::from_secs(5),
        });
        let dispatcher = Dispatcher {
            installation: "test".parse().unwrap(),
            holder: Holder("first".to_owned()),
            clock: clock.clone(),
            mappings: Arc::new(MemoryMappingStore::default()),
            ledger: ledger.clone(),
            gitlab: Arc::new(client.unwrap()),
            has_api_token: true,
            asks_protection: false,
            secrets: Arc::new(NoSecrets),
            backends: vec![backend.clone()],
            machines: None,
            registration: Registration::PerJob,
            default_target: Some(DefaultTarget {
                target: Target::Local,
                settings: RunnerSettings::default(),
            }),
            gitlab_url: gitlab.url().clone(),
            ca_file: None,
            policy: LaunchPolicy::default(),
            meter: Arc::new(NoMeter),
        };
        Self { gitlab, project, job, clock, ledger, backend, dispatcher }
    }

    pub(crate) fn key(&self) -> JobKey {
        JobKey { host: GitlabHost::of_url(self.gitlab.url()).unwrap(), project: self.project, job: self.job }
    }

    pub(crate) fn event(&self, status: JobStatus) -> JobEvent {
        self.event_of(self.key(), status, None)
    }

    /// An event that names a runner.
    pub(crate) fn event_of(&self, key: JobKey, status: JobStatus, runner: Option<&RunnerName>) -> JobEvent {
        JobEvent {
            key,
            name: "build".parse().unwrap(),
            status,
            project: Some("group/app".parse().unwrap()),
            pipeline: None,
            runner: runner.map(|name| self.named(name.to_string())),
            queued_seconds: None,
            failure_reason: None,
            received_at: self.clock.now(),
        }
    }

    /// A runner as an event names it.
    fn named(&self, name: String) -> EventRunner {
        let runners = self.gitlab.runners();
        let registered = runners.iter().rfind(|runner| runner.description.as_deref() == Some(&name));
        EventRunner { id: registered.map_or(RunnerId(1), |runner| runner.id), description: Some(name) }
    }

    pub(crate) fn advance(&self, seconds: i64) {
        *self.clock.0.lock().unwrap() += SignedDuration::from_secs(seconds);
    }

    pub(crate) async fn record(&self) -> LedgerRecord {
        self.ledger.inner().get(&self.key(), self.clock.now()).await.unwrap().expect("the job is known")
    }

    pub(crate) async fn runner(&self) -> RunnerName {
        self.record().await.runner.expect("a runner was started").name
    }

    pub(crate) fn registrations(&self) -> usize {
        self.gitlab.runners().len()
    }
}
