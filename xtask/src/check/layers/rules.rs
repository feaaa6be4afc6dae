//! The rules of check `layers`. ARCHITECTURE.md says the same in words.

/// What a crate is to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// May be used where a rule says so.
    Library,
    /// Is run; nothing depends on it.
    Program,
    /// Is for tests, and for the programs whose rule names it.
    StandIns,
}

/// The rule of one crate.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) role: Role,
    /// The crates of ours it may use outside of tests. Tests may use any library of ours.
    pub(super) uses: &'static [&'static str],
    /// What must not be below it, directly or not. `*` at the end stands for any ending.
    pub(super) never_below: &'static [&'static str],
}

/// One rule a crate, from the inside out.
pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "mayfly-core",
        role: Role::Library,
        uses: &[],
        never_below: &["aws-*", "axum", "hyper", "reqwest", "tokio"],
    },
    Rule {
        name: "mayfly-app",
        role: Role::Library,
        uses: &["mayfly-core"],
        never_below: &["aws-*", "axum", "reqwest"],
    },
    Rule { name: "mayfly-aws", role: Role::Library, uses: &["mayfly-core"], never_below: &[] },
    Rule { name: "mayfly-gitlab", role: Role::Library, uses: &["mayfly-core"], never_below: &[] },
    // The agent ends its registration at GitLab itself. It has a program too, and that one uses AWS, with the feature `machine`; what
    // others use is its library.
    Rule {
        name: "mayfly-agent",
        role: Role::Library,
        uses: &["mayfly-aws", "mayfly-core", "mayfly-gitlab"],
        never_below: &[],
    },
    Rule {
        name: "mayfly-local",
        role: Role::Library,
        uses: &["mayfly-agent", "mayfly-app", "mayfly-aws", "mayfly-core", "mayfly-gitlab"],
        never_below: &[],
    },
    // What dispatcher and reconciler share: programs cannot use each other.
    Rule { name: "mayfly-wiring", role: Role::Library, uses: ADAPTERS_AND_USE_CASES, never_below: &[] },
    // The simulation runs the use cases.
    Rule {
        name: "mayfly-standins",
        role: Role::StandIns,
        uses: &["mayfly-app", "mayfly-core"],
        never_below: &[],
    },
    Rule {
        name: "mayfly-cli",
        role: Role::Program,
        uses: &["mayfly-agent", "mayfly-app", "mayfly-aws", "mayfly-core", "mayfly-gitlab", "mayfly-local"],
        never_below: &[],
    },
    // The demo is what a newcomer builds first.
    Rule {
        name: "mayfly-demo",
        role: Role::Program,
        uses: &["mayfly-agent", "mayfly-core", "mayfly-local", "mayfly-standins"],
        never_below: &["aws-config", "aws-sdk-cloudwatchlogs", "aws-sdk-ec2"],
    },
    Rule { name: "mayfly-webhook", role: Role::Program, uses: ADAPTERS_AND_USE_CASES, never_below: &[] },
    Rule { name: "mayfly-dispatcher", role: Role::Program, uses: AUTOSCALER, never_below: &[] },
    Rule { name: "mayfly-reconciler", role: Role::Program, uses: AUTOSCALER, never_below: &[] },
    Rule {
        name: "mayfly-shell-runner",
        role: Role::Program,
        uses: &["mayfly-agent", "mayfly-aws", "mayfly-core", "mayfly-gitlab"],
        never_below: AWS_OF_INSTANCES,
    },
    // It is nothing but tests.
    Rule { name: "mayfly-e2e", role: Role::Program, uses: &[], never_below: &[] },
    Rule { name: "xtask", role: Role::Program, uses: &[], never_below: &[] },
];

/// What a Lambda function wires together.
const ADAPTERS_AND_USE_CASES: &[&str] = &["mayfly-app", "mayfly-aws", "mayfly-core", "mayfly-gitlab"];

/// What a function of the autoscaler stack uses.
const AUTOSCALER: &[&str] = &["mayfly-app", "mayfly-aws", "mayfly-core", "mayfly-wiring"];

/// What an agent needs on an instance and nowhere else. A function's agent is given its assignment.
const AWS_OF_INSTANCES: &[&str] = &["aws-config", "aws-sdk-*"];

/// Dependencies that only these crates may use, tests included. The EC2 client takes minutes to compile;
/// `mayfly doctor` looks at images and instance types with it.
pub(super) const ONLY_USED_BY: &[(&str, &[&str])] = &[("aws-sdk-ec2", &["mayfly-aws", "mayfly-cli"])];
