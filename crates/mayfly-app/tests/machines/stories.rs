//! What happens to jobs that want machines when all goes well, or EC2 has too few.

use std::collections::BTreeSet;

use mayfly_app::{Delivery, Handled, WaitsFor, start, start_batch};
use mayfly_core::decide::MachineState;
use mayfly_core::launch::Holder;
use mayfly_core::ledger::LedgerState;
use mayfly_core::machine::{MachineSpec, Market, Purchase};
use mayfly_core::status::JobStatus;
use mayfly_standins::ec2::{Ec2Error, Fault, Operation};
use mayfly_standins::fakes::MachineCalls;

use crate::world::{FORBIDDEN_ROLE, World};

fn count_of(world: &World, market: Market) -> usize {
    world.machines.ec2().with(|model, _| model.live().filter(|machine| machine.pool.market == market).count())
}

fn set_spot(world: &World, machines: usize) {
    world.machines.ec2().with(|model, _| model.set_market_capacity(Market::Spot, Some(machines)));
}

#[tokio::test]
async fn one_call_starts_the_machines_of_all_jobs_that_want_the_same() {
    let world = World::new(5).await;
    let handled = world.start_all().await;
    assert!(handled.iter().all(|handled| matches!(handled, Handled::Done { .. })), "{handled:?}");
    assert_eq!((world.launches(), world.machines.live().len()), (1, 5));
    let records = world.records().await;
    assert!(records.iter().all(|record| record.state == LedgerState::Launched));
    let machines: BTreeSet<_> =
        records.iter().map(|record| record.runner.clone().unwrap().name.resource).collect();
    assert_eq!(machines.len(), 5, "a machine for each");
    for record in &records {
        let runner = record.runner.as_ref().unwrap();
        assert_eq!(world.machines.waiting(&runner.name.resource).as_ref(), Some(&record.key));
        assert!(runner.registered.is_some());
    }
    let names: BTreeSet<String> =
        world.gitlab.runners().into_iter().filter_map(|runner| runner.description).collect();
    assert_eq!(names, machines.iter().map(|machine| format!("mayfly-ec2-{machine}")).collect());
}

#[tokio::test]
async fn a_machine_and_its_volume_say_what_they_are_for() {
    let world = World::new(2).await;
    world.start_all().await;
    let tags = world.machines.ec2().with(|model, _| model.live().next().unwrap().tags.clone());
    assert_eq!(tags["mayfly:stack"], "mayfly-autoscaler");
    assert_eq!(tags["mayfly:mapping"], "default");
    assert_eq!(tags["mayfly:project"], world.project.to_string());
    assert_eq!(tags["mayfly:deadline"], "2030-01-01T01:05:00Z");
    assert_eq!(tags["mayfly:job"], format!("{} {}", world.keys[0], world.keys[1]));
}

#[tokio::test]
async fn the_same_batch_again_starts_nothing_more() {
    let world = World::new(3).await;
    let twice: Vec<_> = world.pending().into_iter().chain(world.pending()).collect();
    let handled = start_batch(&world.dispatcher, &twice).await;
    assert_eq!(handled.len(), 6);
    world.start_all().await;
    assert_eq!((world.launches(), world.machines.live().len(), world.gitlab.runners().len()), (1, 3, 3));
}

#[tokio::test]
async fn a_first_event_waits_for_its_batch_without_asking_anybody() {
    let world = World::new(1).await;
    let event = &world.pending()[0];
    let handled = start(&world.dispatcher, event, Delivery::First).await.unwrap();
    assert!(matches!(handled, Handled::Later { waits_for: WaitsFor::Batch, .. }), "{handled:?}");
    assert_eq!((world.ledger.calls(), world.machines.calls()), (0, MachineCalls::default()));
    assert_eq!(world.records().await, []);
}

#[tokio::test]
async fn on_demand_fills_in_where_spot_has_too_few() {
    for (spot, on_demand) in [(0, 5), (3, 2), (5, 0)] {
        let world = World::new(5).await;
        set_spot(&world, spot);
        let handled = world.start_all().await;
        assert!(handled.iter().all(|handled| matches!(handled, Handled::Done { .. })), "{handled:?}");
        assert_eq!(count_of(&world, Market::Spot), spot);
        assert_eq!(count_of(&world, Market::OnDemand), on_demand);
        assert_eq!(world.launches(), 1 + usize::from(on_demand > 0));
    }
}

#[tokio::test]
async fn a_mapping_buys_where_it_says() {
    for (purchase, spot, on_demand) in [(Purchase::Spot, 2, 0), (Purchase::OnDemand, 0, 2)] {
        let mut world = World::new(2).await;
        world.set_spec(MachineSpec { purchase, ..MachineSpec::default() });
        world.start_all().await;
        assert_eq!((count_of(&world, Market::Spot), count_of(&world, Market::OnDemand)), (spot, on_demand));
    }
}

#[tokio::test]
async fn a_job_that_wants_spot_only_waits_while_there_is_none() {
    let mut world = World::new(1).await;
    world.set_spec(MachineSpec { purchase: Purchase::Spot, ..MachineSpec::default() });
    set_spot(&world, 0);
    let handled = world.start().await;
    assert!(matches!(handled, Handled::Later { waits_for: WaitsFor::AnotherTry, .. }), "{handled:?}");
    assert_eq!((world.machines.live().len(), world.gitlab.runners().len()), (0, 0));
    set_spot(&world, 1);
    world.advance(60);
    world.start().await;
    assert_eq!(world.machines.live().len(), 1);
}

#[tokio::test]
async fn capacity_errors_on_every_pool_wait_and_leave_nothing() {
    let world = World::new(3).await;
    set_spot(&world, 0);
    world.machines.ec2().with(|model, _| model.set_market_capacity(Market::OnDemand, Some(0)));
    for handled in world.start_all().await {
        assert!(matches!(handled, Handled::Later { .. }), "{handled:?}");
    }
    let records = world.records().await;
    assert!(records.iter().all(|record| record.state == LedgerState::Seen && record.runner.is_none()));
    assert_eq!((world.launches(), world.machines.live().len(), world.gitlab.runners().len()), (2, 0, 0));
}

#[tokio::test]
async fn a_throttled_call_is_tried_again_later_and_not_on_demand() {
    let world = World::new(3).await;
    let throttled = Ec2Error::new(503, "RequestLimitExceeded", "Request limit exceeded.");
    world.machines.ec2().with(|model, _| model.fail_next(Operation::CreateFleet, Fault::Refused(throttled)));
    for handled in world.start_all().await {
        assert!(matches!(handled, Handled::Later { .. }), "{handled:?}");
    }
    assert_eq!((world.launches(), world.machines.live().len()), (1, 0));
    world.advance(10);
    world.start_all().await;
    assert_eq!((world.launches(), count_of(&world, Market::Spot)), (2, 3));
}

#[tokio::test]
async fn a_request_that_ec2_will_never_take_parks_its_jobs_with_the_reason() {
    let world = World::new(2).await;
    let wrong = Ec2Error::new(400, "InvalidAMIID.NotFound", "The image id does not exist");
    world.machines.ec2().with(|model, _| model.fail_next(Operation::CreateFleet, Fault::Refused(wrong)));
    for handled in world.start_all().await {
        assert!(
            matches!(&handled, Handled::Parked { reason } if reason.contains("InvalidAMIID")),
            "{handled:?}"
        );
    }
    assert!(world.records().await.iter().all(|record| record.state == LedgerState::Parked));
}

#[tokio::test]
async fn the_moments_of_a_start_are_in_the_ledger() {
    let world = World::new(1).await;
    world.start().await;
    let machine = world.machine().await;
    world.advance(18);
    world.hear(&machine, MachineState::Running).await;
    world.advance(3);
    world.hear(&machine, MachineState::AssignmentRead).await;
    world.advance(2);
    let running = world.event_of(&world.keys[0], JobStatus::Running, Some(&machine));
    mayfly_app::record(&world.dispatcher, &running).await.unwrap();
    let runner = world.record().await.runner.unwrap();
    let seconds =
        |moment: Option<jiff::Timestamp>| moment.unwrap().duration_since(runner.launched_at).as_secs();
    let moments = runner.moments;
    assert_eq!(
        (seconds(moments.running), seconds(moments.assignment_read), seconds(moments.job_picked_up)),
        (18, 21, 23)
    );
}

#[tokio::test]
async fn news_of_a_machine_that_is_not_ours_changes_nothing() {
    let world = World::new(1).await;
    world.start().await;
    let before = world.record().await;
    let stranger = "i-0fffffffffffffff0".parse().unwrap();
    for state in [MachineState::Running, MachineState::Interrupted, MachineState::Terminated] {
        assert_eq!(world.hear(&stranger, state).await, None);
    }
    assert_eq!(world.record().await, before);
}

#[tokio::test]
async fn a_job_gets_the_credentials_of_its_mappings_role() {
    let mut world = World::new(1).await;
    let role = "arn:aws:iam::123456789012:role/deploy";
    world.set_spec(MachineSpec { job_role_arn: Some(role.parse().unwrap()), ..MachineSpec::default() });
    world.start().await;
    let assignment = world.machines.read_assignment(&world.machine().await).unwrap();
    assert!(assignment.job_credentials.is_some());
    assert_eq!(world.roles.given(), [(role.parse().unwrap(), world.keys[0].clone())]);
}

#[tokio::test]
async fn a_role_that_mayfly_may_not_take_parks_the_job_and_leaves_nothing() {
    let mut world = World::new(1).await;
    let role = Some(FORBIDDEN_ROLE.parse().unwrap());
    world.set_spec(MachineSpec { job_role_arn: role, ..MachineSpec::default() });
    let handled = world.start().await;
    assert!(matches!(&handled, Handled::Parked { reason } if reason.contains("denied")), "{handled:?}");
    assert_eq!((world.machines.live().len(), world.gitlab.runners().len()), (0, 0));
    assert_eq!(world.record().await.live_runner(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_dispatchers_at_once_each_job_gets_one_machine() {
    let world = World::new(8).await;
    let dispatchers = (0..6).map(|number| {
        let mut dispatcher = world.dispatcher.clone();
        dispatcher.holder = Holder(format!("dispatcher {number}"));
        dispatcher
    });
    let events = world.pending();
    let mut starting = tokio::task::JoinSet::new();
    for (number, dispatcher) in dispatchers.enumerate() {
        let mut events = events.clone();
        events.rotate_left(number);
        starting.spawn(async move { start_batch(&dispatcher, &events).await });
    }
    for handled in starting.join_all().await.into_iter().flatten() {
        handled.unwrap();
    }
    let records = world.records().await;
    assert!(records.iter().all(|record| record.state == LedgerState::Launched), "{records:#?}");
    assert_eq!((world.machines.live().len(), world.gitlab.runners().len()), (8, 8));
}
