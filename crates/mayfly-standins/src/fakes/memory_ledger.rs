//! A ledger in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use mayfly_core::error::PortError;
use mayfly_core::fleet::Fleet;
use mayfly_core::ids::JobKey;
use mayfly_core::launch::ClientToken;
use mayfly_core::ledger::{LedgerRecord, LedgerState};
use mayfly_core::ports::{Ledger, Written};
use mayfly_core::runner_name::RunnerName;

/// A ledger that forgets everything with the process. It removes nothing by itself: what has expired stays inside and
/// is only never shown, as in a table whose clean-up is late.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    records: Mutex<BTreeMap<JobKey, LedgerRecord>>,
    /// What was frozen, and until when it is kept.
    fleets: Mutex<BTreeMap<ClientToken, (Fleet, Timestamp)>>,
}

/// How long a call is kept.
const FLEET_RETENTION: SignedDuration = SignedDuration::from_hours(24);

impl MemoryLedger {
    /// Everything inside, expired or not, in the order of keys: for what a test asserts.
    pub fn records(&self) -> Vec<LedgerRecord> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<JobKey, LedgerRecord>> {
        // Every change is one assignment, so what a panicking test leaves behind is whole.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn get(&self, key: &JobKey, now: Timestamp) -> Result<Option<LedgerRecord>, PortError> {
        Ok(self.lock().get(key).filter(|record| is_alive(record, now)).cloned())
    }

    async fn put(&self, record: &LedgerRecord, now: Timestamp) -> Result<Written, PortError> {
        let mut records = self.lock();
        let stored = records.get(&record.key).filter(|stored| is_alive(stored, now));
        if stored.map_or(0, |stored| stored.version) != record.version {
            return Ok(Written::Conflict);
        }
        let mut written = record.clone();
        written.version += 1;
        records.insert(record.key.clone(), written);
        Ok(Written::Yes)
    }

    async fn by_runner(
        &self,
        runner: &RunnerName,
        now: Timestamp,
    ) -> Result<Option<LedgerRecord>, PortError> {
        let records = self.lock();
        let mut alive = records.values().filter(|record| is_alive(record, now));
        Ok(alive.find(|record| record.runner.as_ref().is_some_and(|found| found.name == *runner)).cloned())
    }

    async fn freeze(&self, fleet: &Fleet, now: Timestamp) -> Result<Fleet, PortError> {
        let mut fleets = self.fleets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((frozen, _)) = fleets.get(&fleet.token).filter(|(_, expires_at)| *expires_at > now) {
            return Ok(frozen.clone());
        }
        fleets.insert(fleet.token.clone(), (fleet.clone(), now + FLEET_RETENTION));
        Ok(fleet.clone())
    }

    async fn unfinished(&self, now: Timestamp) -> Result<Vec<LedgerRecord>, PortError> {
        let records = self.lock();
        let alive = records.values().filter(|record| is_alive(record, now));
        Ok(alive.filter(|record| is_unfinished(record.state)).cloned().collect())
    }
}

fn is_alive(record: &LedgerRecord, now: Timestamp) -> bool {
    record.expires_at > now
}

fn is_unfinished(state: LedgerState) -> bool {
    match state {
        LedgerState::Seen | LedgerState::Claimed | LedgerState::Launched | LedgerState::Running => true,
        LedgerState::Finished | LedgerState::Parked | LedgerState::Ignored => false,
    }
}
