//! The process that is started: it does what a function does, and writes what came of it.

use std::process::ExitCode;
use std::sync::Arc;

use mayfly_aws::eventbridge::EventBridgeBus;
use mayfly_aws::function::{Connection, InvalidVariable, Metrics, environment, init_logging};
use mayfly_core::clock::SystemClock;
use mayfly_core::error::Chain;
use mayfly_core::event::JobEvent;
use mayfly_core::ports::EventBus;
use mayfly_core::status::JobStatus;

/// The argument with which this program is a function.
pub(crate) const ARGUMENT: &str = "as-a-function";
/// Written when all clients are made and nothing was called yet.
pub(crate) const BUILT: &str = "built";

pub(crate) fn main() -> ExitCode {
    if let Some(told) = begin().unwrap_or_else(|error| Some(error.to_string())) {
        println!("{told}");
    }
    ExitCode::SUCCESS
}

fn begin() -> Result<Option<String>, InvalidVariable> {
    init_logging(&[])?;
    if environment().optional::<String>("MAYFLY_TEST", "a text")?.is_some() {
        log();
        return Ok(None);
    }
    let connection = Connection::from_environment()?;
    let bus = EventBridgeBus::new(connection.eventbridge(), "mayfly");
    drop(connection.ssm());
    println!("{BUILT}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    Ok(Some(runtime.block_on(publish(&bus))))
}

async fn publish(bus: &EventBridgeBus) -> String {
    let event = JobEvent {
        key: "gitlab.com/1/2".parse().unwrap(),
        name: "build".parse().unwrap(),
        status: JobStatus::Pending,
        project: None,
        pipeline: None,
        runner: None,
        queued_seconds: None,
        failure_reason: None,
        received_at: "2026-08-01T10:00:00Z".parse().unwrap(),
    };
    match bus.publish(&event).await {
        Ok(()) => "published".to_owned(),
        Err(error) if error.is_transient() => format!("later: {}", Chain(&error)),
        Err(error) => format!("never: {}", Chain(&error)),
    }
}

/// Logs twice and counts once.
fn log() {
    tracing::debug!(target: "mayfly_test", "details");
    tracing::debug!(target: "library", "details of others");
    tracing::warn!(target: "mayfly_test", { job.key = "gitlab.com/1/2" }, "something");
    Metrics::new("autoscaler", Arc::new(SystemClock)).count("JobsParked", 1);
}
