//! Logs of a function: one JSON object a line on the standard output, from where Lambda takes them to CloudWatch.

use std::io;

use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};

use super::variables::{InvalidVariable, environment};

/// What the names of our crates begin with.
const OURS: &str = "mayfly";
/// Libraries say no more than this: below it they may show what they send and receive.
const LIBRARIES: LevelFilter = LevelFilter::WARN;

/// Begins to log. `MAYFLY_LOG` says from which level on our own crates do: `error`, `warn`, `info` (unless it says
/// otherwise), `debug` or `trace`; libraries log warnings at most, since below that they may show what they send and receive.
/// Targets that begin with one of `also` count as ours. A second call changes nothing.
pub fn init_logging(also: &[&str]) -> Result<(), InvalidVariable> {
    let level = environment().optional("MAYFLY_LOG", "`error`, `warn`, `info`, `debug` or `trace`")?;
    let subscriber = subscriber(level.unwrap_or(LevelFilter::INFO), also, io::stdout);
    // The only error is that somebody logs already.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(())
}

fn subscriber<W>(level: LevelFilter, also: &[&str], writer: W) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_ansi(false)
        .with_writer(writer);
    let ours = also.iter().chain(&[OURS]).map(|target| (*target, level));
    let filter = Targets::new().with_default(level.min(LIBRARIES)).with_targets(ours);
    tracing_subscriber::registry().with(lines.with_filter(filter))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written at this level.
    fn logged(level: LevelFilter, log: impl FnOnce()) -> Vec<serde_json::Value> {
        let lines = Lines::default();
        let writer = lines.clone();
        tracing::subscriber::with_default(subscriber(level, &["gitlab_runner"], move || writer.clone()), log);
        let bytes = lines.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_is_flat_and_says_in_which_span_it_was() {
        let lines = logged(LevelFilter::INFO, || {
            let span = tracing::info_span!("handle", request_id = "1");
            let _inside = span.enter();
            tracing::info!(job.key = "gitlab.com/1/2", "Started \"it\"");
        });
        assert_eq!(lines.len(), 1);
        let mut line = lines[0].clone();
        assert!(line["timestamp"].take().is_string());
        assert_eq!(
            line,
            serde_json::json!({
                "timestamp": null,
                "level": "INFO",
                "message": "Started \"it\"",
                "job.key": "gitlab.com/1/2",
                "target": "mayfly_aws::function::logging::tests",
                "span": { "name": "handle", "request_id": "1" },
            })
        );
    }

    #[test]
    fn our_crates_log_from_the_level_on_and_libraries_warn_at_most() {
        let log = || {
            tracing::error!("ours error");
            tracing::info!("ours info");
            tracing::debug!("ours debug");
            tracing::warn!(target: "hyper_util::client", "library warn");
            tracing::info!(target: "hyper_util::client", "library info");
            tracing::trace!(target: "lambda_runtime::layers::api_response", "a payload");
            tracing::info!(target: "gitlab_runner", "also info");
        };
        for (level, expected) in [
            (LevelFilter::ERROR, "ours error"),
            (LevelFilter::INFO, "ours error, ours info, library warn, also info"),
            (LevelFilter::TRACE, "ours error, ours info, ours debug, library warn, also info"),
        ] {
            let messages: Vec<String> =
                logged(level, log).iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect();
            assert_eq!(messages.join(", "), expected);
        }
    }
}
