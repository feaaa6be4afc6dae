//! A ledger in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use mayfly_core::error::PortError;
use mayfly_core::fleet::Fleet;
use mayfly_core::ids::JobKey;
use mayfly_core::launch::ClientToken;
use mayfly_core::ledger::LedgerRecord;
use mayfly_core::ports::{BrokenRecord, Ledger, Sweep, Written};
use mayfly_core::reconcile::Memory;
use mayfly_core::runner_name::RunnerName;

/// A ledger that forgets everything with the process. It removes nothing by itself: what has expired stays inside and
/// is only never shown, as in a table whose clean-up is late.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    items: Mutex<Items>,
    /// What was frozen, and until when it is kept.
    fleets: Mutex<HashMap<ClientToken, (Fleet, Timestamp)>>,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Items {
    records: HashMap<JobKey, LedgerRecord>,
    broken: BTreeMap<JobKey, BrokenRecord>,
    open: BTreeSet<JobKey>,
    by_runner: HashMap<RunnerName, BTreeSet<JobKey>>,
}

/// How long a call is kept.
const FLEET_RETENTION: SignedDuration = SignedDuration::from_hours(24);

impl MemoryLedger {
    /// Everything inside, expired or not, in the order of keys: for what a test asserts.
    pub fn records(&self) -> Vec<LedgerRecord> {
        let mut records: Vec<_> = self.lock().records.values().cloned().collect();
        records.sort_by(|one, other| one.key.cmp(&other.key));
        records
    }

    /// From now on something unreadable stands in the place of this job's record, if there was one.
    pub fn break_record(&self, broken: BrokenRecord) {
        let mut items = self.lock();
        items.remove(&broken.key);
        items.broken.insert(broken.key.clone(), broken);
    }

    fn lock(&self) -> MutexGuard<'_, Items> {
        lock(&self.items)
    }
}

impl Items {
    fn insert(&mut self, record: &LedgerRecord, version: u64) {
        let key = &record.key;
        self.broken.remove(key);
        let old = self.records.insert(key.clone(), LedgerRecord { version, ..record.clone() });
        if !record.is_open() {
            self.open.remove(key);
        } else if !old.as_ref().is_some_and(LedgerRecord::is_open) {
            self.open.insert(key.clone());
        }
        let had = old.and_then(|old| old.runner).map(|runner| runner.name);
        let has = record.runner.as_ref().map(|runner| &runner.name);
        if had.as_ref() != has {
            self.leave(had.as_ref(), key);
            if let Some(name) = has {
                self.by_runner.entry(name.clone()).or_default().insert(key.clone());
            }
        }
    }

    fn remove(&mut self, key: &JobKey) {
        self.open.remove(key);
        let runner = self.records.remove(key).and_then(|record| record.runner);
        self.leave(runner.as_ref().map(|runner| &runner.name), key);
    }

    /// The job does not have this runner any more.
    fn leave(&mut self, runner: Option<&RunnerName>, key: &JobKey) {
        let Some((name, keys)) = runner.and_then(|name| Some((name, self.by_runner.get_mut(name)?))) else {
            return;
        };
        keys.remove(key);
        if keys.is_empty() {
            self.by_runner.remove(name);
        }
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn get(&self, key: &JobKey, now: Timestamp) -> Result<Option<LedgerRecord>, PortError> {
        let items = self.lock();
        if let Some(broken) = items.broken.get(key) {
            return Err(PortError::never(format!("ledger: get {key}"), broken.reason.clone()));
        }
        Ok(items.records.get(key).filter(|record| is_alive(record, now)).cloned())
    }

    async fn put(&self, record: &LedgerRecord, now: Timestamp) -> Result<Written, PortError> {
        let mut items = self.lock();
        let stored = if let Some(broken) = items.broken.get(&record.key) {
            broken.version.filter(|version| *version > 0)
        } else {
            let stored = items.records.get(&record.key).filter(|stored| is_alive(stored, now));
            Some(stored.map_or(0, |stored| stored.version))
        };
        if stored != Some(record.version) {
            return Ok(Written::Conflict);
        }
        items.insert(record, record.version + 1);
        Ok(Written::Yes)
    }

    async fn by_runner(
        &self,
        runner: &RunnerName,
        now: Timestamp,
    ) -> Result<Option<LedgerRecord>, PortError> {
        let items = self.lock();
        if let Some(broken) = items.broken.values().find(|broken| broken.runner.as_ref() == Some(runner)) {
            return Err(PortError::never(format!("ledger: find {runner}"), broken.reason.clone()));
        }
        let keys = items.by_runner.get(runner).into_iter().flatten();
        let mut found: Option<&LedgerRecord> = None;
        for record in keys.filter_map(|key| items.records.get(key)).filter(|record| is_alive(record, now)) {
            if found.is_none() || record.live_runner().is_some() {
                found = Some(record);
            }
        }
        Ok(found.cloned())
    }

    async fn freeze(&self, fleet: &Fleet, now: Timestamp) -> Result<Fleet, PortError> {
        let mut fleets = lock(&self.fleets);
        if let Some((frozen, _)) = fleets.get(&fleet.token).filter(|(_, expires_at)| *expires_at > now) {
            return Ok(frozen.clone());
        }
        fleets.insert(fleet.token.clone(), (fleet.clone(), now + FLEET_RETENTION));
        Ok(fleet.clone())
    }

    async fn open(&self) -> Result<Sweep, PortError> {
        let items = self.lock();
        let records = items.open.iter().filter_map(|key| items.records.get(key)).cloned().collect();
        Ok(Sweep { records, broken: items.broken.values().cloned().collect() })
    }

    async fn get_many(&self, keys: &[JobKey], now: Timestamp) -> Result<Sweep, PortError> {
        let items = self.lock();
        let keys: BTreeSet<&JobKey> = keys.iter().collect();
        let records = keys.iter().filter_map(|key| items.records.get(key));
        Ok(Sweep {
            records: records.filter(|record| is_alive(record, now)).cloned().collect(),
            broken: keys.iter().filter_map(|key| items.broken.get(*key)).cloned().collect(),
        })
    }

    async fn forget(&self, record: &LedgerRecord) -> Result<Written, PortError> {
        let mut items = self.lock();
        if items.records.get(&record.key).is_none_or(|stored| stored.version != record.version) {
            return Ok(Written::Conflict);
        }
        items.remove(&record.key);
        Ok(Written::Yes)
    }

    async fn mend(&self, broken: &BrokenRecord, record: &LedgerRecord) -> Result<Written, PortError> {
        let mut items = self.lock();
        if items.broken.get(&broken.key) != Some(broken) {
            return Ok(Written::Conflict);
        }
        let record = LedgerRecord { key: broken.key.clone(), ..record.clone() };
        items.insert(&record, broken.version.unwrap_or(0) + 1);
        Ok(Written::Yes)
    }

    async fn memory(&self) -> Result<Memory, PortError> {
        Ok(lock(&self.memory).clone())
    }

    async fn remember(&self, memory: &Memory) -> Result<(), PortError> {
        *lock(&self.memory) = memory.clone();
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is whole, so what a panicking test leaves behind is usable.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_alive(record: &LedgerRecord, now: Timestamp) -> bool {
    record.expires_at > now
}
