//! Time: a list of what happens when. It passes only from one entry to the next.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::task::Waker;

use jiff::{SignedDuration, Timestamp};

use super::sim::Event;

/// Milliseconds since the world began.
pub(super) type Moment = u64;

/// One second.
pub(super) const SECOND: Moment = 1000;
/// One minute.
pub(super) const MINUTE: Moment = 60 * SECOND;
/// One hour.
pub(super) const HOUR: Moment = 60 * MINUTE;

/// When a world begins, as its clock tells it.
const BEGIN: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// The moment as production code sees it.
pub(super) fn timestamp(moment: Moment) -> Timestamp {
    BEGIN + SignedDuration::from_millis(moment.cast_signed())
}

/// The moment of a time that production code gave.
pub(super) fn moment(time: Timestamp) -> Moment {
    let since = time.duration_since(BEGIN).as_millis();
    u64::try_from(since).unwrap_or(0)
}

/// What is due.
pub(super) enum Due {
    /// A task of production code goes on.
    Wake(Waker),
    /// Something happens in the world.
    Happens(Event),
}

struct Entry {
    at: Moment,
    /// Of two entries of one moment, the one that was written first comes first.
    number: u64,
    due: Due,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    /// The earliest is the greatest: that is the one a heap gives out first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

/// The list.
#[derive(Default)]
pub(super) struct Agenda {
    now: Moment,
    numbers: u64,
    heap: BinaryHeap<Entry>,
}

impl Agenda {
    /// The present moment.
    pub(super) fn now(&self) -> Moment {
        self.now
    }

    /// Writes down what is due at this moment, or at once if that has passed.
    pub(super) fn put(&mut self, at: Moment, due: Due) {
        self.numbers += 1;
        self.heap.push(Entry { at: at.max(self.now), number: self.numbers, due });
    }

    /// Goes on to the next moment at which something is due.
    pub(super) fn next(&mut self) -> Option<Due> {
        let Entry { at, due, .. } = self.heap.pop()?;
        self.now = at;
        Some(due)
    }
}
