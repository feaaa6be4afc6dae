//! Runs tasks of production code in the world's time, on one thread: when nobody can go on, time does.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use super::agenda::{Due, Moment};
use super::installation::Environment;
use super::sim::World;
use super::work::{TaskId, Work, Worker};

/// A wait in the world's time.
pub(super) struct Sleep<'a> {
    world: &'a World,
    wait: Moment,
    until: Option<Moment>,
}

impl<'a> Sleep<'a> {
    pub(super) fn new(world: &'a World, wait: Moment) -> Self {
        Self { world, wait, until: None }
    }
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut sim = self.world.lock();
        let until = self.until.unwrap_or(sim.now() + self.wait);
        if sim.now() >= until && self.until.is_some() {
            return Poll::Ready(());
        }
        if self.until.is_none() {
            sim.agenda.put(until, Due::Wake(context.waker().clone()));
        }
        drop(sim);
        self.until = Some(until);
        Poll::Pending
    }
}

type Ready = Arc<Mutex<Vec<usize>>>;

struct TaskWaker {
    place: usize,
    ready: Ready,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        lock(&self.ready).push(self.place);
    }
}

fn lock(ready: &Ready) -> MutexGuard<'_, Vec<usize>> {
    ready.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Task {
    id: TaskId,
    work: Work,
    /// When its process is killed.
    deadline: Moment,
    environment: Arc<Environment>,
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    waker: Waker,
}

/// A task that is over.
pub(super) struct Ended {
    pub(super) id: TaskId,
    /// Where it ran.
    pub(super) environment: Arc<Environment>,
    /// What it was to do, if it died before that was done.
    pub(super) undone: Option<Work>,
}

/// The tasks that are under way.
#[derive(Default)]
pub(super) struct Executor {
    tasks: Vec<Option<Task>>,
    free: Vec<usize>,
    ready: Ready,
    running: usize,
    /// Read from `ready` in one go.
    next: Vec<usize>,
}

impl Executor {
    /// Begins a task; it runs with the next [`run`](Self::run).
    pub(super) fn spawn(&mut self, id: TaskId, work: Work, now: Moment, worker: Worker) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.tasks.push(None);
            self.tasks.len() - 1
        });
        let waker = Waker::from(Arc::new(TaskWaker { place, ready: Arc::clone(&self.ready) }));
        let environment = Arc::clone(&worker.environment);
        let deadline = now + work.timeout();
        let future = Box::pin(worker.work(work.clone()));
        self.tasks[place] = Some(Task { id, work, deadline, environment, future, waker });
        self.running += 1;
        lock(&self.ready).push(place);
    }

    /// How many tasks are under way.
    pub(super) fn running(&self) -> usize {
        self.running
    }

    /// Lets every task go on that can, and returns those that are over.
    pub(super) fn run(&mut self, world: &World) -> Vec<Ended> {
        let mut ended = Vec::new();
        loop {
            std::mem::swap(&mut *lock(&self.ready), &mut self.next);
            if self.next.is_empty() {
                return ended;
            }
            let mut next = std::mem::take(&mut self.next);
            for place in next.drain(..) {
                ended.extend(self.poll(world, place));
            }
            self.next = next;
        }
    }

    fn poll(&mut self, world: &World, place: usize) -> Option<Ended> {
        let task = self.tasks[place].as_mut()?;
        world.lock().current = task.id;
        let polled = task.future.as_mut().poll(&mut Context::from_waker(&task.waker));
        let is_dead = std::mem::take(&mut world.lock().is_dead);
        if !is_dead && polled.is_pending() {
            return None;
        }
        let Task { id, work, environment, .. } = self.remove(place)?;
        Some(Ended { id, environment, undone: is_dead.then_some(work) })
    }

    /// Ends the tasks whose time is over.
    pub(super) fn reap(&mut self, now: Moment) -> Vec<Ended> {
        let is_late = |task: &Option<Task>| task.as_ref().is_some_and(|task| task.deadline <= now);
        let late: Vec<usize> = (0..self.tasks.len()).filter(|place| is_late(&self.tasks[*place])).collect();
        let ended = late.into_iter().filter_map(|place| {
            let Task { id, work, environment, .. } = self.remove(place)?;
            Some(Ended { id, environment, undone: Some(work) })
        });
        ended.collect()
    }

    fn remove(&mut self, place: usize) -> Option<Task> {
        let task = self.tasks[place].take()?;
        self.free.push(place);
        self.running -= 1;
        Some(task)
    }
}
