//! Calls of production code to the world: they take time, and go wrong.

use std::future::pending;

use mayfly_core::error::PortError;

use super::agenda::{Moment, SECOND};
use super::sim::{Sim, World};
use super::tally::{Call, Trouble};

/// A call that takes less, in milliseconds, is quick.
const QUICK: Moment = 50;

/// What becomes of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    Throttled,
    RequestLost,
    AnswerLost,
    /// The caller dies just before the effect.
    DiesBefore,
    /// The caller dies just after it.
    DiesAfter,
}

struct Way {
    there: Moment,
    back: Moment,
    fate: Fate,
}

/// What the caller hears of a call.
pub(super) enum Heard<T> {
    /// The answer.
    Answer(T),
    /// That it was refused because there were too many.
    Throttled,
    /// Nothing, though the call had this effect.
    LostAnswer(T),
    /// Nothing.
    Nothing,
}

impl World {
    /// Makes a call: some time later it has its effect, some time later the caller hears of it, unless it goes wrong.
    pub(super) async fn call<T: Send>(
        &self,
        call: Call,
        effect: impl FnOnce(&mut Sim) -> T + Send,
    ) -> Heard<T> {
        let way = self.lock().way(call);
        let Some(Way { there, back, fate }) = way else { return pending().await };
        self.sleep(there).await;
        let effected = {
            let mut sim = self.lock();
            let is_dead = sim.is_dead || fate == Fate::DiesBefore;
            sim.is_dead = is_dead;
            if is_dead || matches!(fate, Fate::Throttled | Fate::RequestLost) {
                None
            } else {
                let effected = effect(&mut sim);
                sim.is_dead = fate == Fate::DiesAfter;
                Some(effected)
            }
        };
        if matches!(fate, Fate::DiesBefore | Fate::DiesAfter) || self.lock().is_dead {
            return pending().await;
        }
        if back > 0 {
            self.sleep(back).await;
        }
        match (fate, effected) {
            (Fate::Throttled, _) => Heard::Throttled,
            (Fate::AnswerLost, Some(effected)) => Heard::LostAnswer(effected),
            (_, Some(effected)) => Heard::Answer(effected),
            (_, None) => Heard::Nothing,
        }
    }

    /// A call whose answer is an answer or an error: what went wrong on the way is an error that passes.
    pub(super) async fn ask<T: Send>(
        &self,
        call: Call,
        effect: impl FnOnce(&mut Sim) -> Result<T, PortError> + Send,
    ) -> Result<T, PortError> {
        match self.call(call, effect).await {
            Heard::Answer(answer) => answer,
            Heard::Throttled => Err(PortError::later(call.as_str(), "too many requests")),
            Heard::LostAnswer(_) | Heard::Nothing => Err(PortError::later(call.as_str(), "no answer came")),
        }
    }
}

impl Sim {
    /// What becomes of a call; `None` if the caller is dead.
    fn way(&mut self, call: Call) -> Option<Way> {
        if self.is_dead {
            return None;
        }
        self.tally.call(call);
        let (low, high) = call.takes();
        // A quick call takes its time before its effect: what comes after it is before the next call's.
        let is_quick = high < QUICK;
        let halves = if is_quick { 1 } else { 2 };
        let mut there = self.chance.between(low / halves, high / halves);
        let back = if is_quick { 0 } else { self.chance.between(low / halves, high / halves) };
        if self.strikes(self.mix.calls_slow, Trouble::CallSlow) {
            there += self.chance.between(SECOND, 20 * SECOND);
        }
        let fate = if self.strikes(self.mix.crashes, Trouble::Crash) {
            if self.chance.happens(0.5) { Fate::DiesBefore } else { Fate::DiesAfter }
        } else if self.strikes(self.mix.calls_throttled, Trouble::CallThrottled) {
            Fate::Throttled
        } else if self.chance.happens(self.mix.calls_ambiguous) {
            if self.chance.happens(0.5) {
                self.tally.trouble(Trouble::RequestLost);
                Fate::RequestLost
            } else {
                self.tally.trouble(Trouble::AnswerLost);
                Fate::AnswerLost
            }
        } else {
            Fate::Done
        };
        Some(Way { there, back, fate })
    }
}
