//! Passes of the reconciler over machines: what it repairs, what it leaves alone, and what a fault in it does.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use mayfly_app::{Mode, Pass, Reconciler, finish, reconcile_once, record, start_batch};
use mayfly_core::decide::MachineState;
use mayfly_core::error::PortError;
use mayfly_core::event::{EventRunner, JobEvent};
use mayfly_core::ids::JobKey;
use mayfly_core::ledger::{LedgerState, Retry};
use mayfly_core::mapping::{RunnerSettings, Target};
use mayfly_core::ports::{BrokenRecord, EventBus, Ledger};
use mayfly_core::reconcile::{Reason, ReconcilePolicy};
use mayfly_core::resolve::DefaultTarget;
use mayfly_core::status::JobStatus;
use mayfly_standins::contracts::fleet_order;
use mayfly_standins::ec2::{Ec2Error, Fault, Operation};
use mayfly_standins::fakes::{Failing, MemoryLedger, When};
use mayfly_standins::gitlab::JobSpec;

use crate::world::World;

const PATIENCE: Duration = Duration::from_secs(10);

/// The launch queue, whose messages a test hands over.
#[derive(Default)]
struct Queue(Mutex<Vec<JobEvent>>);

#[async_trait]
impl EventBus for Queue {
    async fn publish(&self, event: &JobEvent) -> Result<(), PortError> {
        self.0.lock().unwrap().push(event.clone());
        Ok(())
    }
}

pub(crate) struct Passes {
    pub(crate) world: World,
    queue: Arc<Queue>,
    pub(crate) reconciler: Reconciler,
}

impl Passes {
    fn over(world: World) -> Self {
        let queue = Arc::new(Queue::default());
        let reconciler = Reconciler {
            dispatcher: world.dispatcher.clone(),
            starts: queue.clone(),
            policy: ReconcilePolicy::default(),
        };
        Self { world, queue, reconciler }
    }

    async fn pass(&self, mode: Mode) -> Pass {
        reconcile_once(&self.reconciler, mode).await.unwrap()
    }

    /// A pass a minute later, and what it repaired, in words.
    async fn next(&self) -> Vec<String> {
        self.world.advance(60);
        let pass = self.pass(Mode::Act).await;
        assert!(!pass.has_failed(), "{:?}", pass.done);
        pass.done.iter().map(|done| done.repair.to_string()).collect()
    }

    /// What is said of a repair that would take the first job its runner.
    fn has_job(&self) -> String {
        format!("it has job {} of project {}", self.world.keys[0].job, self.world.project)
    }

    /// What waits in the queue is started.
    pub(crate) async fn start_queued(&self) {
        let events = std::mem::take(&mut *self.queue.0.lock().unwrap());
        for handled in start_batch(&self.reconciler.dispatcher, &events).await {
            handled.unwrap();
        }
    }
}

pub(crate) async fn launched(jobs: usize) -> Passes {
    let world = World::new(jobs).await;
    world.gitlab.set_long_poll(Duration::ZERO);
    world.start_all().await;
    Passes::over(world)
}

#[tokio::test]
async fn a_pass_over_nothing_makes_four_calls() {
    let world = World::new(0).await;
    let passes = Passes::over(world);
    let before = passes.world.gitlab.requests().len();
    assert_eq!(passes.pass(Mode::Act).await.plan.repairs, []);
    let ledger = passes.world.ledger.calls();
    let ec2 = passes.world.machines.ec2().with(|model, _| model.calls().len());
    let gitlab = passes.world.gitlab.requests().len() - before;
    assert_eq!((ledger, ec2, gitlab), (2, 1, 1));
}

#[tokio::test]
async fn a_job_whose_pending_was_lost_gets_its_machine_with_the_next_pass() {
    let mut passes = launched(1).await;
    // The stand-in's time is not the dispatcher's.
    passes.reconciler.policy.grace = SignedDuration::ZERO;
    assert_eq!(passes.next().await.len(), 0, "the project is known from now on");
    let lost = passes.world.gitlab.run_pipeline(passes.world.project, vec![JobSpec::new("lost")]).unwrap()[0];
    let key = JobKey { job: lost, ..passes.world.keys[0].clone() };
    let mut repaired = Vec::new();
    for _ in 0..2 {
        repaired.extend(passes.next().await);
    }
    assert!(repaired[0].starts_with(&format!("start a runner for job {key}:")), "{repaired:?}");
    passes.start_queued().await;
    let started = passes.world.ledger.inner().get(&key, passes.world.dispatcher.clock.now()).await.unwrap();
    assert_eq!(started.unwrap().state, LedgerState::Launched);
}

#[tokio::test]
async fn an_unheard_death_gives_the_job_another_machine() {
    let passes = launched(1).await;
    let first = passes.world.machine().await;
    passes.world.machines.end(&first);
    passes.world.advance(240);
    let repaired = passes.next().await;
    assert_eq!(repaired.len(), 1);
    assert!(repaired[0].ends_with("it is not there any more"), "{repaired:?}");
    passes.world.advance(10);
    passes.start_queued().await;
    assert_ne!(passes.world.machine().await, first);
    assert_eq!((passes.world.machines.live().len(), passes.world.gitlab.runners().len()), (1, 1));
}

#[tokio::test]
async fn a_machine_that_nobody_knows_is_ended_with_the_third_pass_at_the_latest() {
    let passes = launched(0).await;
    let order = fleet_order([1977]);
    let token = "0".repeat(32).parse().unwrap();
    passes.reconciler.dispatcher.machines.as_ref().unwrap().backend.launch(&token, &order).await;
    assert_eq!(passes.world.machines.live().len(), 1);
    for _ in 0..3 {
        passes.next().await;
    }
    assert_eq!(passes.world.machines.live().len(), 0);
    assert_eq!(passes.next().await.len(), 0);
}

#[tokio::test]
async fn a_machine_that_never_came_up_is_ended_unless_it_just_read_its_assignment() {
    for is_up in [false, true] {
        let passes = launched(1).await;
        let machine = passes.world.machine().await;
        passes.world.advance(310);
        if is_up {
            // Nobody has told the ledger.
            passes.world.machines.read_assignment(&machine).unwrap();
        }
        let repaired = passes.next().await;
        assert_eq!(repaired.len(), 1);
        assert!(repaired[0].ends_with("it never read what it is for"), "{repaired:?}");
        assert_eq!(passes.world.machines.live().len(), usize::from(is_up));
        let record = passes.world.record().await;
        let state = if is_up { LedgerState::Launched } else { LedgerState::Seen };
        assert_eq!(record.state, state);
        assert_eq!(passes.queue.0.lock().unwrap().len(), usize::from(!is_up));
        assert_eq!(passes.next().await.len(), 0);
    }
}

#[tokio::test]
async fn a_runner_that_gets_a_job_between_look_and_end_is_not_ended() {
    let passes = launched(1).await;
    let machine = passes.world.machine().await;
    let assignment = passes.world.machines.read_assignment(&machine).unwrap();
    passes.world.hear(&machine, MachineState::AssignmentRead).await;
    let runner = passes.world.record().await.runner.unwrap().registered.unwrap();
    let pausing = format!("/api/v4/runners/{runner}");
    passes.world.gitlab.hold_requests(&pausing, true);
    passes.world.advance(400);
    let pass = async {
        let pass = passes.pass(Mode::Act).await;
        pass.done.into_iter().map(|done| (done.repair.reason, done.result.unwrap())).collect::<Vec<_>>()
    };
    let meanwhile = async {
        passes.world.gitlab.wait_for_held_requests(&pausing, 1, PATIENCE).await.unwrap();
        assert_eq!(passes.world.ask_for_job(&assignment).await, passes.world.keys[0].job);
        passes.world.gitlab.hold_requests(&pausing, false);
    };
    let (done, ()) = tokio::join!(pass, meanwhile);
    assert_eq!(done, [(Reason::IdleTooLong, passes.has_job())]);
    assert_eq!(passes.world.machines.live().len(), 1);
}

#[tokio::test]
async fn one_repair_that_fails_keeps_no_other_from_being_made_and_the_pass_says_so() {
    let passes = launched(2).await;
    for machine in passes.world.machines.live() {
        passes.world.machines.read_assignment(&machine).unwrap();
    }
    for key in &passes.world.keys {
        let event = passes.world.event_of(key, JobStatus::Canceled, None);
        finish(&passes.world.dispatcher, &event).await.unwrap();
        passes.world.gitlab.cancel(key.job).unwrap();
    }
    let refused = Fault::Refused(Ec2Error::new(503, "RequestLimitExceeded", "not now"));
    passes.world.machines.ec2().with(|model, _| model.fail_next(Operation::TerminateInstances, refused));
    passes.world.advance(3600 + 900);
    let pass = passes.pass(Mode::Act).await;
    assert_eq!(pass.done.len(), 2);
    assert_eq!(pass.done.iter().filter(|done| done.result.is_err()).count(), 1);
    assert!(pass.has_failed());
    assert_eq!(passes.world.machines.live().len(), 1);
    assert_eq!(passes.next().await.len(), 1);
    assert_eq!((passes.world.machines.live().len(), passes.world.gitlab.runners().len()), (0, 0));
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let passes = launched(1).await;
    passes.world.machines.end(&passes.world.machine().await);
    passes.world.advance(600);
    let before = (passes.world.records().await, passes.world.gitlab.runners().len());
    let pass = passes.pass(Mode::DryRun).await;
    assert_eq!((pass.plan.repairs.len(), pass.done.len()), (1, 0));
    assert_eq!((passes.world.records().await, passes.world.gitlab.runners().len()), before);
}

#[tokio::test]
async fn what_cannot_be_seen_fails_the_pass_and_nothing_is_concluded_from_it() {
    let passes = launched(1).await;
    passes.world.advance(3600);
    passes.world.gitlab.set_down(true);
    let refused = Fault::Refused(Ec2Error::new(500, "InternalError", "not now"));
    passes.world.machines.ec2().with(|model, _| model.fail_next(Operation::DescribeInstances, refused));
    let pass = passes.pass(Mode::Act).await;
    assert_eq!((pass.unseen.len(), pass.done.len()), (2, 0));
    assert!(pass.has_failed());
}

#[tokio::test]
async fn a_job_whose_machine_died_under_it_is_retried_as_often_as_its_mapping_says() {
    let mut world = World::new(1).await;
    world.gitlab.set_long_poll(Duration::ZERO);
    let settings = RunnerSettings { retries_after_loss: 1, ..RunnerSettings::default() };
    let target = Target::Ec2(mayfly_core::machine::MachineSpec::default());
    world.dispatcher.default_target = Some(DefaultTarget { target, settings });
    world.start_all().await;
    let passes = Passes::over(world);
    let machine = passes.world.machine().await;
    let (job, runner) = passes.world.take_job(&machine).await;
    let mut event = passes.world.event_of(&passes.world.keys[0], JobStatus::Running, Some(&machine));
    event.runner = Some(EventRunner { id: runner, ..event.runner.unwrap() });
    record(&passes.world.dispatcher, &event).await.unwrap();
    passes.world.die(&machine).await;
    passes.world.advance(61);
    let repaired = passes.next().await;
    assert_eq!(repaired.len(), 1);
    assert!(repaired[0].starts_with("have GitLab retry"), "{repaired:?}");
    let jobs = passes.world.gitlab.jobs();
    assert_eq!(jobs.len(), 2);
    assert_eq!(passes.world.record().await.retry, Some(Retry::Done));
    let new = jobs.iter().find(|other| other.id != job).unwrap();
    let key = JobKey { job: new.id, ..passes.world.keys[0].clone() };
    let retried = passes.world.ledger.inner().get(&key, passes.world.dispatcher.clock.now()).await.unwrap();
    assert_eq!(retried.unwrap().retries, 1);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_starts_over() {
    let passes = launched(1).await;
    let key = passes.world.keys[0].clone();
    passes.next().await;
    let machine = passes.world.record().await.runner.unwrap().name;
    let broken = BrokenRecord {
        key: key.clone(),
        version: None,
        runner: Some(machine),
        reason: "no `state`".to_owned(),
    };
    passes.world.ledger.inner().break_record(broken);
    let now = passes.world.dispatcher.clock.now();
    passes.world.ledger.inner().get(&key, now).await.unwrap_err();
    let repaired = passes.next().await;
    assert!(repaired[0].starts_with("mend the record"), "{repaired:?}");
    assert_eq!(passes.world.record().await.state, LedgerState::Launched, "its machine is known again");
}

/// A machine died unheard, and each call of the ledger in the pass fails once, before and after its effect.
#[tokio::test]
async fn whichever_ledger_call_of_a_pass_fails_the_job_gets_one_machine() {
    let calls_of_a_pass = {
        let passes = died_unheard(Failing::new(MemoryLedger::default())).await;
        let before = passes.world.ledger.calls();
        let _ = passes.pass(Mode::Act).await;
        before + 1..=passes.world.ledger.calls()
    };
    assert!(calls_of_a_pass.clone().count() > 4);
    for call in calls_of_a_pass {
        for when in [When::BeforeEffect, When::AfterEffect] {
            let passes = died_unheard(Failing::new(MemoryLedger::default()).failing_at(call, when)).await;
            let _ = reconcile_once(&passes.reconciler, Mode::Act).await;
            for _ in 0..3 {
                passes.world.advance(60);
                passes.pass(Mode::Act).await;
                passes.start_queued().await;
            }
            let live = (passes.world.machines.live().len(), passes.world.gitlab.runners().len());
            assert_eq!(live, (1, 1), "call {call} fails {when:?}");
            assert_eq!(passes.world.record().await.state, LedgerState::Launched);
        }
    }
}

async fn died_unheard(ledger: Failing<MemoryLedger>) -> Passes {
    let world = World::with_ledger(1, ledger).await;
    world.start().await;
    world.machines.end(&world.machine().await);
    world.advance(600);
    Passes::over(world)
}

#[tokio::test]
async fn a_busy_machine_that_the_ledger_has_lost_is_not_ended_before_its_deadline() {
    let passes = launched(1).await;
    let (machine, key) = (passes.world.machine().await, passes.world.keys[0].clone());
    let (job, _) = passes.world.take_job(&machine).await;
    let record = passes.world.record().await;
    passes.world.ledger.inner().forget(&record).await.unwrap();
    let mut said = Vec::new();
    for _ in 0..3 {
        passes.world.advance(60);
        let pass = passes.pass(Mode::Act).await;
        said.extend(pass.done.into_iter().map(|done| done.result.unwrap()));
    }
    assert_eq!(said, [passes.has_job(), passes.has_job()]);
    assert_eq!((passes.world.machines.live(), job), (vec![machine], key.job));
}
