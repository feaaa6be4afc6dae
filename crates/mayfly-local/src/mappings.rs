//! The mapping table of a data folder, for a look from outside: also while a server uses it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use mayfly_aws::dynamodb::DynamoMappingStore;
use mayfly_core::clock::SystemClock;

use crate::data_dir::DATABASE;
use crate::store::{EmbeddedStore, MAPPING_TABLE};

/// The mappings in a data folder. SQLite lets several processes use one file, so the server need not be asked.
pub struct EmbeddedMappings {
    mappings: DynamoMappingStore,
    _store: EmbeddedStore,
}

impl EmbeddedMappings {
    /// Opens the table in this data folder. Makes none.
    ///
    /// # Errors
    ///
    /// If there is none, or it cannot be opened.
    pub fn open(data_dir: &Path) -> anyhow::Result<Self> {
        let file = data_dir.join(DATABASE);
        if !file.is_file() {
            bail!("there is no {}: is this the data folder of a `mayfly local`?", file.display());
        }
        let store = EmbeddedStore::open_beside(&file)?;
        let clock = Arc::new(SystemClock);
        let mappings = DynamoMappingStore::new(store.client.clone(), MAPPING_TABLE, Duration::ZERO, clock);
        Ok(Self { mappings, _store: store })
    }

    /// The mappings. They answer as long as this value lives.
    pub fn mappings(&self) -> &DynamoMappingStore {
        &self.mappings
    }
}
