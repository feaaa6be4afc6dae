#![doc = include_str!("../README.md")]

pub mod agent_process;
mod backend;
mod data_dir;
pub mod intake;
pub mod queue;
mod queue_store;
mod run_dir;
mod secrets;
pub mod server;
pub mod settings;
mod store;
mod worker;
