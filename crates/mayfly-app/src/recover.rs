//! `recover`: what an earlier dispatcher left undone.

use mayfly_core::decide::release_lease;
use mayfly_core::error::PortError;
use mayfly_core::event::JobEvent;
use mayfly_core::ledger::{LedgerRecord, LedgerState};
use mayfly_core::runner_name::RunnerName;
use mayfly_core::status::Rank;
use tracing::info;

use crate::dispatcher::Dispatcher;

/// What is to be picked up again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recovered {
    /// Jobs that wait, as the events to feed into [`start`](crate::start()).
    pub waiting: Vec<JobEvent>,
    /// Runners that were started and are not known to be gone.
    pub runners: Vec<RunnerName>,
}

/// Finds what is unfinished, and ends the leases of dispatchers that are gone. Only for a dispatcher that knows itself to
/// be the only one: `mayfly local` holds a lock on its data folder.
pub async fn recover(dispatcher: &Dispatcher) -> Result<Recovered, PortError> {
    let now = dispatcher.clock.now();
    let mut recovered = Recovered::default();
    let records = dispatcher.ledger.open().await?.records;
    for record in records.into_iter().filter(|record| record.expires_at > now) {
        if let Some(runner) = record.live_runner() {
            recovered.runners.push(runner.name.clone());
        }
        if !waits(&record) {
            continue;
        }
        if let Some((key, released)) = release_lease(&record, now) {
            dispatcher.ledger.put(&released, now).await?;
            info!(job.key = %key, "Released the claim on job {key}: its holder is gone");
        }
        recovered.waiting.push(record.as_pending_event());
    }
    Ok(recovered)
}

fn waits(record: &LedgerRecord) -> bool {
    let is_open = matches!(record.state, LedgerState::Seen | LedgerState::Claimed);
    is_open && record.rank == Rank::Pending
}
