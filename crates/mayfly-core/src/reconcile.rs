//! `reconcile`: what is, held against what should be. A pure function of one look at the world, to a list of repairs.
//!
//! Events are lost, and machines die unheard. Whatever the events have told, this looks at the ledger, at the machines, at the
//! registrations and at GitLab's jobs, and says what is to be repaired and why. Each repair may be done twice, and each is
//! decided anew where it is done: the world has gone on meanwhile.

mod jobs;
mod memory;
mod orphans;
mod plan;
mod policy;
mod questions;
mod runners;
mod snapshot;

#[cfg(test)]
mod tests;

pub use memory::{Memory, ProjectKey, Suspect, Watched};
pub use plan::{Act, EndOnlyIf, Plan, Reason, Repair};
pub use policy::ReconcilePolicy;
pub use questions::{jobs_to_ask, jobs_to_look_up, projects_to_ask};
pub use runners::ended_after;
pub use snapshot::Snapshot;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::ids::JobKey;
use crate::ledger::LedgerRecord;
use snapshot::Index;

/// Decides what to repair.
pub fn reconcile(snapshot: &Snapshot<'_>, policy: &ReconcilePolicy) -> Plan {
    let index = Index::new(snapshot);
    let mut repairs = Vec::new();
    repairs.extend(snapshot.broken.iter().map(|broken| jobs::mend(broken, &index)));
    let robbed = jobs::robbed(&index, policy);
    for record in snapshot.records {
        repairs.extend(jobs::repair(record, &robbed, &index, policy));
        repairs.extend(runners::repairs(record, &index, policy));
    }
    repairs.extend(jobs::unheard_of(&index, policy));
    repairs.extend(orphans::find(&index, policy));
    let (repairs, suspects) = seen_twice(repairs, snapshot, policy);
    let projects = questions::watched(snapshot, policy);
    let memory = Memory { projects, suspects, strangers: orphans::strangers(snapshot) };
    Plan::within_limits(repairs, memory, policy)
}

/// Leaves out what is out of order for the first time: its event, or whoever writes down whose it is, may be on the way.
fn seen_twice(
    repairs: Vec<Repair>,
    snapshot: &Snapshot<'_>,
    policy: &ReconcilePolicy,
) -> (Vec<Repair>, BTreeMap<Suspect, Timestamp>) {
    let mut suspects = BTreeMap::new();
    let is_sure = |repair: &Repair| {
        let Some(suspect) = repair.suspect() else { return true };
        let since = snapshot.memory.suspects.get(&suspect).copied().unwrap_or(snapshot.now);
        // Until it is gone.
        suspects.insert(suspect, since);
        snapshot.now.duration_since(since) >= policy.grace
    };
    let repairs = { repairs.into_iter().filter(is_sure).collect() };
    if snapshot.is_gitlab_silent || snapshot.machines.is_none() {
        // What could not be judged now is not cleared either.
        for (suspect, since) in &snapshot.memory.suspects {
            suspects.entry(suspect.clone()).or_insert(*since);
        }
    }
    (repairs, suspects)
}

/// The keys of all jobs whose records a snapshot holds.
fn keys(records: &[LedgerRecord]) -> BTreeSet<&JobKey> {
    records.iter().map(|record| &record.key).collect()
}
