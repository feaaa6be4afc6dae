//! `[reconcile]` in the settings file.

use std::time::Duration;

use anyhow::bail;
use jiff::SignedDuration;
use mayfly_app::Mode;
use mayfly_core::reconcile::ReconcilePolicy;
use serde::Deserialize;

/// What the table may hold.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ReconcileTable {
    every_seconds: u32,
    dry_run: bool,
    max_ends: usize,
    grace_seconds: u32,
    overdue_seconds: u32,
}

impl Default for ReconcileTable {
    fn default() -> Self {
        Self { every_seconds: 60, dry_run: false, max_ends: 20, grace_seconds: 30, overdue_seconds: 90 }
    }
}

/// How the reconciler goes about its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReconcileSettings {
    /// The time from one pass to the next; `None`: there are none.
    pub every: Option<Duration>,
    /// Whether a pass repairs what it finds, or only says it.
    pub mode: Mode,
    /// How it judges.
    pub policy: ReconcilePolicy,
}

impl ReconcileTable {
    pub(super) fn settings(&self) -> anyhow::Result<ReconcileSettings> {
        for (name, seconds) in
            [("grace-seconds", self.grace_seconds), ("overdue-seconds", self.overdue_seconds)]
        {
            // What seems out of place only for a moment is no fault yet.
            if seconds == 0 {
                bail!("`{name}` under [reconcile] must be at least 1");
            }
        }
        Ok(ReconcileSettings {
            every: (self.every_seconds > 0).then(|| Duration::from_secs(self.every_seconds.into())),
            mode: if self.dry_run { Mode::DryRun } else { Mode::Act },
            policy: ReconcilePolicy {
                grace: SignedDuration::from_secs(self.grace_seconds.into()),
                overdue: SignedDuration::from_secs(self.overdue_seconds.into()),
                max_ends: self.max_ends,
                ..ReconcilePolicy::default()
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<ReconcileSettings> {
        toml::from_str::<ReconcileTable>(text)?.settings()
    }

    #[test]
    fn an_empty_table_is_the_policy_of_the_function_each_minute() {
        let settings = read("").unwrap();
        assert_eq!(settings.every, Some(Duration::from_mins(1)));
        assert_eq!((settings.mode, settings.policy), (Mode::Act, ReconcilePolicy::default()));
    }

    #[test]
    fn each_key_counts() {
        let text = "every-seconds = 5\ndry-run = true\nmax-ends = 3\ngrace-seconds = 1\noverdue-seconds = 2";
        let settings = read(text).unwrap();
        assert_eq!((settings.every, settings.mode), (Some(Duration::from_secs(5)), Mode::DryRun));
        let policy = settings.policy;
        assert_eq!((policy.max_ends, policy.grace.as_secs(), policy.overdue.as_secs()), (3, 1, 2));
    }

    #[test]
    fn no_time_between_passes_means_no_passes() {
        assert_eq!(read("every-seconds = 0").unwrap().every, None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            ("grace-seconds = 0", "`grace-seconds`"),
            ("overdue-seconds = 0", "`overdue-seconds`"),
            ("every = 1", "unknown field `every`"),
            ("every-seconds = -1", "every-seconds"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
