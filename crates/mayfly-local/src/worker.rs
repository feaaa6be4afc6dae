//! The worker: hands queued events to the use cases, many jobs at once, and feeds the ends of runners back.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mayfly_app::{Delivery, Dispatcher, Handled, RunnerGone, WaitsFor, handle, runner_gone};
use mayfly_core::error::{Chain, PortError, Retry};
use mayfly_core::event::JobEvent;
use mayfly_core::ports::Backend;
use mayfly_core::status::Rank;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{error, warn};

use crate::backend::{Gone, LocalBackend};
use crate::queue::Queue;
use crate::queue_store::QueuedEvent;

/// How many events are handled at once.
const PARALLEL: usize = 16;
/// How long to wait after the first failure; doubled with each further one.
const FIRST_RETRY: SignedDuration = SignedDuration::from_secs(1);
/// The longest wait between tries.
const LAST_RETRY: SignedDuration = SignedDuration::from_mins(5);
/// How long the end of a runner may wait for the ledger to know its start: longer than a claim lasts.
const GONE_TRIES: u32 = 180;
/// Between two such tries.
const GONE_RETRY: Duration = Duration::from_secs(1);

/// What the worker needs.
#[derive(Clone)]
pub(crate) struct Worker {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) queue: Queue,
    pub(crate) backend: LocalBackend,
    /// True once no more runners are to be started.
    pub(crate) draining: watch::Receiver<bool>,
}

impl Worker {
    /// Handles events until the task is aborted.
    pub(crate) async fn handle_events(self) {
        let worker = Arc::new(self);
        let mut handling = JoinSet::new();
        loop {
            while handling.try_join_next().is_some() {}
            let free = PARALLEL - handling.len();
            let taken = worker.queue.take(free).await;
            for event in taken.events {
                let worker = Arc::clone(&worker);
                handling.spawn(async move { worker.handle_event(event).await });
            }
            let wait = until(worker.dispatcher.clock.now(), taken.next_due);
            if handling.len() < PARALLEL {
                tokio::select! {
                    () = worker.queue.changed() => {}
                    () = sleep(wait) => {}
                    Some(_) = handling.join_next() => {}
                }
            } else {
                handling.join_next().await;
            }
        }
    }

    /// Feeds the ends of runners back until the task is aborted.
    pub(crate) async fn handle_ends(self, mut left: mpsc::UnboundedReceiver<Gone>) {
        while let Some(gone) = left.recv().await {
            let worker = self.clone();
            tokio::spawn(async move {
                worker.handle_end(&gone).await;
                worker.backend.release(&gone.runner);
                worker.pass_room_on().await;
            });
        }
    }

    async fn handle_event(&self, queued: QueuedEvent) {
        let event = match queued.event {
            Ok(event) => event,
            Err(reason) => {
                error!(reason, "A queued event cannot be read: it is a dead letter now");
                return self.queue.bury(queued.seq, reason).await;
            }
        };
        if *self.draining.borrow() && event.status.rank() == Rank::Pending {
            // The next server starts it.
            let due = self.dispatcher.clock.now() + LAST_RETRY;
            return self.queue.defer(queued.seq, due, true).await;
        }
        match handle(&self.dispatcher, &event, Delivery::Again).await {
            Ok(Handled::Done { .. } | Handled::Parked { .. }) => {
                self.queue.done(queued.seq).await;
                if event.status.rank() == Rank::Pending {
                    // It may have been woken for room that it did not need, because another runner has taken its job.
                    self.pass_room_on().await;
                }
            }
            Ok(Handled::Later { at, waits_for, .. }) => {
                let for_capacity = waits_for == WaitsFor::Room;
                self.queue.defer(queued.seq, at, for_capacity).await;
                if for_capacity {
                    // A runner may have left since there was no room, and woken nobody.
                    self.pass_room_on().await;
                }
            }
            Err(failed) => self.retry_or_bury(queued.seq, queued.tries, &event, &failed).await,
        }
    }

    /// Wakes as many of the events that wait for room as there is room for.
    async fn pass_room_on(&self) {
        match self.backend.room().await {
            Ok(0) | Err(_) => {}
            Ok(room) => self.queue.nudge(room).await,
        }
    }

    async fn retry_or_bury(&self, seq: i64, tries: u32, event: &JobEvent, failed: &PortError) {
        let cause = Chain(failed).to_string();
        match failed.retry {
            Retry::Later(after) => {
                let wait =
                    after.and_then(|after| SignedDuration::try_from(after).ok()).unwrap_or(backoff(tries));
                warn!(job.key = %event.key, "`{}` of job {} is tried again in {wait:#}: {cause}", event.status, event.key);
                self.queue.defer(seq, self.dispatcher.clock.now() + wait, false).await;
            }
            Retry::Never => {
                error!(job.key = %event.key, "`{}` of job {} is a dead letter now: {cause}", event.status, event.key);
                self.queue.bury(seq, cause).await;
            }
        }
    }

    async fn handle_end(&self, gone: &Gone) {
        let mut unknown = 0;
        while unknown < GONE_TRIES {
            match runner_gone(&self.dispatcher, &gone.runner, &gone.end).await {
                Ok(RunnerGone::Recorded { start_again }) => {
                    if let Some(again) = start_again {
                        self.queue.add_later(&again.event, again.not_before).await;
                    }
                    return self.backend.remove_folder(&gone.runner);
                }
                // Its start may be written down in a moment.
                Ok(RunnerGone::Unknown) => unknown += 1,
                Err(failed) => {
                    warn!(runner.name = %gone.runner, error = %Chain(&failed), "The end of {} is tried again", gone.runner);
                }
            }
            sleep(GONE_RETRY).await;
        }
        // Its job was taken over by others before its start could be written down. Its agent has ended its registration.
        warn!(runner.name = %gone.runner, "Runner {} left and the ledger does not know it", gone.runner);
        self.backend.remove_folder(&gone.runner);
    }
}

fn backoff(tries: u32) -> SignedDuration {
    let doubled = FIRST_RETRY.checked_mul(1_i32.checked_shl(tries.min(16)).unwrap_or(i32::MAX));
    doubled.unwrap_or(LAST_RETRY).min(LAST_RETRY)
}

fn until(now: Timestamp, due: Option<Timestamp>) -> Duration {
    let longest = Duration::from_mins(1);
    due.map_or(longest, |due| Duration::try_from(due.duration_since(now)).unwrap_or_default().min(longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_the_longest() {
        let seconds = [0, 1, 2, 8, 9, 40].map(|tries| backoff(tries).as_secs());
        assert_eq!(seconds, [1, 2, 4, 256, 300, 300]);
    }
}
