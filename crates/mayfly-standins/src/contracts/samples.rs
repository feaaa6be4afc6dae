//! Records and names that stores have to cope with.
#![expect(clippy::expect_used, reason = "a contract suite is a test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use mayfly_core::event::JobEvent;
use mayfly_core::ids::{JobKey, ProjectId, RunnerId};
use mayfly_core::launch::{Claim, ClientToken, Holder, LaunchRequest, LaunchStep, RefProtection};
use mayfly_core::ledger::{Ended, LedgerRecord, LedgerState, Moments, Retry, RunnerRecord};
use mayfly_core::machine::{Architecture, MachineRequest, MachineSpec, Purchase};
use mayfly_core::mapping::{Executor, RunnerSettings, Target};
use mayfly_core::reconcile::{Memory, ProjectKey, Suspect, Watched};
use mayfly_core::status::JobStatus;

/// The present of the suites: far ahead, so that no store that looks at its own clock finds anything expired.
pub const NOW: Timestamp = Timestamp::constant(4_102_444_800, 0);

/// Job names that GitLab allows and that separators, patterns and limits of a store trip over.
pub const ABSURD_NAMES: [&str; 14] = [
    "build",
    "Build",
    " build",
    "build: [linux, 1.0]",
    "c# tests",
    "c%23 tests",
    "deploy-*",
    "deploy-%2A",
    "*",
    "50% done",
    "job#build",
    "🚀 größer 中文",
    "tab\tand\nnewline",
    "e\u{301}toile",
];

/// The record of a job of which only a pending event is known, at [`NOW`]. `key` is `host/project/job`.
///
/// # Panics
///
/// If the key or the name is none.
pub fn new_record(key: &str, name: &str) -> LedgerRecord {
    let event = JobEvent {
        key: key.parse().expect("a job key"),
        name: name.parse().expect("a job name"),
        status: JobStatus::Pending,
        project: None,
        pipeline: None,
        runner: None,
        queued_seconds: None,
        failure_reason: None,
        received_at: NOW,
    };
    LedgerRecord::new(&event, NOW)
}

/// A record in which every optional part is there, with a runner of this name. Its times have fractions of a second,
/// but for `expires_at`, which stores keep in whole seconds.
///
/// # Panics
///
/// If a text is not what it should be.
pub fn full_record(key: &str, runner: &str) -> LedgerRecord {
    let mut record = new_record(key, "build: [linux, 1.0]");
    record.project = Some("a group/with spaces/and #*%".parse().expect("a project path"));
    record.explanation = Some("project and name: no row; name: row `job#build tags#` (LAMBDA)".to_owned());
    record.claim = Some(full_claim());
    let moment = NOW + SignedDuration::from_nanos(123_456_789);
    record.runner = Some(RunnerRecord {
        name: runner.parse().expect("a runner name"),
        registered: Some(RunnerId(u64::MAX)),
        launched_at: moment,
        moments: Moments {
            running: Some(moment + SignedDuration::from_secs(18)),
            assignment_read: Some(moment + SignedDuration::from_secs(21)),
            job_picked_up: Some(moment + SignedDuration::from_secs(25)),
        },
        took: Some("gitlab.example.com/380/1978".parse().expect("a job key")),
        stopped_at: Some(moment + SignedDuration::from_secs(59)),
        ended: Some(Ended { at: moment + SignedDuration::from_secs(60), reason: "it left".to_owned() }),
    });
    record.not_before = Some(moment + SignedDuration::from_secs(15));
    record.former = ["mayfly-ec2-i-0former", "mayfly-lambda-former"]
        .map(|name| RunnerRecord::new(name.parse().expect("a runner name"), Some(RunnerId(8)), moment))
        .into();
    record.former[0].took = Some("gitlab.example.com/380/1979".parse().expect("a job key"));
    record.retries = 1;
    record.retry = Some(Retry::Done);
    record.enter(LedgerState::Claimed, "a job waits", moment);
    record.enter(LedgerState::Launched, "", moment);
    record.enter(LedgerState::Running, "its runner took another job", NOW);
    record
}

/// What a pass leaves to the next, with every kind of part.
///
/// # Panics
///
/// Never: its texts are constants.
pub fn full_memory() -> Memory {
    let key: JobKey = "gitlab.example.com:8443/380/1977".parse().expect("a job key");
    let moment = NOW + SignedDuration::from_nanos(123_456_789);
    let watched = |path: Option<&str>| Watched {
        path: path.map(|path| path.parse().expect("a project path")),
        active_at: moment,
        asked_at: NOW,
    };
    let project = ProjectKey::of(&key);
    let other = ProjectKey { project: ProjectId(u64::MAX), ..project.clone() };
    Memory {
        projects: BTreeMap::from([(project, watched(Some("a group/app"))), (other, watched(None))]),
        suspects: BTreeMap::from([
            (Suspect::Compute("i-0123456789abcdef0".parse().expect("a resource id")), NOW),
            (Suspect::Registration(RunnerId(u64::MAX)), moment),
        ]),
        strangers: [RunnerId(9), RunnerId(u64::MAX)].into(),
    }
}

fn full_claim() -> Claim {
    Claim {
        holder: Holder("2026/08/01/[$LATEST]0a1b".to_owned()),
        lease_until: NOW + SignedDuration::from_millis(120_500),
        attempt: 1,
        lost_runners: 3,
        refusals: 4,
        step: 2,
        request: Arc::new(LaunchRequest {
            target: Target::Lambda {
                arn: "arn:aws:lambda:eu-central-1:123456789012:function:shell".to_owned(),
            },
            settings: RunnerSettings {
                executor: Executor::Docker,
                wait_timeout_seconds: 60,
                max_life_seconds: u32::MAX,
                runner_token: Some("tokens/Docker".parse().expect("the name of a secret")),
                keep_aws_credentials: true,
                retries_after_loss: 2,
                pass_env: vec!["Z_LAST".to_owned(), "A_FIRST".to_owned()],
            },
            mapping: "job#build tags#docker#linux".to_owned(),
            tags: ["linux", "docker", "🚀"].into_iter().collect(),
            project: ProjectId(380),
            protection: RefProtection::Protected,
            machine: Some(full_machine_request()),
            steps: vec![LaunchStep::Ec2Spot, LaunchStep::Ec2OnDemand, LaunchStep::Lambda, LaunchStep::Local],
        }),
        registered: Some(RunnerId(7)),
        fleet: Some(ClientToken::new(&"gitlab.example.com/380/1977".parse().expect("a job key"), 1, 2)),
    }
}

/// What a launch asks EC2 for, with every optional part.
///
/// # Panics
///
/// Never: its texts are constants.
pub fn full_machine_request() -> MachineRequest {
    let spec = full_machine_spec();
    MachineRequest {
        stack: "mayfly-autoscaler".to_owned(),
        launch_template: "lt-0abc".to_owned(),
        launch_template_version: "3".to_owned(),
        image: spec.image.expect("an image"),
        instance_types: spec.instance_types,
        subnets: spec.subnets,
        root_device: "/dev/xvda".to_owned(),
        root_volume_gib: spec.root_volume_gib,
        root_volume_key: Some("arn:aws:kms:eu-west-1:123456789012:key/0a1b".to_owned()),
        tags: spec.instance_tags,
    }
}

/// What a mapping can ask of its machines, with every optional part.
///
/// # Panics
///
/// Never: its texts are constants.
pub fn full_machine_spec() -> MachineSpec {
    let id = "an id";
    let tags = [("team", "build"), ("cost center", "4711"), ("empty", "")];
    MachineSpec {
        purchase: Purchase::OnDemand,
        architecture: Some(Architecture::X86_64),
        instance_types: ["m7i.large", "c7i-flex.2xlarge"].map(|name| name.parse().expect(id)).to_vec(),
        image: Some("/mayfly/images/x86".parse().expect(id)),
        root_volume_gib: Some(100),
        subnets: ["subnet-0b", "subnet-0a"].map(|name| name.parse().expect(id)).to_vec(),
        instance_tags: BTreeMap::from(tags.map(|(name, value)| (name.to_owned(), value.to_owned()))),
        job_role_arn: Some("arn:aws:iam::123456789012:role/ci/deploy".parse().expect(id)),
    }
}
