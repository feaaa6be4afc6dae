//! What was read once and may be used again for a while.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// Keeps one value for a fixed time, or until it is told to forget it.
#[derive(Debug)]
pub(super) struct Kept<T> {
    keep_for: Duration,
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    generation: Generation,
    value: Option<(Timestamp, T)>,
}

/// Counts how often everything was forgotten, so that a read that began before is not kept afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Generation(u64);

impl<T: Clone> Kept<T> {
    pub(super) fn new(keep_for: Duration) -> Self {
        Self { keep_for, state: Mutex::new(State { generation: Generation(0), value: None }) }
    }

    /// The value, if it was read less than the time ago; else what to give to [`keep`](Self::keep) after reading it.
    pub(super) fn fresh(&self, now: Timestamp) -> Result<T, Generation> {
        let state = self.lock();
        match &state.value {
            Some((read_at, value)) if self.is_fresh(*read_at, now) => Ok(value.clone()),
            _ => Err(state.generation),
        }
    }

    /// Keeps what was read from this moment on, unless something was changed meanwhile.
    pub(super) fn keep(&self, generation: Generation, read_at: Timestamp, value: T) {
        let mut state = self.lock();
        if state.generation == generation {
            state.value = Some((read_at, value));
        }
    }

    /// Something was changed: what was read before is worth nothing.
    pub(super) fn forget(&self) {
        let mut state = self.lock();
        state.generation = Generation(state.generation.0 + 1);
        state.value = None;
    }

    fn is_fresh(&self, read_at: Timestamp, now: Timestamp) -> bool {
        // A clock that was set back makes the age negative: that is not fresh either.
        Duration::try_from(now.duration_since(read_at)).is_ok_and(|age| age < self.keep_for)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing in the guarded sections can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    const READ: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn a_value_is_fresh_for_its_time_only() {
        let kept = Kept::new(Duration::from_secs(30));
        kept.keep(kept.fresh(READ).unwrap_err(), READ, "rows");
        for (age, is_fresh) in [(-1, false), (0, true), (29_999, true), (30_000, false)] {
            let answer = kept.fresh(READ + SignedDuration::from_millis(age));
            assert_eq!(answer.is_ok(), is_fresh, "after {age} ms");
        }
    }

    #[test]
    fn with_no_time_nothing_is_kept() {
        let kept = Kept::new(Duration::ZERO);
        kept.keep(kept.fresh(READ).unwrap_err(), READ, "rows");
        assert!(kept.fresh(READ).is_err());
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let kept = Kept::new(Duration::from_secs(30));
        let before = kept.fresh(READ).unwrap_err();
        kept.forget();
        kept.keep(before, READ, "old rows");
        let after = kept.fresh(READ).unwrap_err();
        kept.keep(after, READ, "new rows");
        assert_eq!(kept.fresh(READ), Ok("new rows"));
        kept.forget();
        assert!(kept.fresh(READ).is_err());
    }
}
