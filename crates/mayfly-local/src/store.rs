//! The embedded store: DynamoDB's protocol on a SQLite file, on loopback.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, anyhow};
use aws_sdk_dynamodb::Client;
use mayfly_aws::dynamodb::{create_history_table, create_tables, embedded_client};
use tokio::sync::oneshot;

/// The table of mappings.
pub(crate) const MAPPING_TABLE: &str = "mayfly-mappings";
/// The ledger's table.
pub(crate) const LEDGER_TABLE: &str = "mayfly-ledger";

/// The table of the history of mappings.
pub(crate) const HISTORY_TABLE: &str = "mayfly-mapping-history";

/// How often expired records are removed. Nobody waits for it: readers pass over them.
const SWEEP: Duration = Duration::from_hours(1);

/// A running store. It has a thread of its own, because SQLite's work blocks.
pub(crate) struct EmbeddedStore {
    /// A client for it.
    pub(crate) client: Client,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl EmbeddedStore {
    /// Opens the file, making it and the tables in it if there are none.
    pub(crate) async fn open(file: &Path) -> anyhow::Result<Self> {
        let store = Self::serve(file, Sweeping::Hourly)?;
        create_tables(&store.client, MAPPING_TABLE, LEDGER_TABLE)
            .await
            .context("cannot make the tables of the store")?;
        create_history_table(&store.client, HISTORY_TABLE)
            .await
            .context("cannot make the history's table")?;
        Ok(store)
    }

    /// Opens a file that the server of another process may be using: makes no tables by itself, and removes nothing.
    pub(crate) fn open_beside(file: &Path) -> anyhow::Result<Self> {
        Self::serve(file, Sweeping::Never)
    }

    fn serve(file: &Path, sweeping: Sweeping) -> anyhow::Result<Self> {
        let path = file.to_str().ok_or_else(|| anyhow!("the path {} is not valid UTF-8", file.display()))?;
        let database = dynoxide::Database::new(path)
            .map_err(|error| anyhow!("{error}"))
            .with_context(|| format!("cannot open the store {path}"))?;
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen for the embedded store")?;
        listener.set_nonblocking(true)?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(move || {
            runtime.block_on(serve(listener, database, sweeping, stopped));
        })?;
        Ok(Self { client: embedded_client(&endpoint), stop: Some(stop), thread: Some(thread) })
    }
}

/// Whether a store removes what has expired.
#[derive(Clone, Copy)]
enum Sweeping {
    Hourly,
    Never,
}

async fn serve(
    listener: TcpListener,
    database: dynoxide::Database,
    sweeping: Sweeping,
    stopped: oneshot::Receiver<()>,
) {
    let served = match tokio::net::TcpListener::from_std(listener) {
        Err(error) => Err(error.to_string()),
        Ok(listener) => {
            let shutdown = async {
                // An error means that the store was dropped, which stops it too.
                let _ = stopped.await;
            };
            tokio::select! {
                served = dynoxide::server::serve_with_shutdown(listener, database.clone(), shutdown) => served,
                () = sweep(&database), if matches!(sweeping, Sweeping::Hourly) => Ok(()),
            }
        }
    };
    if let Err(error) = served {
        tracing::error!(error, "The embedded store stopped");
    }
}

/// Removes what has expired, at once and each hour, as DynamoDB does by itself: the store's server does not. Calls are answered
/// meanwhile.
async fn sweep(database: &dynoxide::Database) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        let swept = database.clone();
        let swept = tokio::task::spawn_blocking(move || swept.sweep_ttl()).await;
        let error = match swept {
            Ok(Ok(_)) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(error, "Could not remove expired records; the next sweep tries again");
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A store that panicked has said so already.
            let _ = thread.join();
        }
    }
}
