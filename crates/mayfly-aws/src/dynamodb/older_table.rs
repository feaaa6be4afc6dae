//! Gives a ledger table that was made by an older version the index of open records.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate, KeySchemaElement,
    KeyType, Projection, ProjectionType, ScalarAttributeType,
};
use mayfly_core::error::PortError;

use super::attributes::{Item, text};
use super::errors::{never, port_error};
use super::ledger_item::{KEY_PREFIX, to_record};
use super::{IS_OPEN, OPEN, OPEN_INDEX, PARTITION_KEY};

/// Nothing else may use the table meanwhile. Can be repeated from the beginning, wherever it was cut off.
pub(super) async fn add_open_index(client: &Client, table: &str) -> Result<(), PortError> {
    let operation = format!("look at the indexes of table {table}");
    let described = client.describe_table().table_name(table).send().await;
    let described = described.map_err(|error| port_error(&operation, table, error))?;
    let indexes = described.table.and_then(|table| table.global_secondary_indexes).unwrap_or_default();
    if indexes.iter().any(|index| index.index_name.as_deref() == Some(OPEN_INDEX)) {
        return Ok(());
    }
    mark_what_is_open(client, table).await?;
    let operation = format!("add index {OPEN_INDEX} to table {table}");
    let update = index_update().map_err(|error| never(&operation, error))?;
    let attribute =
        AttributeDefinition::builder().attribute_name(OPEN).attribute_type(ScalarAttributeType::S);
    let attribute = attribute.build().map_err(|error| never(&operation, error))?;
    let request = client.update_table().table_name(table).attribute_definitions(attribute);
    let added = request.global_secondary_index_updates(update).send().await;
    added.map(|_| ()).map_err(|error| port_error(&operation, table, error))
}

fn index_update() -> Result<GlobalSecondaryIndexUpdate, aws_sdk_dynamodb::error::BuildError> {
    let key = KeySchemaElement::builder().attribute_name(OPEN).key_type(KeyType::Hash).build()?;
    let index = CreateGlobalSecondaryIndexAction::builder()
        .index_name(OPEN_INDEX)
        .key_schema(key)
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()?;
    Ok(GlobalSecondaryIndexUpdate::builder().create(index).build())
}

/// Records of the older version do not say that they are open. One that cannot be read may be.
async fn mark_what_is_open(client: &Client, table: &str) -> Result<(), PortError> {
    let operation = format!("mark open records of table {table}");
    let scan = client.scan().table_name(table).consistent_read(true);
    let mut items = scan.into_paginator().items().send();
    while let Some(item) = items.next().await {
        let item: Item = item.map_err(|error| port_error(&operation, table, error))?;
        let Some(key) = item.get(PARTITION_KEY).cloned() else { continue };
        let is_job = key.as_s().is_ok_and(|key| key.starts_with(KEY_PREFIX));
        if !is_job || to_record(item).is_ok_and(|record| !record.is_open()) {
            continue;
        }
        let request = client
            .update_item()
            .table_name(table)
            .key(PARTITION_KEY, key)
            .update_expression("SET #open = :open")
            .expression_attribute_names("#open", OPEN)
            .expression_attribute_values(":open", text(IS_OPEN));
        request.send().await.map_err(|error| port_error(&operation, table, error))?;
    }
    Ok(())
}
