//! What production code is given to do, and what becomes of it: the state machines, the queue's batches, and the passes of the
//! reconciler. It mirrors `crates/mayfly-dispatcher/src/dispatch.rs` and `autoscaler/*.asl.json`.

use std::sync::Arc;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use mayfly_app::{Delivery, Handled, Mode, finish, machine_news, reconcile_once, record, start, start_batch};
use mayfly_core::decide::MachineNews;
use mayfly_core::error::PortError;
use mayfly_core::event::JobEvent;
use mayfly_core::ids::JobId;
use mayfly_core::reconcile::{Act, Repair};
use mayfly_core::status::Rank;

use super::agenda::{MINUTE, Moment, SECOND};
use super::installation::Environment;
use super::queue::Message;
use super::sim::{Event, Sim, World};
use super::tally::{Fact, Trouble};

/// A task of production code.
pub(super) type TaskId = u64;

/// When a message that met a passing fault is handled again, as the dispatcher has it.
const RETRY_AFTER: SignedDuration = SignedDuration::from_secs(15);

/// Something for production code to do.
#[derive(Debug, Clone)]
pub(super) enum Work {
    /// An event of a job, by its state machine.
    Event { event: Arc<JobEvent>, tries: u32 },
    /// News of a machine, by their state machine.
    News { news: MachineNews, tries: u32 },
    /// Messages of the launch queue.
    Batch(Arc<Vec<Message>>),
    /// A pass of the reconciler.
    Pass,
}

impl Work {
    /// How long a function may take for it.
    pub(super) fn timeout(&self) -> Moment {
        match self {
            Self::Event { .. } | Self::News { .. } | Self::Batch(_) => 90 * SECOND,
            Self::Pass => 5 * MINUTE,
        }
    }
}

/// What it takes to do it.
pub(super) struct Worker {
    pub(super) world: World,
    pub(super) environment: Arc<Environment>,
}

impl Worker {
    /// Does it, and sees to what comes of it.
    pub(super) async fn work(self, work: Work) {
        match work {
            // Each in a box of its own: a task is moved when it begins, and the largest is many times the smallest.
            Work::Event { event, tries } => {
                if let Err(error) = Box::pin(self.event(&event)).await {
                    self.world.lock().failed(Work::Event { event, tries }, &error);
                }
            }
            Work::News { news, tries } => {
                if let Err(error) = Box::pin(self.news(&news)).await {
                    self.world.lock().failed(Work::News { news, tries }, &error);
                }
            }
            Work::Batch(messages) => Box::pin(self.batch(&messages)).await,
            Work::Pass => Box::pin(self.pass()).await,
        }
    }

    async fn event(&self, event: &JobEvent) -> Result<(), PortError> {
        let dispatcher = &self.environment.dispatcher;
        let handled = match event.status.rank() {
            Rank::Created => return Ok(()),
            Rank::Pending => Box::pin(start(dispatcher, event, Delivery::First)).await?,
            Rank::Running => Box::pin(record(dispatcher, event)).await?,
            Rank::Finished => Box::pin(finish(dispatcher, event)).await?,
        };
        self.world.lock().tell_handled(event, &handled);
        self.settle(event, &handled).await
    }

    /// What the dispatcher does with an answer of a use case.
    async fn settle(&self, event: &JobEvent, handled: &Handled) -> Result<(), PortError> {
        match handled {
            Handled::Later { at, .. } => self.environment.queue.send(event, *at).await,
            Handled::Done { .. } | Handled::Parked { .. } => Ok(()),
        }
    }

    async fn news(&self, news: &MachineNews) -> Result<(), PortError> {
        match machine_news(&self.environment.dispatcher, news).await? {
            Some(again) => self.environment.queue.send(&again.event, again.not_before).await,
            None => Ok(()),
        }
    }

    async fn batch(&self, messages: &[Message]) {
        let begun = self.world.lock().now();
        let events: Vec<JobEvent> = messages.iter().map(|message| JobEvent::clone(&message.event)).collect();
        let started = start_batch(&self.environment.dispatcher, &events).await;
        let settled = events.iter().zip(started).map(|(event, started)| async move {
            let settled = match started {
                Ok(handled) => {
                    self.world.lock().tell_handled(event, &handled);
                    self.settle(event, &handled).await
                }
                Err(error) => Err(error),
            };
            match settled {
                Ok(()) => true,
                Err(error) => self.put_off(event, &error).await,
            }
        });
        let handled = join_all(settled).await;
        let failed = messages.iter().zip(handled).filter(|(_, is_handled)| !is_handled);
        let again = failed.map(|(message, _)| message.clone()).collect();
        self.world.lock().batch_over(again, begun);
    }

    async fn put_off(&self, event: &JobEvent, failed: &PortError) -> bool {
        let at = self.now() + RETRY_AFTER;
        failed.is_transient() && self.environment.queue.send(event, at).await.is_ok()
    }

    fn now(&self) -> Timestamp {
        self.environment.dispatcher.clock.now()
    }

    async fn pass(&self) {
        let passed = reconcile_once(&self.environment.reconciler, Mode::Act).await;
        let mut sim = self.world.lock();
        sim.tally.fact(Fact::Passes);
        match passed {
            Err(_) => sim.tally.fact(Fact::PassesFailed),
            Ok(pass) => {
                if pass.has_failed() {
                    sim.tally.fact(Fact::PassesFailed);
                }
                sim.tally.add(Fact::HeldBack, pass.plan.held_back.len() as u64);
                for done in &pass.done {
                    sim.repaired(&done.repair, done.result.is_err());
                }
            }
        }
    }
}

impl Sim {
    fn tell_handled(&mut self, event: &JobEvent, handled: &Handled) {
        let (now, task) = (self.now(), self.current);
        self.story.tell_job(now, event.key.job, || {
            format!("[task {task}] `{}` handled: {handled:?}", event.status)
        });
    }

    fn repaired(&mut self, repair: &Repair, has_failed: bool) {
        let now = self.now();
        let known = self.tally.repairs.entry((repair.act.as_str(), repair.reason)).or_default();
        known.0 += 1;
        known.1 += u64::from(has_failed);
        if let Some(job) = job_of(&repair.act) {
            self.story.tell_job(now, job, || format!("repair: {repair}; failed: {has_failed}"));
        } else {
            self.story.tell_all(now, || format!("repair: {repair}; failed: {has_failed}"));
        }
    }

    /// A task died with its process.
    pub(super) fn tell_death(&mut self, task: TaskId, work: &Work) {
        if !self.story.is_told() {
            return;
        }
        let now = self.now();
        let words = || format!("[task {task}] dies");
        match work {
            Work::Event { event, .. } => self.story.tell_job(now, event.key.job, words),
            Work::News { news, .. } => {
                if let Some(which) = self.computes.machine(&news.id) {
                    self.story.tell_compute(now, which, words);
                }
            }
            Work::Batch(messages) => {
                for message in messages.iter() {
                    self.story.tell_job(now, message.event.key.job, words);
                }
            }
            Work::Pass => self.story.tell_all(now, words),
        }
    }

    /// A state machine's task failed: it is tried again, or ends in the dead letters.
    pub(super) fn failed(&mut self, work: Work, error: &PortError) {
        if error.is_transient() {
            self.try_again(work, 4 * SECOND);
        } else {
            self.tally.trouble(Trouble::DeadLetter);
        }
    }

    /// Sees to what comes of a task's death.
    pub(super) fn died(&mut self, work: Work) {
        match work {
            Work::Batch(messages) => {
                let now = self.now();
                self.batch_over(messages.to_vec(), now);
            }
            Work::Pass => self.tally.fact(Fact::PassesDied),
            work => self.try_again(work, 2 * SECOND),
        }
    }

    fn try_again(&mut self, work: Work, first: Moment) {
        let (again, tried, most) = match work {
            Work::Event { event, tries } => (Work::Event { event, tries: tries + 1 }, tries, 2),
            Work::News { news, tries } => (Work::News { news, tries: tries + 1 }, tries, 6),
            Work::Batch(_) | Work::Pass => return,
        };
        if tried >= most {
            self.tally.trouble(Trouble::DeadLetter);
            return;
        }
        let longest = (first << tried).min(MINUTE);
        let wait = self.chance.between(0, longest);
        self.after(wait, Event::Begin(Box::new(again)));
    }
}

fn job_of(act: &Act) -> Option<JobId> {
    Some(match act {
        Act::Learn(event) | Act::Start(event) => event.key.job,
        Act::Relaunch(key) | Act::Retry(key) | Act::Park(key) | Act::Lost { job: key, .. } => key.job,
        Act::Forget(record) => record.key.job,
        Act::Mend { broken, .. } => broken.key.job,
        Act::End { job, .. } => job.as_ref()?.job,
        Act::Unregister { .. } => return None,
    })
}
