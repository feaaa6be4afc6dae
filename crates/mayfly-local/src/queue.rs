//! The queue between intake and worker: an event is accepted once it is on the disk.
//!
//! One thread owns the table. It takes whatever has come in meanwhile and commits it together, so that a thousand webhooks at
//! once cost a few writes to the disk. While the store cannot be written, senders are told so, and their events are kept in
//! memory until it can.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use jiff::Timestamp;
use mayfly_core::clock::Clock;
use mayfly_core::error::{Chain, PortError};
use mayfly_core::event::JobEvent;
use mayfly_core::ids::JobKey;
use mayfly_core::ports::EventBus;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;
use tracing::{error, info};

use crate::queue_store::{Change, QueueStore, QueuedEvent};

/// How many requests are committed together at the most.
const GROUP: usize = 1024;
/// How often a store that could not be written is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// How many events are kept in memory while the store is down. More than GitLab.com sends a namespace in ten minutes.
const BACKLOG: usize = 100_000;

/// A handle to the queue; clones share it.
#[derive(Clone)]
pub struct Queue {
    requests: mpsc::Sender<Request>,
    clock: Arc<dyn Clock>,
    state: Arc<QueueState>,
    waiting: Arc<BTreeSet<JobKey>>,
}

/// What is known of the queue without asking it.
#[derive(Default)]
struct QueueState {
    changed: Notify,
    backlog: AtomicU64,
    down: Mutex<Option<String>>,
}

/// Tells a sender whether its change is on the disk, or why it is not.
type Reply = oneshot::Sender<Result<(), String>>;

enum Request {
    Change(Change, Option<Reply>),
    Take { limit: usize, reply: oneshot::Sender<Taken> },
    Counts(oneshot::Sender<Option<(u64, u64)>>),
}

/// Events to handle, and when to look again.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) events: Vec<QueuedEvent>,
    pub(crate) next_due: Option<Timestamp>,
}

/// How the queue does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueHealth {
    /// Events that wait, and dead letters; `None` if the store does not answer.
    pub counts: Option<(u64, u64)>,
    /// Events kept in memory only.
    pub backlog: u64,
    /// Why the store cannot be written, if it cannot.
    pub down: Option<String>,
}

impl Queue {
    /// Opens the queue's table in the store's file and starts its thread, which ends when the last handle is dropped. Must be called
    /// within a runtime.
    pub fn open(file: &Path, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let context = || format!("cannot open the queue in {}", file.display());
        let mut store = QueueStore::open(file).with_context(context)?;
        let waiting = Arc::new(store.wake_all(clock.now()).with_context(context)?);
        let (requests, received) = mpsc::channel(4 * GROUP);
        let (answers, answered) = mpsc::unbounded_channel();
        let state = Arc::new(QueueState::default());
        let keeper = Keeper {
            store,
            clock: Arc::clone(&clock),
            state: Arc::clone(&state),
            backlog: Vec::new(),
            in_flight: BTreeSet::new(),
            answers,
        };
        tokio::spawn(tell(answered));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        std::thread::Builder::new()
            .name("queue".to_owned())
            .spawn(move || runtime.block_on(keeper.run(received)))?;
        Ok(Self { requests, clock, state, waiting })
    }

    /// True if a `pending` of this job was in the queue when it was opened.
    pub(crate) fn knew(&self, key: &JobKey) -> bool {
        self.waiting.contains(key)
    }

    /// Takes events that are due. They come again only after [`defer`](Self::defer), or after a restart.
    pub(crate) async fn take(&self, limit: usize) -> Taken {
        let (reply, taken) = oneshot::channel();
        self.send(Request::Take { limit, reply }).await;
        taken.await.unwrap_or_default()
    }

    /// Adds an event that is due at a later time. Nobody waits for it to be on the disk: it is kept until it is.
    pub(crate) async fn add_later(&self, event: &JobEvent, due: Timestamp) {
        match serde_json::to_string(event) {
            Ok(event) => self.send(Request::Change(Change::Add { event, due }, None)).await,
            Err(error) => error!(%error, "An event cannot be written"),
        }
    }

    /// The event is handled.
    pub(crate) async fn done(&self, seq: i64) {
        self.send(Request::Change(Change::Done { seq }, None)).await;
    }

    /// The event must be handled again.
    pub(crate) async fn defer(&self, seq: i64, due: Timestamp, for_capacity: bool) {
        self.send(Request::Change(Change::Defer { seq, due, for_capacity }, None)).await;
    }

    /// Nobody can handle the event: it is kept as a dead letter.
    pub(crate) async fn bury(&self, seq: i64, reason: String) {
        let now = self.clock.now();
        self.send(Request::Change(Change::Bury { seq, reason, now }, None)).await;
    }

    /// So many runners left: as many events that wait for capacity are due now.
    pub(crate) async fn nudge(&self, runners: usize) {
        let now = self.clock.now();
        self.send(Request::Change(Change::Nudge { runners, now }, None)).await;
    }

    /// Returns when the queue may have something new.
    pub(crate) async fn changed(&self) {
        self.state.changed.notified().await;
    }

    /// How the queue does.
    pub async fn health(&self) -> QueueHealth {
        let (reply, counts) = oneshot::channel();
        self.send(Request::Counts(reply)).await;
        QueueHealth {
            counts: counts.await.ok().flatten(),
            backlog: self.state.backlog.load(Ordering::Relaxed),
            down: self.state.down().clone(),
        }
    }

    /// Adds an event that is due now, and returns once it is on the disk.
    async fn add(
        &self,
        event: &JobEvent,
        change: impl FnOnce(String, Timestamp) -> Change,
    ) -> Result<(), PortError> {
        let operation = || format!("queue: add `{}` of job {}", event.status, event.key);
        let text = serde_json::to_string(event).map_err(|error| PortError::never(operation(), error))?;
        let (reply, answer) = oneshot::channel();
        self.send(Request::Change(change(text, self.clock.now()), Some(reply))).await;
        match answer.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(reason)) => Err(PortError::later(operation(), reason)),
            Err(_) => Err(PortError::later(operation(), "the queue's thread has ended")),
        }
    }

    async fn send(&self, request: Request) {
        if self.requests.send(request).await.is_err() {
            error!("The queue's thread has ended");
        }
    }
}

#[async_trait]
impl EventBus for Queue {
    async fn publish(&self, event: &JobEvent) -> Result<(), PortError> {
        self.add(event, |event, due| Change::Add { event, due }).await
    }
}

/// The queue, for events that may be in it: one of a job whose `pending` waits in it is not added.
pub(crate) struct MissingStarts(pub(crate) Queue);

#[async_trait]
impl EventBus for MissingStarts {
    async fn publish(&self, event: &JobEvent) -> Result<(), PortError> {
        let key = event.key.clone();
        self.0.add(event, |event, due| Change::AddMissing { key, event, due }).await
    }
}

impl QueueState {
    fn down(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread that owns the table.
struct Keeper {
    store: QueueStore,
    clock: Arc<dyn Clock>,
    state: Arc<QueueState>,
    /// Changes that could not be written yet, in order.
    backlog: Vec<Change>,
    /// Events taken and not given back.
    in_flight: BTreeSet<i64>,
    /// Answers to a whole group at once: waking each sender from this thread would cost more than the group's commit.
    answers: mpsc::UnboundedSender<(Vec<Reply>, Result<(), String>)>,
}

/// Tells senders what became of their changes.
async fn tell(mut answered: mpsc::UnboundedReceiver<(Vec<Reply>, Result<(), String>)>) {
    while let Some((replies, answer)) = answered.recv().await {
        for reply in replies {
            // The sender may have gone; its event is kept all the same.
            let _ = reply.send(answer.clone());
        }
    }
}

impl Keeper {
    async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut group = Vec::with_capacity(GROUP);
        loop {
            let received = if self.backlog.is_empty() {
                requests.recv_many(&mut group, GROUP).await
            } else if let Ok(received) = timeout(RETRY, requests.recv_many(&mut group, GROUP)).await {
                received
            } else {
                self.commit(Vec::new());
                continue;
            };
            if received == 0 {
                return;
            }
            self.serve(&mut group);
        }
    }

    fn serve(&mut self, group: &mut Vec<Request>) {
        let mut changes = Vec::new();
        let mut questions = Vec::new();
        for request in group.drain(..) {
            match request {
                Request::Change(change, reply) => changes.push((change, reply)),
                question => questions.push(question),
            }
        }
        if !changes.is_empty() {
            self.commit(changes);
        }
        for question in questions {
            match question {
                Request::Take { limit, reply } => {
                    let _ = reply.send(self.take(limit));
                }
                Request::Counts(reply) => {
                    let _ = reply.send(self.store.counts().ok());
                }
                Request::Change(..) => {}
            }
        }
    }

    /// Writes the backlog and the changes together, and tells the senders.
    fn commit(&mut self, changes: Vec<(Change, Option<Reply>)>) {
        let (new, replies): (Vec<Change>, Vec<_>) = changes.into_iter().unzip();
        let mut all = std::mem::take(&mut self.backlog);
        all.extend(new);
        let answer = match self.store.apply(&all) {
            Ok(()) => {
                self.note_written(&all);
                Ok(())
            }
            Err(down) => Err(self.note_down(&down, all)),
        };
        // Nobody is left to be told once the runtime is gone.
        let _ = self.answers.send((replies.into_iter().flatten().collect(), answer));
        self.state.changed.notify_one();
    }

    fn note_written(&mut self, changes: &[Change]) {
        for change in changes {
            if let Change::Done { seq } | Change::Defer { seq, .. } | Change::Bury { seq, .. } = change {
                self.in_flight.remove(seq);
            }
        }
        self.state.backlog.store(0, Ordering::Relaxed);
        if self.state.down().take().is_some() {
            info!("The store can be written again; what was kept in memory is in it now");
        }
    }

    fn note_down(&mut self, down: &(dyn std::error::Error + 'static), mut unwritten: Vec<Change>) -> String {
        let lost = unwritten.len().saturating_sub(BACKLOG);
        unwritten.truncate(BACKLOG);
        self.backlog = unwritten;
        self.state.backlog.store(self.backlog.len() as u64, Ordering::Relaxed);
        let cause = Chain(down).to_string();
        if lost > 0 {
            error!(lost, "Too many events while the store is down: {lost} are not kept");
        }
        if self.state.down().replace(cause.clone()).is_none() {
            error!("{cause}; events are kept in memory until it can be written");
        }
        if lost > 0 {
            format!("{cause}; too many events are kept already, this one is not")
        } else {
            format!("{cause}; the event is kept in memory and handled once the store is back")
        }
    }

    fn take(&mut self, limit: usize) -> Taken {
        let now = self.clock.now();
        let in_flight: Vec<i64> = self.in_flight.iter().copied().collect();
        match self.store.due(now, limit, &in_flight) {
            Ok(events) => {
                self.in_flight.extend(events.iter().map(|event| event.seq));
                Taken { events, next_due: self.store.next_due(now).ok().flatten() }
            }
            Err(down) => {
                error!(error = %Chain(&down), "The queue cannot be read");
                Taken { events: Vec::new(), next_due: now.checked_add(RETRY).ok() }
            }
        }
    }
}
