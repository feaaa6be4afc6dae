//! The facts of the field as metrics.

use mayfly_core::decide::RunnerOutcome;
use mayfly_core::ports::{Fact, Queueing};

use super::{Entry, Measure};

/// What is measured of a fact; nothing, if nothing is known of it.
pub(super) fn entry(fact: &Fact) -> Entry {
    match *fact {
        Fact::RunnerStarted(target) => one("RunnersStarted", &[("Target", target.as_str())]),
        Fact::JobTaken(queueing) => Entry { measures: waiting(&queueing), details: Vec::new() },
        Fact::RunnerRobbed => one("RunnersRobbed", &[]),
        Fact::Relaunched => one("Relaunches", &[]),
        Fact::RunnerLeft(outcome) => one("RunnersLeft", &[("Outcome", word(outcome))]),
        Fact::RunnerEnded(target) => one("RunnersEnded", &[("Target", target.as_str())]),
        Fact::JobParked => one("JobsParked", &[]),
        Fact::Repaired { act, reason, is_done } => {
            let mut entry = one("Repairs", &[("Act", act), ("Reason", reason.as_str())]);
            if !is_done {
                entry.measures.push(Measure::count("RepairsFailed", 1));
            }
            entry
        }
    }
}

fn one(name: &'static str, details: &[(&'static str, &'static str)]) -> Entry {
    Entry { measures: vec![Measure::count(name, 1)], details: details.to_vec() }
}

/// The stages of a job's wait, as far as they are known.
fn waiting(queueing: &Queueing) -> Vec<Measure> {
    let Queueing { in_gitlab, until_asked, until_up, until_taken } = *queueing;
    let in_all = in_gitlab.map(|seconds| Measure::seconds_f64("QueueSeconds", seconds));
    let stages = [
        ("UntilAskedSeconds", until_asked),
        ("UntilUpSeconds", until_up),
        ("UntilTakenSeconds", until_taken),
    ];
    let stages = stages.into_iter().filter_map(|(name, time)| Some(Measure::seconds(name, time?)));
    in_all.into_iter().chain(stages).collect()
}

/// The word of the dimension.
fn word(outcome: RunnerOutcome) -> &'static str {
    match outcome {
        RunnerOutcome::JobDone => "job-done",
        RunnerOutcome::NoJob => "no-job",
        RunnerOutcome::TokenRefused => "token-refused",
        RunnerOutcome::Deadline => "deadline",
        RunnerOutcome::Stopped => "stopped",
        RunnerOutcome::Failed => "failed",
        RunnerOutcome::MachineGone => "machine-gone",
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use mayfly_core::mapping::TargetType;
    use mayfly_core::reconcile::Reason;

    use super::*;

    fn check(fact: Fact, measures: &[(&str, &str, f64)], details: &[(&str, &str)]) {
        let entry = entry(&fact);
        let told: Vec<_> = entry
            .measures
            .iter()
            .map(|measure| (measure.name, measure.unit, measure.value.as_f64().unwrap()))
            .collect();
        assert_eq!(told, measures, "{fact:?}");
        assert_eq!(entry.details, details, "{fact:?}");
    }

    #[test]
    fn every_fact_has_a_name_that_alarms_can_rely_on() {
        let repaired = |is_done| Fact::Repaired { act: "end", reason: Reason::PastMaximumLife, is_done };
        let details = [("Act", "end"), ("Reason", "past-maximum-life")];
        let once = |name| [(name, "Count", 1.0)];
        check(Fact::RunnerStarted(TargetType::Ec2), &once("RunnersStarted"), &[("Target", "EC2")]);
        check(Fact::RunnerRobbed, &once("RunnersRobbed"), &[]);
        check(Fact::Relaunched, &once("Relaunches"), &[]);
        check(Fact::RunnerLeft(RunnerOutcome::NoJob), &once("RunnersLeft"), &[("Outcome", "no-job")]);
        check(Fact::RunnerEnded(TargetType::Lambda), &once("RunnersEnded"), &[("Target", "LAMBDA")]);
        check(Fact::JobParked, &once("JobsParked"), &[]);
        check(repaired(true), &once("Repairs"), &details);
        check(repaired(false), &[("Repairs", "Count", 1.0), ("RepairsFailed", "Count", 1.0)], &details);
    }

    #[test]
    fn of_a_wait_only_what_is_known_is_measured() {
        let queueing = Queueing {
            in_gitlab: Some(4.25),
            until_asked: Some(SignedDuration::from_millis(800)),
            until_up: None,
            until_taken: Some(SignedDuration::from_secs(3)),
        };
        check(
            Fact::JobTaken(queueing),
            &[
                ("QueueSeconds", "Seconds", 4.25),
                ("UntilAskedSeconds", "Seconds", 0.8),
                ("UntilTakenSeconds", "Seconds", 3.0),
            ],
            &[],
        );
        check(
            Fact::JobTaken(Queueing { until_up: Some(SignedDuration::from_secs(20)), ..Queueing::default() }),
            &[("UntilUpSeconds", "Seconds", 20.0)],
            &[],
        );
        check(Fact::JobTaken(Queueing::default()), &[], &[]);
    }
}
