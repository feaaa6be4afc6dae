//! A fault at every place of a launch: each job gets one machine that knows it, and no other is left with an assignment.

use std::sync::Arc;

use mayfly_app::{Handled, start_batch};
use mayfly_core::decide::MachineState;
use mayfly_core::launch::Holder;
use mayfly_core::ledger::LedgerState;
use mayfly_standins::ec2::{Ec2Error, Fault, Operation};
use mayfly_standins::fakes::{Failing, MemoryLedger, When};

use crate::world::{World, client};

/// Far more than any number of calls to the ledger that a test makes.
const ALL_CALLS: usize = 200;

/// The queue delivers until all is handled; meanwhile claims run out, machines read their assignments, and those that find none end.
async fn deliver(world: &World, context: &str) {
    for _ in 0..10 {
        let handled = start_batch(&world.dispatcher, &world.pending()).await;
        if handled.iter().all(|handled| matches!(handled, Ok(Handled::Done { .. }))) {
            return;
        }
        world.advance(60);
        for machine in world.machines.live() {
            if world.machines.read_assignment(&machine).is_some() {
                world.hear(&machine, MachineState::AssignmentRead).await;
            }
        }
        world.advance(540);
        let read: Vec<_> = world.machines.read().into_iter().map(|(machine, _)| machine).collect();
        for machine in world.machines.live().iter().filter(|machine| !read.contains(machine)) {
            world.die(machine).await;
        }
    }
    panic!("not handled after ten deliveries: {context}");
}

async fn live_through(call: usize, when: When) -> usize {
    let world = World::with_ledger(2, Failing::new(MemoryLedger::default()).failing_at(call, when)).await;
    let context = format!("call {call} failed {when:?}");
    deliver(&world, &context).await;
    let records = world.records().await;
    for record in &records {
        assert_eq!(record.state, LedgerState::Launched, "{context}: {record:#?}");
        let machine = &record.live_runner().expect("a live machine").name.resource;
        let told = world.machines.handed_over();
        assert!(told.contains(&(machine.clone(), record.key.clone())), "{context}");
        assert!(world.machines.live().contains(machine), "{context}");
    }
    assert_eq!((records.len(), world.machines.live().len()), (2, 2), "{context}");
    assert_eq!(world.gitlab.runners().len(), 2, "{context}");
    world.ledger.calls()
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_ledger_call_fails_each_job_gets_one_machine() {
    let calls = live_through(ALL_CALLS, When::BeforeEffect).await;
    assert!((8..ALL_CALLS).contains(&calls), "{calls} calls");
    for call in 1..=calls {
        for when in [When::BeforeEffect, When::AfterEffect] {
            live_through(call, when).await;
        }
    }
}

fn next_fleet(world: &World, fault: Fault) {
    world.machines.ec2().with(|model, _| model.fail_next(Operation::CreateFleet, fault));
}

#[tokio::test]
async fn machines_that_started_although_the_answer_was_lost_are_found_with_the_same_token() {
    let mut world = World::new(3).await;
    next_fleet(&world, Fault::AnswerLost);
    for handled in world.start_all().await {
        assert!(matches!(handled, Handled::Later { .. }), "{handled:?}");
    }
    assert_eq!(world.machines.live().len(), 3, "they run, and nobody knows");
    world.dispatcher.holder = Holder("second".to_owned());
    world.advance(5);
    world.start_all().await;
    assert_eq!((world.launches(), world.machines.live().len()), (2, 3));
    assert!(world.records().await.iter().all(|record| record.state == LedgerState::Launched));
}

#[tokio::test]
async fn members_of_a_lost_call_that_come_back_one_by_one_still_get_one_machine_each() {
    let world = World::new(3).await;
    next_fleet(&world, Fault::AnswerLost);
    world.start_all().await;
    world.advance(5);
    for event in world.pending() {
        start_batch(&world.dispatcher, &[event]).await.pop().unwrap().unwrap();
    }
    let mut machines: Vec<_> =
        world.records().await.into_iter().map(|record| record.runner.unwrap().name.resource).collect();
    machines.sort();
    assert_eq!(machines, world.machines.live());
}

#[tokio::test]
async fn a_call_that_never_arrived_is_made_again() {
    let world = World::new(2).await;
    next_fleet(&world, Fault::RequestLost);
    world.start_all().await;
    assert_eq!(world.machines.live().len(), 0);
    world.advance(5);
    world.start_all().await;
    assert_eq!(world.machines.live().len(), 2);
}

#[tokio::test]
async fn an_answer_without_machines_is_looked_up() {
    let world = World::new(2).await;
    next_fleet(&world, Fault::Empty);
    world.start_all().await;
    assert_eq!(world.machines.live().len(), 2);
    assert!(world.records().await.iter().all(|record| record.state == LedgerState::Launched));
}

#[tokio::test]
async fn while_gitlab_is_away_no_machine_starts() {
    let world = World::new(2).await;
    world.gitlab.set_down(true);
    for handled in world.start_all().await {
        assert!(
            matches!(&handled, Handled::Later { reason, .. } if reason.contains("GitLab")),
            "{handled:?}"
        );
    }
    assert_eq!(world.launches(), 0);
    world.gitlab.set_down(false);
    world.advance(10);
    world.start_all().await;
    assert_eq!(world.machines.live().len(), 2);
}

#[tokio::test]
async fn a_machine_waits_for_a_gitlab_that_goes_away_during_the_registration() {
    let world = World::new(1).await;
    world.gitlab.fail_next_registration();
    let handled = world.start().await;
    assert!(matches!(handled, Handled::Later { .. }), "{handled:?}");
    assert_eq!((world.machines.live().len(), world.record().await.state), (1, LedgerState::Claimed));
    world.advance(5);
    world.start().await;
    assert_eq!((world.launches(), world.machines.live().len()), (1, 1), "the same machine");
    assert_eq!(world.record().await.state, LedgerState::Launched);
}

#[tokio::test]
async fn a_token_that_may_register_nothing_buys_one_machine_and_no_other() {
    let mut world = World::new(1).await;
    let token = world.gitlab.create_token(&["read_api"]);
    world.dispatcher.gitlab = Arc::new(client(&world.gitlab, &token));
    let handled = world.start().await;
    assert!(matches!(handled, Handled::Later { .. }), "{handled:?}");
    assert_eq!((world.launches(), world.machines.live().len()), (1, 0), "on-demand would meet the same");
    assert_eq!((world.record().await.live_runner(), world.gitlab.runners().len()), (None, 0));
    world.dispatcher.gitlab = Arc::new(client(&world.gitlab, world.gitlab.api_token()));
    world.advance(60);
    world.start().await;
    assert_eq!(world.record().await.state, LedgerState::Launched);
}

#[tokio::test]
async fn a_machine_that_runs_before_it_is_registered_is_equipped_all_the_same() {
    let world = Arc::new(World::new(1).await);
    world.gitlab.hold_requests("/api/v4/user/runners", true);
    let starting = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.start().await }
    });
    while world.records().await.first().is_none_or(|record| record.runner.is_none()) {
        tokio::task::yield_now().await;
    }
    let machine = world.machine().await;
    world.hear(&machine, MachineState::Running).await;
    world.gitlab.hold_requests("/api/v4/user/runners", false);
    let handled = starting.await.unwrap();
    assert!(matches!(handled, Handled::Done { .. }), "{handled:?}");
    let record = world.record().await;
    assert_eq!((record.state, world.launches()), (LedgerState::Launched, 1));
    assert!(record.runner.unwrap().moments.running.is_some());
}

#[tokio::test]
async fn a_repeated_call_is_not_made_when_its_machines_must_have_ended() {
    let world = World::new(1).await;
    next_fleet(&world, Fault::AnswerLost);
    world.start().await;
    for machine in world.machines.live() {
        world.machines.end(&machine);
    }
    world.advance(3600);
    world.start().await;
    let record = world.record().await;
    assert_eq!(record.state, LedgerState::Launched);
    assert_eq!(world.machines.live(), [record.runner.unwrap().name.resource]);
}

#[tokio::test]
async fn a_machine_that_is_gone_before_its_assignment_was_written_is_replaced() {
    for is_told in [true, false] {
        let world = World::new(1).await;
        world.gitlab.fail_next_registration();
        world.start().await;
        let first = world.machine().await;
        world.machines.end(&first);
        if is_told {
            assert!(
                world.hear(&first, MachineState::Terminated).await.is_some(),
                "its job is to start again"
            );
        }
        world.advance(60);
        world.start().await;
        let record = world.record().await;
        assert_eq!((record.state, record.claim.unwrap().lost_runners), (LedgerState::Launched, 0));
        assert_ne!(world.machine().await, first);
        assert_eq!(world.gitlab.runners().len(), 1);
    }
}

#[tokio::test]
async fn a_machine_that_ec2_does_not_know_yet_is_not_given_up() {
    let world = World::new(1).await;
    let unknown = Ec2Error::new(400, "InvalidInstanceID.NotFound", "The instance ID does not exist");
    let fault = Fault::Refused(unknown);
    world.machines.ec2().with(|model, _| model.fail_next(Operation::DescribeInstances, fault));
    world.gitlab.fail_next_registration();
    world.start().await;
    let first = world.machine().await;
    world.advance(5);
    world.start().await;
    assert_eq!((world.machine().await, world.record().await.state), (first, LedgerState::Launched));
}

#[tokio::test]
async fn a_job_whose_machines_all_die_is_parked_after_the_third() {
    let world = World::new(1).await;
    for _ in 0..3 {
        world.start().await;
        let machine = world.machine().await;
        // GitLab refuses its token, for one: the agent turns the machine off.
        world.machines.read_assignment(&machine).unwrap();
        world.die(&machine).await;
        world.advance(60);
    }
    assert_eq!(world.record().await.state, LedgerState::Parked);
    world.start().await;
    assert_eq!((world.launches(), world.machines.live().len(), world.gitlab.runners().len()), (3, 0, 0));
}
