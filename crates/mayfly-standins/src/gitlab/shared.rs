//! The state behind its lock: every change wakes those who wait and sends the webhooks it caused.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::delivery::Outgoing;
use super::state::State;

pub(super) struct Shared {
    state: Mutex<State>,
    changes: watch::Sender<u64>,
    /// Sends webhooks.
    pub(super) http: reqwest::Client,
    runtime: Handle,
}

impl Shared {
    /// Must be called within a runtime: webhooks are sent on it.
    pub(super) fn new(state: State, http: reqwest::Client) -> Self {
        let (changes, _) = watch::channel(0);
        Self { state: Mutex::new(state), changes, http, runtime: Handle::current() }
    }

    pub(super) fn read<R>(&self, read: impl FnOnce(&State) -> R) -> R {
        read(&self.lock())
    }

    /// Changes the state, then sends the webhooks this caused, each on its own.
    pub(super) fn change<R>(self: &Arc<Self>, change: impl FnOnce(&mut State) -> R) -> R {
        let (result, outgoing) = {
            let mut state = self.lock();
            let result = change(&mut state);
            (result, mem::take(&mut state.outgoing))
        };
        self.changes.send_modify(|count| *count += 1);
        for delivery in outgoing {
            self.send(delivery);
        }
        result
    }

    /// Sends one webhook in the background.
    pub(super) fn send(self: &Arc<Self>, delivery: Outgoing) {
        self.runtime.spawn(delivery.send(Arc::clone(self)));
    }

    /// Runs something in the background.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }

    /// Waits, for as long as it takes, until the state has what is looked for.
    pub(super) async fn when<R>(&self, mut find: impl FnMut(&State) -> Option<R>) -> R {
        let mut changes = self.changes.subscribe();
        loop {
            changes.borrow_and_update();
            if let Some(found) = self.read(&mut find) {
                return found;
            }
            // The sender lives as long as `self`, so this only ever ends with a change.
            let _ = changes.changed().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
