//! The faults.

/// One fault: a text in a file, and what stands there instead.
pub(super) struct Mutant {
    pub(super) name: &'static str,
    pub(super) file: &'static str,
    pub(super) find: &'static str,
    pub(super) replace: &'static str,
}

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a final event leaves no tombstone",
        file: "crates/mayfly-core/src/decide/finish.rs",
        find: "let mut writes = vec![job];",
        replace: "let mut writes: Vec<LedgerRecord> = Vec::from_iter(input.record.map(|_| job));",
    },
    Mutant {
        name: "all steps of a plan have one token",
        file: "crates/mayfly-core/src/launch.rs",
        find: r#"Self::from_text(&format!("{key}|{attempt}|{step}"))"#,
        replace: r#"Self::from_text(&format!("{key}|{attempt}|{}", step.min(0)))"#,
    },
    Mutant {
        name: "a runner is ended because its job ended, wherever it is by now",
        file: "crates/mayfly-core/src/decide/finish.rs",
        find: "None => input.owner.map(|_| &job),",
        replace: "None => Some(&job),",
    },
    Mutant {
        name: "a runner that has another job by now is ended by a late event",
        file: "crates/mayfly-core/src/decide/finish.rs",
        find: "let may_have_another = input.event.status == JobStatus::Canceled;",
        replace: "let may_have_another = input.event.status == JobStatus::Pending;",
    },
    Mutant {
        name: "an unknown outcome goes on with the next step",
        file: "crates/mayfly-core/src/decide/launched.rs",
        find: "LaunchOutcome::Refused { reason } => {",
        replace: "LaunchOutcome::Refused { reason } | LaunchOutcome::Unknown { reason } => {",
    },
    Mutant {
        name: "a claim is taken over while its holder is at it",
        file: "crates/mayfly-core/src/decide/start.rs",
        find: "(lease_until > now).then(",
        replace: "(lease_until > now && record.version == 0).then(",
    },
    Mutant {
        name: "a job that has a runner gets another with each event",
        file: "crates/mayfly-core/src/decide/start.rs",
        find: "LedgerState::Launched => Some(StartAction::Nothing(Refusal::AlreadyLaunched)),",
        replace: "LedgerState::Launched => None,",
    },
    Mutant {
        name: "a status can fall",
        file: "crates/mayfly-core/src/ledger.rs",
        find: "self.rank = self.rank.max(event.status.rank());",
        replace: "self.rank = event.status.rank();",
    },
    Mutant {
        name: "the job of a runner that left is forgotten",
        file: "crates/mayfly-core/src/decide/gone.rs",
        find: "let still_waits = had_runner && gone.rank <= Rank::Pending;",
        replace: "let still_waits = had_runner && gone.rank < Rank::Created;",
    },
    Mutant {
        name: "who loses a write goes on as if it had won",
        file: "crates/mayfly-app/src/start.rs",
        find: "    } else {\n        Written::Conflict\n    })",
        replace: "    } else {\n        Written::Yes\n    })",
    },
    Mutant {
        name: "a launch is repeated beside the registration of the first try",
        file: "crates/mayfly-app/src/assign.rs",
        find: "if let Some(stale) = claim.registered {",
        replace: "if let Some(stale) = claim.registered.filter(|id| id.0 == 0) {",
    },
    Mutant {
        name: "the registration of a runner that has a job is removed",
        file: "crates/mayfly-app/src/assign.rs",
        find: "if !jobs_of_paused(dispatcher, stale).await?.is_empty() {",
        replace: "if stale.0 == 0 && !jobs_of_paused(dispatcher, stale).await?.is_empty() {",
    },
    Mutant {
        name: "a runner that comes up late loses its registration under its job",
        file: "crates/mayfly-core/src/reconcile/runners.rs",
        find: "unless_busy: self.runner.registered.filter(|_| is_believed),",
        replace: "unless_busy: self.runner.registered.filter(|id| is_believed && id.0 == 0),",
    },
    Mutant {
        name: "a job of which no event came is not started",
        file: "crates/mayfly-core/src/reconcile/jobs.rs",
        find: "JobStatus::Pending if waits_for_long(job, policy) => Act::Start(event),",
        replace: "JobStatus::Pending if waits_for_long(job, policy) && project.project.0 == 0 => Act::Start(event),",
    },
    Mutant {
        name: "a claim whose holder died is left as it is",
        file: "crates/mayfly-core/src/reconcile/jobs.rs",
        find: "LedgerState::Claimed => is_late(record.claim.as_ref()?.lease_until).then(start),",
        replace: "LedgerState::Claimed => None,",
    },
    Mutant {
        name: "the runner of a victim is forgotten while it runs the other job",
        file: "crates/mayfly-core/src/decide/repair.rs",
        find: "next.former.extend(next.runner.take().filter(|runner| runner.ended.is_none()));",
        replace: "next.runner = None;",
    },
    Mutant {
        name: "a robbed job gets no other runner",
        file: "crates/mayfly-core/src/reconcile/jobs.rs",
        find: "robbed.extend(jobs.into_iter().skip(served).map(|record| &record.key));",
        replace: "robbed.extend(jobs.into_iter().skip(served + 1000).map(|record| &record.key));",
    },
    Mutant {
        name: "what belongs to nobody lives on",
        file: "crates/mayfly-core/src/reconcile/orphans.rs",
        find: "    Some(repair)\n}",
        replace: "    Some(repair).filter(|_| policy.max_ends > 1000)\n}",
    },
    Mutant {
        name: "a hung machine is never ended",
        file: "crates/mayfly-core/src/reconcile/runners.rs",
        find: "if self.is_past_its_life(machine.and_then(|machine| machine.deadline)) {",
        replace: "if self.is_past_its_life(None) && self.policy.max_ends > 1000 {",
    },
    Mutant {
        name: "a machine that died unheard is believed to live",
        file: "crates/mayfly-core/src/reconcile/runners.rs",
        find: "Presence::Missing => Some(self.lost(RunnerOutcome::MachineGone, Reason::NotThere)),",
        replace: "Presence::Missing => None,",
    },
];
