//! The edge of our Lambda functions: what they read, whom they call and what they say. The only module that looks at the
//! environment, and it does so only when it is asked to.

#[cfg(any(
    feature = "dynamodb",
    feature = "eventbridge",
    feature = "lambda",
    feature = "sqs",
    feature = "ssm"
))]
mod connection;
mod logging;
mod metrics;
mod variables;

#[cfg(any(
    feature = "dynamodb",
    feature = "eventbridge",
    feature = "lambda",
    feature = "sqs",
    feature = "ssm"
))]
pub use connection::Connection;
pub use logging::init_logging;
pub use metrics::{Metrics, embedded_metric};
pub use variables::{InvalidVariable, Variables, environment};
