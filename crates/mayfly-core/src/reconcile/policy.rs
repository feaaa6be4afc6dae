//! How long things may take before they are repaired, and how much may be done at once.

use jiff::SignedDuration;

/// How the reconciler judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReconcilePolicy {
    /// How long something may be out of place before it is put right: its event may be on the way. Shorter than the time
    /// between two passes, so that the second one that sees it repairs it.
    pub grace: SignedDuration,
    /// How long after its time a start may be late: its message may wait in a queue.
    pub overdue: SignedDuration,
    /// How long a machine may take from its start until its agent is up.
    pub boot: SignedDuration,
    /// How long the service of a machine that was started may not know it yet (EC2 User Guide, "Eventual consistency").
    pub fresh: SignedDuration,
    /// How long a machine must be dead before its job is retried: news of the job's end may be on the way.
    pub mourning: SignedDuration,
    /// How long a job may wait. GitLab itself gives a pending job up after a day.
    pub longest_wait: SignedDuration,
    /// How long a job waits that was given up because its runners left without it, while GitLab shows it waiting; doubled
    /// with each further runner.
    pub second_chance: SignedDuration,
    /// How long a project is watched in which nothing of ours happens.
    pub watch: SignedDuration,
    /// How many projects are asked for their jobs in one pass.
    pub max_projects: usize,
    /// How many jobs are asked for one by one in one pass.
    pub max_jobs: usize,
    /// How many runners may be ended in one pass. More than that look more like a mistake of ours than like leaks.
    pub max_ends: usize,
    /// How many registrations may be removed in one pass.
    pub max_unregistered: usize,
}

impl Default for ReconcilePolicy {
    fn default() -> Self {
        Self {
            grace: SignedDuration::from_secs(30),
            overdue: SignedDuration::from_secs(90),
            boot: SignedDuration::from_mins(6),
            fresh: SignedDuration::from_mins(5),
            mourning: SignedDuration::from_mins(2),
            longest_wait: SignedDuration::from_hours(24),
            second_chance: SignedDuration::from_mins(10),
            watch: SignedDuration::from_hours(7 * 24),
            max_projects: 50,
            max_jobs: 100,
            max_ends: 20,
            max_unregistered: 100,
        }
    }
}
