//! The arguments of `mayfly-agent`, and what they stand for.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use mayfly_agent::{AgentConfig, AgentTimings};
use mayfly_core::assignment::Assignment;
use tracing_subscriber::EnvFilter;

/// Runs one GitLab job for one assignment, and cleans up.
#[derive(Debug, clap::Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    /// What to do instead.
    #[cfg(feature = "machine")]
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// The file with the assignment; it is removed once it is read. Without it, standard input is read.
    #[arg(long, value_name = "FILE")]
    pub(crate) assignment: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) runner: RunnerArguments,
}

/// Another use of the agent.
#[cfg(feature = "machine")]
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// On an EC2 instance: fetches the assignment that waits for this instance, runs its job and ends. Whoever starts this ends
    /// the instance then.
    Machine(crate::machine::MachineArguments),
}

/// How the runner is run.
#[derive(Debug, clap::Args)]
pub(crate) struct RunnerArguments {
    /// Where the runner's private folder is made. Without it, in the system's folder for temporary files.
    #[arg(long, value_name = "FOLDER")]
    work_dir: Option<PathBuf>,
    /// What is logged to standard error, such as `debug` or `info,gitlab_runner=warn`.
    #[arg(long, value_name = "FILTER", env = "MAYFLY_LOG", default_value = "info")]
    pub(crate) log: EnvFilter,
    /// The runner program with its leading arguments.
    #[arg(last = true, value_name = "RUNNER", default_value = "gitlab-runner")]
    runner_command: Vec<OsString>,
}

/// Reads the assignment, and removes the file it was in, readable or not. Without a file, standard input is read.
pub(crate) fn read_assignment(file: Option<&Path>) -> anyhow::Result<Assignment> {
    let mut json = Vec::new();
    if let Some(file) = file {
        json = take_file(file)?;
    } else {
        io::stdin().read_to_end(&mut json).context("standard input cannot be read")?;
    }
    Ok(Assignment::from_json(&json)?)
}

impl RunnerArguments {
    /// How the agent works on this machine.
    pub(crate) fn into_config(self) -> AgentConfig {
        #[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
        let environment: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
        AgentConfig {
            runner_command: self.runner_command,
            work_dir: self.work_dir.unwrap_or_else(std::env::temp_dir),
            environment,
            timings: AgentTimings::default(),
            time_limit: None,
        }
    }
}

fn take_file(file: &Path) -> anyhow::Result<Vec<u8>> {
    let json = fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    fs::remove_file(file).with_context(|| format!("{} cannot be removed", file.display()))?;
    Ok(json)
}
