//! The ledger's one item, and what must never happen.

use std::sync::Arc;

use mayfly_core::ledger::{LedgerRecord, LedgerState};
use mayfly_core::runner_name::RunnerName;
use mayfly_core::status::Rank;

use super::plan::{ATTEMPTS, JOB};

/// Something that must never happen, and that no state tells once it has happened. A set of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Wrong(u8);

impl Wrong {
    pub(crate) const STARTED_AFTER_END: Self = Self(1);
    pub(crate) const ENDED_WITH_JOB: Self = Self(2);
    pub(crate) const ENDED_WITH_ANOTHER: Self = Self(4);
    pub(crate) const UNREGISTERED_WITH_JOB: Self = Self(8);
    pub(crate) const UNREGISTERED_WITH_ANOTHER: Self = Self(16);
    pub(crate) const MOVED_BACK: Self = Self(32);
    pub(crate) const TOKEN_OF_ANOTHER_STEP: Self = Self(64);

    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// The record of the job, and what was done wrong so far.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    pub(crate) record: Option<Arc<LedgerRecord>>,
    /// A final event of the job was handled, whatever was written then.
    pub(crate) is_end_handled: bool,
    pub(crate) wrong: Wrong,
}

impl Ledger {
    /// Writes the record over the version that it was made from; `None` if something else is stored. What only people read of
    /// it is dropped.
    pub(crate) fn put(&mut self, mut record: LedgerRecord) -> Option<Arc<LedgerRecord>> {
        assert_eq!(record.key, *JOB);
        let attempts = record.claim.as_ref().map_or(0, |claim| claim.attempt);
        assert!(attempts < ATTEMPTS, "there is no end of attempts");
        if self.record.as_ref().map_or(0, |stored| stored.version) != record.version {
            return None;
        }
        if self.record.as_ref().is_some_and(|stored| moves_back(stored, &record)) {
            self.wrong(Wrong::MOVED_BACK);
        }
        record.version += 1;
        record.explanation = None;
        record.transitions.drain(..record.transitions.len().saturating_sub(1));
        let record = Arc::new(record);
        self.record = Some(Arc::clone(&record));
        Some(record)
    }

    /// The record whose runner has this name.
    pub(crate) fn by_runner(&self, name: &RunnerName) -> Option<&Arc<LedgerRecord>> {
        self.record
            .as_ref()
            .filter(|record| record.runner.as_ref().is_some_and(|runner| runner.name == *name))
    }

    /// True if the record is the one that is stored, so that a write over it would succeed.
    pub(crate) fn is_current(&self, record: Option<&LedgerRecord>) -> bool {
        self.record.as_ref().map(|stored| stored.version) == record.map(|record| record.version)
    }

    /// True if a final event was handled.
    pub(crate) fn is_over(&self) -> bool {
        self.is_end_handled || self.record.as_ref().is_some_and(|record| record.rank == Rank::Finished)
    }

    pub(crate) fn wrong(&mut self, wrong: Wrong) {
        self.wrong.0 |= wrong.0;
    }
}

/// True if a status, or the end of a job, is taken back.
fn moves_back(stored: &LedgerRecord, next: &LedgerRecord) -> bool {
    let is_over = |record: &LedgerRecord| record.state == LedgerState::Finished;
    next.rank < stored.rank || (is_over(stored) && !is_over(next))
}
