#![doc = include_str!("../README.md")]

pub mod settings;
pub mod server;
pub mod intake;
pub mod queue;
mod queue_store;
mod worker;
mod reconciler;
mod meter;
pub mod backend;
pub mod agent_process;
mod run_dir;
mod store;
pub mod ledger;
pub mod mappings;
mod secrets;
mod data_dir;
