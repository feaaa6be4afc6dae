//! The ledger of a world: in memory, behind calls that take time and go wrong, and with indexes that lag.

use async_trait::async_trait;
use futures::FutureExt;
use jiff::Timestamp;
use mayfly_core::error::PortError;
use mayfly_core::fleet::Fleet;
use mayfly_core::ids::JobKey;
use mayfly_core::ledger::LedgerRecord;
use mayfly_core::ports::{BrokenRecord, Ledger, Sweep, Written};
use mayfly_core::reconcile::Memory;
use mayfly_core::runner_name::RunnerName;
use std::sync::{Arc, Mutex, PoisonError};

use crate::fakes::MemoryLedger;

use super::agenda::Moment;
use super::calls::Heard;
use super::sim::{Sim, World};
use super::tally::{Call, Trouble};

/// How long an index lags at most, in milliseconds.
const LONGEST_LAG: Moment = 1500;

/// The ledger as production code sees it.
pub(super) struct LedgerPort {
    world: World,
    ledger: Arc<MemoryLedger>,
    lagging: Mutex<Vec<Lagging>>,
}

/// A write that the indexes do not show yet.
struct Lagging {
    key: JobKey,
    until: Moment,
    /// What they show instead.
    before: Option<LedgerRecord>,
}

impl LedgerPort {
    pub(super) fn new(world: World, ledger: Arc<MemoryLedger>) -> Self {
        Self { world, ledger, lagging: Mutex::default() }
    }

    fn lagging(&self) -> std::sync::MutexGuard<'_, Vec<Lagging>> {
        self.lagging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_now(&self, sim: &mut Sim, record: &LedgerRecord, now: Timestamp) -> Result<Written, PortError> {
        let before = if sim.strikes(sim.mix.index_lags, Trouble::IndexLag) {
            Some(at_once(self.ledger.get(&record.key, now))?)
        } else {
            None
        };
        let written = at_once(self.ledger.put(record, now))?;
        if written == Written::Yes {
            sim.written(record);
            if let Some(before) = before {
                let until = sim.now() + sim.chance.between(0, LONGEST_LAG);
                self.lagging().push(Lagging { key: record.key.clone(), until, before });
            }
        }
        Ok(written)
    }

    /// What the indexes show of a record at this moment.
    fn shown(&self, sim: &Sim, record: LedgerRecord) -> Option<LedgerRecord> {
        let now = sim.now();
        let mut lagging = self.lagging();
        lagging.retain(|lagging| lagging.until > now);
        match lagging.iter().find(|lagging| lagging.key == record.key) {
            None => Some(record),
            Some(lagging) => lagging.before.clone(),
        }
    }
}

/// The ledger in memory answers at once.
fn at_once<T>(answer: impl Future<Output = Result<T, PortError>>) -> Result<T, PortError> {
    answer.now_or_never().unwrap_or_else(|| Err(PortError::later("ledger", "it did not answer at once")))
}

#[async_trait]
impl Ledger for LedgerPort {
    async fn get(&self, key: &JobKey, now: Timestamp) -> Result<Option<LedgerRecord>, PortError> {
        // In a box, because a record is moved often on its way, and is large.
        let boxed = |_: &mut Sim| at_once(self.ledger.get(key, now)).map(|record| record.map(Box::new));
        Ok(self.world.ask(Call::LedgerGet, boxed).await?.map(|record| *record))
    }

    async fn put(&self, record: &LedgerRecord, now: Timestamp) -> Result<Written, PortError> {
        let call = Call::LedgerPut;
        match self.world.call(call, |sim| self.put_now(sim, record, now)).await {
            Heard::Answer(written) => written,
            Heard::Throttled => Err(PortError::later(call.as_str(), "ThrottlingException")),
            // Half of the time it is repeated below us, and then conflicts with itself.
            Heard::LostAnswer(Ok(Written::Yes)) if self.world.lock().chance.happens(0.5) => {
                Ok(Written::Conflict)
            }
            Heard::LostAnswer(_) | Heard::Nothing => Err(PortError::later(call.as_str(), "no answer came")),
        }
    }

    async fn by_runner(
        &self,
        runner: &RunnerName,
        now: Timestamp,
    ) -> Result<Option<LedgerRecord>, PortError> {
        let found = self
            .world
            .ask(Call::LedgerByRunner, |sim| {
                let found = at_once(self.ledger.by_runner(runner, now))?;
                let Some(found) = found else { return Ok(None) };
                let has_name =
                    |record: &LedgerRecord| record.runner.as_ref().is_some_and(|known| known.name == *runner);
                let shown = self.shown(sim, found).filter(has_name);
                Ok(shown.map(Box::new))
            })
            .await?;
        Ok(found.map(|record| *record))
    }

    async fn freeze(&self, fleet: &Fleet, now: Timestamp) -> Result<Fleet, PortError> {
        self.world.ask(Call::LedgerFreeze, |_| at_once(self.ledger.freeze(fleet, now))).await
    }

    async fn open(&self) -> Result<Sweep, PortError> {
        self.world
            .ask(Call::LedgerOpen, |sim| {
                let mut sweep = at_once(self.ledger.open())?;
                if self.lagging().is_empty() {
                    return Ok(sweep);
                }
                let records = std::mem::take(&mut sweep.records).into_iter();
                let shown = records.filter_map(|record| self.shown(sim, record));
                sweep.records = shown.filter(LedgerRecord::is_open).collect();
                Ok(sweep)
            })
            .await
    }

    async fn get_many(&self, keys: &[JobKey], now: Timestamp) -> Result<Sweep, PortError> {
        self.world.ask(Call::LedgerGetMany, |_| at_once(self.ledger.get_many(keys, now))).await
    }

    async fn forget(&self, record: &LedgerRecord) -> Result<Written, PortError> {
        self.world.ask(Call::LedgerForget, |_| at_once(self.ledger.forget(record))).await
    }

    async fn mend(&self, broken: &BrokenRecord, record: &LedgerRecord) -> Result<Written, PortError> {
        self.world.ask(Call::LedgerMend, |_| at_once(self.ledger.mend(broken, record))).await
    }

    async fn memory(&self) -> Result<Memory, PortError> {
        self.world.ask(Call::LedgerMemory, |_| at_once(self.ledger.memory())).await
    }

    async fn remember(&self, memory: &Memory) -> Result<(), PortError> {
        self.world.ask(Call::LedgerRemember, |_| at_once(self.ledger.remember(memory))).await
    }
}
