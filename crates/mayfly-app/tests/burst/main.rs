//! Five hundred jobs of one mapping within a second, against EC2's real limits, in simulated time: how long until all
//! their machines are asked for, and what one call a job would take.
#![expect(clippy::unwrap_used, clippy::panic, reason = "all of it is tests")]

mod queue;
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use mayfly_app::{Delivery, Handled, start};
use mayfly_core::ledger::LedgerState;
use mayfly_standins::ec2::{Ec2Model, Operation};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::queue::LaunchQueue;
use crate::world::{World, one_order};

const JOBS: u64 = 500;

/// From GitLab's event to the dispatcher: API Gateway, webhook, bus and state machine.
const ON_THE_WAY: Duration = Duration::from_millis(300);

/// How many batches are handled at once, as the autoscaler stack has it.
const QUEUE_CONCURRENCY: usize = 3;

#[tokio::test(start_paused = true)]
async fn five_hundred_jobs_in_a_second_get_their_machines_with_a_few_calls() {
    let world = World::new(JOBS);
    let queue = LaunchQueue::new(&world.dispatcher, QUEUE_CONCURRENCY);
    let mut arriving = JoinSet::new();
    for (index, event) in (0_u32..).zip(world.pending()) {
        let mut arrivals = vec![Duration::from_millis(2) * index + ON_THE_WAY];
        if index % 5 == 0 {
            // Delivered again, soon or late.
            let late =
                Duration::from_millis([1, 300, 2_500, 20_000][usize::try_from(index / 5 % 4).unwrap()]);
            arrivals.push(arrivals[0] + late);
        }
        for arrival in arrivals {
            let (dispatcher, queue, event) = (world.dispatcher.clone(), queue.clone(), event.clone());
            arriving.spawn(async move {
                sleep(arrival).await;
                match start(&dispatcher, &event, Delivery::First).await.unwrap() {
                    Handled::Later { .. } => queue.send(event, Duration::ZERO),
                    other => panic!("{other:?}"),
                }
            });
        }
    }
    arriving.join_all().await;
    queue.until_empty().await;

    let records = world.records().await;
    assert!(records.iter().all(|record| record.state == LedgerState::Launched));
    let machines: BTreeSet<_> = records.iter().map(|record| &record.runner.as_ref().unwrap().name).collect();
    let last = world.started_after_seconds().await.into_iter().fold(0.0, f64::max);
    let (calls, live) =
        world.machines.ec2().with(|model, _| (model.count(Operation::CreateFleet), model.live().count()));
    let alone = one_call_a_job().as_secs_f64();
    println!(
        "{JOBS} machines were started {last:.1} s after the first event, with {calls} calls; one call a job takes {alone:.1} s"
    );

    assert_eq!((records.len(), machines.len(), live), (500, 500, 500), "one machine for each job");
    assert_eq!(world.registrations(), 500);
    assert!(last < 15.0, "{last} s");
    assert!(calls <= 20, "{calls} calls");
    assert!(alone > 240.0, "{alone} s: then the limits are not EC2's");
}

/// When the last of as many calls for one machine each is let through, however often they are tried.
fn one_call_a_job() -> Duration {
    let mut ec2 = Ec2Model::default();
    let mut now = Duration::ZERO;
    for job in 0..JOBS {
        while ec2.create_fleet(&one_order(job), now).answer.is_err() {
            now += Duration::from_millis(100);
        }
    }
    now
}
