//! The arguments it understands: a small part of what `gitlab-runner` has.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::log::{Format, Level};

/// A stand-in of gitlab-runner.
#[derive(Debug, Parser)]
#[command(name = "gitlab-runner", disable_version_flag = true)]
pub(super) struct Cli {
    /// How log lines are written to standard error.
    #[arg(long, value_enum, default_value_t = Format::Runner, env = "LOG_FORMAT")]
    pub(super) log_format: Format,

    /// The least important lines to write.
    #[arg(short = 'l', long, value_enum, default_value_t = Level::Info, env = "LOG_LEVEL")]
    pub(super) log_level: Level,

    /// Writes everything.
    #[arg(long)]
    pub(super) debug: bool,

    /// Says which version this is.
    #[arg(short = 'v', long)]
    pub(super) version: bool,

    /// Milliseconds between two requests for a job. Only the stand-in has this.
    #[arg(long, default_value_t = 3000, hide = true, global = true)]
    check_interval_ms: u64,

    /// Milliseconds between two parts of the log, until GitLab asks for something else. Only the stand-in has this.
    #[arg(long, default_value_t = 1000, hide = true, global = true)]
    trace_interval_ms: u64,

    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Starts a single runner.
    RunSingle(RunSingle),
}

#[derive(Debug, Args)]
pub(super) struct RunSingle {
    /// The configuration file.
    #[arg(short, long, env = "CONFIG_FILE")]
    pub(super) config: PathBuf,

    /// The name of the runner in it.
    #[arg(short, long)]
    pub(super) runner: String,

    /// How many jobs to run before leaving; 0 for no limit.
    #[arg(long, default_value_t = 0)]
    pub(super) max_builds: u32,

    /// How many seconds to wait for a job before leaving; 0 for no limit.
    #[arg(long, default_value_t = 0)]
    pub(super) wait_timeout: u64,
}

impl Cli {
    /// The pause after a request that brought no job.
    pub(super) fn check_interval(&self) -> Duration {
        Duration::from_millis(self.check_interval_ms)
    }

    /// The pause between two parts of the log.
    pub(super) fn trace_interval(&self) -> Duration {
        Duration::from_millis(self.trace_interval_ms)
    }
}
