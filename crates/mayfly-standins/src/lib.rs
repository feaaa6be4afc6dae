#![doc = include_str!("../README.md")]

pub mod contracts;
pub mod fakes;
pub mod gitlab;
pub mod runner;
