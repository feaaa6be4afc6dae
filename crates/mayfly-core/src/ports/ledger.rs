//! The ledger as a port.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::PortError;
use crate::fleet::Fleet;
use crate::ids::JobKey;
use crate::ledger::LedgerRecord;
use crate::reconcile::Memory;
use crate::runner_name::RunnerName;

/// What became of a conditional write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is written, and its version is one higher.
    Yes,
    /// Somebody else wrote first: read again and decide again.
    Conflict,
}

/// What a look at many records found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sweep {
    /// The records.
    pub records: Vec<LedgerRecord>,
    /// What is stored in the place of a record and cannot be read as one.
    pub broken: Vec<BrokenRecord>,
}

/// Something in the place of a record that cannot be read as one, and what can be read of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenRecord {
    /// The job it is about.
    pub key: JobKey,
    /// Its version, if it has one.
    pub version: Option<u64>,
    /// Its runner, if it names one.
    pub runner: Option<RunnerName>,
    /// Why it cannot be read.
    pub reason: String,
}

/// Keeps one record a job. An expired record is as good as none, whether or not the store has removed it.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// The record of a job.
    async fn get(&self, key: &JobKey, now: Timestamp) -> Result<Option<LedgerRecord>, PortError>;

    /// Writes the record if what is stored still has the record's version, or, for version 0, if nothing unexpired is
    /// stored. Of several writers of one version exactly one gets [`Written::Yes`].
    async fn put(&self, record: &LedgerRecord, now: Timestamp) -> Result<Written, PortError>;

    /// The record whose runner has this name. May lag behind a write by a moment.
    async fn by_runner(&self, runner: &RunnerName, now: Timestamp)
    -> Result<Option<LedgerRecord>, PortError>;

    /// Writes a call down before it is made, unless something is written under its token already. Returns what is written
    /// then: of several writers of one token, all get the same. Kept for a day.
    async fn freeze(&self, fleet: &Fleet, now: Timestamp) -> Result<Fleet, PortError>;

    /// All records that are [open](LedgerRecord::is_open), those included that have expired and are still there. Reads none
    /// of the others. May lag behind a write by a moment.
    async fn open(&self) -> Result<Sweep, PortError>;

    /// The records of these jobs, as [`get`](Self::get) tells each, in a few calls. A job without a record is left out.
    async fn get_many(&self, keys: &[JobKey], now: Timestamp) -> Result<Sweep, PortError>;

    /// Removes the record if what is stored still has its version.
    async fn forget(&self, record: &LedgerRecord) -> Result<Written, PortError>;

    /// Writes the record in the place of a broken one, if that is still as it was read. The version the record holds counts
    /// for nothing.
    async fn mend(&self, broken: &BrokenRecord, record: &LedgerRecord) -> Result<Written, PortError>;

    /// What the reconciler left to itself; what cannot be read is as good as nothing.
    async fn memory(&self) -> Result<Memory, PortError>;

    /// Keeps this for the reconciler's next pass.
    async fn remember(&self, memory: &Memory) -> Result<(), PortError>;
}
