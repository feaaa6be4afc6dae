//! What goes wrong in a world, and how often.

/// How often things go wrong. A rate is a part of all cases, from 0 to 1, if nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mix {
    /// Webhooks that never come.
    pub webhooks_lost: f64,
    /// Webhooks that come twice.
    pub webhooks_repeated: f64,
    /// Webhooks that come late, by up to two minutes, and so out of order.
    pub webhooks_late: f64,
    /// Calls of which nobody knows what became: in half of them the request was lost, in the others only the answer.
    pub calls_ambiguous: f64,
    /// Calls that are refused because there were too many.
    pub calls_throttled: f64,
    /// Calls that take many times as long as usual.
    pub calls_slow: f64,
    /// Calls just before or just after which the caller's process dies.
    pub crashes: f64,
    /// Machines and functions that die, at any time of their lives; spot machines are taken back.
    pub machines_dying: f64,
    /// Machines that run, and whose agent never starts.
    pub machines_never_up: f64,
    /// Machines that hang at some time of their lives: they live on, and do nothing any more.
    pub machines_hung: f64,
    /// News of machines that never come.
    pub news_lost: f64,
    /// News of machines that come twice.
    pub news_repeated: f64,
    /// News of machines that come up to a minute late.
    pub news_late: f64,
    /// Invocations that Lambda accepts and never makes.
    pub invocations_lost: f64,
    /// Invocations that Lambda makes minutes later.
    pub invocations_late: f64,
    /// Messages of the launch queue that come twice.
    pub messages_repeated: f64,
    /// Writes that the ledger's indexes show a moment later.
    pub index_lags: f64,
    /// Registrations that their agent leaves behind.
    pub registrations_left: f64,
    /// Times in an hour that GitLab is down for some minutes.
    pub gitlab_down_an_hour: f64,
    /// Times in an hour that GitLab disables the webhook for some minutes.
    pub hook_disabled_an_hour: f64,
    /// Times in an hour that one of the two markets has no machines for some minutes.
    pub shortages_an_hour: f64,
    /// Jobs that a runner of somebody else takes, if it can.
    pub thefts: f64,
    /// Jobs that somebody cancels while they wait.
    pub canceled_waiting: f64,
    /// Jobs that somebody cancels while they run.
    pub canceled_running: f64,
    /// Jobs whose script fails.
    pub failing: f64,
    /// Failed jobs that somebody retries.
    pub retried: f64,
    /// Projects whose jobs of all mappings have the same tags, so that their runners take each other's jobs.
    pub shared_tags: f64,
    /// Whether pipelines share projects, and stages have many jobs of a kind, so that runners take each other's jobs.
    pub is_crowded: bool,
}

impl Mix {
    /// Nothing goes wrong, and nobody meddles.
    pub const NOTHING: Self = Self {
        webhooks_lost: 0.0,
        webhooks_repeated: 0.0,
        webhooks_late: 0.0,
        calls_ambiguous: 0.0,
        calls_throttled: 0.0,
        calls_slow: 0.0,
        crashes: 0.0,
        machines_dying: 0.0,
        machines_never_up: 0.0,
        machines_hung: 0.0,
        news_lost: 0.0,
        news_repeated: 0.0,
        news_late: 0.0,
        invocations_lost: 0.0,
        invocations_late: 0.0,
        messages_repeated: 0.0,
        index_lags: 0.0,
        registrations_left: 0.0,
        gitlab_down_an_hour: 0.0,
        hook_disabled_an_hour: 0.0,
        shortages_an_hour: 0.0,
        thefts: 0.0,
        canceled_waiting: 0.0,
        canceled_running: 0.0,
        failing: 0.0,
        retried: 0.0,
        shared_tags: 0.0,
        is_crowded: false,
    };
}

impl Mix {
    /// The same, and everything goes wrong so many times as often, but nothing more often than in half of all cases.
    #[must_use]
    pub fn times(self, times: f64) -> Self {
        let rate = |rate: f64| (rate * times).min(rate.max(0.5));
        Self {
            webhooks_lost: rate(self.webhooks_lost),
            webhooks_repeated: rate(self.webhooks_repeated),
            webhooks_late: rate(self.webhooks_late),
            calls_ambiguous: rate(self.calls_ambiguous),
            calls_throttled: rate(self.calls_throttled),
            calls_slow: rate(self.calls_slow),
            crashes: rate(self.crashes),
            machines_dying: rate(self.machines_dying),
            machines_never_up: rate(self.machines_never_up),
            machines_hung: rate(self.machines_hung),
            news_lost: rate(self.news_lost),
            news_repeated: rate(self.news_repeated),
            news_late: rate(self.news_late),
            invocations_lost: rate(self.invocations_lost),
            invocations_late: rate(self.invocations_late),
            messages_repeated: rate(self.messages_repeated),
            index_lags: rate(self.index_lags),
            registrations_left: rate(self.registrations_left),
            gitlab_down_an_hour: rate(self.gitlab_down_an_hour),
            hook_disabled_an_hour: rate(self.hook_disabled_an_hour),
            shortages_an_hour: rate(self.shortages_an_hour),
            thefts: rate(self.thefts),
            canceled_waiting: rate(self.canceled_waiting),
            canceled_running: rate(self.canceled_running),
            ..self
        }
    }
}

impl Default for Mix {
    /// Far worse than what is usual.
    fn default() -> Self {
        Self {
            webhooks_lost: 0.05,
            webhooks_repeated: 0.05,
            webhooks_late: 0.1,
            calls_ambiguous: 0.02,
            calls_throttled: 0.005,
            calls_slow: 0.005,
            crashes: 0.001,
            machines_dying: 0.01,
            machines_never_up: 0.003,
            machines_hung: 0.001,
            news_lost: 0.01,
            news_repeated: 0.02,
            news_late: 0.05,
            invocations_lost: 0.002,
            invocations_late: 0.002,
            messages_repeated: 0.003,
            index_lags: 0.02,
            registrations_left: 0.01,
            gitlab_down_an_hour: 0.3,
            hook_disabled_an_hour: 0.3,
            shortages_an_hour: 1.0,
            thefts: 0.01,
            canceled_waiting: 0.01,
            canceled_running: 0.01,
            failing: 0.05,
            retried: 0.3,
            shared_tags: 0.25,
            is_crowded: true,
        }
    }
}
