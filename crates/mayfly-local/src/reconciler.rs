//! The reconciler's passes: one at a time, each some time after the one before.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mayfly_app::{Mode, Pass, Reconciler, reconcile_once};
use mayfly_core::error::Chain;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{debug, error};

use crate::queue::MissingStarts;
use crate::settings::ReconcileSettings;
use crate::worker::Worker;

/// Makes the passes.
pub(crate) struct Passes {
    reconciler: Reconciler,
    mode: Mode,
    last: watch::Sender<Option<LastPass>>,
}

/// What became of the last pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LastPass {
    /// When it was over.
    at: Timestamp,
    /// How many open records there were.
    open: usize,
    /// How many repairs were made; in a dry run, how many would have been.
    repairs: usize,
    /// How many were left to the next pass, because they are too many at once.
    held_back: usize,
    /// What could not be seen or repaired.
    failures: Vec<String>,
}

impl LastPass {
    fn new(pass: &Pass, at: Timestamp) -> Self {
        let unseen = pass.unseen.iter();
        let unrepaired = pass.done.iter().filter_map(|done| done.result.as_ref().err());
        Self {
            at,
            open: pass.open,
            repairs: pass.plan.repairs.len(),
            held_back: pass.plan.held_back.len(),
            failures: unseen.chain(unrepaired).map(|failed| Chain(failed).to_string()).collect(),
        }
    }

    /// As `GET /health` tells it.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "at": self.at,
            "open": self.open,
            "repairs": self.repairs,
            "held_back": self.held_back,
            "failed": !self.failures.is_empty(),
            "failures": self.failures,
        })
    }
}

impl Passes {
    /// Passes over the world of this worker. What they start goes into its queue, and is started when it takes it out: while
    /// the server stops, not at all.
    pub(crate) fn new(settings: &ReconcileSettings, worker: &Worker) -> Self {
        let reconciler = Reconciler {
            dispatcher: worker.dispatcher.clone(),
            starts: Arc::new(MissingStarts(worker.queue.clone())),
            policy: settings.policy,
        };
        Self { reconciler, mode: settings.mode, last: watch::Sender::new(None) }
    }

    /// The last pass, when there was one.
    pub(crate) fn last(&self) -> watch::Receiver<Option<LastPass>> {
        self.last.subscribe()
    }

    /// Makes passes until the task is aborted, which may happen in the midst of one: the next server makes another.
    pub(crate) async fn run(self, every: Duration) {
        loop {
            sleep(every).await;
            self.make_one().await;
        }
    }

    async fn make_one(&self) {
        let result = reconcile_once(&self.reconciler, self.mode).await;
        let at = self.reconciler.dispatcher.clock.now();
        let last = match result {
            Ok(pass) => {
                for unseen in &pass.unseen {
                    error!(error = %Chain(unseen), "The reconciler could not look everywhere");
                }
                debug!("Reconciled: {} open records, {} repairs", pass.open, pass.plan.repairs.len());
                LastPass::new(&pass, at)
            }
            Err(failed) => {
                error!(error = %Chain(&failed), "The reconciler's pass failed; the next one tries again");
                let failures = vec![Chain(&failed).to_string()];
                LastPass { at, open: 0, repairs: 0, held_back: 0, failures }
            }
        };
        self.last.send_replace(Some(last));
    }
}
