//! Whatever there is to see, some things are never decided.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::ledger::{LedgerRecord, LedgerState, Retry};
use crate::reconcile::{Act, EndOnlyIf, Reason, Suspect};
use crate::status::JobStatus;

use super::scene::{
    Scene, ago, claimed, ended, function, in_state, job, launched, machine, read_at, registration, took,
};

const JOBS: u64 = 6;

/// A record of the job in any state that the use cases may leave it in.
fn any_record(number: u64) -> impl Strategy<Value = LedgerRecord> {
    let age = 0..8000_i64;
    let state = prop::sample::select(vec![
        LedgerState::Seen,
        LedgerState::Claimed,
        LedgerState::Launched,
        LedgerState::Running,
        LedgerState::Finished,
        LedgerState::Parked,
        LedgerState::Ignored,
    ]);
    (state, age, any::<bool>(), any::<bool>(), any::<bool>(), prop::option::of(0..JOBS)).prop_map(
        move |(state, age, is_machine, is_up, is_gone, other)| {
            let name = if is_machine { machine(number) } else { function(number) };
            let mut record = match state {
                LedgerState::Seen | LedgerState::Ignored => job(number),
                LedgerState::Claimed => return claimed(job(number), ago(age - 4000)),
                _ => launched(job(number), name, age),
            };
            if record.runner.is_some() && is_up {
                record = read_at(record, age / 2);
            }
            if let (Some(_), Some(other)) = (&record.runner, other) {
                record = took(record, other);
            }
            if record.runner.is_some() && is_gone {
                record = ended(record, age / 3);
            }
            in_state(record, state, ago(age / 4))
        },
    )
}

prop_compose! {
    fn any_scene()(
        records in (0..JOBS).map(any_record).collect::<Vec<_>>(),
        known in 0..JOBS,
        shown in prop::collection::vec(prop::option::of((any::<bool>(), prop::option::of(0..JOBS))), 6),
        machines in prop::collection::btree_set(0..JOBS + 2, 0..8),
        registrations in prop::collection::btree_set(0..JOBS + 2, 0..8),
        suspected in 0..120_i64,
        has_token in any::<bool>(),
    ) -> Scene {
        let mut scene = Scene::empty();
        for number in &machines {
            scene = scene.machine(*number);
            scene.memory.suspects.insert(Suspect::Compute(machine(*number).resource), ago(suspected));
        }
        for number in registrations {
            scene = scene.registration(number, machine(number));
            scene.memory.suspects.insert(Suspect::Registration(registration(number)), ago(suspected));
        }
        for (number, shown) in (0..).zip(shown) {
            scene = match shown {
                None => scene,
                Some((false, _)) => scene.waits(number),
                Some((true, on)) => scene.live(number, JobStatus::Running, on.map(machine).as_ref()),
            };
        }
        scene.records = records.into_iter().skip(usize::try_from(known).unwrap()).collect();
        if has_token { scene } else { scene.without_gitlab() }
    }
}

proptest! {
    /// Rules 3 and 8: one that GitLab shows busy is ended by nothing but its maximum life.
    #[test]
    fn a_runner_that_gitlab_shows_busy_is_never_ended_early(scene in any_scene()) {
        let jobs = scene.projects.values().flatten();
        let busy: BTreeSet<String> = jobs
            .filter(|job| job.status == JobStatus::Running)
            .filter_map(|job| job.runner.as_ref()?.description.clone())
            .collect();
        for repair in scene.plan().repairs {
            let (Act::End { runner, .. } | Act::Lost { runner, .. }) = &repair.act else { continue };
            let is_gone = matches!(repair.reason, Reason::NotThere);
            let may = is_gone || repair.reason == Reason::PastMaximumLife || !busy.contains(&runner.to_string());
            prop_assert!(may, "{repair}");
        }
    }

    /// Without GitLab's word a machine that may have a job is never ended early.
    #[test]
    fn without_gitlab_only_what_cannot_be_busy_is_ended(scene in any_scene()) {
        let scene = scene.without_gitlab();
        for repair in scene.plan().repairs {
            if let Act::End { only_if, job, .. } = &repair.act {
                let is_sure = match repair.reason {
                    Reason::PastMaximumLife | Reason::OwnerUnknown => true,
                    Reason::NeverCameUp => *only_if == EndOnlyIf::Unread,
                    Reason::JobOver => job.is_some(),
                    _ => false,
                };
                prop_assert!(is_sure, "{repair}");
            }
        }
    }

    #[test]
    fn nothing_is_started_for_a_job_that_is_over_or_not_ours(scene in any_scene()) {
        let closed: BTreeSet<_> = scene
            .records
            .iter()
            .filter(|record| matches!(record.state, LedgerState::Finished | LedgerState::Ignored))
            .map(|record| record.key.clone())
            .collect();
        for repair in scene.plan().repairs {
            let started = match &repair.act {
                Act::Start(event) => &event.key,
                Act::Relaunch(key) => key,
                _ => continue,
            };
            prop_assert!(!closed.contains(started), "{repair}");
        }
    }

    #[test]
    fn a_job_gets_one_repair_and_a_runner_one(scene in any_scene()) {
        let (mut jobs, mut runners) = (BTreeSet::new(), BTreeSet::new());
        for repair in scene.plan().repairs {
            let is_first = match &repair.act {
                Act::Start(event) | Act::Learn(event) => jobs.insert(event.key.clone()),
                Act::Relaunch(key) | Act::Retry(key) | Act::Park(key) => jobs.insert(key.clone()),
                Act::Lost { runner, .. } | Act::End { runner, .. } => runners.insert(runner.clone()),
                _ => true,
            };
            prop_assert!(is_first, "{repair} is the second");
        }
    }

    #[test]
    fn no_job_is_retried_that_does_not_run_on_a_dead_machine(scene in any_scene()) {
        for repair in scene.plan().repairs {
            let Act::Retry(key) = &repair.act else { continue };
            let record = scene.records.iter().find(|record| record.key == *key).unwrap();
            let is_owed = record.retry == Some(Retry::Owed);
            let is_dead = record.runner.as_ref().is_some_and(|runner| runner.ended.is_some());
            prop_assert!(is_owed || is_dead, "{repair}");
        }
    }

    /// The same look gives the same plan, and nothing that is held back is lost.
    #[test]
    fn a_plan_is_the_same_again_and_whole(scene in any_scene(), most in 0..3_usize) {
        let whole = scene.plan();
        prop_assert_eq!(&whole, &scene.plan());
        let mut limited = scene;
        limited.policy.max_ends = most;
        let plan = limited.plan();
        prop_assert_eq!(plan.repairs.len() + plan.held_back.len(), whole.repairs.len());
        let ends = plan.repairs.iter().filter(|repair| matches!(repair.act, Act::End { .. })).count();
        prop_assert!(ends <= most);
    }
}
