//! The launch queue: SQS, and the mapping that calls the dispatcher with what is in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use mayfly_core::error::PortError;
use mayfly_core::event::JobEvent;
use mayfly_core::ports::EventBus;

use super::agenda::{MINUTE, Moment, SECOND};
use super::sim::{Event, Sim, World};
use super::tally::{Call, Trouble};
use super::work::Work;

/// How many messages a batch has at most.
const BATCH: usize = 100;
/// How long a batch waits for more messages.
const WINDOW: Moment = SECOND;
/// How many batches are handled at once.
const BATCHES_AT_ONCE: usize = 3;
/// How long a message is hidden that is being handled.
const HIDDEN_FOR: Moment = 9 * MINUTE;
/// How often a message is handed out before it is a dead letter.
const MOST_RECEIVES: u32 = 5;
/// The longest delay of a message.
const LONGEST_DELAY: Moment = 15 * MINUTE;

/// One message.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) event: Arc<JobEvent>,
    receives: u32,
}

/// The messages, by the time at which they can be seen.
#[derive(Debug, Default)]
pub(super) struct LaunchQueue {
    messages: BTreeMap<(Moment, u64), Message>,
    numbers: u64,
    batches: usize,
    poll_at: Option<Moment>,
}

impl LaunchQueue {
    /// True if there is no message.
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.batches == 0
    }

    fn put(&mut self, at: Moment, message: Message) {
        self.numbers += 1;
        self.messages.insert((at, self.numbers), message);
    }
}

impl Sim {
    /// Puts a message into the queue that can be seen after a delay.
    pub(super) fn send_message(&mut self, event: &JobEvent, delay: Moment) {
        let at = self.now() + delay.min(LONGEST_DELAY);
        let event = Arc::new(event.clone());
        let times = if self.strikes(self.mix.messages_repeated, Trouble::MessageRepeated) { 2 } else { 1 };
        for _ in 0..times {
            self.queue.put(at, Message { event: Arc::clone(&event), receives: 0 });
        }
        self.poll_by(at + WINDOW);
    }

    fn poll_by(&mut self, at: Moment) {
        if self.queue.poll_at.is_none_or(|poll_at| at < poll_at) {
            self.queue.poll_at = Some(at);
            self.at(at, Event::Poll);
        }
    }

    /// Hands the messages that can be seen to dispatchers.
    pub(super) fn poll_queue(&mut self) {
        let now = self.now();
        if self.queue.poll_at.is_some_and(|at| at > now) {
            return;
        }
        self.queue.poll_at = None;
        while self.queue.batches < BATCHES_AT_ONCE {
            let batch = self.receive(now);
            if batch.is_empty() {
                break;
            }
            self.queue.batches += 1;
            self.begun.push(Work::Batch(Arc::new(batch)));
        }
        if let Some((at, _)) = self.queue.messages.keys().next().copied() {
            // A batch that ends polls anew.
            let next = (at + WINDOW).max(now + WINDOW);
            self.poll_by(next);
        }
    }

    fn receive(&mut self, now: Moment) -> Vec<Message> {
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Some(entry) = self.queue.messages.first_entry().filter(|entry| entry.key().0 <= now)
        {
            let mut message = entry.remove();
            message.receives += 1;
            if message.receives > MOST_RECEIVES {
                self.tally.trouble(Trouble::DeadLetter);
            } else {
                batch.push(message);
            }
        }
        batch
    }

    /// A batch was handled since `begun`; these messages come again.
    pub(super) fn batch_over(&mut self, again: Vec<Message>, begun: Moment) {
        self.queue.batches -= 1;
        for message in again {
            self.queue.put(begun + HIDDEN_FOR, message);
        }
        let now = self.now();
        self.poll_by(now);
    }
}

/// The queue as production code sees it.
pub(super) struct QueuePort(pub(super) World);

impl QueuePort {
    /// Sends a message that can be seen at this time.
    pub(super) async fn send(&self, event: &JobEvent, at: Timestamp) -> Result<(), PortError> {
        let at = super::agenda::moment(at);
        self.0
            .ask(Call::QueueSend, |sim| {
                let delay = at.saturating_sub(sim.now());
                sim.send_message(event, delay);
                Ok(())
            })
            .await
    }
}

#[async_trait]
impl EventBus for QueuePort {
    async fn publish(&self, event: &JobEvent) -> Result<(), PortError> {
        self.send(event, Timestamp::MIN).await
    }
}
