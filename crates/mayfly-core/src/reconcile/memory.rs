//! What the reconciler leaves to its next pass.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{GitlabHost, InvalidId, JobKey, ProjectId, ProjectPath, ResourceId, RunnerId};

/// What one pass leaves to the next. It may be lost: the next pass learns it anew, and repairs a pass later.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The projects that have had jobs of ours: GitLab has no list of all waiting jobs, only one a project.
    pub projects: BTreeMap<ProjectKey, Watched>,
    /// What seemed out of order, and since when. Much of that is repaired only if it seems so twice: its event may have been
    /// on the way, or somebody about to write down whose it is.
    pub suspects: BTreeMap<Suspect, Timestamp>,
    /// Registrations that are named like ours and were made by other installations, or by nobody who says so.
    pub strangers: BTreeSet<RunnerId>,
}

/// A project that is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// Its path, as far as events told it: mappings may ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<ProjectPath>,
    /// When a job of ours was last open in it.
    pub active_at: Timestamp,
    /// When it was last asked for its jobs.
    pub asked_at: Timestamp,
}

/// A project of one GitLab installation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProjectKey {
    /// The installation, as job keys name it.
    pub host: GitlabHost,
    /// The project.
    pub project: ProjectId,
}

impl ProjectKey {
    /// The project of a job.
    pub fn of(key: &JobKey) -> Self {
        Self { host: key.host.clone(), project: key.project }
    }
}

impl fmt::Display for ProjectKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.host, self.project)
    }
}

impl FromStr for ProjectKey {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId::new(text, "a project (`<host>/<id>`)");
        let (host, project) = text.rsplit_once('/').ok_or_else(invalid)?;
        let host = host.parse().map_err(|_| invalid())?;
        Ok(Self { host, project: ProjectId(project.parse().map_err(|_| invalid())?) })
    }
}

/// Something that seems out of order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Suspect {
    /// A job of which GitLab shows more than the ledger knows.
    Job(JobKey),
    /// A machine, or another runner's compute, that seems to belong to nobody, or whose job is over.
    Compute(ResourceId),
    /// A registration in GitLab that seems to belong to nobody.
    Registration(RunnerId),
}

impl fmt::Display for Suspect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(key) => write!(formatter, "job/{key}"),
            Self::Compute(id) => write!(formatter, "compute/{id}"),
            Self::Registration(id) => write!(formatter, "registration/{id}"),
        }
    }
}

impl FromStr for Suspect {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid =
            || InvalidId::new(text, "a suspect (`job/<key>`, `compute/<id>` or `registration/<id>`)");
        match text.split_once('/').ok_or_else(invalid)? {
            ("job", key) => Ok(Self::Job(key.parse().map_err(|_| invalid())?)),
            ("compute", id) => Ok(Self::Compute(id.parse().map_err(|_| invalid())?)),
            ("registration", id) => Ok(Self::Registration(RunnerId(id.parse().map_err(|_| invalid())?))),
            _ => Err(invalid()),
        }
    }
}

macro_rules! text_like {
    ($($name:ident),*) => {$(
        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    )*};
}

text_like!(ProjectKey, Suspect);
