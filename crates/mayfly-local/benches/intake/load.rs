//! The client: keeps connections open and sends one prepared request after the other.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Whom to ask, and what.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    /// The whole request, head and body.
    pub(crate) request: Vec<u8>,
    pub(crate) connections: usize,
}

/// What a load showed.
pub(crate) struct Measured {
    microseconds: Histogram<u64>,
    took: Duration,
}

impl Measured {
    pub(crate) fn per_second(&self) -> f64 {
        f64::from(u32::try_from(self.microseconds.len()).unwrap_or(u32::MAX)) / self.took.as_secs_f64()
    }

    pub(crate) fn p99(&self) -> Duration {
        Duration::from_micros(self.microseconds.value_at_quantile(0.99))
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let median = Duration::from_micros(self.microseconds.value_at_quantile(0.5));
        write!(
            formatter,
            "{:>8.0} requests/s, median {median:.2?}, p99 {:.2?}",
            self.per_second(),
            self.p99()
        )
    }
}

/// As many requests as the server takes.
pub(crate) async fn flood(load: &Load, requests: usize) -> anyhow::Result<Measured> {
    let each = requests / load.connections;
    run(load, move |connection, request| async move {
        let mut microseconds = Histogram::new(3)?;
        let mut connection = connection;
        for _ in 0..each {
            let sent = now();
            ask(&mut connection, &request).await?;
            microseconds.record(micros(sent.elapsed()))?;
        }
        Ok(microseconds)
    })
    .await
}

/// So many requests a second, counted from when each was due: a server that stalls is not asked more slowly.
pub(crate) async fn paced(load: &Load, per_second: f64, lasting: Duration) -> anyhow::Result<Measured> {
    let gap = Duration::from_secs_f64(f64::from(u32::try_from(load.connections)?) / per_second);
    run(load, move |connection, request| async move {
        let mut microseconds = Histogram::new(3)?;
        let mut connection = connection;
        let mut due = now();
        let end = due + lasting;
        while due < end {
            sleep_until(due).await;
            ask(&mut connection, &request).await?;
            microseconds.record(micros(due.elapsed()))?;
            due += gap;
        }
        Ok(microseconds)
    })
    .await
}

async fn run<F, R>(load: &Load, each: F) -> anyhow::Result<Measured>
where
    F: Fn(TcpStream, Vec<u8>) -> R,
    R: Future<Output = anyhow::Result<Histogram<u64>>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let start = now();
    for _ in 0..load.connections {
        let connection = TcpStream::connect(load.address).await?;
        connection.set_nodelay(true)?;
        connections.spawn(each(connection, load.request.clone()));
    }
    let mut microseconds = Histogram::new(3)?;
    for one in connections.join_all().await {
        microseconds.add(one?)?;
    }
    Ok(Measured { microseconds, took: start.elapsed() })
}

/// Sends the request and reads the answer, which must be a 202 with a `content-length`.
async fn ask(connection: &mut TcpStream, request: &[u8]) -> anyhow::Result<()> {
    connection.write_all(request).await?;
    let mut answer = [0; 1024];
    let mut length = 0;
    loop {
        let read = connection.read(&mut answer[length..]).await?;
        ensure!(read > 0, "the server closed the connection");
        length += read;
        let text = std::str::from_utf8(&answer[..length])?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        ensure!(head.starts_with("HTTP/1.1 202"), "not accepted: {text}");
        let expected: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .context("the answer has no content-length")?
            .parse()?;
        if body.len() >= expected {
            return Ok(());
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn now() -> Instant {
    Instant::now()
}
