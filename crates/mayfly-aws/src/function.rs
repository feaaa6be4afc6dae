//! The edge of our Lambda functions: what they read, whom they call and what they say. The only module that looks at the
//! environment, and it does so only when it is asked to.

#[cfg(feature = "connection")]
mod connection;
mod logging;
mod metrics;
mod variables;

#[cfg(feature = "connection")]
pub use connection::Connection;
pub use logging::init_logging;
pub use metrics::{Measure, Metrics};
pub use variables::{InvalidVariable, Variables, environment};
