//! Log lines on standard error, worded and laid out as `gitlab-runner` does.

use std::fmt::Write as _;
use std::io::Write as _;

use clap::ValueEnum;
use mayfly_core::clock::{Clock, SystemClock};
use serde_json::{Map, Value};

/// How lines are laid out.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Format {
    /// The message, then the fields, without colours.
    Runner,
    /// `time=… level=… msg=… key=value`.
    Text,
    /// One JSON object a line.
    Json,
}

/// How important a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Level {
    Debug,
    Info,
    #[value(alias = "warn")]
    Warning,
    Error,
    Fatal,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Debug | Self::Info => "",
            Self::Warning => "WARNING: ",
            Self::Error => "ERROR: ",
            Self::Fatal => "FATAL: ",
        }
    }
}

/// One field of a line.
pub(super) type Field = (&'static str, Value);

/// Writes lines, each with the fields given here.
#[derive(Debug, Clone)]
pub(super) struct Logger {
    format: Format,
    least: Level,
    fields: Vec<Field>,
}

impl Logger {
    pub(super) fn new(format: Format, least: Level) -> Self {
        Self { format, least, fields: Vec::new() }
    }

    /// A logger whose lines have these fields too.
    pub(super) fn with(&self, fields: &[Field]) -> Self {
        let fields = self.fields.iter().chain(fields).cloned().collect();
        Self { fields, ..*self }
    }

    pub(super) fn debug(&self, message: &str, fields: &[Field]) {
        self.write(Level::Debug, message, fields);
    }

    pub(super) fn info(&self, message: &str, fields: &[Field]) {
        self.write(Level::Info, message, fields);
    }

    pub(super) fn warning(&self, message: &str, fields: &[Field]) {
        self.write(Level::Warning, message, fields);
    }

    pub(super) fn error(&self, message: &str, fields: &[Field]) {
        self.write(Level::Error, message, fields);
    }

    pub(super) fn fatal(&self, message: &str) {
        self.write(Level::Fatal, message, &[]);
    }

    fn write(&self, level: Level, message: &str, fields: &[Field]) {
        if level < self.least {
            return;
        }
        let fields = self.fields.iter().chain(fields).map(|(key, value)| ((*key).to_owned(), value.clone()));
        let mut line = lay_out(self.format, level, message, fields.collect());
        line.push('\n');
        // There is nowhere left to say that the log cannot be written.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

/// The keys of fields are sorted.
fn lay_out(format: Format, level: Level, message: &str, mut fields: Map<String, Value>) -> String {
    let time = || SystemClock.now().to_string();
    match format {
        Format::Runner => {
            let prefix = level.prefix();
            let mut line = format!("{prefix}{message:<width$} ", width = 50 - prefix.len());
            for (key, value) in &fields {
                // Writing to a String cannot fail.
                let _ = write!(line, " {key}={}", plain(value));
            }
            line
        }
        Format::Text => {
            let mut line = format!("time=\"{}\" level={} msg={message:?}", time(), level.as_str());
            for (key, value) in &fields {
                let _ = write!(line, " {key}={value}");
            }
            line
        }
        Format::Json => {
            fields.insert("level".to_owned(), level.as_str().into());
            fields.insert("msg".to_owned(), message.into());
            fields.insert("time".to_owned(), time().into());
            Value::Object(fields).to_string()
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Map<String, Value> {
        [("job".to_owned(), Value::from(7)), ("code".to_owned(), Value::from("x y"))].into_iter().collect()
    }

    #[test]
    fn a_line_for_people_has_the_message_first() {
        let line = lay_out(Format::Runner, Level::Warning, "Checking for jobs...", fields());
        assert_eq!(line, "WARNING: Checking for jobs...                       code=x y job=7");
    }

    #[test]
    fn a_json_line_has_level_message_time_and_fields() {
        let line = lay_out(Format::Json, Level::Info, "Checking for jobs... received", fields());
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["level"], "info");
        assert_eq!(line["msg"], "Checking for jobs... received");
        assert_eq!(line["job"], 7);
        assert!(line["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    }
}
