#![doc = include_str!("../README.md")]

pub mod ids;
pub mod status;
pub mod event;
pub mod tags;
pub mod mapping;
pub mod row;
pub mod mapping_edit;
pub mod resolve;
pub mod lint;
pub mod runner_name;
pub mod machine;
pub mod launch;
pub mod fleet;
pub mod ledger;
pub mod decide;
pub mod reconcile;
pub mod assignment;
pub mod ports;
pub mod error;
pub mod clock;
mod key_codec;
