//! Metrics as CloudWatch finds them in logs: embedded metric format, one line each, no call and no right needed.

use std::io::Write;
use std::sync::Arc;

use jiff::Timestamp;
use mayfly_core::clock::Clock;
use serde_json::json;

/// The namespace of our metrics.
const NAMESPACE: &str = "Mayfly";
/// Their one dimension: the stack whose function counts.
const DIMENSION: &str = "Stack";

/// One line of embedded metric format, without its end (CloudWatch user guide, embedded metric format specification).
pub fn embedded_metric(stack: &str, name: &str, count: u64, at: Timestamp) -> String {
    let mut line = json!({
        "_aws": {
            "Timestamp": at.as_millisecond(),
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [[DIMENSION]],
                "Metrics": [{ "Name": name, "Unit": "Count" }],
            }],
        },
    });
    line[DIMENSION] = stack.into();
    line[name] = count.into();
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

    /// Counts, such as `JobsParked`. A line that cannot be written is logged and no error: nothing hangs on it.
    pub fn count(&self, name: &str, count: u64) {
        let line = embedded_metric(&self.stack, name, count, self.clock.now());
        // In one piece, so that no log line gets between.
        let written = std::io::stdout().lock().write_all(format!("{line}\n").as_bytes());
        if let Err(error) = written {
            tracing::warn!(%error, "Metric {name} is lost");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_form_is_pinned() {
        let at = "2026-08-01T10:00:00.5Z".parse().unwrap();
        let line = embedded_metric("mayfly-autoscaler", "JobsParked", 2, at);
        assert!(!line.contains('\n'));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&line).unwrap(),
            json!({
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
            })
        );
    }
}
