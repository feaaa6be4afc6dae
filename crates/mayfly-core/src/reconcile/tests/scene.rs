//! A world to look at, made by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::event::{EventRunner, JobEvent};
use crate::ids::{JobId, JobKey, RunnerId};
use crate::launch::{Claim, ClientToken, Holder, LaunchRequest, LaunchStep, RefProtection};
use crate::ledger::{Ended, LedgerRecord, LedgerState, RunnerRecord};
use crate::machine::MachineSpec;
use crate::mapping::{RunnerSettings, Target, TargetType};
use crate::ports::{BrokenRecord, JobView, LiveJob, LiveMachine, OurRunner};
use crate::reconcile::{Memory, Plan, ProjectKey, ReconcilePolicy, Snapshot, Watched, reconcile};
use crate::runner_name::RunnerName;
use crate::status::{JobStatus, Rank};
use crate::tags::TagSet;

pub(super) const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

pub(super) fn ago(seconds: i64) -> Timestamp {
    NOW - SignedDuration::from_secs(seconds)
}

/// The job of this number, in the only project.
pub(super) fn key(job: u64) -> JobKey {
    JobKey { job: JobId(job), ..project_key_of("gitlab.example.com/380/0") }
}

fn project_key_of(text: &str) -> JobKey {
    text.parse().unwrap()
}

pub(super) fn machine(number: u64) -> RunnerName {
    format!("mayfly-ec2-i-{number}").parse().unwrap()
}

pub(super) fn function(number: u64) -> RunnerName {
    format!("mayfly-lambda-f{number}").parse().unwrap()
}

pub(super) fn registration(number: u64) -> RunnerId {
    RunnerId(1000 + number)
}

/// What there is to see.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) records: Vec<LedgerRecord>,
    pub(super) broken: Vec<BrokenRecord>,
    pub(super) machines: Option<Vec<LiveMachine>>,
    pub(super) runners: BTreeMap<TargetType, Vec<RunnerName>>,
    pub(super) registrations: Option<Vec<OurRunner>>,
    pub(super) projects: BTreeMap<ProjectKey, Vec<LiveJob>>,
    pub(super) jobs: BTreeMap<JobKey, Option<JobView>>,
    pub(super) is_full: bool,
    pub(super) is_gitlab_silent: bool,
    pub(super) memory: Memory,
    pub(super) policy: ReconcilePolicy,
}

impl Scene {
    /// Nothing is there, and all of it can be seen.
    pub(super) fn empty() -> Self {
        Self {
            records: Vec::new(),
            broken: Vec::new(),
            machines: Some(Vec::new()),
            runners: BTreeMap::new(),
            registrations: Some(Vec::new()),
            projects: BTreeMap::from([(ProjectKey::of(&key(0)), Vec::new())]),
            jobs: BTreeMap::new(),
            is_full: false,
            is_gitlab_silent: false,
            memory: Memory::default(),
            policy: ReconcilePolicy::default(),
        }
    }

    /// As it looks without an API token.
    pub(super) fn without_gitlab(mut self) -> Self {
        self.registrations = None;
        self.projects.clear();
        self.jobs.clear();
        self
    }

    pub(super) fn record(mut self, record: LedgerRecord) -> Self {
        self.records.push(record);
        self
    }

    /// GitLab shows a job that waits or runs.
    pub(super) fn live(mut self, job: u64, status: JobStatus, on: Option<&RunnerName>) -> Self {
        let live = LiveJob {
            id: JobId(job),
            name: "build".parse().unwrap(),
            status,
            tags: TagSet::default(),
            pipeline: None,
            queued_seconds: Some(120.0),
            runner: on.map(|name| EventRunner { id: RunnerId(1), description: Some(name.to_string()) }),
        };
        self.projects.entry(ProjectKey::of(&key(job))).or_default().push(live);
        self
    }

    pub(super) fn waits(self, job: u64) -> Self {
        self.live(job, JobStatus::Pending, None)
    }

    /// GitLab, asked for this one job, says this.
    pub(super) fn asked(mut self, job: u64, word: &str) -> Self {
        let view = JobView {
            status: JobStatus::parse(word),
            status_word: word.to_owned(),
            tags: TagSet::default(),
            git_ref: None,
            runner: None,
        };
        self.jobs.insert(key(job), Some(view));
        self
    }

    pub(super) fn machine(mut self, number: u64) -> Self {
        let live = LiveMachine { id: machine(number).resource, deadline: None, launch: None };
        self.machines.get_or_insert_default().push(live);
        self
    }

    pub(super) fn last_machine(mut self, change: impl FnOnce(&mut LiveMachine)) -> Self {
        change(self.machines.as_mut().unwrap().last_mut().unwrap());
        self
    }

    pub(super) fn registration(mut self, number: u64, name: RunnerName) -> Self {
        self.registrations.get_or_insert_default().push(OurRunner { id: registration(number), name });
        self
    }

    pub(super) fn watching(mut self) -> Self {
        let watched = Watched { path: None, active_at: ago(600), asked_at: ago(60) };
        self.memory.projects.insert(ProjectKey::of(&key(0)), watched);
        self
    }

    pub(super) fn plan(&self) -> Plan {
        let snapshot = Snapshot {
            now: NOW,
            records: &self.records,
            broken: &self.broken,
            machines: self.machines.as_deref(),
            runners: &self.runners,
            registrations: self.registrations.as_deref(),
            projects: &self.projects,
            jobs: &self.jobs,
            is_full: self.is_full,
            is_gitlab_silent: self.is_gitlab_silent,
            memory: &self.memory,
        };
        reconcile(&snapshot, &self.policy)
    }

    /// What is repaired if the last pass saw the same, in words.
    pub(super) fn repairs(&self) -> Vec<String> {
        let mut again = self.clone();
        again
            .memory
            .suspects
            .extend(self.plan().memory.suspects.into_keys().map(|suspect| (suspect, ago(60))));
        again.plan().repairs.iter().map(ToString::to_string).collect()
    }
}

/// A job that was heard of ten minutes ago.
pub(super) fn job(number: u64) -> LedgerRecord {
    let event = JobEvent {
        key: key(number),
        name: "build".parse().unwrap(),
        status: JobStatus::Pending,
        project: None,
        pipeline: None,
        runner: None,
        queued_seconds: None,
        failure_reason: None,
        received_at: ago(600),
    };
    LedgerRecord::new(&event, ago(600))
}

pub(super) fn in_state(mut record: LedgerRecord, state: LedgerState, since: Timestamp) -> LedgerRecord {
    record.enter(state, "for the test", since);
    record.rank = match state {
        LedgerState::Running => Rank::Running,
        LedgerState::Finished => Rank::Finished,
        _ => record.rank,
    };
    record
}

/// The job is claimed for a machine, until then.
pub(super) fn claimed(record: LedgerRecord, lease_until: Timestamp) -> LedgerRecord {
    let mut record = in_state(record, LedgerState::Claimed, ago(600));
    let spec = MachineSpec::default();
    record.claim = Some(Claim {
        holder: Holder("test".to_owned()),
        lease_until,
        attempt: 0,
        lost_runners: 0,
        refusals: 0,
        step: 0,
        request: Arc::new(LaunchRequest {
            steps: LaunchStep::plan_for(&Target::Ec2(spec.clone())),
            target: Target::Ec2(spec),
            settings: RunnerSettings::default(),
            mapping: "default".to_owned(),
            tags: TagSet::default(),
            project: record.key.project,
            protection: RefProtection::Unknown,
            machine: None,
        }),
        registered: None,
        fleet: Some(ClientToken::new(&record.key, 0, 0)),
    });
    record
}

/// The job's runner was started so long ago, and is registered under the job's number.
pub(super) fn launched(record: LedgerRecord, name: RunnerName, seconds_ago: i64) -> LedgerRecord {
    let mut record = claimed(record, ago(0));
    let number = record.key.job.0;
    record.runner = Some(RunnerRecord::new(name, Some(registration(number)), ago(seconds_ago)));
    in_state(record, LedgerState::Launched, ago(seconds_ago))
}

pub(super) fn read_at(mut record: LedgerRecord, seconds_ago: i64) -> LedgerRecord {
    record.runner.as_mut().unwrap().moments.assignment_read = Some(ago(seconds_ago));
    record
}

pub(super) fn took(mut record: LedgerRecord, job: u64) -> LedgerRecord {
    record.runner.as_mut().unwrap().took = Some(key(job));
    record
}

pub(super) fn ended(mut record: LedgerRecord, seconds_ago: i64) -> LedgerRecord {
    let end = Ended { at: ago(seconds_ago), reason: "for the test".to_owned() };
    record.runner.as_mut().unwrap().ended = Some(end);
    record
}
