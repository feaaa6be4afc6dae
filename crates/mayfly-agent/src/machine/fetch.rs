//! Asks again and again for what a young instance does not have yet.

use std::time::Duration;

use mayfly_aws::machine::{Instance, Metadata};
use mayfly_core::error::{Chain, PortError};
use secrecy::SecretString;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::end::MachineEnd;

/// After so long, the agent asks half as often.
const EAGER: Duration = Duration::from_secs(10);

/// So many refusals in a row are believed. IAM tells its servers of new credentials and rights one after the other.
const REFUSALS: u32 = 10;

/// When to ask next.
#[derive(Debug)]
struct Pace {
    every: Duration,
    eager_until: Instant,
    next: Instant,
}

impl Pace {
    /// The first question is asked at once.
    fn new(every: Duration) -> Self {
        let now = Instant::now();
        Self { every, eager_until: now + EAGER, next: now }
    }

    /// Comes when it is time to ask. Nothing is lost if this is dropped before.
    async fn next(&mut self) {
        sleep_until(self.next).await;
        let now = Instant::now();
        self.next = now + if now < self.eager_until { self.every } else { self.every * 2 };
    }
}

/// Asks the metadata service what this instance is until it says so, or until the end.
pub(super) async fn find_instance(
    metadata: &Metadata,
    every: Duration,
    until: Instant,
) -> Result<Instance, MachineEnd> {
    let mut pace = Pace::new(every);
    let mut problems = Problems::default();
    let found = timeout_at(until, async {
        loop {
            pace.next().await;
            match metadata.instance().await {
                Ok(Ok(instance)) => return Ok(instance),
                Ok(Err(error)) => {
                    tracing::error!(error = %Chain(&error), "this agent was not launched by Mayfly");
                    return Err(MachineEnd::NotOurs);
                }
                Err(error) => problems.note(&error),
            }
        }
    });
    found.await.unwrap_or_else(|_| {
        problems.repeat();
        Err(MachineEnd::MetadataSilent)
    })
}

/// Asks for the assignment until it is there, or until the end. A question that has no answer yet does not hold up the next one, and
/// is waited for in the end: its answer may still come, with the assignment in it.
pub(super) async fn take_assignment<F>(
    ask: impl Fn() -> F,
    every: Duration,
    until: Instant,
) -> Result<SecretString, MachineEnd>
where
    F: Future<Output = Result<Option<SecretString>, PortError>> + Send + 'static,
{
    let mut pace = Pace::new(every);
    let mut asked = JoinSet::new();
    let mut problems = Problems::default();
    let mut is_over = false;
    loop {
        if is_over && asked.is_empty() {
            problems.repeat();
            return Err(MachineEnd::NoAssignment);
        }
        tokio::select! {
            biased;
            Some(answer) = asked.join_next() => {
                if let Some(json) = problems.assignment_in(answer) {
                    return Ok(json);
                }
                if problems.refusals >= REFUSALS {
                    problems.repeat();
                    return Err(MachineEnd::Refused);
                }
            }
            () = sleep_until(until), if !is_over => is_over = true,
            () = pace.next(), if !is_over => {
                asked.spawn(ask());
            }
        }
    }
}

/// What went wrong so far.
#[derive(Debug, Default)]
struct Problems {
    /// Definite ones, in a row.
    refusals: u32,
    last: Option<String>,
}

impl Problems {
    fn assignment_in(
        &mut self,
        answer: Result<Result<Option<SecretString>, PortError>, JoinError>,
    ) -> Option<SecretString> {
        match answer {
            Ok(Ok(assignment)) => {
                self.refusals = 0;
                return assignment;
            }
            Ok(Err(error)) => self.note(&error),
            Err(error) => self.note(&PortError::later("take the assignment", error)),
        }
        None
    }

    /// Logs a problem unless it was the last one as well.
    fn note(&mut self, error: &PortError) {
        self.refusals = if error.is_transient() { 0 } else { self.refusals + 1 };
        let text = Chain(error).to_string();
        if self.last.as_ref() != Some(&text) {
            tracing::warn!(error = text, "asking again");
            self.last = Some(text);
        }
    }

    /// Logs the last problem once more: it may be why the agent ends. If an answer was lost, so may be what was in it.
    fn repeat(&self) {
        if let Some(error) = &self.last {
            tracing::warn!(error, "the last problem on the way");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;

    use secrecy::ExposeSecret;
    use tokio::time::timeout;

    use super::*;

    /// Asks every second for a minute. The question of this number, from 0, is answered with the assignment after so many seconds;
    /// all others find nothing after as many.
    async fn take(number: u32, answer_after: u64) -> (Result<String, MachineEnd>, Duration) {
        let started = Instant::now();
        let asked = Cell::new(0);
        let ask = || {
            let this = asked.replace(asked.get() + 1);
            async move {
                let nothing = timeout(Duration::from_secs(answer_after), pending::<()>()).await;
                assert!(nothing.is_err());
                Ok((this == number).then(|| "the assignment".into()))
            }
        };
        let taken = take_assignment(ask, Duration::from_secs(1), started + Duration::from_mins(1)).await;
        (taken.map(|json| json.expose_secret().to_owned()), started.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn slow_answers_hold_up_nothing_and_are_waited_for_in_the_end() {
        let found = Ok("the assignment".to_owned());
        for (number, answer_after, expected, seconds) in [
            (0, 0, found.clone(), 0),
            // Asked for at 5 s, although no answer is there yet.
            (5, 30, found.clone(), 35),
            (5, 58, found, 63),
            // The last question is asked at 58 s.
            (u32::MAX, 3, Err(MachineEnd::NoAssignment), 61),
        ] {
            let (taken, elapsed) = take(number, answer_after).await;
            assert_eq!(taken, expected);
            assert_eq!(elapsed.as_secs(), seconds, "{number}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_asks_at_once_then_often_and_then_less_often_but_for_ever() {
        let mut pace = Pace::new(Duration::from_millis(500));
        let started = Instant::now();
        let mut asked = Vec::new();
        for _ in 0..40 {
            pace.next().await;
            asked.push(started.elapsed().as_millis());
        }
        assert_eq!(asked[..3], [0, 500, 1000]);
        assert!(asked.windows(2).all(|pair| pair[1] - pair[0] <= 1001), "{asked:?}");
        assert!(asked[39] - asked[38] >= 1000, "{asked:?}");
    }

    #[test]
    fn refusals_count_only_in_a_row() {
        let mut problems = Problems::default();
        for (error, expected) in [
            (PortError::never("take", "no right"), 1),
            (PortError::never("take", "no right"), 2),
            (PortError::later("take", "throttled"), 0),
            (PortError::never("take", "no right"), 1),
        ] {
            problems.note(&error);
            assert_eq!(problems.refusals, expected);
        }
        assert!(problems.assignment_in(Ok(Ok(None))).is_none());
        assert_eq!(problems.refusals, 0);
    }
}
