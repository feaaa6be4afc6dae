//! SQS and its Lambda event source, as far as they decide when a batch is handled.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mayfly_app::{Dispatcher, Handled, start_batch};
use mayfly_core::event::JobEvent;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};

/// As in the autoscaler stack: the event source waits so long for a batch to fill, up to this size.
const WINDOW: Duration = Duration::from_secs(1);
const BATCH: usize = 100;
/// What one `ReceiveMessage` brings at the most, and how long it takes.
const RECEIVED: usize = 10;
const RECEIVING: Duration = Duration::from_millis(20);

/// A launch queue with its event source.
#[derive(Clone)]
pub(crate) struct LaunchQueue(Arc<Shared>);

struct Shared {
    waiting: Mutex<VecDeque<JobEvent>>,
    /// Messages that are delayed, waiting, or being handled.
    pending: Mutex<usize>,
    changed: Notify,
}

impl LaunchQueue {
    /// A queue whose batches this dispatcher handles, so many at once.
    pub(crate) fn new(dispatcher: &Dispatcher, concurrency: usize) -> Self {
        let queue = Self(Arc::new(Shared {
            waiting: Mutex::default(),
            pending: Mutex::default(),
            changed: Notify::new(),
        }));
        for _ in 0..concurrency {
            tokio::spawn(queue.clone().work(dispatcher.clone()));
        }
        queue
    }

    pub(crate) fn send(&self, event: JobEvent, delay: Duration) {
        *lock(&self.0.pending) += 1;
        let queue = self.clone();
        tokio::spawn(async move {
            sleep(delay).await;
            lock(&queue.0.waiting).push_back(event);
            queue.0.changed.notify_waiters();
        });
    }

    pub(crate) async fn until_empty(&self) {
        loop {
            let changed = self.0.changed.notified();
            if *lock(&self.0.pending) == 0 {
                return;
            }
            changed.await;
        }
    }

    async fn work(self, dispatcher: Dispatcher) {
        loop {
            let batch = self.next_batch().await;
            let handled = start_batch(&dispatcher, &batch).await;
            for (event, handled) in batch.into_iter().zip(handled) {
                if let Handled::Later { at, .. } = handled.unwrap() {
                    let delay =
                        Duration::try_from(at.duration_since(dispatcher.clock.now())).unwrap_or_default();
                    self.send(event, delay);
                }
                *lock(&self.0.pending) -= 1;
            }
            self.0.changed.notify_waiters();
        }
    }

    async fn next_batch(&self) -> Vec<JobEvent> {
        let mut batch = Vec::new();
        let mut closes_at = None;
        while batch.len() < BATCH {
            let changed = self.0.changed.notified();
            let received = self.receive();
            if received.is_empty() {
                match closes_at {
                    None => changed.await,
                    Some(closes_at) if timeout_at(closes_at, changed).await.is_err() => break,
                    Some(_) => {}
                }
                continue;
            }
            batch.extend(received);
            let closes_at = *closes_at.get_or_insert(Instant::now() + WINDOW);
            sleep(RECEIVING).await;
            if Instant::now() >= closes_at {
                break;
            }
        }
        batch
    }

    fn receive(&self) -> Vec<JobEvent> {
        let mut waiting = lock(&self.0.waiting);
        let received = waiting.len().min(RECEIVED);
        waiting.drain(..received).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
