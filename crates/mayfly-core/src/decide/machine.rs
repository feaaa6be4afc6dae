//! `decide_machine_news`: EC2 or an assignment's table tells something of a machine.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::ResourceId;
use crate::launch::Claim;
use crate::ledger::{LedgerRecord, RunnerRecord};
use crate::mapping::TargetType;
use crate::runner_name::RunnerName;

/// Something that happened to a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineNews {
    /// The machine.
    pub id: ResourceId,
    /// What it is now.
    pub state: MachineState,
    /// Since when.
    pub at: Timestamp,
}

/// What a machine can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MachineState {
    /// It boots, or has booted.
    Running,
    /// Its agent has read its assignment.
    AssignmentRead,
    /// AWS takes it back within two minutes.
    Interrupted,
    /// It ends.
    ShuttingDown,
    /// It is gone.
    Terminated,
}

impl MachineState {
    /// True if nothing will run on it any more.
    pub fn is_end(self) -> bool {
        matches!(self, Self::ShuttingDown | Self::Terminated)
    }
}

impl MachineNews {
    /// The name of the runner on this machine.
    pub fn runner(&self) -> RunnerName {
        RunnerName { target: TargetType::Ec2, resource: self.id.clone() }
    }
}

/// The record once it is known which machine was started for its claim, by a call that was first made at `asked_at`.
pub fn decide_machine_started(
    record: &LedgerRecord,
    machine: ResourceId,
    asked_at: Timestamp,
    now: Timestamp,
) -> LedgerRecord {
    let mut record = record.clone();
    let name = RunnerName { target: TargetType::Ec2, resource: machine };
    record.enter(record.state, format!("machine {} starts", name.resource), now);
    record.runner = Some(RunnerRecord::new(name, None, asked_at));
    record
}

/// The machine that was started for a claim and may not be equipped yet.
pub fn started_machine<'a>(record: &'a LedgerRecord, claim: &Claim) -> Option<&'a RunnerRecord> {
    record.live_runner().filter(|runner| claim.fleet.is_some() && runner.name.target == TargetType::Ec2)
}

/// Decides what news of a machine that lives means for the record it belongs to; `None` if that was known.
/// The end of a machine is for [`decide_gone`](super::decide_gone).
pub fn decide_machine_news(record: &LedgerRecord, news: &MachineNews) -> Option<LedgerRecord> {
    let mut next = record.clone();
    // The assignment of a machine that has ended is removed by us: that is no news of the machine.
    let runner =
        next.runner.as_mut().filter(|runner| runner.name == news.runner() && runner.ended.is_none())?;
    match news.state {
        MachineState::Running => earliest(&mut runner.moments.running, news.at),
        MachineState::AssignmentRead => earliest(&mut runner.moments.assignment_read, news.at),
        MachineState::Interrupted => {
            let reason = format!("AWS takes machine {} back: it is ended within two minutes", news.id);
            next.enter(next.state, reason, news.at);
        }
        MachineState::ShuttingDown | MachineState::Terminated => return None,
    }
    (next != *record).then_some(next)
}

fn earliest(moment: &mut Option<Timestamp>, at: Timestamp) {
    *moment = Some(moment.map_or(at, |known| known.min(at)));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::SignedDuration;

    use super::super::{
        AfterLaunch, LaunchPolicy, RunnerEnd, RunnerOutcome, decide_after_launch, decide_gone,
        decide_partly_ended,
    };
    use super::*;
    use crate::event::JobEvent;
    use crate::ids::{ProjectId, RunnerId};
    use crate::launch::{ClientToken, Holder, LaunchRequest, LaunchStep, RefProtection};
    use crate::ledger::LedgerState;
    use crate::machine::MachineSpec;
    use crate::mapping::{RunnerSettings, Target};
    use crate::ports::LaunchOutcome;
    use crate::status::JobStatus;
    use crate::tags::TagSet;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    /// A claim whose call was made.
    fn claimed() -> LedgerRecord {
        let event = JobEvent {
            key: "gitlab.com/1/2".parse().unwrap(),
            name: "test".parse().unwrap(),
            status: JobStatus::Pending,
            project: None,
            pipeline: None,
            runner: None,
            queued_seconds: None,
            failure_reason: None,
            received_at: NOW,
        };
        let target = Target::Ec2(MachineSpec::default());
        let mut record = LedgerRecord::new(&event, NOW);
        record.claim = Some(Claim {
            holder: Holder("test".to_owned()),
            lease_until: NOW + LaunchPolicy::default().lease,
            attempt: 0,
            refusals: 0,
            lost_runners: 0,
            step: 0,
            request: Arc::new(LaunchRequest {
                steps: LaunchStep::plan_for(&target),
                target,
                settings: RunnerSettings::default(),
                mapping: "default".to_owned(),
                tags: TagSet::default(),
                project: ProjectId(1),
                protection: RefProtection::Unknown,
                machine: None,
            }),
            registered: None,
            fleet: Some(ClientToken::from_text("fleet")),
        });
        record.enter(LedgerState::Claimed, "a runner is to be started", NOW);
        record
    }

    fn started() -> LedgerRecord {
        decide_machine_started(&claimed(), "i-1".parse().unwrap(), NOW, NOW)
    }

    fn news(state: MachineState, seconds: i64) -> MachineNews {
        MachineNews { id: "i-1".parse().unwrap(), state, at: NOW + SignedDuration::from_secs(seconds) }
    }

    fn after(record: &LedgerRecord, outcome: &LaunchOutcome) -> (LedgerRecord, AfterLaunch) {
        decide_after_launch(record, outcome, &LaunchPolicy::default(), NOW)
    }

    fn gone(record: &LedgerRecord) -> super::super::GoneDecision {
        let end = RunnerEnd { outcome: RunnerOutcome::MachineGone, job: None };
        decide_gone(record, &end, &LaunchPolicy::default(), NOW)
    }

    fn launched() -> LedgerRecord {
        let mut record = started();
        record.claim.as_mut().unwrap().registered = Some(RunnerId(7));
        after(&record, &LaunchOutcome::Started { resource: "i-1".parse().unwrap() }).0
    }

    #[test]
    fn a_started_machine_stays_the_claims_until_its_runner_is_launched() {
        let record = started();
        assert_eq!(record.state, LedgerState::Claimed);
        assert!(started_machine(&record, record.claim.as_ref().unwrap()).is_some());
        let record = launched();
        assert_eq!(record.state, LedgerState::Launched);
        assert_eq!(record.live_runner().unwrap().registered, Some(RunnerId(7)));
    }

    #[test]
    fn moments_keep_the_first_time_they_were_seen() {
        let record = decide_machine_news(&launched(), &news(MachineState::Running, 20)).unwrap();
        assert_eq!(decide_machine_news(&record, &news(MachineState::Running, 25)), None);
        let record = decide_machine_news(&record, &news(MachineState::Running, 18)).unwrap();
        let record = decide_machine_news(&record, &news(MachineState::AssignmentRead, 21)).unwrap();
        let moments = record.runner.unwrap().moments;
        assert_eq!(moments.running, Some(NOW + SignedDuration::from_secs(18)));
        assert_eq!(moments.assignment_read, Some(NOW + SignedDuration::from_secs(21)));
    }

    #[test]
    fn news_of_another_machine_change_nothing() {
        let other = MachineNews { id: "i-2".parse().unwrap(), ..news(MachineState::Running, 1) };
        assert_eq!(decide_machine_news(&launched(), &other), None);
    }

    #[test]
    fn an_assignment_that_is_withdrawn_after_the_machines_end_was_not_read() {
        let ended = gone(&launched()).record.unwrap();
        assert_eq!(decide_machine_news(&ended, &news(MachineState::AssignmentRead, 90)), None);
    }

    #[test]
    fn an_interruption_is_written_down_once() {
        let record = decide_machine_news(&launched(), &news(MachineState::Interrupted, 60)).unwrap();
        assert!(record.transitions.last().unwrap().reason.contains("AWS takes machine i-1 back"));
        assert_eq!(decide_machine_news(&record, &news(MachineState::Interrupted, 60)), None);
    }

    #[test]
    fn a_machine_that_dies_before_its_assignment_was_written_costs_its_job_nothing() {
        let decision = gone(&started());
        let record = decision.record.unwrap();
        let claim = record.claim.as_ref().unwrap();
        assert_eq!((record.state, claim.attempt, claim.lost_runners), (LedgerState::Seen, 1, 0));
        assert_eq!(claim.fleet, None);
        let wait = decision.start_again.unwrap().not_before.duration_since(NOW);
        assert_eq!(wait, LaunchPolicy::default().capacity_retry, "a machine is not bought again at once");
    }

    #[test]
    fn the_registration_of_a_machine_that_dies_before_it_was_launched_goes() {
        let mut record = started();
        record.claim.as_mut().unwrap().registered = Some(RunnerId(7));
        let decision = gone(&record);
        assert_eq!(decision.unregister, Some(RunnerId(7)));
        assert_eq!(decision.record.unwrap().claim.unwrap().lost_runners, 1);
    }

    #[test]
    fn the_end_of_a_machine_that_is_told_twice_starts_its_job_again_twice_which_is_harmless() {
        let first = gone(&launched());
        let second = gone(&first.record.unwrap());
        assert_eq!((second.record, second.unregister), (None, None));
        assert!(second.start_again.is_some());
    }

    #[test]
    fn no_capacity_goes_on_with_on_demand_and_a_call_of_its_own() {
        let (record, next) = after(&claimed(), &LaunchOutcome::Refused { reason: "no spot".to_owned() });
        let claim = record.claim.as_ref().unwrap();
        assert_eq!((next, claim.step, claim.fleet.as_ref()), (AfterLaunch::NextStep, 1, None));
        let (record, next) = after(&record, &LaunchOutcome::Refused { reason: "none at all".to_owned() });
        assert!(matches!(next, AfterLaunch::Wait { .. }), "{next:?}");
        let claim = record.claim.unwrap();
        assert_eq!((record.state, claim.attempt, claim.step), (LedgerState::Seen, 1, 0));
    }

    #[test]
    fn a_throttled_call_waits_and_does_not_go_on_with_on_demand() {
        let (record, next) =
            after(&claimed(), &LaunchOutcome::Busy { reason: "RequestLimitExceeded".to_owned() });
        let claim = record.claim.unwrap();
        assert!(matches!(next, AfterLaunch::Wait { .. }), "{next:?}");
        assert_eq!((record.state, claim.step, claim.fleet), (LedgerState::Seen, 0, None));
    }

    #[test]
    fn an_unknown_outcome_keeps_the_call() {
        let (record, _) = after(&claimed(), &LaunchOutcome::Unknown { reason: "timeout".to_owned() });
        assert_eq!(record.claim.as_ref().unwrap().fleet, claimed().claim.unwrap().fleet);
        assert_eq!(record.claim.unwrap().lease_until, NOW);
    }

    #[test]
    fn a_machine_that_is_not_used_is_not_live_any_more() {
        let (record, next) = after(&started(), &LaunchOutcome::Unusable { reason: "no token".to_owned() });
        assert_eq!((record.live_runner(), record.state), (None, LedgerState::Seen));
        assert!(matches!(next, AfterLaunch::Wait { .. }), "no other machine is bought at once: {next:?}");
    }

    #[test]
    fn a_part_of_a_runners_end_that_is_done_is_not_asked_for_again() {
        let record = decide_partly_ended(&launched(), true, false, NOW).unwrap();
        let runner = record.live_runner().unwrap();
        assert_eq!((runner.registered, runner.stopped_at), (None, None));
        let record = decide_partly_ended(&record, false, true, NOW).unwrap();
        assert_eq!(record.live_runner().unwrap().stopped_at, Some(NOW));
        assert_eq!(decide_partly_ended(&record, false, true, NOW), None);
    }
}
