//! Job statuses and their rank.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The statuses for which GitLab sends job events (GitLab's `Ci::Build#execute_hooks`). All others are read as
/// `None` by [`JobStatus::parse`]: they have no event of their own, or are younger than this code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Sent for every job at pipeline creation, also for jobs that never run: starts nothing.
    Created,
    /// Waits for a runner: the signal to start one.
    Pending,
    /// A runner has it.
    Running,
    /// Over, well.
    Success,
    /// Over, badly: the script, the runner, or GitLab gave up.
    Failed,
    /// Over, because somebody said so, perhaps before any runner had it.
    Canceled,
}

impl JobStatus {
    /// Reads GitLab's word for a status; `None` for one that has no event.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "created" => Self::Created,
            "pending" => Self::Pending,
            "running" => Self::Running,
            "success" => Self::Success,
            "failed" => Self::Failed,
            "canceled" => Self::Canceled,
            _ => return None,
        })
    }

    /// GitLab's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }

    /// Where the status stands in a job's life.
    pub fn rank(self) -> Rank {
        match self {
            Self::Created => Rank::Created,
            Self::Pending => Rank::Pending,
            Self::Running => Rank::Running,
            Self::Success | Self::Failed | Self::Canceled => Rank::Finished,
        }
    }

    /// True if nothing comes after it.
    pub fn is_final(self) -> bool {
        self.rank() == Rank::Finished
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The order of a job's statuses. Events arrive in any order; what is known of a job only ever moves up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rank {
    /// The job exists.
    Created,
    /// It waits for a runner.
    Pending,
    /// A runner has it.
    Running,
    /// It is over.
    Finished,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_without_an_event_are_not_statuses() {
        for word in ["manual", "skipped", "scheduled", "canceling", "waiting_for_resource", "", "PENDING"] {
            assert_eq!(JobStatus::parse(word), None, "{word}");
        }
    }

    #[test]
    fn ranks_rise_and_words_are_read_back() {
        let words = ["created", "pending", "running", "success", "failed", "canceled"];
        let statuses = words.map(|word| JobStatus::parse(word).unwrap());
        assert!(statuses.is_sorted_by_key(|status| status.rank()));
        assert_eq!(statuses.map(JobStatus::as_str), words);
    }
}
