//! Counts what happens, for `GET /health`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use mayfly_core::ports::{Fact, Meter};
use serde_json::{Value, json};

/// Counts since the start of the server.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    counts: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    jobs: BTreeMap<&'static str, u64>,
    runners: BTreeMap<&'static str, u64>,
    /// By how they ended.
    left: BTreeMap<String, u64>,
    repairs: BTreeMap<&'static str, u64>,
    failed_repairs: u64,
}

impl Counts {
    /// The part of the report on jobs.
    pub(crate) fn jobs(&self) -> Value {
        let counts = self.lock();
        let count = |name| counts.jobs.get(name).copied().unwrap_or(0);
        json!({ "taken": count("taken"), "relaunched": count("relaunched"), "parked": count("parked") })
    }

    /// The part of the report on runners.
    pub(crate) fn runners(&self) -> Value {
        let counts = self.lock();
        let count = |name| counts.runners.get(name).copied().unwrap_or(0);
        json!({
            "started": count("started"),
            "robbed": count("robbed"),
            "ended": count("ended"),
            "left": counts.left,
        })
    }

    /// The part of the report on repairs: those that were made by what was done, and how many could not be made.
    pub(crate) fn repairs(&self) -> Value {
        let counts = self.lock();
        json!({ "made": counts.repairs, "failed": counts.failed_repairs })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counted> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meter for Counts {
    fn note(&self, fact: &Fact) {
        let mut counts = self.lock();
        let count = match fact {
            Fact::RunnerStarted(_) => counts.runners.entry("started").or_default(),
            Fact::RunnerRobbed => counts.runners.entry("robbed").or_default(),
            Fact::RunnerEnded(_) => counts.runners.entry("ended").or_default(),
            Fact::RunnerLeft(outcome) => {
                // Its written form is a word.
                let word = json!(outcome).as_str().unwrap_or_default().to_owned();
                counts.left.entry(word).or_default()
            }
            Fact::JobTaken(_) => counts.jobs.entry("taken").or_default(),
            Fact::Relaunched => counts.jobs.entry("relaunched").or_default(),
            Fact::JobParked => counts.jobs.entry("parked").or_default(),
            Fact::Repaired { act, is_done: true, .. } => counts.repairs.entry(act).or_default(),
            Fact::Repaired { is_done: false, .. } => &mut counts.failed_repairs,
        };
        *count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mayfly_core::decide::RunnerOutcome;
    use mayfly_core::mapping::TargetType;
    use mayfly_core::ports::Queueing;
    use mayfly_core::reconcile::Reason;

    #[test]
    fn each_fact_counts_once_in_its_place() {
        let counts = Counts::default();
        let repaired = |is_done| Fact::Repaired { act: "start", reason: Reason::NobodyAtIt, is_done };
        for fact in [
            Fact::RunnerStarted(TargetType::Local),
            Fact::RunnerStarted(TargetType::Local),
            Fact::RunnerRobbed,
            Fact::RunnerEnded(TargetType::Local),
            Fact::RunnerLeft(RunnerOutcome::JobDone),
            Fact::RunnerLeft(RunnerOutcome::NoJob),
            Fact::RunnerLeft(RunnerOutcome::NoJob),
            Fact::JobTaken(Queueing::default()),
            Fact::Relaunched,
            Fact::JobParked,
            repaired(true),
            repaired(false),
        ] {
            counts.note(&fact);
        }
        assert_eq!(counts.jobs(), json!({ "taken": 1, "relaunched": 1, "parked": 1 }));
        let left = json!({ "job-done": 1, "no-job": 2 });
        assert_eq!(counts.runners(), json!({ "started": 2, "robbed": 1, "ended": 1, "left": left }));
        assert_eq!(counts.repairs(), json!({ "made": { "start": 1 }, "failed": 1 }));
    }
}
