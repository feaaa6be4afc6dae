//! A log stream in CloudWatch Logs.

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::error::SdkError;
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use jiff::Timestamp;
use mayfly_core::error::PortError;

use crate::sdk_error::port_error;

/// What CloudWatch adds to the length of a line when it measures a call (API reference, `PutLogEvents`).
const OVERHEAD_BYTES: usize = 26;

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub at: Timestamp,
    /// What it says, without its end.
    pub text: String,
}

impl LogLine {
    /// The longest batch that one call takes, measured with [`weight`](Self::weight).
    pub const HEAVIEST_BATCH: usize = 1_048_576;
    /// The most lines that one call takes.
    pub const LARGEST_BATCH: usize = 10_000;

    /// How much of a call it takes up, in bytes.
    pub fn weight(&self) -> usize {
        self.text.len() + OVERHEAD_BYTES
    }
}

/// A log stream of one writer, made when it is first written to.
#[derive(Debug)]
pub struct LogStream {
    client: Client,
    group: String,
    name: String,
    is_there: bool,
}

impl LogStream {
    pub(super) fn new(client: Client, group: String, name: String) -> Self {
        Self { client, group, name, is_there: false }
    }

    /// Adds lines, in the order of their times. There must be one, and no more than one call takes. After an error that passes
    /// by itself they may be there or not.
    pub async fn add(&mut self, lines: &[LogLine]) -> Result<(), PortError> {
        if !self.is_there {
            self.create().await?;
            self.is_there = true;
        }
        let events = lines
            .iter()
            .map(|line| {
                InputLogEvent::builder().timestamp(line.at.as_millisecond()).message(&line.text).build()
            })
            .collect::<Result<_, _>>()
            .map_err(|error| PortError::never("CloudWatch Logs: put log events", error))?;
        let call = self
            .client
            .put_log_events()
            .log_group_name(&self.group)
            .log_stream_name(&self.name)
            .set_log_events(Some(events));
        call.send().await.map_err(|error| self.error("put log events", error))?;
        Ok(())
    }

    async fn create(&self) -> Result<(), PortError> {
        let call = self.client.create_log_stream().log_group_name(&self.group).log_stream_name(&self.name);
        match call.send().await {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(answer)) if answer.err().is_resource_already_exists_exception() => {
                Ok(())
            }
            Err(error) => Err(self.error("create log stream", error)),
        }
    }

    fn error<E>(&self, call: &str, error: SdkError<E>) -> PortError
    where
        E: aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let operation = format!("CloudWatch Logs: {call} `{}` of group `{}`", self.name, self.group);
        port_error(operation, error, |_| None)
    }
}
