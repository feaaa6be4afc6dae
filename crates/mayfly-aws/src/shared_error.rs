//! One failure that several callers hear of.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use mayfly_core::error::PortError;

/// The same error once more, for one of those who wait for the same call.
pub(crate) fn told_again(error: &Arc<PortError>) -> PortError {
    PortError {
        operation: error.operation.clone(),
        retry: error.retry,
        source: Box::new(SharedCause(Arc::clone(error))),
    }
}

/// The cause of a shared error: it says what the cause says and has the causes that one has.
#[derive(Debug)]
struct SharedCause(Arc<PortError>);

impl fmt::Display for SharedCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.source.fmt(formatter)
    }
}

impl Error for SharedCause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.source()
    }
}

#[cfg(test)]
mod tests {
    use mayfly_core::error::Chain;

    use super::*;

    #[test]
    fn an_error_told_again_says_the_same() {
        let cause = PortError::never("socket: read", "connection reset");
        let error = Arc::new(PortError::later("store: get", cause));
        let again = told_again(&error);
        assert_eq!(Chain(&again).to_string(), Chain(&*error).to_string());
        assert_eq!(again.retry, error.retry);
    }
}
