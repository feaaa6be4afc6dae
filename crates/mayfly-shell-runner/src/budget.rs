//! How the time of one invocation is spent.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mayfly_agent::{AgentTimings, TimeLimit};
use mayfly_core::mapping::RunnerSettings;

/// What is left after the runner's own deadline, to end its registration and to remove what it left.
const AFTERWARDS: SignedDuration = SignedDuration::from_secs(10);

/// Lambda must have the answer this long before the invocation's end. An invocation that is cut off tells nothing.
const LAST_MOMENT: SignedDuration = SignedDuration::from_secs(1);

/// The time of one invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Budget {
    /// When it began.
    begin: Timestamp,
    /// When the runner must be gone.
    pub(crate) runner: TimeLimit,
    /// By when everything must be over.
    pub(crate) everything: Timestamp,
}

impl Budget {
    /// The budget of an invocation that begins now.
    pub(crate) fn new(now: Timestamp, end: Timestamp) -> Self {
        let seconds = (end.duration_since(now).as_millis() + 500).div_euclid(1000).max(0);
        Self {
            begin: now,
            runner: TimeLimit {
                deadline: earlier(end, AFTERWARDS),
                because: format!(
                    "its AWS Lambda function may run for {seconds} s. A longer job needs a mapping to another target"
                ),
            },
            everything: earlier(end, LAST_MOMENT),
        }
    }

    /// When a runner of these settings must be gone. Its life begins with the invocation: Lambda may have kept the event for
    /// long, and a runner that comes late is still wanted.
    pub(crate) fn deadline_of(&self, settings: &RunnerSettings) -> Timestamp {
        self.begin.checked_add(settings.max_life()).unwrap_or(Timestamp::MAX)
    }

    /// How long is left for everything.
    pub(crate) fn left(&self, now: Timestamp) -> Duration {
        // What is over already is negative.
        Duration::try_from(self.everything.duration_since(now)).unwrap_or_default()
    }
}

/// How the agent spends its part. If everything there is takes as long as it may, this is more than there is: GitLab does
/// not answer, and processes do not die, at once.
pub(crate) fn agent_timings() -> AgentTimings {
    AgentTimings { farewell: Duration::from_secs(5), ..AgentTimings::default() }
}

/// Reads the deadline as Lambda tells it, in milliseconds.
pub(crate) fn deadline(milliseconds: u64) -> Timestamp {
    i64::try_from(milliseconds)
        .ok()
        .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok())
        .unwrap_or(Timestamp::MAX)
}

fn earlier(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_sub(by).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_runner_leaves_time_for_what_comes_after_it() {
        let now = time("2026-08-01T10:00:00.02Z");
        let budget = Budget::new(now, time("2026-08-01T10:15:00Z"));
        assert_eq!(budget.runner.deadline, time("2026-08-01T10:14:50Z"));
        assert_eq!(
            budget.runner.because,
            "its AWS Lambda function may run for 900 s. A longer job needs a mapping to another target"
        );
        assert_eq!(budget.left(now), Duration::from_millis(898_980));
    }

    #[test]
    fn an_invocation_that_is_over_has_no_time_left() {
        let now = time("2026-08-01T10:00:00Z");
        for end in [time("2026-08-01T09:00:00Z"), now, Timestamp::MIN] {
            assert_eq!(Budget::new(now, end).left(now), Duration::ZERO, "{end}");
        }
        assert!(Budget::new(Timestamp::MIN, Timestamp::MAX).runner.because.contains(" s. "));
    }

    #[test]
    fn a_runner_lives_from_the_invocation_on_however_late_that_is() {
        let budget = Budget::new(time("2026-08-01T10:00:00Z"), time("2026-08-01T10:15:00Z"));
        let settings = RunnerSettings { max_life_seconds: 600, ..RunnerSettings::default() };
        assert_eq!(budget.deadline_of(&settings), time("2026-08-01T10:10:00Z"));
    }

    #[test]
    fn deadlines_are_milliseconds() {
        assert_eq!(deadline(1_785_578_400_123), time("2026-08-01T10:00:00.123Z"));
        assert_eq!(deadline(u64::MAX), Timestamp::MAX);
    }
}
