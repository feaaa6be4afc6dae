//! A stand-in `gitlab-runner`: `run-single` with the shell executor, for machines that have no real one.
//!
//! It behaves as `gitlab-runner` 19.3 does in what a supervisor can notice: log lines, waiting, signals, exit codes.

mod cli;
mod client;
mod config;
mod job;
mod log;
mod network_types;
mod script;
mod signals;
mod single;
mod trace;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use self::cli::{Cli, Command, RunSingle};
use self::client::Client;
use self::config::RunnerConfig;
use self::log::Logger;
use self::signals::Signals;

/// The version it calls itself.
const VERSION: &str = "19.3.0";

/// Runs the program with these arguments, the program's own name first. Builds its own runtime: call it outside of one.
///
/// 0 if it left by itself or was asked to, however its jobs ended; 1 for a configuration that cannot be used and for a
/// forced exit; 2 for arguments that cannot be read.
pub fn main_with_args(args: impl Iterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // There is nowhere left to say that the terminal is gone.
            let _ = error.print();
            return u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    let Some(Command::RunSingle(options)) = &cli.command else {
        let said = if cli.version { print_version() } else { Cli::command().print_help() };
        return if said.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    };
    let log = Logger::new(cli.log_format, if cli.debug { log::Level::Debug } else { cli.log_level });
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fatal(&log, &format!("Cannot start: {error}")),
    };
    let code = runtime.block_on(run_single(&cli, options, &log));
    // A forced exit does not wait for anything.
    runtime.shutdown_background();
    code
}

async fn run_single(cli: &Cli, options: &RunSingle, log: &Logger) -> ExitCode {
    let config = match RunnerConfig::load(&options.config, &options.runner, log) {
        Ok(config) => config,
        Err(error) => return fatal(log, &mayfly_core::error::Chain(&error).to_string()),
    };
    let client = match Client::new(&config, log) {
        Ok(client) => client,
        Err(error) => return fatal(log, &format!("Cannot make an HTTP client: {error}")),
    };
    let (signals, stop) = match Signals::listen(log) {
        Ok(listening) => listening,
        Err(error) => return fatal(log, &format!("Cannot listen for signals: {error}")),
    };
    log.info(&format!("Starting runner for {} with token {} ...", config.url, config.short_token()), &[]);
    let single = single::Single::new(cli, options, config, client, stop, log.clone());
    tokio::select! {
        () = single.run() => ExitCode::SUCCESS,
        reason = signals.watch() => fatal(log, &reason),
    }
}

fn fatal(log: &Logger, message: &str) -> ExitCode {
    log.fatal(message);
    ExitCode::FAILURE
}

fn print_version() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "Version:      {VERSION}")?;
    writeln!(out, "Git revision: standin")?;
    writeln!(out, "Git branch:   standin")?;
    writeln!(out, "OS/Arch:      {}/{}", std::env::consts::OS, std::env::consts::ARCH)
}
