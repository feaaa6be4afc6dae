//! Mappings: which jobs go where, and how their runner is made.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{InvalidId, JobName, ProjectPath, SecretName};
use crate::key_codec::{escape, unescape};
use crate::machine::MachineSpec;
use crate::tags::TagSet;

/// Where a runner starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TargetType {
    /// A Lambda shell runner.
    Lambda,
    /// A single-use EC2 instance.
    Ec2,
    /// A process on this machine (embedded mode only).
    Local,
}

impl TargetType {
    /// All of them, for tests and messages.
    pub const ALL: [Self; 3] = [Self::Lambda, Self::Ec2, Self::Local];

    /// The word in the mapping table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lambda => "LAMBDA",
            Self::Ec2 => "EC2",
            Self::Local => "LOCAL",
        }
    }

    /// Reads the word of the mapping table.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.as_str() == word)
    }
}

impl fmt::Display for TargetType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Where a runner starts, with what that backend must know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "UPPERCASE")]
pub enum Target {
    /// The Lambda function with this ARN.
    Lambda {
        /// The function's ARN.
        arn: String,
    },
    /// An instance of the stack's launch template.
    Ec2(MachineSpec),
    /// A process on this machine.
    Local,
}

impl Target {
    /// The kind of target.
    pub fn target_type(&self) -> TargetType {
        match self {
            Self::Lambda { .. } => TargetType::Lambda,
            Self::Ec2(_) => TargetType::Ec2,
            Self::Local => TargetType::Local,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lambda { arn } => write!(formatter, "LAMBDA {arn}"),
            Self::Ec2(_) | Self::Local => self.target_type().fmt(formatter),
        }
    }
}

/// How `gitlab-runner` runs the job's scripts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Executor {
    /// On the runner's machine itself.
    #[default]
    Shell,
    /// In containers on the runner's machine.
    Docker,
}

impl Executor {
    /// `gitlab-runner`'s word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shell => "shell",
            Self::Docker => "docker",
        }
    }
}

impl RunnerSettings {
    /// How long before the end of a runner's life its job is stopped, so that GitLab hears of the job's end, in seconds.
    pub const STOP_BEFORE_END_SECONDS: u32 = 40;

    /// The shortest life that leaves its job a minute, in seconds.
    pub const SHORTEST_LIFE_SECONDS: u32 = 120;
}

/// How the runner of a mapping is made. Every field has a default that suits most jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunnerSettings {
    /// How scripts are run.
    pub executor: Executor,
    /// How long the runner waits for a job before it leaves, in seconds.
    pub wait_timeout_seconds: u32,
    /// How long a runner may live at most, in seconds. A job still running then is stopped and fails.
    pub max_life_seconds: u32,
    /// In registration mode `shared`: the name of the secret that holds the runner token, instead of `RunnerToken`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner_token: Option<SecretName>,
    /// Leaves the machine's AWS credentials to the job, so that it acts on AWS without static keys.
    pub keep_aws_credentials: bool,
    /// How often a job is retried in GitLab whose machine died under it, at most. Needs an API token with scope `api`.
    /// The runner is not told.
    #[serde(skip_serializing)]
    pub retries_after_loss: u32,
    /// Names of environment variables of the machine that the job gets besides the usual few (`PATH`, `HOME`, `LANG`, …).
    pub pass_env: Vec<String>,
}

impl Default for RunnerSettings {
    fn default() -> Self {
        Self {
            executor: Executor::Shell,
            wait_timeout_seconds: 300,
            max_life_seconds: 3600,
            runner_token: None,
            keep_aws_credentials: false,
            retries_after_loss: 0,
            pass_env: Vec::new(),
        }
    }
}

impl RunnerSettings {
    /// How long the runner waits for a job before it leaves.
    pub fn wait_timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.wait_timeout_seconds))
    }

    /// How long a runner may live at most.
    pub fn max_life(&self) -> Duration {
        Duration::from_secs(u64::from(self.max_life_seconds))
    }
}

/// Which job names a mapping is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NamePattern {
    /// Just this name.
    Exact(JobName),
    /// Every name that begins so; written with `*` at the end. The empty prefix is every name.
    Prefix(String),
}

impl NamePattern {
    /// True if the mapping is for jobs of this name.
    pub fn matches(&self, name: &JobName) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            Self::Prefix(prefix) => name.as_str().starts_with(prefix),
        }
    }

    fn to_key_part(&self) -> String {
        match self {
            Self::Exact(name) => escape(name.as_str()),
            Self::Prefix(prefix) => format!("{}*", escape(prefix)),
        }
    }

    fn from_key_part(part: &str) -> Option<Self> {
        match part.strip_suffix('*') {
            Some(prefix) => unescape(prefix).map(Self::Prefix),
            None => unescape(part).and_then(|name| JobName::new(name).ok()).map(Self::Exact),
        }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => name.fmt(formatter),
            Self::Prefix(prefix) => write!(formatter, "{prefix}*"),
        }
    }
}

/// The key of one mapping: partition key `job#<name>` or `project#<path>#job#<name>`, sort key `tags#<tag>#…`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MappingKey {
    /// The only project the mapping is for; `None` for all.
    pub project: Option<ProjectPath>,
    /// The job names it is for.
    pub pattern: NamePattern,
    /// The tags its runner has.
    pub tags: TagSet,
}

impl MappingKey {
    /// The partition key.
    pub fn partition_key(&self) -> String {
        let job = format!("job#{}", self.pattern.to_key_part());
        match &self.project {
            Some(project) => format!("project#{}#{job}", escape(project.as_str())),
            None => job,
        }
    }

    /// The sort key.
    pub fn sort_key(&self) -> String {
        self.tags.sort_key()
    }

    /// Reads both keys, also of a row typed by hand.
    pub fn parse(partition_key: &str, sort_key: &str) -> Result<Self, InvalidId> {
        let invalid =
            || InvalidId::new(partition_key, "a mapping key (`job#<name>` or `project#<path>#job#<name>`)");
        let (project, job) = match partition_key.strip_prefix("project#") {
            Some(rest) => {
                let (path, job) = rest.split_once('#').ok_or_else(invalid)?;
                let path = unescape(path).and_then(|path| ProjectPath::new(path).ok()).ok_or_else(invalid)?;
                (Some(path), job)
            }
            None => (None, partition_key),
        };
        let name = job.strip_prefix("job#").filter(|name| !name.contains('#')).ok_or_else(invalid)?;
        let pattern = NamePattern::from_key_part(name).ok_or_else(invalid)?;
        Ok(Self { project, pattern, tags: TagSet::from_sort_key(sort_key)? })
    }
}

impl fmt::Display for MappingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.partition_key(), self.sort_key())
    }
}

/// The keys of the one row that is no mapping: while it is there, no job gets a runner.
pub const PAUSE_KEY: (&str, &str) = ("pause", "all");

/// One readable row of the mapping table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Which jobs it is for.
    pub key: MappingKey,
    /// Where their runner starts.
    pub target: Target,
    /// How it is made.
    pub settings: RunnerSettings,
    /// Why its jobs are kept waiting, if they are.
    pub paused: Option<String>,
}

/// One row as found in the table. A row nobody can read must not hide the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredMapping {
    /// A mapping.
    Readable(Mapping),
    /// Keeps all jobs waiting, whatever their mapping: [`PAUSE_KEY`].
    Pause {
        /// Why.
        reason: String,
    },
    /// A row that is none, and why. A job whose row it is by its key is given up with this reason: sending it elsewhere
    /// would be a guess. If not even its key can be read, it matches nothing and is named in the explanation.
    Unreadable {
        /// Which jobs it is for, if its key can be read.
        key: Option<MappingKey>,
        /// The row's keys, as found.
        row: String,
        /// What is wrong with it.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_are_pinned() {
        for (project, pattern, keys) in [
            (None, NamePattern::Exact("build".parse().unwrap()), "job#build tags#linux"),
            (None, NamePattern::Exact("deploy-*".parse().unwrap()), "job#deploy-%2A tags#linux"),
            (None, NamePattern::Prefix("deploy-".to_owned()), "job#deploy-* tags#linux"),
            (None, NamePattern::Prefix(String::new()), "job#* tags#linux"),
            (Some("a/b"), NamePattern::Exact("c#".parse().unwrap()), "project#a/b#job#c%23 tags#linux"),
        ] {
            let project = project.map(|path| path.parse().unwrap());
            let key = MappingKey { project, pattern, tags: ["linux"].into_iter().collect() };
            assert_eq!(key.to_string(), keys);
        }
    }

    #[test]
    fn what_is_no_mapping_key_is_refused() {
        for key in ["", "build", "job#", "job#a#b", "project#a/b", "project#a/b#build", "project#a#job#x"] {
            assert!(MappingKey::parse(key, "tags#").is_err(), "{key}");
        }
    }

    proptest! {
        #[test]
        fn a_key_is_read_back(path in "[^/]{1,9}/[^/]{1,9}", name in ".{1,30}", is_prefix: bool, narrowed: bool, tags in proptest::collection::vec(".{1,9}", 0..4)) {
            let pattern = if is_prefix { NamePattern::Prefix(name) } else { NamePattern::Exact(name.parse().unwrap()) };
            let project = narrowed.then(|| path.parse().unwrap());
            let key = MappingKey { project, pattern, tags: tags.into_iter().collect() };
            prop_assert_eq!(MappingKey::parse(&key.partition_key(), &key.sort_key()).unwrap(), key);
        }
    }
}
