//! Errors that say what to do: later or never.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Whether the same call can succeed another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Throttling, timeouts, 5xx, a locked store: try again, at the earliest after the given time if there is one.
    Later(Option<Duration>),
    /// Malformed input, a refused right, a missing resource: trying again changes nothing.
    Never,
}

/// What a port answers when it could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed")]
pub struct PortError {
    /// The operation and the thing, such as "GitLab: create runner".
    pub operation: String,
    /// Whether trying again can help. The adapter knows; the caller obeys.
    pub retry: Retry,
    /// The cause, said once.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

impl PortError {
    /// An error that may pass by itself.
    pub fn later(operation: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { operation: operation.into(), retry: Retry::Later(None), source: source.into() }
    }

    /// An error that stays until somebody changes something.
    pub fn never(operation: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { operation: operation.into(), retry: Retry::Never, source: source.into() }
    }

    /// True if the same call may succeed another time.
    pub fn is_transient(&self) -> bool {
        matches!(self.retry, Retry::Later(_))
    }
}

/// Prints an error with all its causes, each once: `a failed: b: c`.
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(formatter, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_says_every_cause_once() {
        let error = PortError::later("ledger: get", PortError::never("socket: read", "connection reset"));
        assert_eq!(Chain(&error).to_string(), "ledger: get failed: socket: read failed: connection reset");
    }
}
