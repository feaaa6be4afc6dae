#![doc = include_str!("../README.md")]

pub mod assignment;
pub mod clock;
pub mod decide;
pub mod error;
pub mod event;
pub mod ids;
mod key_codec;
pub mod launch;
pub mod ledger;
pub mod mapping;
pub mod ports;
pub mod resolve;
pub mod runner_name;
pub mod status;
pub mod tags;
