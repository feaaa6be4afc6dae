//! A decorator that lets chosen calls fail.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use mayfly_core::assignment::Assignment;
use mayfly_core::error::{Chain, PortError, Retry};
use mayfly_core::fleet::{Fleet, FleetOrder};
use mayfly_core::ids::{JobKey, JobName, ProjectPath, ResourceId};
use mayfly_core::launch::ClientToken;
use mayfly_core::ledger::LedgerRecord;
use mayfly_core::mapping::StoredMapping;
use mayfly_core::ports::{
    BrokenRecord, FleetOutcome, HandOver, Ledger, LiveMachine, MachineBackend, MappingStore, Sweep, Written,
};
use mayfly_core::reconcile::Memory;
use mayfly_core::runner_name::RunnerName;

/// When a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Before it did anything, as if the request had been lost.
    BeforeEffect,
    /// After it did everything, as if the answer had been lost.
    AfterEffect,
}

/// One call that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Which call, counted over all methods; the first is 1.
    pub call: usize,
    /// When it fails.
    pub when: When,
    /// Whether the error says that trying again can help.
    pub retry: Retry,
}

/// A port whose chosen calls fail; all others go through.
///
/// A fault test runs once without faults, takes [`calls`](Self::calls), and then lets each of them fail in turn.
#[derive(Debug)]
pub struct Failing<P> {
    inner: P,
    faults: Vec<Fault>,
    calls: Mutex<usize>,
}

impl<P> Failing<P> {
    /// A port none of whose calls fails, yet.
    pub fn new(inner: P) -> Self {
        Self { inner, faults: Vec::new(), calls: Mutex::new(0) }
    }

    /// Lets one more call fail.
    #[must_use]
    pub fn with(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Lets the call with this number (the first is 1) fail with an error that may pass by itself.
    #[must_use]
    pub fn failing_at(self, call: usize, when: When) -> Self {
        self.with(Fault { call, when, retry: Retry::Later(None) })
    }

    /// The port inside, whose calls are not counted and do not fail.
    pub fn inner(&self) -> &P {
        &self.inner
    }

    /// How many calls were made so far, those that failed included.
    pub fn calls(&self) -> usize {
        *self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call, lets its effect happen or not, and answers or not.
    async fn call<T>(
        &self,
        operation: &str,
        effect: impl Future<Output = Result<T, PortError>> + Send,
    ) -> Result<T, PortError> {
        let call = {
            let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            *calls += 1;
            *calls
        };
        let fault = self.faults.iter().find(|fault| fault.call == call);
        if let Some(fault) = fault.filter(|fault| fault.when == When::BeforeEffect) {
            return Err(fault.error(operation, "the request was lost"));
        }
        let answer = effect.await;
        match fault {
            Some(fault) => Err(fault.error(operation, "the answer was lost")),
            None => answer,
        }
    }
}

impl Fault {
    fn error(&self, operation: &str, cause: &str) -> PortError {
        PortError {
            operation: format!("{operation} (call {})", self.call),
            retry: self.retry,
            source: cause.into(),
        }
    }
}

#[async_trait]
impl<P: Ledger> Ledger for Failing<P> {
    async fn get(&self, key: &JobKey, now: Timestamp) -> Result<Option<LedgerRecord>, PortError> {
        self.call("ledger: get", self.inner.get(key, now)).await
    }

    async fn put(&self, record: &LedgerRecord, now: Timestamp) -> Result<Written, PortError> {
        self.call("ledger: put", self.inner.put(record, now)).await
    }

    async fn by_runner(
        &self,
        runner: &RunnerName,
        now: Timestamp,
    ) -> Result<Option<LedgerRecord>, PortError> {
        self.call("ledger: find by runner", self.inner.by_runner(runner, now)).await
    }

    async fn freeze(&self, fleet: &Fleet, now: Timestamp) -> Result<Fleet, PortError> {
        self.call("ledger: freeze", self.inner.freeze(fleet, now)).await
    }

    async fn open(&self) -> Result<Sweep, PortError> {
        self.call("ledger: list what is open", self.inner.open()).await
    }

    async fn get_many(&self, keys: &[JobKey], now: Timestamp) -> Result<Sweep, PortError> {
        self.call("ledger: get many", self.inner.get_many(keys, now)).await
    }

    async fn forget(&self, record: &LedgerRecord) -> Result<Written, PortError> {
        self.call("ledger: forget", self.inner.forget(record)).await
    }

    async fn mend(&self, broken: &BrokenRecord, record: &LedgerRecord) -> Result<Written, PortError> {
        self.call("ledger: mend", self.inner.mend(broken, record)).await
    }

    async fn memory(&self) -> Result<Memory, PortError> {
        self.call("ledger: get the reconciler's memory", self.inner.memory()).await
    }

    async fn remember(&self, memory: &Memory) -> Result<(), PortError> {
        self.call("ledger: put the reconciler's memory", self.inner.remember(memory)).await
    }
}

#[async_trait]
impl<P: MappingStore> MappingStore for Failing<P> {
    async fn candidates(
        &self,
        project: Option<&ProjectPath>,
        job: &JobName,
    ) -> Result<Vec<StoredMapping>, PortError> {
        self.call("mapping store: candidates", self.inner.candidates(project, job)).await
    }
}

/// A launch that fails is one whose outcome nobody knows.
#[async_trait]
impl<P: MachineBackend> MachineBackend for Failing<P> {
    async fn launch(&self, token: &ClientToken, order: &FleetOrder) -> FleetOutcome {
        let launched =
            self.call("machines: launch", async { Ok(self.inner.launch(token, order).await) }).await;
        launched.unwrap_or_else(|error| FleetOutcome::Unknown { reason: Chain(&error).to_string() })
    }

    async fn is_there(&self, machine: &ResourceId) -> Result<bool, PortError> {
        self.call("machines: is there", self.inner.is_there(machine)).await
    }

    async fn hand_over(
        &self,
        machine: &ResourceId,
        job: &JobKey,
        assignment: &Assignment,
    ) -> Result<HandOver, PortError> {
        self.call("machines: hand over", self.inner.hand_over(machine, job, assignment)).await
    }

    async fn withdraw(&self, machine: &ResourceId) -> Result<bool, PortError> {
        self.call("machines: withdraw", self.inner.withdraw(machine)).await
    }

    async fn stop(&self, machine: &ResourceId, is_fresh: bool) -> Result<(), PortError> {
        self.call("machines: stop", self.inner.stop(machine, is_fresh)).await
    }

    async fn list(&self) -> Result<Vec<LiveMachine>, PortError> {
        self.call("machines: list", self.inner.list()).await
    }
}

#[cfg(test)]
mod tests {
    use mayfly_core::event::JobEvent;
    use mayfly_core::status::JobStatus;

    use super::*;
    use crate::fakes::MemoryLedger;

    fn record() -> LedgerRecord {
        let event = JobEvent {
            key: "gitlab.example.com/380/1977".parse().unwrap(),
            name: "test".parse().unwrap(),
            status: JobStatus::Pending,
            project: None,
            pipeline: None,
            runner: None,
            queued_seconds: None,
            failure_reason: None,
            received_at: Timestamp::UNIX_EPOCH,
        };
        LedgerRecord::new(&event, Timestamp::UNIX_EPOCH)
    }

    #[tokio::test]
    async fn only_the_chosen_call_fails_and_it_fails_before_or_after_the_effect() {
        for (when, records) in [(When::BeforeEffect, 0), (When::AfterEffect, 1)] {
            let ledger = Failing::new(MemoryLedger::default()).failing_at(2, when);
            let record = record();
            assert_eq!(ledger.get(&record.key, Timestamp::UNIX_EPOCH).await.unwrap(), None);

            let error = ledger.put(&record, Timestamp::UNIX_EPOCH).await.unwrap_err();
            assert_eq!(error.operation, "ledger: put (call 2)");
            assert!(error.is_transient());
            assert_eq!(ledger.inner().records().len(), records, "{when:?}");

            assert_eq!(ledger.open().await.unwrap().records.len(), records);
            assert_eq!(ledger.calls(), 3);
        }
    }
}
