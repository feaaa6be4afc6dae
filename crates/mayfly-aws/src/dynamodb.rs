//! Mapping table, ledger and assignments on DynamoDB, and the first two on the embedded store that speaks its protocol.

#[cfg(feature = "ec2")]
mod assignments;
mod attributes;
mod batch;
mod client;
mod errors;
mod fleet_item;
mod kept;
mod ledger;
mod ledger_item;
mod mapping_row;
mod mapping_table;
mod mappings;
mod memory_item;
mod older_table;
mod tables;

#[cfg(feature = "ec2")]
pub(crate) use assignments::Assignments;
pub use client::embedded_client;
pub use ledger::DynamoLedger;
pub use mapping_table::{MappingTable, WriteError, some_of, transactions_of};
pub use mappings::DynamoMappingStore;
pub use tables::{create_history_table, create_tables};

/// Partition key of all tables.
const PARTITION_KEY: &str = "pk";
/// Sort key of the mapping table.
const SORT_KEY: &str = "sk";
/// The ledger's index by runner name, and the attribute it is an index of.
const RUNNER_INDEX: &str = "by-runner";
const RUNNER_NAME: &str = "runner_name";
/// The ledger's index of open records, the attribute it is an index of, and the one value of that.
const OPEN_INDEX: &str = "by-open";
const OPEN: &str = "open";
const IS_OPEN: &str = "yes";
/// The TTL attribute of ledger and assignments, in seconds since 1970.
const EXPIRES_AT: &str = "expires_at";
