//! What the function writes to its log: one JSON object a line, on standard output.

use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The level of our own lines and of `gitlab-runner`'s: `error`, `warn`, `info`, `debug` or `trace`.
const VARIABLE: &str = "MAYFLY_LOG";

/// Starts the log, once.
pub(crate) fn start() {
    #[expect(clippy::disallowed_methods, reason = "the log is there before the settings are read")]
    let level = std::env::var(VARIABLE).ok().and_then(|level| level.parse().ok());
    let layer = tracing_subscriber::fmt::layer().json().flatten_event(true).with_span_list(false);
    tracing_subscriber::registry().with(layer).with(filter(level.unwrap_or(Level::INFO))).init();
}

/// Libraries say little. The Lambda runtime's own trace would show whole assignments, token included.
fn filter(level: Level) -> Targets {
    Targets::new()
        .with_default(LevelFilter::WARN)
        .with_targets([("mayfly_agent", level), ("mayfly_gitlab", level)])
        .with_targets([("mayfly_shell_runner", level), ("gitlab_runner", level)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_level_shows_what_the_lambda_runtime_traces() {
        for level in [Level::INFO, Level::TRACE] {
            assert!(!filter(level).would_enable("lambda_runtime::layers::api_response", &Level::TRACE));
            assert!(filter(level).would_enable("lambda_runtime", &Level::WARN));
        }
        assert!(filter(Level::INFO).would_enable("gitlab_runner", &Level::INFO));
        assert!(!filter(Level::INFO).would_enable("mayfly_agent::agent", &Level::DEBUG));
        assert!(filter(Level::DEBUG).would_enable("mayfly_agent::agent", &Level::DEBUG));
    }
}
