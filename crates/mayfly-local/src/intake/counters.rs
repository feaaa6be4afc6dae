//! How many webhooks came in, and what became of them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

/// Counts since the start, by outcome, and by kind for those that were ignored.
#[derive(Debug, Default)]
pub struct Counters {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    outcomes: BTreeMap<&'static str, u64>,
    ignored: BTreeMap<&'static str, u64>,
}

impl Counters {
    /// One more request had this outcome.
    pub fn count(&self, outcome: &'static str) {
        *self.lock().outcomes.entry(outcome).or_default() += 1;
    }

    /// One more authentic request was nothing for us, of this kind.
    pub fn count_ignored(&self, kind: &'static str) {
        *self.lock().ignored.entry(kind).or_default() += 1;
    }

    /// The counts, as `GET /health` tells them.
    pub fn to_json(&self) -> Value {
        let counts = self.lock();
        let mut report = json!(counts.outcomes);
        report["ignored_by_kind"] = json!(counts.ignored);
        report
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
