#![doc = include_str!("../README.md")]

pub mod client;
pub mod webhook;

pub use client::http_client;
