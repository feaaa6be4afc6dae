//! What signals do: one asks, the next one forces.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::log::Logger;

/// How long it takes its time to end after it was told to.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

/// What was asked so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Nothing.
    No,
    /// To leave when the present job is over (SIGQUIT).
    WhenIdle,
    /// To stop the present job and leave; with the word for the signal.
    Now(&'static str),
}

/// Tells the loop what was asked.
#[derive(Debug, Clone)]
pub(super) struct StopWatch(watch::Receiver<Stop>);

impl StopWatch {
    /// True once anything was asked.
    pub(super) fn is_asked(&self) -> bool {
        *self.0.borrow() != Stop::No
    }

    /// Waits until it is asked to leave now, and says by which signal.
    pub(super) async fn now(&mut self) -> &'static str {
        let asked = self.0.wait_for(|stop| matches!(stop, Stop::Now(_))).await;
        if let Ok(Stop::Now(word)) = asked.as_deref() {
            return word;
        }
        drop(asked);
        // Nobody is left who could ask.
        std::future::pending().await
    }
}

/// Listens for SIGTERM, SIGINT and SIGQUIT from the moment it is made.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    stop: watch::Sender<Stop>,
    log: Logger,
}

impl Signals {
    pub(super) fn listen(log: &Logger) -> io::Result<(Self, StopWatch)> {
        let (stop, watch) = watch::channel(Stop::No);
        let signals = Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            stop,
            log: log.clone(),
        };
        Ok((signals, StopWatch(watch)))
    }

    /// Passes on what is asked. Ends, with the reason, only when the program must end at once.
    pub(super) async fn watch(mut self) -> String {
        let mut asked = self.next().await;
        while asked == "quit" {
            self.log.warning("Requested quit, waiting for builds to finish", &[]);
            self.stop.send_replace(Stop::WhenIdle);
            asked = self.next().await;
        }
        self.log.warning(&format!("Requested exit: {asked}"), &[]);
        self.stop.send_replace(Stop::Now(asked));
        tokio::select! {
            again = self.next() => format!("forced exit: {again}"),
            () = tokio::time::sleep(SHUTDOWN_TIMEOUT) => "shutdown timed out".to_owned(),
        }
    }

    /// The next signal, in the words of the Go runtime.
    async fn next(&mut self) -> &'static str {
        // Of signals that came together the lowest number comes first, as Go's runtime hands them out: asked to quit and then
        // to terminate, a runner is not forced.
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => "interrupt",
            _ = self.quit.recv() => "quit",
            _ = self.terminate.recv() => "terminated",
        }
    }
}
