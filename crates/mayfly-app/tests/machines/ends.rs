//! The end of a machine: by the event that names it, part by part.

use std::time::Duration;

use mayfly_app::{Handled, finish};
use mayfly_core::decide::MachineState;
use mayfly_core::error::PortError;
use mayfly_core::ids::JobKey;
use mayfly_core::ledger::LedgerState;
use mayfly_core::status::JobStatus;
use mayfly_standins::ec2::{Ec2Error, Fault, Operation};
use mayfly_standins::gitlab::JobSpec;

use crate::world::World;

async fn finished(world: &World) -> Result<Handled, PortError> {
    let machine = world.machine().await;
    let event = world.event_of(&world.keys[0], JobStatus::Success, Some(&machine));
    finish(&world.dispatcher, &event).await
}

async fn launched() -> World {
    let world = World::new(1).await;
    world.start().await;
    world
}

fn fail_terminate(world: &World, status: u16, code: &str) {
    let error = Ec2Error::new(status, code, "not now");
    world
        .machines
        .ec2()
        .with(|model, _| model.fail_next(Operation::TerminateInstances, Fault::Refused(error)));
}

#[tokio::test]
async fn the_event_that_names_it_ends_registration_machine_and_assignment() {
    let world = launched().await;
    let machine = world.machine().await;
    finished(&world).await.unwrap();
    assert_eq!((world.machines.live().len(), world.gitlab.runners().len()), (0, 0));
    assert_eq!(world.machines.waiting(&machine), None);
    let record = world.record().await;
    assert_eq!(record.state, LedgerState::Finished);
    assert!(record.runner.unwrap().ended.is_some());
    let calls = world.machines.calls().stops;
    finished(&world).await.unwrap();
    assert_eq!(world.machines.calls().stops, calls, "what ended is not ended again");
}

#[tokio::test]
async fn an_event_that_names_no_machine_ends_none() {
    let world = launched().await;
    let event = world.event_of(&world.keys[0], JobStatus::Canceled, None);
    finish(&world.dispatcher, &event).await.unwrap();
    assert_eq!((world.machines.live().len(), world.gitlab.runners().len()), (1, 1));
}

#[tokio::test]
async fn a_machine_that_is_not_in_the_ledger_is_left_alone() {
    let world = launched().await;
    let stranger = world.machines.ec2().with(mayfly_standins::ec2::Ec2Model::add_stranger);
    let event = world.event_of(&world.keys[0], JobStatus::Success, Some(&stranger.parse().unwrap()));
    finish(&world.dispatcher, &event).await.unwrap();
    assert_eq!(world.machines.calls().stops, 0);
}

#[tokio::test]
async fn a_termination_that_failed_is_repeated_without_the_registration() {
    let world = launched().await;
    fail_terminate(&world, 503, "RequestLimitExceeded");
    finished(&world).await.unwrap_err();
    assert_eq!((world.machines.live().len(), world.gitlab.runners().len()), (1, 0));
    let runner = world.record().await.runner.unwrap();
    assert_eq!((runner.registered, runner.stopped_at, runner.ended), (None, None, None));
    // GitLab cannot even be asked now, and need not be.
    world.gitlab.set_down(true);
    finished(&world).await.unwrap();
    assert_eq!(world.machines.live().len(), 0);
    assert!(world.record().await.runner.unwrap().ended.is_some());
}

#[tokio::test]
async fn a_registration_that_could_not_be_removed_is_repeated_without_the_termination() {
    let world = launched().await;
    world.gitlab.set_down(true);
    finished(&world).await.unwrap_err();
    assert_eq!((world.machines.live().len(), world.machines.calls().stops), (0, 1));
    world.gitlab.set_down(false);
    finished(&world).await.unwrap();
    assert_eq!((world.gitlab.runners().len(), world.machines.calls().stops), (0, 1));
}

#[tokio::test]
async fn a_fresh_machine_that_ec2_does_not_know_yet_is_asked_to_end_again() {
    let world = launched().await;
    fail_terminate(&world, 400, "InvalidInstanceID.NotFound");
    let error = finished(&world).await.unwrap_err();
    assert!(error.is_transient());
    finished(&world).await.unwrap();
    assert_eq!(world.machines.live().len(), 0);
}

#[tokio::test]
async fn an_old_machine_that_ec2_does_not_know_any_more_has_ended() {
    let world = launched().await;
    world.advance(3600);
    fail_terminate(&world, 400, "InvalidInstanceID.NotFound");
    finished(&world).await.unwrap();
    assert!(world.record().await.runner.unwrap().ended.is_some());
}

#[tokio::test]
async fn a_machine_that_ends_by_itself_after_its_job_leaves_nothing() {
    let world = launched().await;
    let machine = world.machine().await;
    world.machines.read_assignment(&machine).unwrap();
    let running = world.event_of(&world.keys[0], JobStatus::Running, Some(&machine));
    mayfly_app::record(&world.dispatcher, &running).await.unwrap();
    assert_eq!(world.die(&machine).await, None, "its job was taken: nothing starts again");
    assert_eq!(world.gitlab.runners().len(), 0);
    finished(&world).await.unwrap();
    let record = world.record().await;
    assert_eq!((record.state, world.machines.calls().stops), (LedgerState::Finished, 0));
}

#[tokio::test]
async fn an_interruption_is_told_before_it_happens() {
    let world = launched().await;
    world.hear(&world.machine().await, MachineState::Interrupted).await;
    let record = world.record().await;
    assert!(record.transitions.last().unwrap().reason.contains("AWS takes machine"), "{record:#?}");
    assert_eq!(record.state, LedgerState::Launched);
}

#[tokio::test]
async fn a_runner_whose_job_was_canceled_before_it_began_is_not_ended_under_its_next_one() {
    let world = launched().await;
    world.gitlab.set_long_poll(Duration::ZERO);
    let machine = world.machine().await;
    let assignment = world.machines.read_assignment(&machine).expect("an assignment");
    let first = world.ask_for_job(&assignment).await;
    world.gitlab.cancel(first).unwrap();
    let next = world.gitlab.run_pipeline(world.project, vec![JobSpec::new("build").tags(["linux"])]).unwrap();
    assert_eq!(world.ask_for_job(&assignment).await, next[0]);

    let canceled = world.event_of(&world.keys[0], JobStatus::Canceled, Some(&machine));
    let handled = finish(&world.dispatcher, &canceled).await.unwrap();
    let Handled::Done { summary } = handled else { panic!("{handled:?}") };
    assert!(summary.ends_with(&format!("has job {} by now", next[0])), "{summary}");
    assert_eq!((world.machines.live().len(), world.gitlab.runners().len()), (1, 1));

    let next = JobKey { job: next[0], ..world.keys[0].clone() };
    finish(&world.dispatcher, &world.event_of(&next, JobStatus::Success, Some(&machine))).await.unwrap();
    assert_eq!((world.machines.live().len(), world.gitlab.runners().len()), (0, 0));
}
