//! The same event many times at once.

use std::sync::Arc;

use mayfly_app::{Delivery, Handled, start};
use mayfly_core::launch::Holder;
use mayfly_core::status::JobStatus;
use tokio::task::JoinSet;

use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_dispatchers_at_once_one_starts_a_runner() {
    for delivery in [Delivery::First, Delivery::Again] {
        start_many_times(delivery).await;
    }
}

async fn start_many_times(delivery: Delivery) {
    let world = Arc::new(World::new().await);
    let mut starting = JoinSet::new();
    for number in 0..20 {
        let world = Arc::clone(&world);
        starting.spawn(async move {
            let mut dispatcher = world.dispatcher.clone();
            dispatcher.holder = Holder(format!("dispatcher {number}"));
            start(&dispatcher, &world.event(JobStatus::Pending), delivery).await.unwrap()
        });
    }
    let started = starting.join_all().await.into_iter().filter(
        |handled| matches!(handled, Handled::Done { summary } if summary.starts_with("started runner")),
    );
    assert_eq!(started.count(), 1);
    assert_eq!((world.backend.started().len(), world.registrations()), (1, 1));
}
