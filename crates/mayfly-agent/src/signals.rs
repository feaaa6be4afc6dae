//! What signals ask of the agent's process.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::settings::StopRequest;

/// Listens for signals from now on: SIGQUIT means [`StopRequest::AfterJob`], SIGTERM and SIGINT mean [`StopRequest::Now`].
/// They are the signals that `gitlab-runner` itself understands so.
pub fn stop_requests() -> io::Result<watch::Receiver<StopRequest>> {
    let mut quit = signal(SignalKind::quit())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (sender, receiver) = watch::channel(StopRequest::None);
    tokio::spawn(async move {
        loop {
            let request = tokio::select! {
                Some(()) = quit.recv() => StopRequest::AfterJob,
                Some(()) = terminate.recv() => StopRequest::Now,
                Some(()) = interrupt.recv() => StopRequest::Now,
                else => return,
            };
            sender.send_if_modified(|present| {
                let is_stronger = request > *present;
                *present = request.max(*present);
                is_stronger
            });
        }
    });
    Ok(receiver)
}
