//! What is heard of a machine: that it runs, has read its assignment, is taken back by AWS, or is gone.

use mayfly_core::decide::{MachineNews, RunnerEnd, RunnerOutcome, StartAgain, decide_machine_news};
use mayfly_core::error::PortError;
use tracing::debug;

use crate::dispatcher::Dispatcher;
use crate::handle::{RunnerGone, runner_gone, write_owner};

/// Takes in news of a machine. One that the ledger does not know is not ours. Twice, late or out of order, it does no harm.
///
/// The job of a machine that is gone may still wait: the event to feed into [`start_batch`](crate::start_batch) comes back,
/// and comes back again if the news does.
pub async fn machine_news(
    dispatcher: &Dispatcher,
    news: &MachineNews,
) -> Result<Option<StartAgain>, PortError> {
    let runner = news.runner();
    if !news.state.is_end() {
        debug!(machine = %news.id, state = ?news.state, "Machine {}: {:?}", news.id, news.state);
        write_owner(dispatcher, &runner, |owner, _| decide_machine_news(owner, news)).await?;
        return Ok(None);
    }
    if dispatcher.ledger.by_runner(&runner, dispatcher.clock.now()).await?.is_none() {
        debug!(machine = %news.id, "Machine {} is not ours", news.id);
        return Ok(None);
    }
    if let Some(machines) = &dispatcher.machines {
        // First, because afterwards nobody asks for it again.
        machines.backend.withdraw(&news.id).await?;
    }
    let end = RunnerEnd { outcome: RunnerOutcome::MachineGone, job: None };
    match runner_gone(dispatcher, &runner, &end).await? {
        RunnerGone::Recorded { start_again } => Ok(start_again.map(|again| *again)),
        RunnerGone::Unknown => Ok(None),
    }
}
