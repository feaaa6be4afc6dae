//! A person ends one runner.

use mayfly_app::{Ordered, end_ordered};
use mayfly_core::decide::{EndOrder, OrderedEnd};
use mayfly_core::error::PortError;
use mayfly_core::ledger::LedgerState;
use mayfly_core::status::JobStatus;

use crate::passes::{Passes, launched};

async fn order(passes: &Passes, runner: &str, force: bool) -> Result<Ordered, PortError> {
    let order = EndOrder {
        runner: runner.parse().unwrap(),
        reason: "it hangs".parse().unwrap(),
        by: "jo".parse().unwrap(),
        force,
    };
    end_ordered(&passes.reconciler, &order).await
}

async fn runner(passes: &Passes) -> String {
    format!("mayfly-ec2-{}", passes.world.machine().await)
}

#[tokio::test]
async fn an_idle_runner_ends_wholly_and_its_job_gets_another() {
    let passes = launched(1).await;
    let first = runner(&passes).await;
    let ordered = order(&passes, &first, false).await.unwrap();
    assert!(matches!(ordered.decided, OrderedEnd::End { dies: None, is_former: false, .. }), "{ordered:?}");
    assert_eq!(ordered.then.as_deref(), Some("it is started in turn"));
    assert_eq!((passes.world.machines.live().len(), passes.world.gitlab.runners().len()), (0, 0));
    let record = passes.world.record().await;
    let told: Vec<_> = record.transitions.iter().map(|transition| transition.reason.as_str()).collect();
    assert!(told.contains(&"its runner ended: ordered by jo: it hangs"), "{told:?}");
    passes.start_queued().await;
    assert_ne!(runner(&passes).await, first);
    assert_eq!(
        (passes.world.machines.live().len(), passes.world.record().await.state),
        (1, LedgerState::Launched)
    );
}

#[tokio::test]
async fn ordered_twice_it_is_gone() {
    let passes = launched(1).await;
    let first = runner(&passes).await;
    order(&passes, &first, false).await.unwrap();
    let stops = passes.world.machines.calls().stops;
    let again = order(&passes, &first, false).await.unwrap().decided;
    assert!(
        matches!(&again, OrderedEnd::Gone { reason, .. } if reason == "ordered by jo: it hangs"),
        "{again:?}"
    );
    assert_eq!(passes.world.machines.calls().stops, stops);
}

#[tokio::test]
async fn a_runner_with_a_job_ends_only_by_force() {
    let passes = launched(1).await;
    let name = runner(&passes).await;
    passes.world.take_job(&passes.world.machine().await).await;
    let refused = order(&passes, &name, false).await.unwrap();
    assert_eq!(refused.decided, OrderedEnd::Busy(passes.world.keys[0].clone()), "no event has told of it");
    assert_eq!(passes.world.machines.live().len(), 1);
    let forced = order(&passes, &name, true).await.unwrap().decided;
    assert!(
        matches!(&forced, OrderedEnd::End { dies: Some(job), .. } if *job == passes.world.keys[0]),
        "{forced:?}"
    );
    assert_eq!((passes.world.machines.live().len(), passes.world.gitlab.runners().len()), (0, 0));
}

#[tokio::test]
async fn without_gitlab_nothing_ends_unforced() {
    let passes = launched(1).await;
    let name = runner(&passes).await;
    passes.world.gitlab.set_down(true);
    assert!(order(&passes, &name, false).await.unwrap_err().is_transient());
    assert_eq!(passes.world.machines.live().len(), 1);
    // The machine ends; its registration is left to the next try.
    order(&passes, &name, true).await.unwrap_err();
    assert_eq!(passes.world.machines.live().len(), 0);
    passes.world.gitlab.set_down(false);
    order(&passes, &name, false).await.unwrap();
    assert_eq!(passes.world.gitlab.runners().len(), 0);
}

#[tokio::test]
async fn a_runner_that_nobody_knows_is_left_alone() {
    let passes = launched(1).await;
    let unknown = order(&passes, "mayfly-ec2-i-0", true).await.unwrap();
    assert_eq!(unknown, Ordered { decided: OrderedEnd::Unknown, then: None });
    assert_eq!((passes.world.machines.live().len(), passes.world.machines.calls().stops), (1, 0));
}

#[tokio::test]
async fn a_runner_with_a_job_is_busy_also_if_its_registration_is_gone() {
    let passes = launched(1).await;
    let (name, machine) = (runner(&passes).await, passes.world.machine().await);
    let (job, id) = passes.world.take_job(&machine).await;
    let running = passes.world.event_of(&passes.world.keys[0], JobStatus::Running, Some(&machine));
    mayfly_app::record(&passes.reconciler.dispatcher, &running).await.unwrap();
    passes.world.gitlab.delete_runner(id).unwrap();
    let refused = order(&passes, &name, false).await.unwrap().decided;
    assert!(matches!(&refused, OrderedEnd::Busy(busy) if busy.job == job), "{refused:?}");
    assert_eq!(passes.world.machines.live().len(), 1);
}

#[tokio::test]
async fn a_former_runner_ends_and_its_job_keeps_the_one_it_has() {
    let passes = launched(1).await;
    let first = runner(&passes).await;
    let mut record = passes.world.record().await;
    record.former.extend(record.runner.take());
    record.enter(LedgerState::Seen, "gets another runner", passes.reconciler.dispatcher.clock.now());
    passes.reconciler.dispatcher.ledger.put(&record, passes.reconciler.dispatcher.clock.now()).await.unwrap();
    let ordered = order(&passes, &first, false).await.unwrap();
    assert!(matches!(ordered.decided, OrderedEnd::End { is_former: true, .. }), "{ordered:?}");
    let record = passes.world.record().await;
    assert_eq!((record.former.len(), record.state), (0, LedgerState::Seen));
    assert_eq!((passes.world.machines.live().len(), passes.world.gitlab.runners().len()), (0, 0));
}
