//! Secrets in Parameter Store, read rarely: all functions of an account share 40 calls a second.

mod cache;
mod names;
mod parameters;
mod store;

pub use names::{ParameterName, ParameterPath};
pub use parameters::Parameters;
pub use store::ParameterStore;
