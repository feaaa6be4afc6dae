//! How the agent of an instance ended.

use std::fmt;
use std::process::ExitCode;

use mayfly_core::decide::RunnerEnd;

/// How the agent ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MachineEnd {
    /// There was a runner.
    Ran(RunnerEnd),
    /// No assignment came in time.
    NoAssignment,
    /// The metadata service did not answer, or not with everything.
    MetadataSilent,
    /// Nobody of ours launched this instance.
    NotOurs,
    /// The instance may not take its assignment, or cannot ask for it.
    Refused,
    /// What it took is no assignment.
    UnreadableAssignment,
    /// It was told to stop before it had an assignment.
    Stopped,
}

impl MachineEnd {
    /// The same as one line for programs.
    pub(super) fn to_json(&self) -> serde_json::Result<String> {
        let outcome = match self {
            Self::Ran(end) => return serde_json::to_string(end),
            Self::NoAssignment => "no-assignment",
            Self::MetadataSilent => "metadata-silent",
            Self::NotOurs => "not-ours",
            Self::Refused => "refused",
            Self::UnreadableAssignment => "unreadable-assignment",
            Self::Stopped => "stopped",
        };
        serde_json::to_string(&serde_json::json!({ "outcome": outcome }))
    }

    /// 2 is what wrong arguments exit with.
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Stopped => 0,
            Self::Ran(end) => u8::from(!crate::is_good(end.outcome)),
            Self::NoAssignment => 3,
            Self::MetadataSilent => 4,
            Self::NotOurs => 5,
            Self::Refused => 6,
            Self::UnreadableAssignment => 7,
        })
    }

    /// The last line of the log.
    pub(super) fn log(&self) {
        match self {
            Self::Ran(_) | Self::Stopped => tracing::info!("the agent ends: {self}"),
            Self::NoAssignment => tracing::warn!("the agent ends: {self}"),
            _ => tracing::error!("the agent ends: {self}"),
        }
    }
}

impl fmt::Display for MachineEnd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ran(end) => write!(formatter, "its runner left: {}", end.outcome),
            Self::NoAssignment => formatter.write_str("no assignment came"),
            Self::MetadataSilent => {
                formatter.write_str("the metadata service did not say what this instance is")
            }
            Self::NotOurs => formatter.write_str("this instance has no user data of Mayfly"),
            Self::Refused => formatter.write_str("this instance cannot take its assignment"),
            Self::UnreadableAssignment => formatter.write_str("the assignment cannot be read"),
            Self::Stopped => formatter.write_str("it was told to stop before it had an assignment"),
        }
    }
}
