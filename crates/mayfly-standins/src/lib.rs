#![doc = include_str!("../README.md")]

pub mod aws;
pub mod contracts;
pub mod ec2;
pub mod fakes;
pub mod gitlab;
pub mod lambda_runtime;
mod random;
pub mod runner;
#[cfg(feature = "scenarios")]
pub mod scenario;
pub mod simulation;
#[cfg(feature = "tables")]
pub mod tables;
