#![doc = include_str!("../README.md")]

#[cfg(feature = "client")]
pub mod client;
pub mod webhook;

#[cfg(feature = "client")]
pub use client::http_client;
