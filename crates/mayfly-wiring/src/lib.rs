#![doc = include_str!("../README.md")]

mod settings;
mod wiring;

pub use settings::{MachineSettings, Settings};
pub use wiring::Wiring;
