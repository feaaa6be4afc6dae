//! What is known of an installation. Values of secrets are not among it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use mayfly_gitlab::client::{Hook, HookDelivery, TestDelivery, TokenInfo};

use super::asked::Asked;
use super::demands::Demands;

/// Processors of running on-demand instances of the usual families (AWS docs, EC2 quotas).
pub(super) const ON_DEMAND_QUOTA: &str = "L-1216C47A";
/// The same for spot instances.
pub(super) const SPOT_QUOTA: &str = "L-34B43A08";

/// An installation on AWS.
#[derive(Debug, Clone)]
pub(super) struct AwsFacts {
    /// The ARN of whoever asks.
    pub(super) identity: Asked<String>,
    /// How far AWS's clock is ahead of this machine's.
    pub(super) clock: Asked<SignedDuration>,
    pub(super) infrastructure: StackFacts,
    pub(super) shell_runner: StackFacts,
    pub(super) autoscaler: StackFacts,
    pub(super) parameters: Asked<ParameterFacts>,
    pub(super) webhook_secret: Asked<SecretFacts>,
    /// The name of each row of the mapping table that cannot be read, and why; and how many rows there are.
    pub(super) mappings: Asked<MappingFacts>,
    pub(super) demands: Demands,
    /// Whether each function is there.
    pub(super) functions: BTreeMap<String, Asked<bool>>,
    pub(super) images: Asked<Vec<ImageFacts>>,
    /// By instance type, how many processors it has; `None` for one that the region does not offer.
    pub(super) instance_types: Asked<BTreeMap<String, Option<u32>>>,
    pub(super) lambda_concurrency: Asked<LambdaFacts>,
    /// Processors of on-demand instances that may run at once.
    pub(super) on_demand_quota: Asked<f64>,
    /// Processors of spot instances that may run at once.
    pub(super) spot_quota: Asked<f64>,
    pub(super) queues: Vec<QueueFacts>,
    pub(super) last_pass: Asked<LastPass>,
}

/// What tells that the reconciler runs: each pass asks GitLab for the jobs of some of the projects it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastPass {
    /// There is no project yet that it could ask for.
    NoProject,
    /// It knows projects, and has asked for none: that takes an API token.
    NotSeen,
    /// When it last asked.
    At(Timestamp),
}

#[derive(Debug, Clone)]
pub(super) struct StackFacts {
    pub(super) name: String,
    /// Whether an installation can be without it.
    pub(super) is_optional: bool,
    pub(super) found: Asked<Option<StackState>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StackState {
    /// Its status, such as `CREATE_COMPLETE`.
    pub(super) status: String,
    /// The output `MayflyVersion`.
    pub(super) version: Option<String>,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) outputs: BTreeMap<String, String>,
}

impl StackFacts {
    /// What it was given, if it is there.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.state()?.parameters.get(name).map(String::as_str)
    }

    /// What it tells, if it is there.
    pub(super) fn output(&self, name: &str) -> Option<&str> {
        self.state()?.outputs.get(name).map(String::as_str)
    }

    fn state(&self) -> Option<&StackState> {
        self.found.known()?.as_ref()
    }
}

/// The parameters below `ParameterPath` that the registration mode needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ParameterFacts {
    pub(super) needed: Vec<String>,
    /// Those that are there; true for those that are encrypted.
    pub(super) found: BTreeMap<String, bool>,
}

/// The parameters with the webhook's secret and signing token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SecretFacts {
    /// One of them is enough.
    pub(super) names: Vec<String>,
    pub(super) found: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MappingFacts {
    pub(super) rows: usize,
    /// Rows that cannot be read: their keys, and why.
    pub(super) broken: Vec<(String, String)>,
    /// What keeps jobs waiting: a row's keys or `all jobs`, and why.
    pub(super) paused: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ImageFacts {
    /// As it is named: an id, or a parameter.
    pub(super) name: String,
    /// Its id; `None` if the parameter is not there.
    pub(super) id: Option<String>,
    /// EC2's word; `None` if there is no such image, or none that the account may use.
    pub(super) state: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LambdaFacts {
    /// Invocations of all functions at once.
    pub(super) all: u32,
    /// Those that no function has reserved.
    pub(super) unreserved: u32,
}

#[derive(Debug, Clone)]
pub(super) struct QueueFacts {
    pub(super) name: String,
    pub(super) is_dead_letters: bool,
    /// Messages in it, those that are hidden or delayed included.
    pub(super) messages: Asked<u64>,
}

/// GitLab, and what it says.
#[derive(Debug, Clone)]
pub(super) struct GitlabFacts {
    pub(super) host: String,
    /// The version, and how far GitLab's clock is ahead of this machine's; or why there is no answer.
    pub(super) about: Result<(Option<String>, Option<SignedDuration>), String>,
    pub(super) token: OwnToken,
    /// Where the webhook is to send its events.
    pub(super) webhook_url: Option<String>,
    /// By project or group.
    pub(super) hooks: Vec<(String, Result<HookFacts, String>)>,
}

/// The installation's token.
#[derive(Debug, Clone)]
pub(super) enum OwnToken {
    /// Nobody here knows whether there is one.
    Unknown,
    Missing,
    /// Why GitLab does not take it.
    Refused(String),
    Known(TokenInfo),
}

/// The group above a project whose own webhook hears of it.
#[derive(Debug, Clone, Default)]
pub(super) enum GroupAbove {
    #[default]
    None,
    /// Its path.
    Covers(String),
    /// Why it cannot be known.
    Unknown(String),
}

/// The webhooks of one project or group with our address.
#[derive(Debug, Clone, Default)]
pub(super) struct HookFacts {
    pub(super) ours: Vec<Hook>,
    /// Asked for if there is none of ours.
    pub(super) above: GroupAbove,
    /// What the first of ours sent lately, the latest first; `None` if this GitLab does not tell.
    pub(super) deliveries: Option<Vec<HookDelivery>>,
    /// What came of a test delivery, if one was asked for.
    pub(super) test: Option<Result<TestDelivery, String>>,
}
