//! Tells systemd that the agent is alive and has time left. If it is not, or has not, systemd ends it.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::time::{Instant, interval};

/// So many pings fit into the time in which systemd wants one.
const PINGS: u32 = 3;

/// The pings, as long as this is there and the agent is in time.
#[derive(Debug)]
pub(super) struct Watchdog {
    end_by: watch::Sender<Instant>,
}

impl Watchdog {
    /// Says that the agent is up, and pings if systemd wants it. The agent must be done by this time, until it hears of another.
    pub(super) fn start(end_by: Instant) -> Self {
        tell(NotifyState::Ready);
        let (sender, end_by) = watch::channel(end_by);
        let mut microseconds = 0;
        // The variables stay: no job gets them, and removing them is not safe beside other threads.
        if sd_notify::watchdog_enabled(false, &mut microseconds) {
            let every = Duration::from_micros(microseconds) / PINGS;
            tokio::spawn(ping(every, end_by, || tell(NotifyState::Watchdog)));
        }
        Self { end_by: sender }
    }

    /// The agent must be done by this time instead.
    pub(super) fn expect_end_by(&self, end_by: Instant) {
        self.end_by.send_replace(end_by);
    }
}

async fn ping(every: Duration, end_by: watch::Receiver<Instant>, tell: impl Fn()) {
    let mut ticks = interval(every.max(Duration::from_millis(1)));
    loop {
        ticks.tick().await;
        if Instant::now() >= *end_by.borrow() {
            tracing::error!("the agent's time is over: its end is left to the watchdog");
            return;
        }
        tell();
    }
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(false, &[state]) {
        tracing::warn!(%error, "systemd cannot be told how the agent is");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::time::timeout;

    use super::*;

    const EVERY: Duration = Duration::from_secs(10);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn pings_end_with_the_agents_time_which_may_be_set_anew() {
        let started = Instant::now();
        let (sender, end_by) = watch::channel(started + seconds(25));
        let pings = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&pings);
        let mut pinging = tokio::spawn(ping(EVERY, end_by, move || {
            counted.fetch_add(1, Ordering::SeqCst);
        }));
        assert!(timeout(seconds(15), &mut pinging).await.is_err());
        assert_eq!(pings.load(Ordering::SeqCst), 2);
        sender.send_replace(started + seconds(50));
        pinging.await.unwrap();
        assert_eq!(started.elapsed(), seconds(50));
        // At 0, 10, 20, 30 and 40 s, and not at 50 s.
        assert_eq!(pings.load(Ordering::SeqCst), 5);
    }
}
