//! Makes the two tables where no stack does: in the embedded store.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::client::Waiters;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TimeToLiveSpecification, TimeToLiveStatus,
};
use mayfly_core::error::PortError;

use super::errors::{never, port_error};
use super::older_table::add_open_index;
use super::{EXPIRES_AT, OPEN, OPEN_INDEX, PARTITION_KEY, RUNNER_INDEX, RUNNER_NAME, SORT_KEY};

/// How long a table may take to come up. The embedded store needs no time at all.
const COMING_UP: Duration = Duration::from_mins(1);

/// Makes the mapping table and the ledger table with its indexes and its TTL. A table that is there is left as it is, but for
/// an index that an older version did not make.
pub async fn create_tables(
    client: &Client,
    mapping_table: &str,
    ledger_table: &str,
) -> Result<(), PortError> {
    let request = mapping_table_request(client, mapping_table)
        .map_err(|error| never(&format!("create table {mapping_table}"), error))?;
    create(client, mapping_table, request).await?;
    let request = ledger_table_request(client, ledger_table)
        .map_err(|error| never(&format!("create table {ledger_table}"), error))?;
    create(client, ledger_table, request).await?;
    add_open_index(client, ledger_table).await?;
    enable_ttl(client, ledger_table).await
}

/// Makes the table of the history of mappings, if there is none.
pub async fn create_history_table(client: &Client, table: &str) -> Result<(), PortError> {
    // It has the keys of the mapping table.
    let request = mapping_table_request(client, table);
    let request = request.map_err(|error| never(&format!("create table {table}"), error))?;
    create(client, table, request).await
}

fn mapping_table_request(client: &Client, table: &str) -> Result<CreateTableFluentBuilder, BuildError> {
    Ok(client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(text_attribute(PARTITION_KEY)?)
        .attribute_definitions(text_attribute(SORT_KEY)?)
        .key_schema(key_element(PARTITION_KEY, KeyType::Hash)?)
        .key_schema(key_element(SORT_KEY, KeyType::Range)?))
}

fn ledger_table_request(client: &Client, table: &str) -> Result<CreateTableFluentBuilder, BuildError> {
    Ok(client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(text_attribute(PARTITION_KEY)?)
        .attribute_definitions(text_attribute(RUNNER_NAME)?)
        .attribute_definitions(text_attribute(OPEN)?)
        .key_schema(key_element(PARTITION_KEY, KeyType::Hash)?)
        .global_secondary_indexes(index(RUNNER_INDEX, RUNNER_NAME, ProjectionType::All)?)
        .global_secondary_indexes(index(OPEN_INDEX, OPEN, ProjectionType::KeysOnly)?))
}

fn index(name: &str, attribute: &str, projected: ProjectionType) -> Result<GlobalSecondaryIndex, BuildError> {
    GlobalSecondaryIndex::builder()
        .index_name(name)
        .key_schema(key_element(attribute, KeyType::Hash)?)
        .projection(Projection::builder().projection_type(projected).build())
        .build()
}

fn text_attribute(name: &str) -> Result<AttributeDefinition, BuildError> {
    AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build()
}

fn key_element(name: &str, key_type: KeyType) -> Result<KeySchemaElement, BuildError> {
    KeySchemaElement::builder().attribute_name(name).key_type(key_type).build()
}

async fn create(client: &Client, table: &str, request: CreateTableFluentBuilder) -> Result<(), PortError> {
    let operation = format!("create table {table}");
    if let Err(error) = request.send().await {
        return match error.as_service_error() {
            Some(CreateTableError::ResourceInUseException(_)) => Ok(()),
            _ => Err(port_error(&operation, table, error)),
        };
    }
    let waiter = client.wait_until_table_exists().table_name(table);
    let ready = waiter.wait(COMING_UP).await;
    ready.map(|_| ()).map_err(|error| PortError::later(format!("DynamoDB: {operation}"), error))
}

/// Asks first: enabling a TTL that is enabled is an error.
async fn enable_ttl(client: &Client, table: &str) -> Result<(), PortError> {
    let operation = format!("enable TTL of table {table}");
    let described = client
        .describe_time_to_live()
        .table_name(table)
        .send()
        .await
        .map_err(|error| port_error(&operation, table, error))?;
    let status = described.time_to_live_description.and_then(|description| description.time_to_live_status);
    if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
        return Ok(());
    }
    let specification = TimeToLiveSpecification::builder()
        .enabled(true)
        .attribute_name(EXPIRES_AT)
        .build()
        .map_err(|error| never(&operation, error))?;
    client
        .update_time_to_live()
        .table_name(table)
        .time_to_live_specification(specification)
        .send()
        .await
        .map(|_| ())
        .map_err(|error| port_error(&operation, table, error))
}
