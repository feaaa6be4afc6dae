//! A mapping table in memory.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use mayfly_core::error::PortError;
use mayfly_core::ids::{JobName, ProjectPath};
use mayfly_core::mapping::{Mapping, StoredMapping};
use mayfly_core::ports::MappingStore;

/// A mapping table that forgets everything with the process. It answers with all its rows, whatever the job: further
/// rows do no harm, so whoever asks must not rely on their absence.
#[derive(Debug, Default)]
pub struct MemoryMappingStore {
    rows: Mutex<Vec<StoredMapping>>,
}

impl MemoryMappingStore {
    /// Writes a mapping over the row with the same key, if there is one.
    pub fn put(&self, mapping: Mapping) {
        let mut rows = self.lock();
        rows.retain(|row| !matches!(row, StoredMapping::Readable(other) if other.key == mapping.key));
        rows.push(StoredMapping::Readable(mapping));
    }

    /// Adds a row as found in a table, also one that nobody can read.
    pub fn put_row(&self, row: StoredMapping) {
        self.lock().push(row);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<StoredMapping>> {
        // Rows are whole at any time, so what a panicking test leaves behind is usable.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl MappingStore for MemoryMappingStore {
    async fn candidates(
        &self,
        _project: Option<&ProjectPath>,
        _job: &JobName,
    ) -> Result<Vec<StoredMapping>, PortError> {
        Ok(self.lock().clone())
    }
}
