//! `mayfly local`: wires everything, serves until told to stop, and lets running jobs end.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use axum::Router;
use jiff::Timestamp;
use mayfly_app::{Dispatcher, Mode, recover};
use mayfly_aws::dynamodb::{DynamoLedger, DynamoMappingStore, MappingTable};
use mayfly_core::clock::{Clock, SystemClock};
use mayfly_core::decide::LaunchPolicy;
use mayfly_core::ids::{Installation, JobKey};
use mayfly_core::launch::Holder;
use mayfly_core::ledger::LedgerRecord;
use mayfly_core::mapping::Mapping;
use mayfly_core::mapping_edit::{ChangeHead, Others, plan};
use mayfly_core::ports::{EventBus, Ledger};
use mayfly_core::row::MappingRow;
use mayfly_gitlab::client::{GitlabClient, GitlabClientConfig};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::backend::{LocalBackend, LocalBackendConfig};
use crate::data_dir::DataDir;
use crate::intake::{Counters, HealthSource, Intake, router};
use crate::meter::Counts;
use crate::queue::Queue;
use crate::reconciler::{LastPass, Passes};
use crate::secrets::SettingsSecrets;
use crate::settings::{LocalSettings, ReconcileSettings};
use crate::store::{EmbeddedStore, HISTORY_TABLE, LEDGER_TABLE, MAPPING_TABLE};
use crate::worker::Worker;

/// How long the mapping table is kept before it is read again.
const MAPPINGS_KEPT: Duration = Duration::from_secs(2);
/// How long one call to GitLab may take.
const GITLAB_TIMEOUT: Duration = Duration::from_secs(8);
/// How long agents may take to end once they are told to leave at once: their runner gets 35 s to report its job, and what
/// comes after it takes up to 20 s more.
const STOP_TIMEOUT: Duration = Duration::from_mins(1);
/// How often runners are asked to leave after their job.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How long requests that are under way may take at the end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(12);

/// A server that runs.
pub struct LocalServer {
    address: SocketAddr,
    ledger: DynamoLedger,
    backend: LocalBackend,
    queue: Queue,
    draining: watch::Sender<bool>,
    close: watch::Sender<bool>,
    drain_timeout: Duration,
    http: JoinHandle<std::io::Result<()>>,
    tasks: Vec<JoinHandle<()>>,
    // Dropped last, in this order.
    _store: EmbeddedStore,
    _data_dir: DataDir,
}

impl LocalServer {
    /// Opens the store, picks up what an earlier server left undone, and listens.
    ///
    /// # Errors
    ///
    /// If the data folder is in use, the store cannot be opened, or the address is taken.
    pub async fn start(settings: LocalSettings) -> anyhow::Result<Self> {
        announce(&settings);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let data_dir = DataDir::open(&settings.data_dir)?;
        let store = EmbeddedStore::open(&data_dir.database()).await?;
        let queue = Queue::open(&data_dir.database(), Arc::clone(&clock))?;
        let ledger = DynamoLedger::new(store.client.clone(), LEDGER_TABLE);
        let mappings = mappings(&settings, &store, Arc::clone(&clock)).await?;
        let (backend, left) = LocalBackend::new(backend_config(&settings, &data_dir));
        let counts = Arc::new(Counts::default());
        let dispatcher = dispatcher(
            &settings,
            data_dir.installation()?,
            clock,
            ledger.clone(),
            mappings,
            backend.clone(),
            Arc::clone(&counts),
        )?;
        let listener = listen(settings.listen).await?;
        let address = listener.local_addr()?;

        pick_up(&dispatcher, &backend, &queue).await?;
        let (draining, is_draining) = watch::channel(false);
        let worker =
            Worker { dispatcher, queue: queue.clone(), backend: backend.clone(), draining: is_draining };
        let passes = Passes::new(&settings.reconcile, &worker);
        let health = ServerHealth {
            queue: queue.clone(),
            backend: backend.clone(),
            counts,
            reconcile: settings.reconcile,
            last_pass: passes.last(),
        };
        let mut tasks =
            vec![tokio::spawn(worker.clone().handle_events()), tokio::spawn(worker.handle_ends(left))];
        tasks.extend(settings.reconcile.every.map(|every| tokio::spawn(passes.run(every))));
        let intake = Intake {
            secrets: settings.webhook_secrets,
            bus: Arc::new(queue.clone()),
            clock: Arc::new(SystemClock),
            counters: Counters::default(),
            health: Box::new(health),
        };
        let (close, http) = serve(listener, router(Arc::new(intake)));
        info!("Listening for webhooks on http://{address}/webhook");
        Ok(Self {
            address,
            ledger,
            backend,
            queue,
            draining,
            close,
            drain_timeout: settings.drain_timeout,
            http,
            tasks,
            _store: store,
            _data_dir: data_dir,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the ledger knows of a job.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn record(&self, key: &JobKey) -> anyhow::Result<Option<LedgerRecord>> {
        Ok(self.ledger.get(key, SystemClock.now()).await?)
    }

    /// How many runners live, as a value to wait on.
    pub fn live_runners(&self) -> watch::Receiver<usize> {
        self.backend.live_count()
    }

    /// Starts no more runners, lets running jobs end, and closes. What does not end in time, or by the time `hurry`
    /// resolves, is stopped. Webhooks are accepted until the end; what they ask for is done by the next server.
    pub async fn stop(mut self, hurry: impl Future<Output = ()>) -> anyhow::Result<()> {
        self.draining.send_replace(true);
        self.backend.close();
        let drained = tokio::select! {
            drained = timeout(self.drain_timeout, self.drain()) => drained.is_ok(),
            () = hurry => false,
        };
        let mut live = self.backend.live_count();
        let left = *live.borrow();
        if !drained && left > 0 {
            warn!("Ending {left} runners whose jobs still run");
            self.backend.stop_all();
            if timeout(STOP_TIMEOUT, live.wait_for(|count| *count == 0)).await.is_err() {
                warn!("{} runners did not end; the next server looks after them", *live.borrow());
            }
        }
        self.close.send_replace(true);
        let served = timeout(CLOSE_TIMEOUT, &mut self.http).await;
        for task in &self.tasks {
            task.abort();
        }
        let health = self.queue.health().await;
        if health.backlog > 0 {
            warn!("{} changes could not be written to the store and are lost", health.backlog);
        }
        info!("Stopped");
        match served {
            Ok(served) => served?.context("the HTTP server failed"),
            // Somebody holds a connection open; that ends with the process.
            Err(_) => Ok(()),
        }
    }

    /// Asks every runner to leave after its job, also those that were just being started, until none lives.
    async fn drain(&self) {
        let mut live = self.backend.live_count();
        let mut told = 0;
        loop {
            let count = *live.borrow_and_update();
            if count == 0 {
                return;
            }
            if count != told {
                let seconds = self.drain_timeout.as_secs();
                info!("Waiting up to {seconds} s for {count} runners; stop again to end them now");
                told = count;
            }
            // Again and again, because an agent that is just starting does not hear it yet.
            self.backend.drain_all();
            let _ = timeout(ASK_AGAIN, live.changed()).await;
        }
    }
}

fn announce(settings: &LocalSettings) {
    info!(
        "Mayfly {} for {}, registration {:?}, at most {} runners, data in {}",
        env!("CARGO_PKG_VERSION"),
        settings.gitlab_url,
        settings.registration,
        settings.max_runners,
        settings.data_dir.display()
    );
}

/// Serves until told to close, and then until what is under way is answered.
fn serve(listener: TcpListener, app: Router) -> (watch::Sender<bool>, JoinHandle<std::io::Result<()>>) {
    let (close, mut closed) = watch::channel(false);
    let http = tokio::spawn(async move {
        let shutdown = async move {
            // An error means that the server was dropped, which closes it too.
            let _ = closed.wait_for(|closed| *closed).await;
        };
        axum::serve(listener, app).with_graceful_shutdown(shutdown).await
    });
    (close, http)
}

fn backend_config(settings: &LocalSettings, data_dir: &DataDir) -> LocalBackendConfig {
    LocalBackendConfig {
        runners_dir: data_dir.runners(),
        agent_command: settings.agent_command.clone(),
        runner_command: settings.runner_command.clone(),
        environment: settings.environment.clone(),
        max_runners: settings.max_runners,
    }
}

fn dispatcher(
    settings: &LocalSettings,
    installation: Installation,
    clock: Arc<dyn Clock>,
    ledger: DynamoLedger,
    mappings: DynamoMappingStore,
    backend: LocalBackend,
    counts: Arc<Counts>,
) -> anyhow::Result<Dispatcher> {
    let ca_pem = match &settings.gitlab_ca_file {
        Some(path) => Some(std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?),
        None => None,
    };
    let gitlab = GitlabClient::new(GitlabClientConfig {
        url: settings.gitlab_url.clone(),
        api_token: settings.api_token.clone(),
        ca_pem,
        timeout: GITLAB_TIMEOUT,
    })?;
    #[expect(
        clippy::disallowed_methods,
        reason = "one random name a run of the server, made where it is wired"
    )]
    let holder = Holder(format!("local-{}", uuid::Uuid::new_v4().simple()));
    Ok(Dispatcher {
        installation,
        holder,
        clock,
        mappings: Arc::new(mappings),
        ledger: Arc::new(ledger),
        gitlab: Arc::new(gitlab),
        has_api_token: settings.api_token.is_some(),
        // Every runner here is a process of its own.
        asks_protection: false,
        secrets: Arc::new(SettingsSecrets(settings.secrets.clone())),
        machines: None,
        backends: vec![Arc::new(backend)],
        registration: settings.registration,
        default_target: settings.default_target.clone(),
        gitlab_url: settings.gitlab_url.clone(),
        ca_file: settings.gitlab_ca_file.clone(),
        policy: LaunchPolicy::default(),
        meter: counts,
    })
}

async fn pick_up(dispatcher: &Dispatcher, backend: &LocalBackend, queue: &Queue) -> anyhow::Result<()> {
    let recovered = recover(dispatcher).await.context("cannot read what an earlier run left undone")?;
    for event in recovered.waiting.iter().filter(|event| !queue.knew(&event.key)) {
        queue.publish(event).await?;
    }
    backend.adopt_all().context("cannot look for runners of an earlier run")?;
    backend.report_missing(&recovered.runners);
    if !recovered.waiting.is_empty() || !recovered.runners.is_empty() {
        info!(
            "Picked up {} waiting jobs and {} runners of an earlier run",
            recovered.waiting.len(),
            recovered.runners.len()
        );
    }
    Ok(())
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("cannot listen on {address}: choose another address with --listen"))
}

/// The mapping table, with the rows of the settings file if that has any.
async fn mappings(
    settings: &LocalSettings,
    store: &EmbeddedStore,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<DynamoMappingStore> {
    if let Some(wanted) = &settings.mappings {
        let table = MappingTable::new(store.client.clone(), MAPPING_TABLE, HISTORY_TABLE);
        let replaced = replace_mappings(&table, wanted, clock.now()).await;
        replaced.context("cannot write the mappings of the settings file")?;
    }
    Ok(DynamoMappingStore::new(store.client.clone(), MAPPING_TABLE, MAPPINGS_KEPT, clock))
}

/// Makes the table equal to the wanted rows, but for what is paused: that stays paused. What changes is kept in the history.
async fn replace_mappings(table: &MappingTable, wanted: &[Mapping], at: Timestamp) -> anyhow::Result<()> {
    let rows = table.rows(|_| {}).await?;
    let changes = plan(rows, wanted.iter().map(MappingRow::from).collect(), Others::Remove);
    if changes.is_empty() {
        return Ok(());
    }
    let (who, command) = ("the settings file".to_owned(), "mayfly local".to_owned());
    let head = ChangeHead { at, who, command, planned: changes.len() };
    Ok(table.write(&head, &changes, |_| {}).await?)
}

struct ServerHealth {
    queue: Queue,
    backend: LocalBackend,
    counts: Arc<Counts>,
    reconcile: ReconcileSettings,
    last_pass: watch::Receiver<Option<LastPass>>,
}

impl ServerHealth {
    fn runners(&self) -> Value {
        let mut report = self.counts.runners();
        report["live"] = json!(*self.backend.live_count().borrow());
        report["max"] = json!(self.backend.max_runners());
        report
    }

    fn reconciler(&self) -> Value {
        json!({
            "every_seconds": self.reconcile.every.map_or(0, |every| every.as_secs()),
            "dry_run": self.reconcile.mode == Mode::DryRun,
            "last_pass": self.last_pass.borrow().as_ref().map(LastPass::to_json),
            "repairs": self.counts.repairs(),
        })
    }
}

#[async_trait]
impl HealthSource for ServerHealth {
    async fn health(&self) -> (bool, Map<String, Value>) {
        let queue = self.queue.health().await;
        let mut report = Map::new();
        report.insert("runners".to_owned(), self.runners());
        report.insert("jobs".to_owned(), self.counts.jobs());
        report.insert("reconciler".to_owned(), self.reconciler());
        report.insert(
            "queue".to_owned(),
            json!({
                "waiting": queue.counts.map(|(waiting, _)| waiting),
                "dead_letters": queue.counts.map(|(_, dead)| dead),
                "in_memory": queue.backlog,
                "store_error": queue.down,
            }),
        );
        (queue.down.is_none() && queue.counts.is_some(), report)
    }
}
