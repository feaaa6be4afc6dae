//! Tables in an embedded DynamoDB, on loopback.

use std::io;
use std::path::Path;

use dynoxide::Database;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use url::Url;

/// An embedded DynamoDB. It ends when it is dropped.
pub struct EmbeddedTables {
    url: Url,
    _stop: oneshot::Sender<()>,
}

impl EmbeddedTables {
    /// Starts one whose tables are gone with it.
    pub async fn in_memory() -> io::Result<Self> {
        Self::start(Database::memory().map_err(|error| io::Error::other(error.to_string()))?).await
    }

    /// Starts one with the tables in a SQLite file, which is made if there is none.
    pub async fn in_file(file: &Path) -> io::Result<Self> {
        let database = Database::new(&file.to_string_lossy());
        Self::start(database.map_err(|error| io::Error::other(error.to_string()))?).await
    }

    /// Its address.
    pub fn url(&self) -> &Url {
        &self.url
    }

    async fn start(database: Database) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = Url::parse(&format!("http://{}", listener.local_addr()?)).map_err(io::Error::other)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            // Ends when the sender is dropped.
            let _ = stopped.await;
        };
        tokio::spawn(dynoxide::server::serve_with_shutdown(listener, database, shutdown));
        Ok(Self { url, _stop: stop })
    }
}
