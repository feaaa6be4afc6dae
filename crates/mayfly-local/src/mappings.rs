//! The mappings of a data folder, for an operator's edits: also while a server uses it.

use std::path::Path;

use anyhow::Context;
use mayfly_aws::dynamodb::{MappingTable, create_history_table};

use crate::ledger::existing_database;
use crate::store::{EmbeddedStore, HISTORY_TABLE, MAPPING_TABLE};

/// The mapping table in a data folder. A server that runs sees a change after a few seconds; one whose settings file has
/// mappings makes the table equal to those whenever it starts.
pub struct EmbeddedMappings {
    table: MappingTable,
    _store: EmbeddedStore,
}

impl EmbeddedMappings {
    /// Opens the table in this data folder, and makes the history's if an older version made the folder.
    ///
    /// # Errors
    ///
    /// If there is no store in the folder, or it cannot be opened.
    pub async fn open(data_dir: &Path) -> anyhow::Result<Self> {
        let store = EmbeddedStore::open_beside(&existing_database(data_dir)?)?;
        create_history_table(&store.client, HISTORY_TABLE)
            .await
            .context("cannot make the history's table")?;
        let table = MappingTable::new(store.client.clone(), MAPPING_TABLE, HISTORY_TABLE);
        Ok(Self { table, _store: store })
    }

    /// The table. It answers as long as this value lives.
    pub fn table(&self) -> &MappingTable {
        &self.table
    }
}
