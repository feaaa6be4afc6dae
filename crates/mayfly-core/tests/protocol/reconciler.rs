//! The reconciler's pass: the steps of `mayfly-app`'s `reconcile.rs` and what is in its folder.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use mayfly_core::decide::RunnerOutcome;
use mayfly_core::ledger::LedgerRecord;
use mayfly_core::ports::OurRunner;
use mayfly_core::reconcile::{
    Act, EndOnlyIf, Memory, ProjectKey, Reason, ReconcilePolicy, Repair, Snapshot, Suspect, Watched,
    jobs_to_ask, jobs_to_look_up, reconcile,
};
use mayfly_core::status::JobStatus;

use super::dispatcher::ids;
use super::ledger::Ledger;
use super::plan::Token;
use super::worker::{Gone, Task};
use super::world::{Id, News, Which, World, model_id, runner_id};

/// What seemed to belong to nobody, and since when.
pub(crate) type Suspects = BTreeMap<Suspect, Timestamp>;

/// How far a pass is.
#[derive(Debug, Clone)]
pub(crate) enum Pass {
    None,
    /// It has seen what lives and what is registered (`look.rs`, `see_compute` and `see_registrations`).
    Saw(Sight),
    /// It has read the open records.
    Read(Sight, Option<Arc<LedgerRecord>>),
    /// It repairs: one thing after the other, in any order.
    Repairs {
        tasks: Vec<Task>,
        rest: Vec<Vec<Task>>,
        suspects: Suspects,
    },
}

/// What was seen outside of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Sight {
    pub(crate) computes: Vec<Token>,
    pub(crate) registrations: Vec<(Id, Token)>,
}

impl Pass {
    /// The registrations that it knows.
    pub(crate) fn ids(&self) -> Vec<Id> {
        let seen = |sight: &Sight| sight.registrations.iter().map(|(id, _)| *id).collect();
        match self {
            Self::None => Vec::new(),
            Self::Saw(sight) => seen(sight),
            Self::Read(sight, read) => {
                let mut known: Vec<_> = seen(sight);
                known.extend(read.iter().flat_map(|record| ids(record)));
                known
            }
            Self::Repairs { tasks, rest, suspects } => {
                let tasks = tasks.iter().chain(rest.iter().flatten()).flat_map(Task::ids);
                tasks.chain(suspected(suspects)).collect()
            }
        }
    }
}

/// The registrations among suspects.
pub(crate) fn suspected(suspects: &Suspects) -> impl Iterator<Item = Id> {
    suspects.keys().filter_map(|suspect| match suspect {
        Suspect::Registration(id) => Some(model_id(*id)),
        Suspect::Job(_) | Suspect::Compute(_) => None,
    })
}

impl Sight {
    pub(crate) fn of(world: &World) -> Self {
        let told = world.computes.iter().filter(|_| world.backend.finds());
        let mut computes: Vec<_> = told.map(|compute| compute.token).collect();
        let mut registrations: Vec<_> =
            world.registrations.iter().map(|registration| (registration.id, registration.token)).collect();
        computes.sort_unstable();
        computes.dedup();
        registrations.sort_unstable();
        Self { computes, registrations }
    }
}

/// `look.rs`: the open records.
pub(crate) fn open(ledger: &Ledger) -> Option<Arc<LedgerRecord>> {
    ledger.record.clone().filter(|record| record.is_open())
}

/// `look.rs`, from the questions to GitLab on, and the decision.
pub(crate) fn plan(
    sight: &Sight,
    read: Option<&LedgerRecord>,
    suspects: &Suspects,
    world: &World,
    ledger: &Ledger,
    now: Timestamp,
) -> Pass {
    let project = ProjectKey::of(Which::TheJob.key());
    let policy = policy();
    let projects = BTreeMap::from([(project.clone(), world.live_jobs())]);
    let mut records: Vec<LedgerRecord> = read.cloned().into_iter().collect();
    if jobs_to_look_up(&records, &projects).contains(Which::TheJob.key()) {
        records.extend(ledger.record.as_deref().cloned());
    }
    let asked = jobs_to_ask(&records, &projects, &policy);
    let watched = Watched { path: None, active_at: now, asked_at: now };
    let name = |token: &Token| world.backend.name(*token).clone();
    let runners = sight.computes.iter().map(name).collect();
    let registrations: Vec<_> = sight
        .registrations
        .iter()
        .map(|(id, token)| OurRunner { id: runner_id(*id), name: name(token) })
        .collect();
    let plan = reconcile(
        &Snapshot {
            now,
            records: &records,
            broken: &[],
            machines: Some(&[]),
            runners: &world
                .backend
                .finds()
                .then(|| (world.backend.target().target_type(), runners))
                .into_iter()
                .collect(),
            registrations: Some(&registrations),
            projects: &projects,
            jobs: &asked.into_iter().map(|key| (key, Some(world.view()))).collect(),
            is_full: false,
            is_gitlab_silent: false,
            memory: &Memory {
                projects: BTreeMap::from([(project, watched)]),
                suspects: suspects.clone(),
                ..Memory::default()
            },
        },
        &policy,
    );
    assert!(plan.held_back.is_empty());
    let rest = plan.repairs.into_iter().map(tasks_of).collect();
    Pass::Repairs { tasks: Vec::new(), rest, suspects: plan.memory.suspects }
}

/// A job may wait for as long as the model likes, and one that was given up has its second chance within one of its moments.
fn policy() -> ReconcilePolicy {
    ReconcilePolicy {
        longest_wait: SignedDuration::from_hours(24 * 365),
        second_chance: SignedDuration::from_mins(1),
        ..ReconcilePolicy::default()
    }
}

/// `act.rs`, `act`, and `end.rs`, `end`.
fn tasks_of(repair: Repair) -> Vec<Task> {
    match repair.act {
        Act::Learn(event) => {
            vec![Task::Learn(News { which: Which::of(&event.key), is_final: event.status.is_final() })]
        }
        Act::Start(event) => {
            assert_eq!(event.status, JobStatus::Pending);
            vec![Task::Start]
        }
        Act::Relaunch(_) => vec![Task::Relaunch],
        Act::Lost { runner, outcome, unless_busy, .. } => {
            let gone = Gone { token: Token::named(&runner), outcome, took: None };
            look(unless_busy.map(model_id)).chain([Task::Lost(gone)]).collect()
        }
        Act::End { runner, job, registered, only_if, .. } => {
            let (token, registered) = (Token::named(&runner), registered.map(model_id));
            let outcome = job.map(|_| outcome_of(repair.reason));
            let looked_at = registered.filter(|_| only_if == EndOnlyIf::Idle);
            look(looked_at).chain([Task::End { token, registered, outcome }]).collect()
        }
        Act::Unregister { id, .. } => {
            let id = model_id(id);
            look(Some(id)).chain([Task::UnregisterOrphan(id)]).collect()
        }
        Act::Park(_) => vec![Task::Park],
        Act::Retry(_) | Act::Forget(_) | Act::Mend { .. } => {
            panic!("nothing in the model gives cause to {}", repair.act)
        }
    }
}

/// Whether a runner has a job after all, if it is one to be asked about.
fn look(registered: Option<Id>) -> impl Iterator<Item = Task> {
    registered.into_iter().flat_map(|id| [Task::Pause(id), Task::LeaveIfBusy(id)])
}

/// `end.rs`, `outcome_of`.
fn outcome_of(reason: Reason) -> RunnerOutcome {
    match reason {
        Reason::PastMaximumLife => RunnerOutcome::Deadline,
        Reason::JobOver => RunnerOutcome::JobDone,
        Reason::NeverCameUp => RunnerOutcome::Failed,
        _ => RunnerOutcome::NoJob,
    }
}
