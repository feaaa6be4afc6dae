//! What the function answers, and what the state machines make of it.

use aws_lambda_events::sqs::SqsBatchResponse;
use lambda_runtime::Diagnostic;
use mayfly_app::Handled;
use mayfly_core::error::{Chain, PortError};
use serde::Serialize;

/// The answer to one invocation.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    One(Outcome),
    /// Which messages come again.
    Batch(SqsBatchResponse),
}

/// What became of one event. The state machines choose by `outcome`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Outcome {
    outcome: &'static str,
    summary: String,
}

impl From<Handled> for Outcome {
    fn from(handled: Handled) -> Self {
        let (outcome, summary) = match handled {
            Handled::Done { summary } => ("done", summary),
            Handled::Later { reason, .. } => ("later", reason),
            Handled::Parked { reason } => ("parked", reason),
        };
        Self { outcome, summary }
    }
}

/// An event that could not be handled. Its type tells the state machine whether to try again.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct Failed(#[from] pub(crate) PortError);

impl From<Failed> for Diagnostic {
    fn from(Failed(error): Failed) -> Self {
        let error_type = if error.is_transient() { "Later" } else { "Never" };
        Self { error_type: error_type.to_owned(), error_message: Chain(&error).to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_state_machines_are_pinned() {
        let answer = Answer::One(Handled::Parked { reason: "no such function".to_owned() }.into());
        assert_eq!(
            serde_json::to_string(&answer).unwrap(),
            r#"{"outcome":"parked","summary":"no such function"}"#
        );
        for (error, error_type) in [
            (PortError::later("ledger: get", "throttled"), "Later"),
            (PortError::never("ledger: get", "no such table"), "Never"),
        ] {
            assert_eq!(Diagnostic::from(Failed(error)).error_type, error_type);
        }
    }
}
