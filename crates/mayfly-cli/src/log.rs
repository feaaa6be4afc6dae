//! The log: to standard error, as text for people or as JSON for collectors.

use std::ffi::OsString;
use std::io::stderr;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Log")]
pub(crate) struct LogFlags {
    /// How the log is written.
    #[arg(long, global = true, env = "MAYFLY_LOG_FORMAT", value_enum, default_value = "text")]
    log_format: LogFormat,
    /// What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module.
    #[arg(long, global = true, env = "MAYFLY_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

impl LogFlags {
    /// The flags that give a child process the same log.
    pub(crate) fn to_arguments(&self) -> Vec<OsString> {
        let format = match self.log_format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        };
        ["--log-format", format, "--log", &self.log].map(OsString::from).to_vec()
    }
}

pub(crate) fn init(flags: &LogFlags) {
    // The embedded store warns of each conditional write that loses, which is how conflicts are found. An agent may outlive the reader of its log; that must not stop it.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(format!("dynoxide=off,{}", flags.log)))
        .with_writer(stderr)
        .with_target(false)
        .log_internal_errors(false);
    match flags.log_format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}
