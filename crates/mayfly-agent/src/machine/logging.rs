//! Where the agent's log goes: to the standard error, and to the buffer from which it is sent.

use std::io;

use tracing_subscriber::filter::{EnvFilter, LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;

use super::log_buffer::LogBuffer;

/// Ours: the crates of Mayfly, and the runner's log, which the agent passes on without its token.
const OURS: [&str; 2] = ["mayfly", "gitlab_runner"];

/// Begins to log. Libraries say no more than warnings, whatever the filter allows: below that they may show what they send and
/// receive. A second call changes nothing.
pub(super) fn begin(filter: EnvFilter, buffer: &LogBuffer) {
    let buffer = buffer.clone();
    let libraries = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_targets(OURS.map(|ours| (ours, LevelFilter::TRACE)));
    let for_people = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false);
    let for_machines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_writer(move || buffer.clone());
    let subscriber =
        tracing_subscriber::registry().with(filter).with(libraries).with(for_people).with(for_machines);
    // The only error is that somebody logs already.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
