//! What lint is told besides the rows.

use crate::ids::{JobName, ProjectPath};
use crate::mapping::{Target, TargetType};
use crate::resolve::DefaultTarget;
use crate::tags::TagSet;

/// What is known of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallationFacts {
    /// What kind it is.
    pub site: Site,
    /// Where jobs go that no row is for.
    pub default: DefaultFact,
    /// Whether it ever knows the tags of jobs.
    pub job_tags: JobTags,
    /// Whether it can start EC2 machines.
    pub has_machines: Option<bool>,
    /// The functions that its dispatcher may invoke.
    pub invocable: Option<Invocable>,
}

/// What kind of installation it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// The stacks on AWS.
    Aws,
    /// A `mayfly local`.
    DataFolder,
}

/// The default target, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefaultFact {
    /// Nobody said what it is.
    NotKnown,
    /// This, or none.
    Known(Option<DefaultTarget>),
}

/// Whether an installation knows the tags of jobs. The webhook does not carry them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobTags {
    /// GitLab is asked for them. It may fail to answer.
    Asked,
    /// There is no API token: they are never known.
    NeverKnown,
}

/// The functions that a dispatcher may invoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocable {
    /// The name of a function in the installation's account and region, or the beginning of one with `*` behind it.
    pub names: String,
    /// ARNs of further functions.
    pub arns: Vec<String>,
}

/// What is known of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FunctionFact {
    /// It is there.
    Exists {
        /// How long an invocation of it may take.
        timeout_seconds: u32,
    },
    /// It is not there.
    Missing,
    /// It could not be asked for, for this reason.
    NotKnown(String),
}

/// What `.gitlab-ci.yml` files say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CiFacts {
    /// Their jobs.
    pub jobs: Vec<CiJob>,
    /// What in them was not read.
    pub unread: Vec<Unread>,
}

/// One job of a `.gitlab-ci.yml` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CiJob {
    /// The file.
    pub file: String,
    /// The line at which it begins; the first is 1.
    pub line: usize,
    /// The project it is of, if that is known.
    pub project: Option<ProjectPath>,
    /// Its names in pipelines: several, if it is parallel.
    pub names: Vec<JobName>,
    /// Its tags.
    pub tags: CiTags,
    /// How long it may run, if it says so.
    pub timeout_seconds: Option<u64>,
    /// True if it asks for a container image.
    pub has_image: bool,
}

/// The tags of a job in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CiTags {
    /// These.
    Known(TagSet),
    /// They depend on something that the file does not tell, such as a variable.
    NotKnown,
}

/// A part of a file that was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// The file.
    pub file: String,
    /// The first is 1.
    pub line: usize,
    /// What, and why.
    pub what: String,
    /// True if there may be jobs in it.
    pub may_have_jobs: bool,
}

impl InstallationFacts {
    /// Why the installation cannot start runners of this target, if that is known.
    pub fn cannot_start(&self, target: &Target) -> Option<&'static str> {
        match (self.site, target.target_type()) {
            (Site::Aws, TargetType::Local) => {
                Some("LOCAL is a process of `mayfly local`: an installation on AWS cannot start it")
            }
            (Site::DataFolder, TargetType::Lambda | TargetType::Ec2) => {
                Some("a `mayfly local` starts processes on its own machine only")
            }
            (Site::Aws, TargetType::Ec2) if self.has_machines == Some(false) => {
                Some("the stack has no subnets for EC2 runners (RunnerSubnetIds)")
            }
            _ => None,
        }
    }
}

impl Invocable {
    /// True if the dispatcher may invoke the function with this ARN, as far as that can be told: a bare name also stands for
    /// functions of other accounts and regions, which is not looked at.
    pub fn allows(&self, arn: &str) -> bool {
        let name = arn.split(':').nth(6).unwrap_or_default();
        let by_name = match self.names.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == self.names,
        };
        let unqualified: String = arn.split(':').take(7).collect::<Vec<_>>().join(":");
        by_name || self.arns.iter().any(|other| *other == arn || *other == unqualified)
    }
}
