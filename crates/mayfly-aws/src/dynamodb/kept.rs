//! What was read once and may be used again for a while.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use jiff::Timestamp;
use mayfly_core::error::PortError;

/// Keeps one value for a fixed time. Those who ask while it is read wait for the one
/// reading and hear what came of it.
pub(super) struct Kept<T: Clone> {
    keep_for: Duration,
    state: Mutex<State<T>>,
}

struct State<T: Clone> {
    value: Option<(Timestamp, T)>,
    reading: Option<Reading<T>>,
}

type Read<T> = BoxFuture<'static, Result<T, Arc<PortError>>>;

/// A reading under way. It ends with the last of those who wait for it.
struct Reading<T: Clone> {
    began_at: Timestamp,
    answer: WeakShared<Read<T>>,
}

/// A reading that somebody waits for.
struct Awaited<T: Clone> {
    began_at: Timestamp,
    answer: Shared<Read<T>>,
}

impl<T: Clone> Kept<T> {
    pub(super) fn new(keep_for: Duration) -> Self {
        Self { keep_for, state: Mutex::new(State { value: None, reading: None }) }
    }

    /// The value, if it was read less than the time ago; else what `read` reads, or somebody else is reading already.
    pub(super) async fn get(
        &self,
        now: Timestamp,
        read: impl FnOnce() -> Read<T>,
    ) -> Result<T, Arc<PortError>> {
        let reading = match self.fresh_or_reading(now, read) {
            Ok(value) => return Ok(value),
            Err(reading) => reading,
        };
        let value = reading.answer.await?;
        // Everyone who waited writes the same.
        self.lock().value = Some((reading.began_at, value.clone()));
        Ok(value)
    }

    fn fresh_or_reading(&self, now: Timestamp, read: impl FnOnce() -> Read<T>) -> Result<T, Awaited<T>> {
        let mut state = self.lock();
        if let Some((read_at, value)) = &state.value
            && self.is_fresh(*read_at, now)
        {
            return Ok(value.clone());
        }
        let under_way = state.reading.as_ref().and_then(|reading| {
            let answer = reading.answer.upgrade().filter(|answer| answer.peek().is_none())?;
            Some(Awaited { began_at: reading.began_at, answer })
        });
        Err(under_way.unwrap_or_else(|| {
            let answer = read().shared();
            state.reading = answer.downgrade().map(|answer| Reading { began_at: now, answer });
            Awaited { began_at: now, answer }
        }))
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

impl<T: Clone> fmt::Debug for Kept<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Kept").field("keep_for", &self.keep_for).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
