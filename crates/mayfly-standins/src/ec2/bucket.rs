//! How AWS limits calls: a bucket of tokens that fills again at a steady rate.

use std::time::Duration;

/// A bucket that is full at first.
#[derive(Debug, Clone)]
pub struct TokenBucket {
    size: u32,
    /// How long one token takes to come.
    interval: Duration,
    /// When it is full again.
    full_at: Duration,
}

impl TokenBucket {
    /// A bucket for so many tokens, of which so many come a second.
    ///
    /// # Panics
    ///
    /// If none ever come.
    pub fn new(size: u32, a_second: u32) -> Self {
        Self { size, interval: Duration::from_secs(1) / a_second, full_at: Duration::ZERO }
    }

    /// Takes so many tokens, or none if there are fewer.
    pub fn take(&mut self, tokens: u32, now: Duration) -> bool {
        let full_at = self.full_at.max(now) + self.interval * tokens;
        let is_enough = full_at <= now + self.interval * self.size;
        if is_enough {
            self.full_at = full_at;
        }
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_what_it_has_and_what_came_since() {
        let mut bucket = TokenBucket::new(5, 2);
        let taken = (0..7).filter(|_| bucket.take(1, Duration::ZERO)).count();
        assert_eq!(taken, 5);
        assert!(!bucket.take(1, Duration::from_millis(499)));
        assert!(bucket.take(1, Duration::from_millis(500)));
        assert!(!bucket.take(1, Duration::from_millis(500)));
        assert!(bucket.take(5, Duration::from_mins(1)), "it is full again, and no fuller");
        assert!(!bucket.take(1, Duration::from_mins(1)));
        assert!(!bucket.take(6, Duration::from_mins(10)), "more than it holds");
    }
}
