//! Chance: one generator a world, seeded.

use super::agenda::Moment;

/// The chance of one world.
pub(super) struct Chance(fastrand::Rng);

impl Chance {
    /// The chance of the world of this number of a run with this seed.
    pub(super) fn new(seed: u64, world: u64) -> Self {
        let mut of_run = fastrand::Rng::with_seed(seed ^ world.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Self(fastrand::Rng::with_seed(of_run.u64(..)))
    }

    /// True in this part of all cases.
    pub(super) fn happens(&mut self, rate: f64) -> bool {
        rate > 0.0 && self.0.f64() < rate
    }

    /// A whole number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0.u64(low..=high.max(low))
    }

    /// Any number.
    pub(super) fn number(&mut self) -> u64 {
        self.0.u64(..)
    }

    /// One of the first `count` positions.
    pub(super) fn position(&mut self, count: usize) -> usize {
        // Not `usize`: its numbers depend on the machine's word.
        usize::try_from(self.0.u64(0..(count.max(1) as u64))).unwrap_or(0)
    }

    /// A time from `low` to `high`, short ones far more often than long ones.
    pub(super) fn mostly_short(&mut self, low: Moment, high: Moment) -> Moment {
        let cube = self.0.f64().powi(3);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "times of a few hours"
        )]
        let further = ((high - low) as f64 * cube) as u64;
        low + further
    }
}
