//! Machines and registrations that belong to nobody.

use std::collections::BTreeSet;

use crate::ids::RunnerId;
use crate::launch::{Claim, ClientToken};
use crate::ledger::{LedgerRecord, LedgerState};
use crate::mapping::TargetType;
use crate::ports::{LiveMachine, OurRunner};
use crate::runner_name::RunnerName;

use super::plan::{Act, EndOnlyIf, Reason, Repair};
use super::policy::ReconcilePolicy;
use super::snapshot::{Index, Presence, Snapshot};

/// What the ledger says belongs to a job.
#[derive(Default)]
struct Owned<'a> {
    runners: BTreeSet<RunnerName>,
    /// Those of them whose registration somebody may be about to write down.
    coming: BTreeSet<RunnerName>,
    registrations: BTreeSet<RunnerId>,
    fleets: BTreeSet<&'a ClientToken>,
}

impl<'a> Owned<'a> {
    fn by(records: &'a [LedgerRecord]) -> Self {
        let mut owned = Self::default();
        for record in records {
            for runner in record.live_runners() {
                owned.runners.insert(runner.name.clone());
                owned.registrations.extend(runner.registered);
            }
            if let (LedgerState::Claimed, Some(claim)) = (record.state, &record.claim) {
                owned.fleets.extend(&claim.fleet);
                owned.registrations.extend(claim.registered);
                owned.runners.insert(coming(record, claim));
                owned.coming.insert(coming(record, claim));
                owned.coming.extend(record.live_runner().map(|runner| runner.name.clone()));
            }
        }
        owned
    }
}

/// The name of the runner that a claim starts, where that is known before.
fn coming(record: &LedgerRecord, claim: &Claim) -> RunnerName {
    let target = claim.request.target.target_type();
    RunnerName { target, resource: claim.token(&record.key).to_resource() }
}

/// Finds what belongs to nobody.
pub(super) fn find(index: &Index<'_>, policy: &ReconcilePolicy) -> Vec<Repair> {
    let owned = Owned::by(index.snapshot.records);
    let machines = index.snapshot.machines.unwrap_or_default();
    let mut repairs: Vec<Repair> =
        machines.iter().filter_map(|machine| judge_machine(machine, &owned, index, policy)).collect();
    if index.snapshot.is_gitlab_silent {
        // Any of the rest may have a job.
        return repairs;
    }
    let runners = index.snapshot.runners.values().flatten();
    let is_strange =
        |runner: &&RunnerName| !owned.runners.contains(runner) && index.job_on(runner, None).is_none();
    repairs.extend(runners.filter(is_strange).map(|runner| end(runner.clone(), Reason::OwnerUnknown)));
    let registrations = index.snapshot.registrations.unwrap_or_default().iter();
    repairs.extend(registrations.filter(|registration| is_unused(registration, &owned, index)).map(
        |OurRunner { id, name }| Repair {
            act: Act::Unregister { id: *id, runner: name.clone() },
            reason: Reason::NoRunner,
        },
    ));
    repairs
}

fn judge_machine(
    machine: &LiveMachine,
    owned: &Owned<'_>,
    index: &Index<'_>,
    policy: &ReconcilePolicy,
) -> Option<Repair> {
    let name = RunnerName { target: TargetType::Ec2, resource: machine.id.clone() };
    let is_coming = machine.launch.as_ref().is_some_and(|launch| owned.fleets.contains(launch));
    if owned.runners.contains(&name) || is_coming {
        return None;
    }
    if machine.deadline.is_some_and(|deadline| index.now > deadline + policy.overdue) {
        return Some(end(name, Reason::PastMaximumLife));
    }
    if index.snapshot.is_gitlab_silent || index.job_on(&name, None).is_some() {
        return None;
    }
    // The ledger may have lost it, with its job. A launch that was repeated has registered it anew: which of several it uses, and
    // so whether it is idle, cannot be told.
    let listed = index.snapshot.registrations.unwrap_or_default().iter();
    let mut of_its_name = listed.filter(|registration| registration.name == name);
    let known = of_its_name.next().map(|registration| registration.id);
    if of_its_name.next().is_some() {
        return None;
    }
    let mut repair = end(name, Reason::OwnerUnknown);
    if let Act::End { registered, only_if, .. } = &mut repair.act {
        (*registered, *only_if) = (known, EndOnlyIf::Idle);
    }
    Some(repair)
}

fn is_unused(registration: &OurRunner, owned: &Owned<'_>, index: &Index<'_>) -> bool {
    let OurRunner { id, name } = registration;
    let is_owned = owned.registrations.contains(id) || owned.coming.contains(name);
    let is_stranger = index.snapshot.memory.strangers.contains(id);
    let has_compute = match index.presence(name) {
        Presence::There(_) => true,
        Presence::Missing => false,
        // Lambda never tells; EC2 will.
        Presence::Unknown => name.target == TargetType::Ec2,
    };
    !is_owned && !is_stranger && !has_compute && index.job_on(name, Some(*id)).is_none()
}

/// The registrations of others, as far as they are still there.
pub(super) fn strangers(snapshot: &Snapshot<'_>) -> BTreeSet<RunnerId> {
    let strangers = &snapshot.memory.strangers;
    match snapshot.registrations {
        None => strangers.clone(),
        Some(listed) => listed.iter().map(|runner| runner.id).filter(|id| strangers.contains(id)).collect(),
    }
}

fn end(runner: RunnerName, reason: Reason) -> Repair {
    let only_if = EndOnlyIf::Always;
    let act = Act::End { runner, job: None, registered: None, only_if };
    Repair { act, reason }
}
