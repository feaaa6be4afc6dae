//! The embedded store: DynamoDB's protocol on a SQLite file, on loopback.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, anyhow};
use aws_sdk_dynamodb::Client;
use mayfly_aws::dynamodb::{create_tables, embedded_client};
use tokio::sync::oneshot;

/// The table of mappings.
pub(crate) const MAPPING_TABLE: &str = "mayfly-mappings";
/// The ledger's table.
pub(crate) const LEDGER_TABLE: &str = "mayfly-ledger";

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
            runtime.block_on(serve(listener, database, stopped));
        })?;
        let store = Self { client: embedded_client(&endpoint), stop: Some(stop), thread: Some(thread) };
        create_tables(&store.client, MAPPING_TABLE, LEDGER_TABLE)
            .await
            .context("cannot make the tables of the store")?;
        Ok(store)
    }
}

async fn serve(listener: TcpListener, database: dynoxide::Database, stopped: oneshot::Receiver<()>) {
    let served = match tokio::net::TcpListener::from_std(listener) {
        Err(error) => Err(error.to_string()),
        Ok(listener) => {
            let shutdown = async {
                // An error means that the store was dropped, which stops it too.
                let _ = stopped.await;
            };
            tokio::select! {
                served = dynoxide::server::serve_with_shutdown(listener, database.clone(), shutdown) => served,
                () = sweep(&database) => Ok(()),
            }
        }
    };
    if let Err(error) = served {
        tracing::error!(error, "The embedded store stopped");
    }
}

/// Removes what has expired, as DynamoDB does by itself.
async fn sweep(database: &dynoxide::Database) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        if let Err(error) = database.sweep_ttl() {
            tracing::warn!(%error, "Could not remove expired records; the next sweep tries again");
        }
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
