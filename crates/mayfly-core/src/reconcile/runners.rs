//! What is out of order with a runner: it is gone unheard, or should be and is not.

use jiff::{SignedDuration, Timestamp};

use crate::decide::RunnerOutcome;
use crate::ledger::{LedgerRecord, LedgerState, RunnerRecord};
use crate::mapping::{RunnerSettings, TargetType};
use crate::status::Rank;

use super::plan::{Act, EndOnlyIf, Reason, Repair};
use super::policy::ReconcilePolicy;
use super::snapshot::{Index, Presence, Told};

/// What puts the runners of a record right.
pub(super) fn repairs(record: &LedgerRecord, index: &Index<'_>, policy: &ReconcilePolicy) -> Vec<Repair> {
    let repair = |runner| Judged { record, runner, index, policy }.repair();
    record.live_runners().filter_map(repair).collect()
}

/// When a runner that has taken no job must have left.
pub(super) fn pick_up_by(
    record: &LedgerRecord,
    runner: &RunnerRecord,
    policy: &ReconcilePolicy,
) -> Timestamp {
    let up = runner.moments.assignment_read.unwrap_or(runner.launched_at + policy.boot);
    up + seconds(settings_of(record).wait_timeout_seconds) + policy.overdue
}

/// Until when a runner that is there may live, whatever it does; then it is ended. A machine's own deadline counts before the one that
/// its launch gives.
pub fn ended_after(
    record: &LedgerRecord,
    runner: &RunnerRecord,
    machine: Option<Timestamp>,
    policy: &ReconcilePolicy,
) -> Timestamp {
    let life = seconds(settings_of(record).max_life_seconds);
    machine.unwrap_or(runner.launched_at + life + policy.boot) + policy.overdue
}

fn settings_of(record: &LedgerRecord) -> RunnerSettings {
    record.claim.as_ref().map(|claim| claim.request.settings.clone()).unwrap_or_default()
}

fn seconds(count: u32) -> SignedDuration {
    SignedDuration::from_secs(count.into())
}

/// A runner that is not known to be gone, and what it is judged by.
struct Judged<'a> {
    record: &'a LedgerRecord,
    runner: &'a RunnerRecord,
    index: &'a Index<'a>,
    policy: &'a ReconcilePolicy,
}

impl Judged<'_> {
    fn repair(&self) -> Option<Repair> {
        let is_fresh = self.age() < self.policy.fresh;
        match self.index.presence(&self.runner.name) {
            Presence::Missing if is_fresh => None,
            Presence::Missing => Some(self.lost(RunnerOutcome::MachineGone, Reason::NotThere)),
            Presence::There(machine) => {
                if self.is_past_its_life(machine.and_then(|machine| machine.deadline)) {
                    return Some(self.end(EndOnlyIf::Always, Reason::PastMaximumLife));
                }
                self.there()
            }
            Presence::Unknown if self.runner.name.target == TargetType::Ec2 => None,
            Presence::Unknown => self.unseen(),
        }
    }

    /// A runner whose compute is there.
    fn there(&self) -> Option<Repair> {
        let Self { record, runner, index, policy } = self;
        if index.job_on(&runner.name, runner.registered).is_some() {
            return None;
        }
        let is_settled = index.now.duration_since(record.changed_at()) >= policy.grace;
        if let Some(took) = &runner.took {
            let is_over = is_settled && index.is_over(took);
            return is_over.then(|| self.end(EndOnlyIf::Idle, Reason::JobOver));
        }
        if record.state == LedgerState::Claimed {
            // It is being told what it is for.
            return None;
        }
        let is_machine = runner.name.target == TargetType::Ec2;
        if is_machine && runner.moments.assignment_read.is_none() && self.age() > policy.boot {
            return Some(self.end(EndOnlyIf::Unread, Reason::NeverCameUp));
        }
        let is_idle = self.is_past_its_time() && index.would_show_job(record, runner);
        is_idle.then(|| self.end(EndOnlyIf::Idle, Reason::IdleTooLong))
    }

    /// A runner whose backend does not tell whether it is there.
    fn unseen(&self) -> Option<Repair> {
        let Self { record, runner, index, policy } = self;
        if index.job_on(&runner.name, runner.registered).is_some() {
            return None;
        }
        if self.is_past_its_life(None) {
            return Some(self.lost(RunnerOutcome::Deadline, Reason::PastMaximumLife));
        }
        let is_settled = index.now.duration_since(record.changed_at()) >= policy.grace;
        if let Some(took) = &runner.took {
            let is_over = is_settled && index.is_over(took);
            return is_over.then(|| self.lost(RunnerOutcome::JobDone, Reason::JobOver));
        }
        let may_have_job = record.rank == Rank::Running || matches!(index.told(&record.key), Told::Runs(_));
        (self.is_past_its_time() && !may_have_job)
            .then(|| self.lost(RunnerOutcome::NoJob, Reason::NeverPickedUp))
    }

    fn age(&self) -> SignedDuration {
        self.index.now.duration_since(self.runner.launched_at)
    }

    fn is_past_its_time(&self) -> bool {
        self.index.now > pick_up_by(self.record, self.runner, self.policy)
    }

    fn is_past_its_life(&self, machine: Option<Timestamp>) -> bool {
        self.index.now > ended_after(self.record, self.runner, machine, self.policy)
    }

    fn lost(&self, outcome: RunnerOutcome, reason: Reason) -> Repair {
        // A function may wait that long for its turn, and come up between the look and the repair.
        let is_believed = matches!(outcome, RunnerOutcome::NoJob | RunnerOutcome::JobDone);
        let act = Act::Lost {
            job: self.record.key.clone(),
            runner: self.runner.name.clone(),
            outcome,
            unless_busy: self.runner.registered.filter(|_| is_believed),
        };
        Repair { act, reason }
    }

    fn end(&self, only_if: EndOnlyIf, reason: Reason) -> Repair {
        let act = Act::End {
            runner: self.runner.name.clone(),
            job: Some(self.record.key.clone()),
            registered: self.runner.registered,
            only_if,
        };
        Repair { act, reason }
    }
}
