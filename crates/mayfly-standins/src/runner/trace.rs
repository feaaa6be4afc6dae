//! A job's log on its way to GitLab.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use super::client::Client;
use super::network_types::{Job, JobState, Reply, Told};

/// How much of the log goes into one request.
const MAX_PART: usize = 1024 * 1024;

/// How often the end of a job is told before giving up.
const FINAL_TRIES: u32 = 10;

/// The longest pause between two of these.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// What GitLab wants of a running job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RemoteStop {
    /// It was canceled: stop, and tell the end.
    Cancel,
    /// It is not ours any more.
    Abort,
}

pub(super) struct Trace<'a> {
    client: &'a Client,
    job: &'a Job,
    inner: Mutex<Inner>,
}

struct Inner {
    written: Vec<u8>,
    sent: usize,
    interval: Duration,
}

impl<'a> Trace<'a> {
    pub(super) fn new(client: &'a Client, job: &'a Job, interval: Duration) -> Self {
        let inner = Mutex::new(Inner { written: Vec::new(), sent: 0, interval });
        Self { client, job, inner }
    }

    /// Adds output of the job.
    pub(super) fn write(&self, bytes: &[u8]) {
        self.lock().written.extend_from_slice(bytes);
    }

    /// Adds a line.
    pub(super) fn line(&self, text: &str) {
        self.write(format!("{text}\n").as_bytes());
    }

    /// Says that the runner runs the job.
    pub(super) async fn tell_running(&self) -> Reply {
        let size = self.lock().written.len();
        let reply = self.client.update(self.job, &JobState::running(size)).await;
        self.take_interval(reply);
        reply
    }

    /// Sends the log as it grows, and says that the job runs when it does not. Ends only when GitLab wants the job to end.
    pub(super) async fn follow(&self) -> RemoteStop {
        loop {
            let interval = self.lock().interval;
            sleep(interval).await;
            let reply = match self.unsent() {
                Some((start, part)) => self.send_part(start, part).await,
                None => self.tell_running().await,
            };
            if reply.told == Told::Abort {
                return RemoteStop::Abort;
            }
            if reply.is_cancel_requested {
                return RemoteStop::Cancel;
            }
        }
    }

    /// Sends the rest of the log, then tells the end. Says whether GitLab took it.
    pub(super) async fn finish(&self, mut end: JobState) -> bool {
        end.output.bytesize = self.lock().written.len();
        for tries in 0..FINAL_TRIES {
            match self.try_finish(&end).await {
                Told::Ok | Told::Abort => return true,
                _ => sleep(Duration::from_secs(1 << tries.min(6)).min(LONGEST_PAUSE)).await,
            }
        }
        false
    }

    async fn try_finish(&self, end: &JobState) -> Told {
        loop {
            while let Some((start, part)) = self.unsent() {
                match self.send_part(start, part).await.told {
                    Told::Ok => {}
                    Told::ContinueAt(_) => self.pause().await,
                    Told::Abort => return Told::Abort,
                    _ => return Told::Failed,
                }
            }
            let reply = self.client.update(self.job, end).await;
            self.take_interval(reply);
            match reply.told {
                Told::AcceptedNotCompleted => self.pause().await,
                Told::LogIncomplete => {
                    self.lock().sent = 0;
                    self.pause().await;
                }
                told => return told,
            }
        }
    }

    async fn send_part(&self, start: usize, part: Vec<u8>) -> Reply {
        let end = start + part.len();
        let reply = self.client.append_log(self.job, start, part).await;
        self.take_interval(reply);
        let mut inner = self.lock();
        match reply.told {
            Told::Ok => inner.sent = end,
            Told::ContinueAt(size) => inner.sent = size.min(inner.written.len()),
            _ => {}
        }
        reply
    }

    fn unsent(&self) -> Option<(usize, Vec<u8>)> {
        let inner = self.lock();
        let part = &inner.written[inner.sent..];
        let part = &part[..part.len().min(MAX_PART)];
        (!part.is_empty()).then(|| (inner.sent, part.to_vec()))
    }

    fn take_interval(&self, reply: Reply) {
        if let Some(interval) = reply.update_interval.filter(|interval| !interval.is_zero()) {
            self.lock().interval = interval;
        }
    }

    async fn pause(&self) {
        let interval = self.lock().interval;
        sleep(interval).await;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
