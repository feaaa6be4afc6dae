//! Every call to the ledger fails once, before or after its effect, and the event comes again until it is handled: the same
//! as a dispatcher that dies there.

use mayfly_app::{Delivery, Handled, handle};
use mayfly_core::event::JobEvent;
use mayfly_core::ledger::LedgerState;
use mayfly_core::status::JobStatus;
use mayfly_standins::fakes::{Failing, MemoryLedger, When};

use crate::world::World;

/// Far more than any number of calls to the ledger that a test makes.
const ALL_CALLS: usize = 100;

/// The bus delivers until the event is handled; meanwhile claims run out.
async fn deliver(world: &World, event: &JobEvent, delivery: Delivery) {
    for _ in 0..10 {
        if let Ok(Handled::Done { .. }) = handle(&world.dispatcher, event, delivery).await {
            return;
        }
        world.advance(600);
    }
    panic!("not handled after ten deliveries: {event:?}");
}

/// Lives a whole job through with one failing call. Returns how many calls there were.
async fn live_through(call: usize, when: When, delivery: Delivery) -> usize {
    let world = World::with_ledger(Failing::new(MemoryLedger::default()).failing_at(call, when)).await;
    let context = format!("call {call} failed {when:?}, {delivery:?}");
    deliver(&world, &world.event(JobStatus::Pending), delivery).await;
    assert_eq!(world.record().await.state, LedgerState::Launched, "{context}");
    assert_eq!((world.backend.started().len(), world.registrations()), (1, 1), "{context}");

    let runner = world.runner().await;
    for status in [JobStatus::Running, JobStatus::Success, JobStatus::Success, JobStatus::Pending] {
        let event = world.event_of(world.key(), status, Some(&runner));
        deliver(&world, &event, delivery).await;
    }
    let record = world.record().await;
    assert_eq!(record.state, LedgerState::Finished, "{context}");
    assert!(record.runner.unwrap().ended.is_some(), "{context}");
    assert_eq!((world.backend.started().len(), world.backend.live().len()), (1, 0), "{context}");
    assert_eq!(world.registrations(), 0, "{context}");
    world.ledger.calls()
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_call_fails_one_runner_starts_and_none_is_left() {
    for delivery in [Delivery::First, Delivery::Again] {
        let calls = live_through(ALL_CALLS, When::BeforeEffect, delivery).await;
        assert!((10..ALL_CALLS).contains(&calls), "{calls} calls");
        for call in 1..=calls {
            for when in [When::BeforeEffect, When::AfterEffect] {
                live_through(call, when, delivery).await;
            }
        }
    }
}
