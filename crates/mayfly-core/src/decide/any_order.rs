//! Property tests: whatever the order, repetition and loss of a job's events, and whatever becomes of its launches.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::event::{EventRunner, JobEvent};
use crate::ids::{JobId, RunnerId};
use crate::launch::{ClientToken, Holder, RefProtection};
use crate::ledger::{LedgerRecord, LedgerState};
use crate::machine::MachineSpec;
use crate::mapping::{RunnerSettings, Target};
use crate::ports::LaunchOutcome;
use crate::resolve::{Choice, DefaultTarget, Explanation, Resolution};
use crate::status::{JobStatus, Rank};

/// What becomes of one handling of a `pending` event.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// The call succeeds.
    Started,
    /// The call is definitely refused.
    Refused,
    /// The call times out; it had no effect.
    Lost,
    /// The call times out; it had its effect.
    AnswerLost,
    /// The dispatcher dies between claim and launch.
    DiesBefore,
    /// The dispatcher dies between launch and writing it down.
    DiesAfter,
}

#[derive(Debug, Clone)]
enum Op {
    Deliver {
        status: JobStatus,
        by_own_runner: bool,
    },
    Pending(Fate),
    Advance {
        seconds: i64,
    },
    RunnerLeaves(RunnerOutcome),
    /// The job's runner takes another job, is ended by that job's event, and leaves.
    RunnerTakesAnother,
}

fn any_op() -> impl Strategy<Value = Op> {
    use Fate::{AnswerLost, DiesAfter, DiesBefore, Lost, Refused, Started};
    let fate = prop::sample::select(vec![Started, Refused, Lost, AnswerLost, DiesBefore, DiesAfter]);
    let status = prop::sample::select(vec![
        JobStatus::Created,
        JobStatus::Running,
        JobStatus::Success,
        JobStatus::Failed,
        JobStatus::Canceled,
    ]);
    prop_oneof![
        3 => fate.prop_map(Op::Pending),
        2 => (status, any::<bool>()).prop_map(|(status, by_own_runner)| Op::Deliver { status, by_own_runner }),
        1 => (0..200_i64).prop_map(|seconds| Op::Advance { seconds }),
    ]
}

/// One job, its ledger item and the backend that starts its runners.
struct World {
    now: Timestamp,
    target: Target,
    record: Option<LedgerRecord>,
    /// Tokens with which compute was started. A repeated token starts nothing more.
    started: BTreeSet<ClientToken>,
    /// Launches refused so far: each allows one more token.
    refused: usize,
    /// Runners that left without taking the job: each allows one more token.
    left: usize,
    final_seen: bool,
    started_when_final: usize,
}

impl World {
    fn new(target: Target) -> Self {
        Self {
            now: Timestamp::UNIX_EPOCH,
            target,
            record: None,
            started: BTreeSet::new(),
            refused: 0,
            left: 0,
            final_seen: false,
            started_when_final: 0,
        }
    }

    fn event(&self, status: JobStatus, by_own_runner: bool) -> JobEvent {
        let own = self.record.as_ref().and_then(|record| record.runner.as_ref()).filter(|_| by_own_runner);
        JobEvent {
            key: "gitlab.com/1/2".parse().unwrap(),
            name: "test".parse().unwrap(),
            status,
            project: None,
            pipeline: None,
            runner: own
                .map(|runner| EventRunner { id: RunnerId(7), description: Some(runner.name.to_string()) }),
            queued_seconds: None,
            failure_reason: None,
            received_at: self.now,
        }
    }

    fn write(&mut self, mut record: LedgerRecord) {
        assert_eq!(record.version, self.record.as_ref().map_or(0, |stored| stored.version));
        record.version += 1;
        self.record = Some(record);
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Advance { seconds } => self.now += SignedDuration::from_secs(*seconds),
            Op::Pending(fate) => self.start(*fate),
            Op::Deliver { status, by_own_runner } => self.deliver(*status, *by_own_runner),
            Op::RunnerLeaves(outcome) => self.runner_leaves(*outcome, None),
            Op::RunnerTakesAnother => self.runner_takes_another(),
        }
    }

    fn start(&mut self, fate: Fate) {
        let event = self.event(JobStatus::Pending, false);
        let default = DefaultTarget { target: self.target.clone(), settings: RunnerSettings::default() };
        let resolution = Resolution {
            choice: Choice::Default(default),
            paused: None,
            explanation: Explanation::default(),
        };
        let decision = decide_start(&StartInput {
            now: self.now,
            event: &event,
            record: self.record.as_ref(),
            gitlab: &GitlabView::Unknown,
            resolution: &resolution,
            room: Room::Free,
            protection: RefProtection::Unknown,
            machines: None,
            holder: &Holder("test".to_owned()),
            policy: &LaunchPolicy::default(),
        });
        if let Some(record) = decision.record {
            self.write(record);
        }
        if matches!(decision.action, StartAction::Launch(_)) {
            self.launch(fate);
        }
    }

    fn launch(&mut self, fate: Fate) {
        loop {
            let record = self.record.clone().unwrap();
            let token = record.claim.as_ref().unwrap().token(&record.key);
            if matches!(fate, Fate::Started | Fate::AnswerLost | Fate::DiesAfter) {
                self.started.insert(token.clone());
            }
            let outcome = match fate {
                // A step that an earlier call started is found again, whatever this call would have met.
                Fate::Started | Fate::Refused if self.started.contains(&token) => {
                    LaunchOutcome::Started { resource: token.to_resource() }
                }
                Fate::Started => unreachable!("just inserted"),
                Fate::Refused => LaunchOutcome::Refused { reason: "no capacity".to_owned() },
                Fate::Lost | Fate::AnswerLost => LaunchOutcome::Unknown { reason: "timeout".to_owned() },
                Fate::DiesBefore | Fate::DiesAfter => return,
            };
            self.refused += usize::from(matches!(outcome, LaunchOutcome::Refused { .. }));
            let (record, after) = decide_after_launch(&record, &outcome, &LaunchPolicy::default(), self.now);
            self.write(record);
            if after != AfterLaunch::NextStep {
                return;
            }
        }
    }

    fn deliver(&mut self, status: JobStatus, by_own_runner: bool) {
        let event = self.event(status, by_own_runner);
        let owner = event.runner.as_ref().and(self.record.clone());
        let (now, record) = (self.now, self.record.clone());
        let (record, owner) = (record.as_ref(), owner.as_ref());
        let writes = if status.is_final() {
            self.final_seen = true;
            self.started_when_final = self.started.len();
            let decision = decide_finish(&FinishInput { now, event: &event, record, owner });
            if let Some(end) = decision.end {
                assert_eq!(
                    event.runner.as_ref().and_then(|runner| runner.description.clone()),
                    Some(end.runner.to_string())
                );
            }
            decision.writes
        } else {
            decide_record(&RecordInput { now, event: &event, record, owner }).writes
        };
        for write in writes {
            self.write(write);
        }
    }

    fn runner_leaves(&mut self, outcome: RunnerOutcome, job: Option<JobId>) {
        let Some(record) = self.record.clone().filter(|record| record.runner.is_some()) else { return };
        self.left += usize::from(record.state == LedgerState::Launched);
        let decision = decide_gone(&record, &RunnerEnd { outcome, job }, &LaunchPolicy::default(), self.now);
        if let Some(record) = decision.record {
            self.write(record);
        }
    }

    fn runner_takes_another(&mut self) {
        let mut event = self.event(JobStatus::Success, true);
        event.key.job = JobId(99);
        let Some(owner) = self.record.clone().filter(|record| record.live_runner().is_some()) else { return };
        let input = FinishInput { now: self.now, event: &event, record: None, owner: Some(&owner) };
        let decision = decide_finish(&input);
        for write in decision.writes.into_iter().filter(|write| write.key == owner.key) {
            self.write(write);
        }
        if let Some(end) = decision.end {
            assert_eq!(Some(end.runner), owner.runner.map(|runner| runner.name));
            let record = self.record.clone().unwrap();
            self.write(decide_runner_ended(&record, &end.reason, self.now).unwrap());
        }
        self.runner_leaves(RunnerOutcome::JobDone, Some(JobId(99)));
    }

    fn check(&self) {
        assert!(
            self.started.len() <= 1 + self.refused + self.left,
            "{} runners for one job, {} refusals, {} left",
            self.started.len(),
            self.refused,
            self.left
        );
        if self.final_seen {
            assert_eq!(self.started.len(), self.started_when_final, "started after a final event");
            let record = self.record.as_ref().unwrap();
            assert_eq!((record.state, record.rank), (LedgerState::Finished, Rank::Finished));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_job_is_launched_once_whatever_the_order_of_its_events(ops in prop::collection::vec(any_op(), 1..25)) {
        // Without refusals there is one token at the most.
        let mut world = World::new(Target::Local);
        for op in ops.iter().filter(|op| !matches!(op, Op::Pending(Fate::Refused))) {
            world.apply(op);
            world.check();
            assert!(world.started.len() <= 1);
        }
    }

    #[test]
    fn every_further_launch_has_a_definite_refusal_or_a_lost_runner_behind_it(
        ops in prop::collection::vec(
            prop_oneof![
                6 => any_op(),
                1 => Just(Op::RunnerLeaves(RunnerOutcome::NoJob)),
                1 => Just(Op::RunnerLeaves(RunnerOutcome::Failed)),
                1 => Just(Op::RunnerTakesAnother),
            ],
            1..40,
        ),
        target in prop::sample::select(vec![Target::Local, Target::Ec2(MachineSpec::default())]),
    ) {
        let mut world = World::new(target);
        for op in &ops {
            world.apply(op);
            world.check();
        }
    }

    #[test]
    fn a_pending_job_is_launched_in_the_end(
        ops in prop::collection::vec(prop_oneof![4 => any_op(), 1 => Just(Op::RunnerTakesAnother)], 0..15),
    ) {
        let mut world = World::new(Target::Ec2(MachineSpec::default()));
        for op in ops.iter().filter(|op| !matches!(op, Op::Deliver { status, .. } if status.rank() > Rank::Pending)) {
            world.apply(op);
        }
        // The bus delivers until it is handled: once more after every lease has run out.
        world.now += SignedDuration::from_hours(1);
        world.apply(&Op::Pending(Fate::Started));
        let record = world.record.unwrap();
        assert_eq!(record.state, LedgerState::Launched);
        assert!(record.live_runner().is_some(), "{record:#?}");
    }
}

#[test]
fn a_finish_before_the_pending_leaves_a_tombstone() {
    let mut world = World::new(Target::Local);
    world.apply(&Op::Deliver { status: JobStatus::Success, by_own_runner: false });
    world.apply(&Op::Pending(Fate::Started));
    assert!(world.started.is_empty());
}

#[test]
fn a_runner_is_ended_by_the_event_that_names_it_and_by_no_other() {
    for (by_own_runner, ended) in [(true, true), (false, false)] {
        let mut world = World::new(Target::Local);
        world.apply(&Op::Pending(Fate::Started));
        let event = world.event(JobStatus::Canceled, by_own_runner);
        let owner = event.runner.as_ref().and(world.record.as_ref());
        let input = FinishInput { now: world.now, event: &event, record: world.record.as_ref(), owner };
        assert_eq!(decide_finish(&input).end.is_some(), ended);
    }
}

#[test]
fn a_runner_that_took_another_job_since_is_not_ended() {
    let mut world = World::new(Target::Local);
    world.apply(&Op::Pending(Fate::Started));
    let event = world.event(JobStatus::Canceled, true);
    let mut owner = world.record.clone().unwrap();
    owner.runner.as_mut().unwrap().took = Some("gitlab.com/1/99".parse().unwrap());
    let input = FinishInput { now: world.now, event: &event, record: Some(&owner), owner: Some(&owner) };
    assert_eq!(decide_finish(&input).end, None);
}

#[test]
fn a_job_whose_runners_all_leave_is_parked_after_the_third() {
    let mut world = World::new(Target::Local);
    for _ in 0..5 {
        world.apply(&Op::Pending(Fate::Started));
        world.apply(&Op::RunnerLeaves(RunnerOutcome::NoJob));
        world.apply(&Op::Pending(Fate::Started));
        assert!(world.started.len() < 4, "too soon, and then given up");
        world.apply(&Op::Advance { seconds: 10 });
    }
    assert_eq!(world.started.len(), 3);
    assert_eq!(world.record.unwrap().state, LedgerState::Parked);
}
