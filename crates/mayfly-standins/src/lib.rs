#![doc = include_str!("../README.md")]

pub mod aws;
pub mod contracts;
pub mod ec2;
pub mod fakes;
pub mod gitlab;
pub mod lambda_runtime;
mod random;
pub mod runner;
pub mod simulation;
