//! The embedded store, served for one test.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::thread::JoinHandle;

use aws_sdk_dynamodb::Client;
use dynoxide::{Database, ImportOptions};
use futures::channel::oneshot;
use mayfly_aws::dynamodb::{create_tables, embedded_client};

pub(crate) const MAPPING_TABLE: &str = "mappings";
pub(crate) const LEDGER_TABLE: &str = "ledger";

/// A store on a thread of its own, since its work on the file blocks. Dropping it closes the file.
pub(crate) struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) async fn in_memory() -> Self {
        Self::with_tables(Database::memory().unwrap()).await
    }

    pub(crate) async fn in_file(path: &Path) -> Self {
        Self::with_tables(Database::new(path.to_str().unwrap()).unwrap()).await
    }

    pub(crate) fn without_tables() -> Self {
        Self::start(Database::memory().unwrap())
    }

    /// One with these items in its ledger table, written as DynamoDB itself writes items.
    pub(crate) async fn with_ledger_items(items: impl Iterator<Item = serde_json::Value>) -> Self {
        let database = Database::memory().unwrap();
        let server = Self::with_tables(database.clone()).await;
        let items = items.map(|item| serde_json::from_value(item).unwrap()).collect();
        database.import_items(LEDGER_TABLE, items, ImportOptions::default()).unwrap();
        server
    }

    async fn with_tables(database: Database) -> Self {
        let server = Self::start(database);
        create_tables(&server.client(), MAPPING_TABLE, LEDGER_TABLE).await.unwrap();
        server
    }

    fn start(database: Database) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let stopped = async {
                    // A sender that is gone means the same as one that sent.
                    let _ = stopped.await;
                };
                dynoxide::server::serve_with_shutdown(listener, database, stopped).await.unwrap();
            });
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn client(&self) -> Client {
        embedded_client(&format!("http://{}", self.address))
    }

    /// Stops the server; returns once the file is closed.
    pub(crate) fn stop(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let joined = thread.join();
            assert!(joined.is_ok() || std::thread::panicking());
        }
    }
}
