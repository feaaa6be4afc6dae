//! What a claim freezes before anything is started: the request, its ordered steps, and the token of each.

use std::fmt::{self, Write};
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ids::{InvalidId, JobKey, ProjectId, ResourceId, RunnerId};
use crate::machine::{MachineRequest, Market, Purchase};
use crate::mapping::{RunnerSettings, Target};
use crate::tags::TagSet;

/// One way to start compute. A plan is an ordered list of them: the next is tried only after a definite refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LaunchStep {
    /// Invoke the Lambda shell runner.
    Lambda,
    /// An EC2 instance from the spot pools.
    Ec2Spot,
    /// An on-demand EC2 instance.
    Ec2OnDemand,
    /// A process on this machine.
    Local,
}

impl LaunchStep {
    /// The plan for a target.
    pub fn plan_for(target: &Target) -> Vec<Self> {
        match target {
            Target::Lambda { .. } => vec![Self::Lambda],
            Target::Ec2(spec) => match spec.purchase {
                Purchase::Spot => vec![Self::Ec2Spot],
                Purchase::OnDemand => vec![Self::Ec2OnDemand],
                Purchase::SpotFirst => vec![Self::Ec2Spot, Self::Ec2OnDemand],
            },
            Target::Local => vec![Self::Local],
        }
    }

    /// Where its machine is bought; `None` for a step without one.
    pub fn market(self) -> Option<Market> {
        match self {
            Self::Ec2Spot => Some(Market::Spot),
            Self::Ec2OnDemand => Some(Market::OnDemand),
            Self::Lambda | Self::Local => None,
        }
    }
}

/// What is to be started, frozen in the claim: a repeated launch asks for exactly the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchRequest {
    /// Where the runner starts.
    pub target: Target,
    /// How it is made.
    pub settings: RunnerSettings,
    /// The mapping's key, or `default`; for people.
    pub mapping: String,
    /// The tags the runner is registered with, in registration mode `per-job`.
    pub tags: TagSet,
    /// The project it is registered for.
    pub project: ProjectId,
    /// Whether the job's branch or tag is protected; asked only where runners are kept apart by it.
    pub protection: RefProtection,
    /// The machine it runs on, for a target that needs one.
    pub machine: Option<MachineRequest>,
    /// The ordered ways to start it.
    pub steps: Vec<LaunchStep>,
}

/// Whether a branch or tag is protected in GitLab: only some people may push to it, and its jobs see protected variables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefProtection {
    /// It is.
    Protected,
    /// It is not, or the job runs for a merge request.
    Unprotected,
    /// Nobody asked, or GitLab did not tell.
    #[default]
    Unknown,
}

impl RefProtection {
    /// The word in tenant ids and in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Protected => "protected",
            Self::Unprotected => "unprotected",
            Self::Unknown => "unknown",
        }
    }
}

/// The right to start a runner for a job, held by one dispatcher at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who holds it; for people and for recovery after a restart.
    pub holder: Holder,
    /// Until when nobody else may act on it. After that it may be taken over, with the same step and token.
    pub lease_until: Timestamp,
    /// How often the plan was begun; the first is 0.
    pub attempt: u32,
    /// How many runners were started for the job and left without taking it.
    pub lost_runners: u32,
    /// How often in a row the whole plan was refused.
    pub refusals: u32,
    /// The step in the plan that is being tried; the first is 0.
    pub step: u32,
    /// What is to be started. It is frozen: all copies of the record share it.
    pub request: Arc<LaunchRequest>,
    /// The registration made for this step, if that is known: a repeated launch replaces it.
    pub registered: Option<RunnerId>,
    /// The call that starts its machine, from just before it is made.
    pub fleet: Option<ClientToken>,
}

impl Claim {
    /// The idempotency token of the present step.
    pub fn token(&self, key: &JobKey) -> ClientToken {
        ClientToken::new(key, self.attempt, self.step)
    }

    /// Begins the plan again, with tokens of its own.
    pub fn begin_again(&mut self) {
        self.attempt += 1;
        self.step = 0;
        self.forget_step();
    }

    /// Forgets what was done for the present step: nothing of it is left.
    pub fn forget_step(&mut self) {
        self.registered = None;
        self.fleet = None;
    }

    /// The present step; `None` if the plan is exhausted.
    pub fn launch_step(&self) -> Option<LaunchStep> {
        self.request.steps.get(usize::try_from(self.step).ok()?).copied()
    }
}

/// One dispatcher: a Lambda environment, or one run of `mayfly local`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Holder(pub String);

/// Idempotency token of one launch step: the same for every repetition of the call, different for every other step.
/// At most 64 ASCII characters, as EC2's `ClientToken` asks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientToken(String);

impl ClientToken {
    /// The token of this step of this attempt for this job.
    pub fn new(key: &JobKey, attempt: u32, step: u32) -> Self {
        Self::from_text(&format!("{key}|{attempt}|{step}"))
    }

    /// The token made of a text that is told apart from all others.
    pub(crate) fn from_text(text: &str) -> Self {
        let digest = Sha256::digest(text);
        let mut text = String::with_capacity(32);
        for byte in digest.iter().take(16) {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    /// The token as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A resource id for backends that let us choose it.
    pub fn to_resource(&self) -> ResourceId {
        #[expect(clippy::expect_used, reason = "hexadecimal digits are a valid resource id")]
        ResourceId::new(self.0.as_str()).expect("hexadecimal digits")
    }
}

impl FromStr for ClientToken {
    type Err = InvalidId;

    /// Reads a token back, from a tag for example.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let is_token = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_token {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId::new(text, "a client token (32 hexadecimal digits)"))
        }
    }
}

impl fmt::Display for ClientToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_by_job_attempt_and_step_and_are_pinned() {
        let key: JobKey = "gitlab.com/1/2".parse().unwrap();
        let other: JobKey = "gitlab.com/1/3".parse().unwrap();
        let tokens = [(&key, 0, 0), (&key, 0, 1), (&key, 1, 0), (&other, 0, 0)]
            .map(|(key, attempt, step)| ClientToken::new(key, attempt, step));
        for (index, token) in tokens.iter().enumerate() {
            assert!(!tokens[..index].contains(token));
            assert_eq!(token.as_str().len(), 32);
        }
        assert_eq!(tokens[0].as_str(), "5aee8c75fd58ce66de12b72b525143a0");
    }
}
