//! Has events handled once more: some jobs beside each other, the events of one job after each other.

use std::sync::Arc;

use mayfly_core::event::JobEvent;

use super::choose::{Machine, by_job};
use super::letters::Letters;
use super::machines::{Machines, Outcome, What};
use super::report::Replayed;
use super::source::Item;
use crate::installation::aws::Account;
use crate::many;

/// Who handles events.
pub(super) enum Handler {
    Machines(Machines),
    /// The launch queue: its messages go back into it as they are.
    LaunchQueue(Letters),
}

/// All that a replay takes.
pub(super) struct Replayer {
    pub(super) account: Account,
    pub(super) handler: Handler,
    /// The queue that the events were taken from.
    pub(super) letters: Option<Letters>,
}

impl Replayer {
    /// Replays all events, so many jobs at once.
    pub(super) async fn replay(
        self: &Arc<Self>,
        events: Vec<(Box<JobEvent>, Item)>,
        at_once: usize,
    ) -> Vec<Replayed> {
        let replayed = many::for_each(by_job(events), at_once, "Jobs are replayed", |job| {
            let replayer = Arc::clone(self);
            async move { replayer.replay_job(job).await }
        });
        replayed.await.into_iter().flatten().collect()
    }

    async fn replay_job(&self, events: Vec<(Box<JobEvent>, Item)>) -> Vec<Replayed> {
        let mut replayed = Vec::with_capacity(events.len());
        for (event, item) in events {
            let machine = Machine::of(event.status);
            let outcome = self.handle(&event, machine, &item).await;
            let outcome = self.settle(outcome, &item).await;
            replayed.push(Replayed::new(&event, &item.found.place, machine, outcome));
        }
        replayed
    }

    async fn handle(&self, event: &JobEvent, machine: Option<Machine>, item: &Item) -> Outcome {
        let Some(machine) = machine else { return for_nobody(event) };
        let handled = match (&self.handler, &item.letter) {
            (Handler::LaunchQueue(queue), Some(letter)) => queue
                .send(&self.account, &letter.body)
                .await
                .map(|()| Outcome { what: What::Queued, said: "it is in the launch queue again".to_owned() }),
            (Handler::LaunchQueue(_), None) => Err(anyhow::anyhow!("it is no message of a queue")),
            (Handler::Machines(machines), _) => machines.run(&self.account, machine, event).await,
        };
        handled.unwrap_or_else(|error| Outcome::failed(&error))
    }

    /// Takes messages out that nobody listens to.
    pub(super) async fn delete(&self, nobodys: &[(String, Item)]) -> anyhow::Result<()> {
        let Some(letters) = &self.letters else { return Ok(()) };
        for letter in nobodys.iter().filter_map(|(_, item)| item.letter.as_ref()) {
            letters.delete(&self.account, letter).await?;
        }
        Ok(())
    }

    /// Takes the message out whose event is handled, or in another message.
    async fn settle(&self, outcome: Outcome, item: &Item) -> Outcome {
        let (Some(letters), Some(letter)) = (&self.letters, &item.letter) else { return outcome };
        if !outcome.what.is_settled() {
            letters.release([letter.clone()]).await;
            return outcome;
        }
        match letters.delete(&self.account, letter).await {
            Ok(()) => outcome,
            Err(error) => {
                let said = format!("{}, and its message is left: {error:#}", outcome.said);
                Outcome { what: What::Failed, said }
            }
        }
    }
}

/// What is said of an event that nobody listens to.
pub(super) fn for_nobody(event: &JobEvent) -> Outcome {
    let said = format!("no state machine listens to `{}`", event.status);
    Outcome { what: What::Nobodys, said }
}
