//! What EC2 is asked and what it answers, whatever the protocol.

use std::collections::BTreeMap;

use mayfly_core::machine::Market;

/// Where capacity is counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pool {
    /// The market.
    pub market: Market,
    /// The instance type.
    pub instance_type: String,
    /// The subnet.
    pub subnet: String,
}

/// One override of a call's launch template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The instance type.
    pub instance_type: String,
    /// The subnet; empty if none was named.
    pub subnet: String,
    /// The image: its id, or `resolve:ssm:<name>`.
    pub image: String,
    /// The size of the root volume in GiB, if it is not the launch template's.
    pub root_volume_gib: Option<u32>,
}

/// One `CreateFleet` of type `instant`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetCall {
    /// The client token.
    pub token: String,
    /// The id of the launch template.
    pub launch_template: String,
    /// Its version.
    pub version: String,
    /// The market.
    pub market: Market,
    /// What may be started; the first that has capacity is taken.
    pub overrides: Vec<Override>,
    /// How many machines.
    pub count: usize,
    /// The tags of the machines.
    pub tags: BTreeMap<String, String>,
    /// The tags of their volumes.
    pub volume_tags: BTreeMap<String, String>,
}

/// The answer to a `CreateFleet`, which may be an answer with 200 and without machines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FleetAnswer {
    /// The machines that were started, with where they were.
    pub machines: Vec<(String, Pool)>,
    /// Why there are not more.
    pub errors: Vec<FleetError>,
}

/// Why one pool gave nothing, or not enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetError {
    /// The code.
    pub code: String,
    /// EC2's words.
    pub message: String,
    /// The pool.
    pub pool: Pool,
}

/// Which machines a `DescribeInstances` is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// These. One that is not known is an error.
    Ids(Vec<String>),
    /// Those with this value of this tag.
    Tag(String, String),
    /// Those with this value of this tag that were not ended.
    LiveTag(String, String),
    /// Those with this tag, whatever its value.
    Tagged(String),
}

/// An answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Ec2Error {
    /// The status of the HTTP answer.
    pub status: u16,
    /// The code.
    pub code: String,
    /// EC2's words.
    pub message: String,
}

impl Ec2Error {
    /// An error with this code.
    pub fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into() }
    }

    /// Too many calls.
    pub fn throttled() -> Self {
        Self::new(503, "RequestLimitExceeded", "Request limit exceeded.")
    }

    /// True if the same may be asked for a little later.
    pub fn is_throttling(&self) -> bool {
        matches!(self.code.as_str(), "RequestLimitExceeded" | "Throttling" | "ThrottlingException")
    }

    /// True if something else may be asked for: there is no capacity, or a quota is used up.
    pub fn is_shortage(&self) -> bool {
        is_shortage(&self.code)
    }
}

impl FleetError {
    /// True if something else may be asked for.
    pub fn is_shortage(&self) -> bool {
        is_shortage(&self.code)
    }
}

fn is_shortage(code: &str) -> bool {
    ["Insufficient", "LimitExceeded", "CountExceeded", "UnfulfillableCapacity"]
        .iter()
        .any(|word| code.contains(word))
}
