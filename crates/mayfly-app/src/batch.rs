//! `start_batch`: many jobs wait for runners.

use std::collections::HashSet;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use mayfly_core::decide::{StartAction, StartDecision};
use mayfly_core::error::PortError;
use mayfly_core::event::JobEvent;
use mayfly_core::ports::LaunchOutcome;

use crate::dispatcher::Dispatcher;
use crate::machines::{Done, Wanted, go_on, launch_machines};
use crate::start::{AT_ONCE, Delivery, Handled, Look, carry_out, look, start, wants_a_machine};

/// Starts runners for many waiting jobs, as [`start`] does for one. Jobs that want the same machines get them with one
/// call. The answers are in the order of the events; one that failed says nothing of the others.
pub async fn start_batch(dispatcher: &Dispatcher, events: &[JobEvent]) -> Vec<Result<Handled, PortError>> {
    let mut keys = HashSet::new();
    let (mut first, mut handled) = (Vec::new(), Vec::new());
    for (index, event) in events.iter().enumerate() {
        if keys.insert(&event.key) {
            first.push((index, event.clone()));
            handled
                .push(Err(PortError::later(format!("start of job {}", event.key), "nothing became of it")));
        } else {
            handled.push(Ok(Handled::done("the same event came twice")));
        }
    }
    let mut wanted = Vec::new();
    let begun: Vec<BoxFuture<'_, (usize, Result<Begun, PortError>)>> =
        first.into_iter().map(|(index, event)| begin(dispatcher, index, event).boxed()).collect();
    for (index, begun) in stream::iter(begun).buffered(AT_ONCE).collect::<Vec<_>>().await {
        match begun {
            Ok(Begun::Handled(done)) => handled[index] = Ok(done),
            Ok(Begun::Wanted(job)) => wanted.push(*job),
            Err(error) => handled[index] = Err(error),
        }
    }
    let launched = match &dispatcher.machines {
        Some(machines) => launch_machines(dispatcher, machines, wanted).await,
        None => without_machines(dispatcher, wanted).await,
    };
    for (index, done) in launched {
        handled[index] = done;
    }
    handled
}

/// Gives up jobs that were claimed when this installation still had machines.
async fn without_machines(dispatcher: &Dispatcher, wanted: Vec<Wanted>) -> Vec<Done> {
    let outcome =
        LaunchOutcome::Impossible { reason: "this installation has no machines any more".to_owned() };
    let mut done = Vec::new();
    for job in wanted {
        done.extend(go_on(dispatcher, job, &outcome).await.done);
    }
    done
}

/// How far a job of a batch got by itself.
enum Begun {
    Handled(Handled),
    /// It gets its machine together with others.
    Wanted(Box<Wanted>),
}

async fn begin(dispatcher: &Dispatcher, index: usize, event: JobEvent) -> (usize, Result<Begun, PortError>) {
    let begun = async {
        let decision = match look(dispatcher, &event, Delivery::Again).await? {
            Look::Over(handled) => return Ok(Begun::Handled(handled)),
            Look::Decided(decision) => decision,
        };
        let StartDecision { record, action } = *decision;
        if let (StartAction::Launch(_), Some(record)) = (&action, &record)
            && wants_a_machine(record)
        {
            let record = record.clone();
            return Ok(Begun::Wanted(Box::new(Wanted { index, event, record, is_written: false })));
        }
        match carry_out(dispatcher, &event, StartDecision { record, action }).await? {
            Some(handled) => Ok(Begun::Handled(handled)),
            None => start(dispatcher, &event, Delivery::Again).await.map(Begun::Handled),
        }
    };
    (index, begun.await)
}
