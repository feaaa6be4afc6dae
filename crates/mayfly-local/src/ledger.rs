//! The ledger of a data folder, for a look from outside: also while a server uses it.

use std::path::{Path, PathBuf};

use anyhow::bail;
use mayfly_aws::dynamodb::DynamoLedger;

use crate::data_dir::DATABASE;
use crate::store::{EmbeddedStore, LEDGER_TABLE};

/// A ledger in a data folder. SQLite lets several processes use one file, so the server need not be asked; the folder's lock is
/// for servers alone.
pub struct EmbeddedLedger {
    ledger: DynamoLedger,
    _store: EmbeddedStore,
}

impl EmbeddedLedger {
    /// Opens the ledger in this data folder. Makes none.
    ///
    /// # Errors
    ///
    /// If there is none, or it cannot be opened.
    pub fn open(data_dir: &Path) -> anyhow::Result<Self> {
        let store = EmbeddedStore::open_beside(&existing_database(data_dir)?)?;
        Ok(Self { ledger: DynamoLedger::new(store.client.clone(), LEDGER_TABLE), _store: store })
    }

    /// The ledger. It answers as long as this value lives.
    pub fn ledger(&self) -> &DynamoLedger {
        &self.ledger
    }
}

/// The store's file in this data folder, which must be there.
pub(crate) fn existing_database(data_dir: &Path) -> anyhow::Result<PathBuf> {
    let file = data_dir.join(DATABASE);
    if !file.is_file() {
        bail!("there is no {}: is this the data folder of a `mayfly local`?", file.display());
    }
    Ok(file)
}
