//! `reconcile_once`: looks at the whole world once, and repairs what is out of order.

mod act;
mod end;
mod look;
mod order;
mod retry;

use std::sync::Arc;

use futures::{StreamExt, stream};
use mayfly_core::error::{Chain, PortError};
use mayfly_core::ids::RunnerId;
use mayfly_core::ports::{EventBus, Fact};
use mayfly_core::reconcile::{Act, Plan, ReconcilePolicy, Repair, reconcile};
use tracing::{error, info, warn};

use crate::dispatcher::Dispatcher;
use act::{STRANGER, act};
use look::Look;

pub use order::{Ordered, end_ordered};

/// How many repairs are made beside each other.
const AT_ONCE: usize = 10;

/// What the reconciler is given.
#[derive(Clone)]
pub struct Reconciler {
    /// The ports and settings of this installation.
    pub dispatcher: Dispatcher,
    /// Takes the events of jobs that wait to where they are started.
    pub starts: Arc<dyn EventBus>,
    /// How it judges.
    pub policy: ReconcilePolicy,
}

/// Whether a plan is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is.
    Act,
    /// It is only told. What must be seen twice is remembered all the same.
    DryRun,
}

/// What became of one pass.
#[derive(Debug, Default)]
pub struct Pass {
    /// What was decided.
    pub plan: Plan,
    /// What was done of it; nothing in a dry run.
    pub done: Vec<Done>,
    /// What could not be seen: nothing was concluded from it.
    pub unseen: Vec<PortError>,
    /// How many open records there are.
    pub open: usize,
}

/// One repair, and what became of it.
#[derive(Debug)]
pub struct Done {
    /// The repair.
    pub repair: Repair,
    /// What was done, or why it could not be.
    pub result: Result<String, PortError>,
}

impl Pass {
    /// True if something could not be seen or repaired: the next pass tries again, and somebody should know.
    pub fn has_failed(&self) -> bool {
        !self.unseen.is_empty() || self.done.iter().any(|done| done.result.is_err())
    }
}

/// Makes one pass. Any number of them may be made at the same time, and each may die anywhere: every repair is decided anew
/// where it is made, and the next pass sees what is left. What cannot be repaired keeps nothing else from being repaired.
///
/// # Errors
///
/// Only if the ledger cannot be read, or cannot be written at the end: without it nothing is known.
pub async fn reconcile_once(reconciler: &Reconciler, mode: Mode) -> Result<Pass, PortError> {
    let look = Look::at(reconciler).await?;
    let plan = reconcile(&look.snapshot(), &reconciler.policy);
    say(&plan, mode);
    let mut pass = Pass { open: look.open, unseen: look.unseen, plan, done: Vec::new() };
    if mode == Mode::Act {
        let repairs = stream::iter(pass.plan.repairs.clone());
        pass.done =
            repairs.map(|repair| repair_one(reconciler, repair)).buffer_unordered(AT_ONCE).collect().await;
    }
    pass.plan.memory.strangers.extend(strangers(&pass.done));
    if pass.plan.memory != look.memory {
        reconciler.dispatcher.ledger.remember(&pass.plan.memory).await?;
    }
    Ok(pass)
}

/// The registrations that turned out to be another installation's.
fn strangers(done: &[Done]) -> impl Iterator<Item = RunnerId> {
    done.iter().filter_map(|done| match (&done.repair.act, &done.result) {
        (Act::Unregister { id, .. }, Ok(said)) if said == STRANGER => Some(*id),
        _ => None,
    })
}

fn say(plan: &Plan, mode: Mode) {
    if mode == Mode::DryRun {
        for repair in &plan.repairs {
            info!("Would {repair}");
        }
    }
    if !plan.held_back.is_empty() {
        warn!(
            "{} more ends are left to later passes: so many at once look more like a mistake than like leaks",
            plan.held_back.len()
        );
    }
}

async fn repair_one(reconciler: &Reconciler, repair: Repair) -> Done {
    let result = act(reconciler, &repair).await;
    match &result {
        Ok(done) => info!("Repaired ({repair}): {done}"),
        Err(failed) => error!(error = %Chain(failed), "Could not repair ({repair})"),
    }
    let (act, reason, is_done) = (repair.act.as_str(), repair.reason, result.is_ok());
    reconciler.dispatcher.meter.note(&Fact::Repaired { act, reason, is_done });
    Done { repair, result }
}
