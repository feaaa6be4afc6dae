//! What happened to a job, as the ledger has it.

use std::fmt::Write;

use jiff::Timestamp;
use mayfly_core::ledger::LedgerRecord;
use serde::Serialize;

use crate::output::{moment, printable, table};

/// What was decided for a job, and what became of it.
#[derive(Debug, Serialize)]
pub(super) struct Happened {
    pub(super) key: String,
    state: &'static str,
    known_since: Timestamp,
    /// The mapping chosen, and why, as it was written down.
    explanation: Option<String>,
    /// The row, or `default`.
    pub(super) mapping: Option<String>,
    target: Option<String>,
    transitions: Vec<Step>,
}

#[derive(Debug, Serialize)]
struct Step {
    at: Timestamp,
    state: &'static str,
    reason: String,
}

impl Happened {
    pub(super) fn of(record: &LedgerRecord) -> Self {
        let steps = record.transitions.iter().map(|transition| Step {
            at: transition.at,
            state: transition.to.as_str(),
            reason: transition.reason.clone(),
        });
        let request = record.claim.as_ref().map(|claim| &claim.request);
        Self {
            key: record.key.to_string(),
            state: record.state.as_str(),
            known_since: record.known_since,
            explanation: record.explanation.clone(),
            mapping: request.map(|request| request.mapping.clone()),
            target: request.map(|request| request.target.to_string()),
            transitions: steps.collect(),
        }
    }

    pub(super) fn to_text(&self, width: Option<u16>) -> String {
        let mut text = format!("What happened to job {}: it is {}\n", self.key, self.state);
        let mut line = |label: &str, value: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {label:<8} {}", printable(value));
        };
        match (&self.mapping, &self.target) {
            (Some(mapping), Some(target)) => line("taken", &format!("{mapping}, {target}")),
            _ => line("taken", "nothing yet: no runner was asked for"),
        }
        if let Some(explanation) = &self.explanation {
            line("why", explanation);
        }
        let rows =
            self.transitions.iter().map(|step| [moment(step.at), step.state.to_owned(), step.reason.clone()]);
        text + "\n" + &table(width, ["TIME (UTC)", "STATE", "WHY"], rows)
    }
}
