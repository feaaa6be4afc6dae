//! The mapping table.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use futures::FutureExt;
use mayfly_core::clock::Clock;
use mayfly_core::error::PortError;
use mayfly_core::ids::{JobName, ProjectPath};
use mayfly_core::mapping::StoredMapping;
use mayfly_core::ports::MappingStore;

use super::attributes::Item;
use super::errors::port_error;
use super::kept::Kept;
use super::mapping_row::{may_be_for, read_row};
use super::{PARTITION_KEY, SORT_KEY};
use crate::shared_error::told_again;

/// The mappings in a DynamoDB table with partition key `pk` and sort key `sk`.
///
/// The table is small and asked for every job, so all of it is read in one scan and kept for a while; a scan under way
/// serves everyone who asks meanwhile. A change is seen after at most that while.
pub struct DynamoMappingStore {
    client: Client,
    table: String,
    clock: Arc<dyn Clock>,
    rows: Kept<Arc<[StoredMapping]>>,
}

impl DynamoMappingStore {
    /// The mappings in this table. All rows are kept for `keep_for`; zero reads them each time.
    pub fn new(client: Client, table: impl Into<String>, keep_for: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { client, table: table.into(), clock, rows: Kept::new(keep_for) }
    }

    /// All rows in the order of their keys, those that cannot be read included. Always asks the table.
    pub async fn list(&self) -> Result<Vec<StoredMapping>, PortError> {
        let mut items = scan(&self.client, &self.table).await?;
        items.sort_by_cached_key(|item| {
            let part = |attribute| item.get(attribute).and_then(|value| value.as_s().ok()).cloned();
            (part(PARTITION_KEY), part(SORT_KEY))
        });
        Ok(items.into_iter().map(read_row).collect())
    }

    async fn all_rows(&self) -> Result<Arc<[StoredMapping]>, PortError> {
        let read = || {
            let (client, table) = (self.client.clone(), self.table.clone());
            async move {
                let items = scan(&client, &table).await.map_err(Arc::new)?;
                Ok(items.into_iter().map(read_row).collect())
            }
            .boxed()
        };
        self.rows.get(self.clock.now(), read).await.map_err(|error| told_again(&error))
    }
}

/// Consistent, because what it finds is kept: a row that was written just before must not be missed for so long.
async fn scan(client: &Client, table: &str) -> Result<Vec<Item>, PortError> {
    let scan = client.scan().table_name(table).consistent_read(true);
    let items = scan.into_paginator().items().send().try_collect().await;
    items.map_err(|error| port_error("scan for all mappings", table, error))
}

#[async_trait]
impl MappingStore for DynamoMappingStore {
    async fn candidates(
        &self,
        project: Option<&ProjectPath>,
        job: &JobName,
    ) -> Result<Vec<StoredMapping>, PortError> {
        let rows = self.all_rows().await?;
        Ok(rows.iter().filter(|row| may_be_for(row, project, job)).cloned().collect())
    }
}
