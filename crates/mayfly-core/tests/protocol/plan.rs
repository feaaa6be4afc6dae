//! The plan of the one job: its steps, their tokens, and the backend that starts its runners.

use std::sync::LazyLock;

use mayfly_core::ids::{JobId, JobKey, ResourceId};
use mayfly_core::launch::{Claim, ClientToken, LaunchStep};
use mayfly_core::mapping::{RunnerSettings, Target, TargetType};
use mayfly_core::resolve::{Choice, DefaultTarget, Explanation, Resolution};
use mayfly_core::runner_name::RunnerName;

/// The one job.
pub(crate) static JOB: LazyLock<JobKey> = LazyLock::new(|| "gitlab.example.com/1/2".parse().unwrap());

/// Another job of its project, with the same tags: the runner of the one may take it.
pub(crate) static ANOTHER: LazyLock<JobKey> = LazyLock::new(|| JobKey { job: JobId(3), ..JOB.clone() });

/// The plan: three ways to start the runner, tried in this order.
pub(crate) const PLAN: [LaunchStep; 3] = [LaunchStep::Ec2Spot, LaunchStep::Ec2OnDemand, LaunchStep::Lambda];

/// More often than this the plan is never begun.
pub(crate) const ATTEMPTS: u32 = 8;

/// The tokens of all steps of all attempts. Steps that share a token share a name, and are one and the same to a backend.
static TOKENS: LazyLock<Vec<ClientToken>> = LazyLock::new(|| {
    let steps = || 0..u32::try_from(PLAN.len()).unwrap();
    (0..ATTEMPTS).flat_map(|attempt| steps().map(move |step| ClientToken::new(&JOB, attempt, step))).collect()
});

static LOCAL_NAMES: LazyLock<Vec<RunnerName>> = LazyLock::new(|| names(TargetType::Local));

static LAMBDA_NAMES: LazyLock<Vec<RunnerName>> = LazyLock::new(|| names(TargetType::Lambda));

/// The names of the runners that are started with the tokens.
fn names(target: TargetType) -> Vec<RunnerName> {
    TOKENS.iter().map(|token| RunnerName { target, resource: token.to_resource() }).collect()
}

/// A step's token, and with it the name of the runner that is started with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Token(u8);

impl Token {
    /// The token of the step that a claim on the job is at.
    pub(crate) fn of(claim: &Claim) -> Self {
        Self::find(claim.token(&JOB).as_str())
    }

    /// True if no other step of no other attempt has it.
    pub(crate) fn is_of_this_step_only(self, claim: &Claim) -> bool {
        let steps = u32::try_from(PLAN.len()).unwrap();
        u32::from(self.0) == claim.attempt * steps + claim.step
    }

    pub(crate) fn named(name: &RunnerName) -> Self {
        Self::find(name.resource.as_str())
    }

    pub(crate) fn resource(self) -> ResourceId {
        LOCAL_NAMES[usize::from(self.0)].resource.clone()
    }

    pub(crate) fn bit(self) -> u32 {
        1 << self.0
    }

    fn find(text: &str) -> Self {
        let index = TOKENS.iter().position(|token| token.as_str() == text).expect("a token of the model");
        Self(u8::try_from(index).unwrap())
    }
}

/// What the runners of the job run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Backend {
    /// Processes on one machine: a token is found again and starts nothing twice, runners are seen and can be ended.
    Local,
    /// Invocations: nobody can look one up, end one, or keep a repeated call from starting another.
    Lambda,
}

impl Backend {
    pub(crate) fn target(self) -> Target {
        match self {
            Self::Local => Target::Local,
            Self::Lambda => {
                Target::Lambda { arn: "arn:aws:lambda:eu-central-1:123456789012:function:f".to_owned() }
            }
        }
    }

    /// True if what was started with a token can be found, and if the backend tells which of its runners live and which left.
    pub(crate) fn finds(self) -> bool {
        self == Self::Local
    }

    pub(crate) fn can_stop(self) -> bool {
        self == Self::Local
    }

    pub(crate) fn name(self, token: Token) -> &'static RunnerName {
        let names = match self {
            Self::Local => &LOCAL_NAMES,
            Self::Lambda => &LAMBDA_NAMES,
        };
        &names[usize::from(token.0)]
    }
}

/// Where the mapping table sends the job. Its runner may live for as long as the model likes.
pub(crate) fn resolution(backend: Backend) -> Resolution {
    let settings = RunnerSettings { max_life_seconds: u32::MAX, ..RunnerSettings::default() };
    let choice = Choice::Default(DefaultTarget { target: backend.target(), settings });
    Resolution { choice, paused: None, explanation: Explanation::default() }
}
