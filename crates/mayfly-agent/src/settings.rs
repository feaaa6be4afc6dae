//! What the agent itself must know, besides the assignment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use mayfly_core::mapping::RunnerSettings;

/// How the agent works on this machine.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// The runner program with its leading arguments, such as `["gitlab-runner"]`.
    pub runner_command: Vec<OsString>,
    /// The folder in which the agent makes one private folder for this runner and removes it at the end. Its path must
    /// be short enough for the sockets that jobs make in their temporary folder.
    pub work_dir: PathBuf,
    /// The environment the agent was given. The job gets a chosen few of it.
    pub environment: BTreeMap<OsString, OsString>,
    /// How long the agent waits for what.
    pub timings: AgentTimings,
    /// When the machine ends by itself. The earlier one of this and the assignment's deadline counts.
    pub time_limit: Option<TimeLimit>,
}

/// How long the agent waits for what. The defaults are for production; tests have shorter ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentTimings {
    /// How long before the deadline the runner is told to end. `gitlab-runner` gives a job 30 s to report that it was
    /// interrupted, and exits then.
    pub term_before_deadline: Duration,
    /// How long a job has to end after its runner was told to. Then everything that the runner started is killed, so that
    /// the runner can still report the job.
    pub kill_job_after_term: Duration,
    /// How long a runner that has, or may yet get, a job has to end after it was told so. However long it is, a runner is
    /// killed 2 s before its deadline.
    pub kill_after_term: Duration,
    /// How long the runner may stay without a job after its wait time. GitLab may hold a request for a job for 50 s, and
    /// `gitlab-runner` looks at its wait time only between requests.
    pub idle_grace: Duration,
    /// How long a runner without a job has to end after it was told so.
    pub quit_grace: Duration,
    /// How long processes that outlive the runner may take to die once they are killed.
    pub leftovers: Duration,
    /// How long the end of the registration and the removal of the private folder may take, both at once.
    pub farewell: Duration,
}

impl Default for AgentTimings {
    fn default() -> Self {
        Self {
            term_before_deadline: Duration::from_secs(RunnerSettings::STOP_BEFORE_END_SECONDS.into()),
            kill_job_after_term: Duration::from_secs(20),
            kill_after_term: Duration::from_secs(35),
            idle_grace: Duration::from_mins(1),
            quit_grace: Duration::from_secs(10),
            leftovers: Duration::from_secs(3),
            farewell: Duration::from_secs(10),
        }
    }
}

/// When the machine itself ends, whatever the assignment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeLimit {
    /// By then, the runner must be gone.
    pub deadline: Timestamp,
    /// Why, and what helps, as the end of a sentence: a job that is stopped for it says so in its log.
    pub because: String,
}

/// What an agent is told from outside. A stronger request comes after a weaker one, never the other way round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopRequest {
    /// Nothing: go on.
    #[default]
    None,
    /// Take no job any more, finish the one that runs, and leave.
    AfterJob,
    /// Leave now; a job that runs is reported as interrupted.
    Now,
}
