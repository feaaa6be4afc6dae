//! Metrics as CloudWatch finds them in logs: embedded metric format, one line for what is measured together, no call and no right
//! needed.

mod facts;

use std::io::Write;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use mayfly_core::clock::Clock;
use mayfly_core::ports::{Fact, Meter};
use serde_json::{Number, Value, json};

/// The namespace of our metrics.
const NAMESPACE: &str = "Mayfly";
/// The dimension that all of them have: the stack whose function counts.
const STACK: &str = "Stack";

/// Something measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    name: &'static str,
    /// As CloudWatch writes it.
    unit: &'static str,
    value: Number,
}

impl Measure {
    /// So many things.
    pub fn count(name: &'static str, count: usize) -> Self {
        Self { name, unit: "Count", value: count.into() }
    }

    /// So long; less than no time is none, because clocks differ.
    pub fn seconds(name: &'static str, time: SignedDuration) -> Self {
        Self::seconds_f64(name, time.as_secs_f64())
    }

    fn seconds_f64(name: &'static str, seconds: f64) -> Self {
        let value = Number::from_f64(seconds.max(0.0)).unwrap_or_else(|| 0.into());
        Self { name, unit: "Seconds", value }
    }
}

/// What a line measures, and by what it is told apart from others of its kind.
#[derive(Debug, Default, PartialEq)]
struct Entry {
    measures: Vec<Measure>,
    /// Names and values of dimensions. What is measured counts for the stack as a whole, and once more for all of these together.
    details: Vec<(&'static str, &'static str)>,
}

/// One line of embedded metric format, without its end (CloudWatch user guide, embedded metric format specification).
fn embedded_metric(stack: &str, entry: &Entry, at: Timestamp) -> String {
    let mut dimensions = vec![vec![STACK]];
    if !entry.details.is_empty() {
        dimensions.push(std::iter::once(STACK).chain(entry.details.iter().map(|(name, _)| *name)).collect());
    }
    let metrics: Vec<Value> =
        entry.measures.iter().map(|measure| json!({ "Name": measure.name, "Unit": measure.unit })).collect();
    let mut line = json!({
        "_aws": {
            "Timestamp": at.as_millisecond(),
            "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": metrics }],
        },
    });
    line[STACK] = stack.into();
    for (name, value) in &entry.details {
        line[*name] = (*value).into();
    }
    for measure in &entry.measures {
        line[measure.name] = measure.value.clone().into();
    }
    line.to_string()
}

/// Counts things on the standard output.
pub struct Metrics {
    stack: String,
    clock: Arc<dyn Clock>,
}

impl Metrics {
    /// The metrics of this stack.
    pub fn new(stack: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        Self { stack: stack.into(), clock }
    }

    /// Counts, such as `LaunchFailures`.
    pub fn count(&self, name: &'static str, count: usize) {
        self.write(vec![Measure::count(name, count)]);
    }

    /// Writes down what was measured at one time. A line that cannot be written is logged and no error: nothing hangs on it.
    pub fn write(&self, measures: Vec<Measure>) {
        self.write_entry(&Entry { measures, details: Vec::new() });
    }

    fn write_entry(&self, entry: &Entry) {
        if entry.measures.is_empty() {
            return;
        }
        let line = embedded_metric(&self.stack, entry, self.clock.now());
        // In one piece, so that no log line gets between.
        let written = std::io::stdout().lock().write_all(format!("{line}\n").as_bytes());
        if let Err(error) = written {
            tracing::warn!(%error, "Metrics are lost: {:?}", entry.measures);
        }
    }
}

impl Meter for Metrics {
    fn note(&self, fact: &Fact) {
        self.write_entry(&facts::entry(fact));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(entry: &Entry, expected: &Value) {
        let at = "2026-08-01T10:00:00.5Z".parse().unwrap();
        let line = embedded_metric("mayfly-autoscaler", entry, at);
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), *expected);
    }

    #[test]
    fn the_written_form_is_pinned() {
        let measures = vec![Measure::count("JobsParked", 2)];
        check(
            &Entry { measures, details: Vec::new() },
            &json!({
                "_aws": {
                    "Timestamp": 1_785_578_400_500_u64,
                    "CloudWatchMetrics": [{
                        "Namespace": "Mayfly",
                        "Dimensions": [["Stack"]],
                        "Metrics": [{ "Name": "JobsParked", "Unit": "Count" }],
                    }],
                },
                "Stack": "mayfly-autoscaler",
                "JobsParked": 2,
            }),
        );
    }

    #[test]
    fn what_has_details_counts_for_the_stack_and_for_them() {
        let measures = vec![
            Measure::count("Repairs", 1),
            Measure::seconds("PassSeconds", SignedDuration::from_millis(1500)),
            Measure::seconds("QueueSeconds", SignedDuration::from_secs(-3)),
        ];
        check(
            &Entry { measures, details: vec![("Act", "end"), ("Reason", "owner-unknown")] },
            &json!({
                "_aws": {
                    "Timestamp": 1_785_578_400_500_u64,
                    "CloudWatchMetrics": [{
                        "Namespace": "Mayfly",
                        "Dimensions": [["Stack"], ["Stack", "Act", "Reason"]],
                        "Metrics": [
                            { "Name": "Repairs", "Unit": "Count" },
                            { "Name": "PassSeconds", "Unit": "Seconds" },
                            { "Name": "QueueSeconds", "Unit": "Seconds" },
                        ],
                    }],
                },
                "Stack": "mayfly-autoscaler",
                "Act": "end",
                "Reason": "owner-unknown",
                "Repairs": 1,
                "PassSeconds": 1.5,
                "QueueSeconds": 0.0,
            }),
        );
    }
}
