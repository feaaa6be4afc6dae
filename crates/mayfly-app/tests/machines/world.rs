//! What the tests share: a dispatcher with machines, and some jobs that wait.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mayfly_app::{Dispatcher, Handled, Machines, Registration, machine_news, start_batch};
use mayfly_core::assignment::Assignment;
use mayfly_core::clock::Clock;
use mayfly_core::decide::{LaunchPolicy, MachineNews, MachineState, StartAgain};
use mayfly_core::error::PortError;
use mayfly_core::event::{EventRunner, JobEvent};
use mayfly_core::ids::{GitlabHost, JobId, JobKey, ProjectId, ResourceId, RunnerId, SecretName};
use mayfly_core::launch::Holder;
use mayfly_core::ledger::LedgerRecord;
use mayfly_core::machine::MachineSpec;
use mayfly_core::mapping::{RunnerSettings, Target};
use mayfly_core::ports::{Ledger, NoMeter, SecretStore};
use mayfly_core::resolve::DefaultTarget;
use mayfly_core::status::JobStatus;
use mayfly_gitlab::client::{GitlabClient, GitlabClientConfig, http_client};
use mayfly_standins::contracts::machine_defaults;
use mayfly_standins::fakes::{Failing, MemoryJobRoles, MemoryLedger, MemoryMachines, MemoryMappingStore};
use mayfly_standins::gitlab::{JobSpec, StandinGitlab};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

pub(crate) const FORBIDDEN_ROLE: &str = "arn:aws:iam::123456789012:role/not-for-mayfly";

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
    async fn get(&self, _: &SecretName) -> Result<Option<SecretString>, PortError> {
        Ok(None)
    }
}

pub(crate) struct World {
    pub(crate) gitlab: StandinGitlab,
    pub(crate) project: ProjectId,
    /// The jobs that wait.
    pub(crate) keys: Vec<JobKey>,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) ledger: Arc<Failing<MemoryLedger>>,
    pub(crate) machines: Arc<MemoryMachines>,
    pub(crate) roles: Arc<MemoryJobRoles>,
    pub(crate) dispatcher: Dispatcher,
}

impl World {
    /// So many jobs that wait, and an EC2 without limits.
    pub(crate) async fn new(jobs: usize) -> Self {
        Self::with_ledger(jobs, Failing::new(MemoryLedger::default())).await
    }

    pub(crate) async fn with_ledger(jobs: usize, ledger: Failing<MemoryLedger>) -> Self {
        let gitlab = StandinGitlab::start().await.unwrap();
        let project = gitlab.create_project("group/app");
        let host = GitlabHost::of_url(gitlab.url()).unwrap();
        let specs = (0..jobs).map(|number| JobSpec::new(format!("build {number}")).tags(["linux"])).collect();
        let jobs = gitlab.run_pipeline(project, specs).unwrap();
        let keys = jobs.into_iter().map(|job| JobKey { host: host.clone(), project, job }).collect();
        let clock = Arc::new(HandClock(Mutex::new("2030-01-01T00:00:00Z".parse().unwrap())));
        let ledger = Arc::new(ledger);
        let machines = Arc::new(MemoryMachines::default());
        machines.ec2().with(|model, _| model.forget_limits());
        let roles = MemoryJobRoles::until("2030-01-01T01:00:00Z".parse().unwrap());
        let roles = Arc::new(roles.without(FORBIDDEN_ROLE.parse().unwrap()));
        let dispatcher = Dispatcher {
            installation: "test".parse().unwrap(),
            holder: Holder("first".to_owned()),
            clock: clock.clone(),
            mappings: Arc::new(MemoryMappingStore::default()),
            ledger: ledger.clone(),
            gitlab: Arc::new(client(&gitlab, gitlab.api_token())),
            has_api_token: true,
            asks_protection: false,
            secrets: Arc::new(NoSecrets),
            backends: Vec::new(),
            machines: Some(Machines {
                backend: machines.clone(),
                roles: roles.clone(),
                defaults: machine_defaults(),
            }),
            registration: Registration::PerJob,
            default_target: Some(DefaultTarget {
                target: Target::Ec2(MachineSpec::default()),
                settings: RunnerSettings::default(),
            }),
            gitlab_url: gitlab.url().clone(),
            ca_file: None,
            policy: LaunchPolicy::default(),
            meter: Arc::new(NoMeter),
        };
        Self { gitlab, project, keys, clock, ledger, machines, roles, dispatcher }
    }

    /// The default target's machines are these from now on.
    pub(crate) fn set_spec(&mut self, spec: MachineSpec) {
        let settings = RunnerSettings::default();
        self.dispatcher.default_target = Some(DefaultTarget { target: Target::Ec2(spec), settings });
    }

    pub(crate) fn pending(&self) -> Vec<JobEvent> {
        self.keys.iter().map(|key| self.event_of(key, JobStatus::Pending, None)).collect()
    }

    pub(crate) fn event_of(&self, key: &JobKey, status: JobStatus, machine: Option<&ResourceId>) -> JobEvent {
        let name = |machine| format!("mayfly-ec2-{machine}");
        JobEvent {
            key: key.clone(),
            name: "build".parse().unwrap(),
            status,
            project: Some("group/app".parse().unwrap()),
            pipeline: None,
            runner: machine.map(|machine| self.named(name(machine))),
            queued_seconds: None,
            failure_reason: None,
            received_at: self.clock.now(),
        }
    }

    /// All jobs that wait, in one batch.
    pub(crate) async fn start_all(&self) -> Vec<Handled> {
        let handled = start_batch(&self.dispatcher, &self.pending()).await;
        handled.into_iter().map(Result::unwrap).collect()
    }

    /// The only job.
    pub(crate) async fn start(&self) -> Handled {
        self.start_all().await.pop().unwrap()
    }

    pub(crate) async fn hear(&self, machine: &ResourceId, state: MachineState) -> Option<StartAgain> {
        let news = MachineNews { id: machine.clone(), state, at: self.clock.now() };
        machine_news(&self.dispatcher, &news).await.unwrap()
    }

    /// The machine ends by itself, and EC2 tells of it.
    pub(crate) async fn die(&self, machine: &ResourceId) -> Option<StartAgain> {
        self.machines.end(machine);
        self.hear(machine, MachineState::Terminated).await
    }

    /// The machine reads its assignment and takes a job. Which, and as which runner?
    pub(crate) async fn take_job(&self, machine: &ResourceId) -> (JobId, RunnerId) {
        let assignment = self.machines.read_assignment(machine).expect("an assignment");
        let job = self.ask_for_job(&assignment).await;
        let runners = self.gitlab.runners();
        let name = Some(assignment.runner.to_string());
        (job, runners.iter().find(|runner| runner.description == name).unwrap().id)
    }

    pub(crate) async fn ask_for_job(&self, assignment: &Assignment) -> JobId {
        let body = json!({"token": assignment.token.expose_secret(), "info": {}});
        let url = self.gitlab.url().join("api/v4/jobs/request").unwrap();
        let client = http_client(None, Duration::from_secs(10)).unwrap();
        let answer = client.post(url).json(&body).send().await.unwrap();
        let job: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        JobId(job["id"].as_u64().unwrap())
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

    pub(crate) async fn records(&self) -> Vec<LedgerRecord> {
        let mut records = Vec::new();
        for key in &self.keys {
            records.extend(self.ledger.inner().get(key, self.clock.now()).await.unwrap());
        }
        records
    }

    pub(crate) async fn record(&self) -> LedgerRecord {
        self.records().await.pop().expect("the job is known")
    }

    pub(crate) async fn machine(&self) -> ResourceId {
        self.record().await.runner.expect("a machine was started").name.resource
    }

    pub(crate) fn launches(&self) -> usize {
        self.machines.calls().launches
    }
}

/// GitLab's API with this token.
pub(crate) fn client(gitlab: &StandinGitlab, token: &str) -> GitlabClient {
    let config = GitlabClientConfig {
        url: gitlab.url().clone(),
        api_token: Some(token.into()),
        ca_pem: None,
        timeout: Duration::from_secs(5),
    };
    GitlabClient::new(config).unwrap()
}
