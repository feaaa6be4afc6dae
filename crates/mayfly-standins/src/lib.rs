#![doc = include_str!("../README.md")]

pub mod contracts;
pub mod fakes;
pub mod gitlab;
mod random;
pub mod runner;
