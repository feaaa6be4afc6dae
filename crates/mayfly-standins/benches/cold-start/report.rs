//! What the samples of a program come to, and what must hold.

use std::fmt;
use std::fs;
use std::io::{Cursor, Write};
use std::time::Duration;

use anyhow::Context;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::program::Program;
use crate::sample::Sample;

/// How many times as long as hello a program may take until it asks for its first event.
const WEBHOOK_RATIO: f64 = 2.0;
const DISPATCHER_RATIO: f64 = 3.0;
/// CPU time of the webhook's first event, in ms. A TLS library that first collects entropy from the jitter of the CPU would
/// take more than twice this.
const WEBHOOK_CPU: f64 = 10.0;
/// The most memory in use, in MB.
const WEBHOOK_MEMORY: f64 = 25.0;
const DISPATCHER_MEMORY: f64 = 40.0;
/// The size of the zip file, in MB.
const WEBHOOK_ZIP: f64 = 2.5;
const DISPATCHER_ZIP: f64 = 6.0;

/// The samples of one figure, in ms or MB.
#[derive(Debug, Clone, Copy)]
struct Spread {
    median: f64,
    p90: f64,
}

/// The figures of one program. Times in ms, sizes in MB (1,000,000 bytes).
#[derive(Debug)]
pub(crate) struct Report {
    name: &'static str,
    ready: Spread,
    answered: Spread,
    /// Both together: what the sender of the first webhook waits for.
    whole: Spread,
    cpu_ready: Spread,
    cpu_answered: Spread,
    peak_memory: Spread,
    /// The median.
    handshakes: f64,
    binary: f64,
    zip: f64,
}

impl Report {
    pub(crate) fn new(program: &Program, samples: &[Sample]) -> anyhow::Result<Self> {
        let spread = |figure: fn(&Sample) -> f64| Spread::of(samples.iter().map(figure).collect());
        let bytes = fs::read(program.path()).with_context(|| format!("{}", program.path().display()))?;
        Ok(Self {
            name: program.name(),
            ready: spread(|sample| milliseconds(sample.ready)),
            answered: spread(|sample| milliseconds(sample.answered)),
            whole: spread(|sample| milliseconds(sample.ready + sample.answered)),
            cpu_ready: spread(|sample| milliseconds(sample.cpu_ready)),
            cpu_answered: spread(|sample| milliseconds(sample.cpu_answered)),
            peak_memory: spread(|sample| megabytes(sample.peak_memory)),
            handshakes: spread(|sample| sample.handshakes.into()).median,
            binary: megabytes(bytes.len() as u64),
            zip: megabytes(zip_size(&bytes).context("the zip file")?),
        })
    }
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |percent: usize| values.get(values.len() * percent / 100).copied().unwrap_or(f64::NAN);
        Self { median: at(50), p90: at(90) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.1} ({:.1})", self.median, self.p90)
    }
}

/// Something that must hold, and whether it does.
#[derive(Debug)]
pub(crate) struct Limit {
    what: String,
    is: f64,
    at_most: f64,
    unit: &'static str,
}

impl Limit {
    pub(crate) fn is_kept(&self) -> bool {
        self.is <= self.at_most
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, is, at_most, unit } = self;
        let word = if self.is_kept() { "ok" } else { "MISSED" };
        write!(formatter, "{word:<6} {what}: {is:.2} {unit}, at most {at_most} {unit}")
    }
}

/// What must hold of the figures of hello, webhook and dispatcher.
pub(crate) fn judge([hello, webhook, dispatcher]: &[Report; 3]) -> Vec<Limit> {
    let limit = |report: &Report, figure: &str, is, at_most, unit| Limit {
        what: format!("{}, {figure}", report.name),
        is,
        at_most,
        unit,
    };
    let ratio = |report: &Report, at_most| {
        let is = report.ready.median / hello.ready.median;
        limit(report, "start to first /next", is, at_most, "times hello's")
    };
    let memory =
        |report: &Report, at_most| limit(report, "peak memory", report.peak_memory.median, at_most, "MB");
    vec![
        ratio(webhook, WEBHOOK_RATIO),
        limit(webhook, "CPU of the first event", webhook.cpu_answered.median, WEBHOOK_CPU, "ms"),
        memory(webhook, WEBHOOK_MEMORY),
        limit(webhook, "zip", webhook.zip, WEBHOOK_ZIP, "MB"),
        ratio(dispatcher, DISPATCHER_RATIO),
        memory(dispatcher, DISPATCHER_MEMORY),
        limit(dispatcher, "zip", dispatcher.zip, DISPATCHER_ZIP, "MB"),
    ]
}

/// One line a figure, one column a program.
pub(crate) fn table(reports: &[Report; 3]) -> String {
    let line = |name: &str, figure: fn(&Report) -> String| {
        let [hello, webhook, dispatcher] = reports.each_ref().map(figure);
        format!("{name:<34}{hello:>16}{webhook:>16}{dispatcher:>16}")
    };
    [
        line("", |report| report.name.to_owned()),
        line("start to first /next, ms", |report| report.ready.to_string()),
        line("first event to its answer, ms", |report| report.answered.to_string()),
        line("start to first answer, ms", |report| report.whole.to_string()),
        line("CPU until the first /next, ms", |report| report.cpu_ready.to_string()),
        line("CPU from there to the answer, ms", |report| report.cpu_answered.to_string()),
        line("peak memory, MB", |report| report.peak_memory.to_string()),
        line("TLS handshakes", |report| format!("{:.0}", report.handshakes)),
        line("binary, MB", |report| format!("{:.2}", report.binary)),
        line("zip, MB", |report| format!("{:.2}", report.zip)),
    ]
    .join("\n")
}

/// The size of a zip file with just this in it, as `zip -9` makes it.
fn zip_size(program: &[u8]) -> anyhow::Result<u64> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9));
    zip.start_file("bootstrap", options)?;
    zip.write_all(program)?;
    Ok(zip.finish()?.into_inner().len() as u64)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "nobody has a program of 2^53 bytes")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1_000_000.0
}
