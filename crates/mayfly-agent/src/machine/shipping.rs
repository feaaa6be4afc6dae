//! Sends the agent's log to CloudWatch, beside its work. That it is lost is no failure.

use std::time::Duration;

use mayfly_aws::machine::LogStream;
use mayfly_core::error::{Chain, PortError};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::log_buffer::LogBuffer;

/// How long lines wait for others to go with them.
const EVERY: Duration = Duration::from_secs(3);
/// How long to wait before the last lines are sent again.
const BEFORE_ANOTHER_TRY: Duration = Duration::from_millis(500);

/// A log on its way.
#[derive(Debug)]
pub(super) struct Shipping {
    finish: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Shipping {
    /// Sends from now on what comes into the buffer, and what is in it.
    pub(super) fn start(buffer: LogBuffer, stream: LogStream) -> Self {
        let (finish, finished) = oneshot::channel();
        Self { finish, task: tokio::spawn(ship(buffer, stream, finished)) }
    }

    /// Sends what is left, as well as it can be done in this time.
    pub(super) async fn finish(self, within: Duration) {
        // It is not heard if the log was given up before.
        let _ = self.finish.send(());
        if timeout(within, self.task).await.is_err() {
            tracing::warn!("no time is left to send the end of the log");
        }
    }
}

async fn ship(buffer: LogBuffer, mut stream: LogStream, mut finished: oneshot::Receiver<()>) {
    let mut is_last = false;
    loop {
        tokio::select! {
            _ = &mut finished, if !is_last => is_last = true,
            () = sleep(if is_last { BEFORE_ANOTHER_TRY } else { EVERY }) => {}
        }
        match send(&buffer, &mut stream).await {
            Ok(()) if is_last => return,
            Ok(()) => {}
            Err(error) if error.is_transient() => {
                tracing::debug!(error = %Chain(&error), "the log is sent later");
            }
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "the agent's log is not sent to CloudWatch");
                return;
            }
        }
    }
}

async fn send(buffer: &LogBuffer, stream: &mut LogStream) -> Result<(), PortError> {
    let lines = buffer.take();
    if lines.is_empty() {
        return Ok(());
    }
    let sent = stream.add(&lines).await;
    if sent.is_err() {
        buffer.put_back(lines);
    }
    sent
}
