//! Mapping table and ledger on DynamoDB, and on the embedded store that speaks its protocol.

mod attributes;
mod client;
mod errors;
mod kept;
mod ledger;
mod ledger_item;
mod mapping_row;
mod mappings;
mod tables;

pub use client::embedded_client;
pub use ledger::DynamoLedger;
pub use mappings::DynamoMappingStore;
pub use tables::create_tables;

/// Partition key of both tables.
const PARTITION_KEY: &str = "pk";
/// Sort key of the mapping table.
const SORT_KEY: &str = "sk";
/// The ledger's index by runner name, and the attribute it is an index of.
const RUNNER_INDEX: &str = "by-runner";
const RUNNER_NAME: &str = "runner_name";
/// The ledger's TTL attribute, in seconds since 1970.
const EXPIRES_AT: &str = "expires_at";
