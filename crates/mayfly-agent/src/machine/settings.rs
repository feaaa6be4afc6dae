//! The arguments of `mayfly-agent machine`, and the variables it is given.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use jiff::SignedDuration;
use mayfly_agent::AgentConfig;
use tracing_subscriber::EnvFilter;

use crate::command::RunnerArguments;

/// Where all services are instead of at AWS.
const ENDPOINT: &str = "AWS_ENDPOINT_URL";
/// Where the metadata service is instead of where it is on every instance.
const METADATA_ADDRESS: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";

/// What the agent's own variables begin with: no job gets one of them, whatever its mapping says.
const OURS: [&str; 3] = ["AWS_", "NOTIFY_SOCKET", "WATCHDOG_"];

/// How the agent of an instance works. Times are such as `60s` or `200ms`.
#[derive(Debug, clap::Args)]
pub(crate) struct MachineArguments {
    /// How long an assignment is waited for, from the start of the agent.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    assignment_wait: Duration,
    /// How often the agent asks for what is not there yet; after ten seconds, half as often.
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = time)]
    ask_every: Duration,
    /// How often the agent asks whether EC2 takes a spot instance back.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time)]
    spot_poll: Duration,
    /// How long the end of the log may take to be sent.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time)]
    log_wait: Duration,
    #[command(flatten)]
    runner: RunnerArguments,
}

/// The same, and what the environment says.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) assignment_wait: Duration,
    pub(super) ask_every: Duration,
    pub(super) spot_poll: Duration,
    pub(super) log_wait: Duration,
    /// The environment in it has nothing of the agent's own.
    pub(super) runner: AgentConfig,
    pub(super) endpoint: Option<String>,
    pub(super) metadata_address: Option<String>,
}

impl MachineArguments {
    /// Reads the environment. What is logged comes apart: it is needed first.
    pub(super) fn into_settings(self) -> (Settings, EnvFilter) {
        let filter = self.runner.log.clone();
        let mut runner = self.runner.into_config();
        let mut address = |name: &str| {
            let value = runner.environment.remove(OsStr::new(name))?;
            value.into_string().ok().filter(|value| !value.is_empty())
        };
        let (endpoint, metadata_address) = (address(ENDPOINT), address(METADATA_ADDRESS));
        runner.environment.retain(|name, _| !is_ours(name));
        let settings = Settings {
            assignment_wait: self.assignment_wait,
            ask_every: self.ask_every,
            spot_poll: self.spot_poll,
            log_wait: self.log_wait,
            runner,
            endpoint,
            metadata_address,
        };
        (settings, filter)
    }
}

/// Reads a time as people write it.
fn time(text: &str) -> anyhow::Result<Duration> {
    let time = Duration::try_from(text.parse::<SignedDuration>()?)?;
    anyhow::ensure!(!time.is_zero(), "it must be longer than nothing");
    Ok(time)
}

fn is_ours(name: &OsString) -> bool {
    OURS.iter().any(|ours| name.as_encoded_bytes().starts_with(ours.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_those_that_are_none_are_refused() {
        for (text, expected) in [
            ("60s", Some(Duration::from_mins(1))),
            ("1m 500ms", Some(Duration::from_millis(60_500))),
            ("60", None),
            ("0s", None),
            ("-1s", None),
            ("soon", None),
        ] {
            assert_eq!(time(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_the_agents_own_is_recognised() {
        for (name, expected) in [
            ("AWS_ENDPOINT_URL_DYNAMODB", true),
            ("NOTIFY_SOCKET", true),
            ("WATCHDOG_PID", true),
            ("PATH", false),
            ("MY_AWS_", false),
        ] {
            assert_eq!(is_ours(&name.into()), expected, "{name}");
        }
    }
}
