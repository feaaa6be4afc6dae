//! The log: to standard error, as text for people or as JSON for collectors.

use std::ffi::OsString;
use std::io::{IsTerminal, stderr};

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Log")]
pub(crate) struct LogFlags {
    /// How the log is written.
    #[arg(long, global = true, env = "MAYFLY_LOG_FORMAT", value_enum, default_value = "text")]
    log_format: LogFormat,
    /// What is logged: a level (`error`, `warn`, `info`, `debug`), or a level for each module.
    #[arg(long, global = true, env = "MAYFLY_LOG", value_name = "FILTER", default_value = "info", value_parser = filter)]
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

/// A lone word that is no level would be taken for the name of a module, and silence all others.
fn filter(text: &str) -> Result<String, String> {
    let is_level = |word: &str| ["off", "error", "warn", "info", "debug", "trace"].contains(&word);
    match text.split(',').map(str::trim).find(|part| !part.contains('=') && !is_level(part)) {
        Some(word) => Err(format!("`{word}` is no level: error, warn, info, debug, or module=level")),
        None => EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string()),
    }
}

/// See <https://no-color.org>.
#[expect(clippy::disallowed_methods, reason = "a convention of terminals, read where the log is set up")]
fn has_no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

pub(crate) fn init(flags: &LogFlags) {
    // The embedded store warns of each conditional write that loses, which is how conflicts are found. The AWS SDK tells at each
    // start where it found credentials or found none, which is in the error of whoever needs them. An agent may outlive the reader of its log; that must not stop it.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(format!("dynoxide=off,aws_config=error,{}", flags.log)))
        .with_writer(stderr)
        .with_target(false)
        .with_ansi(stderr().is_terminal() && !has_no_color())
        .log_internal_errors(false);
    match flags.log_format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}
