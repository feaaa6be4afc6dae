//! The mapping table.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use futures::future::{try_join, try_join_all};
use mayfly_core::clock::Clock;
use mayfly_core::error::PortError;
use mayfly_core::ids::{JobName, ProjectPath};
use mayfly_core::mapping::{Mapping, MappingKey, StoredMapping};
use mayfly_core::ports::MappingStore;

use super::attributes::{Item, text};
use super::errors::port_error;
use super::kept::Kept;
use super::mapping_row::{Row, key_of, to_item};
use super::{PARTITION_KEY, SORT_KEY};

/// The mappings in a DynamoDB table with partition key `pk` and sort key `sk`.
///
/// Rows for exact names are queried each time. Rows for prefixes can only be found by a scan, so they are kept for a
/// while: a change made by somebody else may be seen that much later, one made through this object at once.
pub struct DynamoMappingStore {
    client: Client,
    table: String,
    clock: Arc<dyn Clock>,
    scanned: Kept<Arc<[Row]>>,
}

impl DynamoMappingStore {
    /// The mappings in this table. Rows for prefixes are kept for `keep_for`; zero reads them each time.
    pub fn new(client: Client, table: impl Into<String>, keep_for: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { client, table: table.into(), clock, scanned: Kept::new(keep_for) }
    }

    /// Writes a mapping, over the row with the same key if there is one.
    pub async fn put(&self, mapping: &Mapping) -> Result<(), PortError> {
        let request = self.client.put_item().table_name(&self.table);
        let written = request.set_item(Some(to_item(mapping))).send().await;
        self.scanned.forget();
        written
            .map(|_| ())
            .map_err(|error| port_error(&format!("put item {}", mapping.key), &self.table, error))
    }

    /// Removes a mapping. Removing one that is not there is `Ok`; so is one typed by hand with its key written
    /// otherwise than [`MappingKey`] writes it, which stays.
    pub async fn delete(&self, key: &MappingKey) -> Result<(), PortError> {
        let request = self.client.delete_item().table_name(&self.table);
        let deleted = request.set_key(Some(key_of(key))).send().await;
        self.scanned.forget();
        deleted.map(|_| ()).map_err(|error| port_error(&format!("delete item {key}"), &self.table, error))
    }

    /// All rows in the order of their keys, those that cannot be read included.
    pub async fn list(&self) -> Result<Vec<StoredMapping>, PortError> {
        let scan = self.client.scan().table_name(&self.table).consistent_read(true);
        let items = scan.into_paginator().items().send().try_collect().await;
        let mut items: Vec<Item> =
            items.map_err(|error| port_error("scan for all mappings", &self.table, error))?;
        items.sort_by_cached_key(|item| {
            let part = |attribute| item.get(attribute).and_then(|value| value.as_s().ok()).cloned();
            (part(PARTITION_KEY), part(SORT_KEY))
        });
        Ok(items.iter().map(|item| Row::read(item).into_stored()).collect())
    }

    async fn rows_of(&self, partition_key: &str) -> Result<Vec<Row>, PortError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#pk = :pk")
            .expression_attribute_names("#pk", PARTITION_KEY)
            .expression_attribute_values(":pk", text(partition_key));
        let items: Vec<Item> = query
            .into_paginator()
            .items()
            .send()
            .try_collect()
            .await
            .map_err(|error| port_error(&format!("query {partition_key}"), &self.table, error))?;
        Ok(items.iter().map(Row::read).collect())
    }

    /// The rows that no query finds: those for prefixes, and those whose key may be typed by hand in another way than we
    /// write it, which only happens around escapes.
    async fn scanned_rows(&self) -> Result<Arc<[Row]>, PortError> {
        let asked_at = self.clock.now();
        let generation = match self.scanned.fresh(asked_at) {
            Ok(rows) => return Ok(rows),
            Err(generation) => generation,
        };
        let scan = self
            .client
            .scan()
            .table_name(&self.table)
            .filter_expression("contains(#pk, :star) OR contains(#pk, :percent)")
            .expression_attribute_names("#pk", PARTITION_KEY)
            .expression_attribute_values(":star", text("*"))
            .expression_attribute_values(":percent", text("%"));
        let items: Vec<Item> = scan
            .into_paginator()
            .items()
            .send()
            .try_collect()
            .await
            .map_err(|error| port_error("scan for prefixes", &self.table, error))?;
        let rows: Arc<[Row]> = items.iter().map(Row::read).collect();
        self.scanned.keep(generation, asked_at, Arc::clone(&rows));
        Ok(rows)
    }
}

#[async_trait]
impl MappingStore for DynamoMappingStore {
    async fn candidates(
        &self,
        project: Option<&ProjectPath>,
        job: &JobName,
    ) -> Result<Vec<StoredMapping>, PortError> {
        let mut partition_keys = vec![MappingKey::partition_key_of(None, job)];
        if project.is_some() {
            partition_keys.push(MappingKey::partition_key_of(project, job));
        }
        let queries = try_join_all(partition_keys.iter().map(|key| self.rows_of(key)));
        let (exact, scanned) = try_join(queries, self.scanned_rows()).await?;
        // An exact name with an escape in its key is found both ways.
        let scanned = scanned
            .iter()
            .filter(|row| row.may_be_for(project, job) && !partition_keys.contains(&row.partition_key));
        Ok(exact.into_iter().flatten().chain(scanned.cloned()).map(Row::into_stored).collect())
    }
}
