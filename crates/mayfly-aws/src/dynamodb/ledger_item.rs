//! The ledger's record as it is stored, apart from the record the rest of Mayfly knows.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use mayfly_core::error::Chain;
use mayfly_core::ids::{JobKey, JobName, ProjectId, ProjectPath, RunnerId, SecretName};
use mayfly_core::launch::{Claim, ClientToken, Holder, LaunchRequest, LaunchStep, RefProtection};
use mayfly_core::ledger::{
    Ended, LedgerRecord, LedgerState, Moments, RETENTION, Retry, RunnerRecord, Transition,
};
use mayfly_core::machine::MachineRequest;
use mayfly_core::mapping::{Executor, RunnerSettings, Target};
use mayfly_core::ports::BrokenRecord;
use mayfly_core::runner_name::RunnerName;
use mayfly_core::status::Rank;
use mayfly_core::tags::TagSet;
use serde::{Deserialize, Serialize};

use super::attributes::{InvalidAttribute, Item, optional, required};
use super::{EXPIRES_AT, IS_OPEN, PARTITION_KEY, RUNNER_NAME};

/// What the partition keys of records begin with; frozen calls in the same table have others.
pub(super) const KEY_PREFIX: &str = "job#";

/// Written into every item, for the day an item must be read differently. Attributes that a later version adds are
/// passed over when an item is read, and those that an earlier one did not write yet have a meaning when they are missing,
/// so neither needs a new number. What was passed over is gone with the next write.
const SCHEMA: u32 = 1;

/// The version of an item that was written by hand may be any number; after this one there is no next.
const LAST_VERSION: u64 = u64::MAX;

/// One item of the ledger table. The names of its fields are the names of the attributes.
#[derive(Serialize)]
struct LedgerItem {
    pk: String,
    schema: u32,
    version: u64,
    state: LedgerState,
    rank: Rank,
    job_name: JobName,
    known_since: Timestamp,
    /// There only while the record is open: the hash key of a sparse index.
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<ProjectPath>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claim: Option<ClaimItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
    /// Beside the runner and not in it: the hash key of the index.
    #[serde(skip_serializing_if = "Option::is_none")]
    runner_name: Option<RunnerName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    runner: Option<RunnerItem>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    former: Vec<FormerItem>,
    #[serde(skip_serializing_if = "is_zero")]
    retries: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<Retry>,
    transitions: Vec<Transition>,
    /// Whole seconds since 1970: what DynamoDB's TTL wants.
    expires_at: i64,
}

#[derive(Serialize, Deserialize)]
struct ClaimItem {
    holder: Holder,
    lease_until: Timestamp,
    attempt: u32,
    #[serde(default)]
    lost_runners: u32,
    #[serde(default)]
    refusals: u32,
    step: u32,
    /// For people who look for what was started with it; made anew from key, attempt and step.
    #[serde(default)]
    token: String,
    request: RequestItem,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registered: Option<RunnerId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fleet: Option<ClientToken>,
}

#[derive(Serialize, Deserialize)]
struct RequestItem {
    target: Target,
    settings: SettingsItem,
    mapping: String,
    tags: TagSet,
    project: ProjectId,
    #[serde(default)]
    protection: RefProtection,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    machine: Option<MachineRequest>,
    steps: Vec<LaunchStep>,
}

/// The settings of a frozen request, all of them: it must not change when a default does.
#[derive(Serialize, Deserialize)]
struct SettingsItem {
    executor: Executor,
    wait_timeout_seconds: u32,
    max_life_seconds: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    runner_token: Option<SecretName>,
    keep_aws_credentials: bool,
    #[serde(default)]
    retries_after_loss: u32,
    pass_env: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct RunnerItem {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registered: Option<RunnerId>,
    launched_at: Timestamp,
    #[serde(default, skip_serializing_if = "is_empty")]
    moments: Moments,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    took: Option<JobKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stopped_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<Ended>,
}

/// A runner started before the last one.
#[derive(Serialize, Deserialize)]
struct FormerItem {
    name: RunnerName,
    runner: RunnerItem,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn is_empty(moments: &Moments) -> bool {
    *moments == Moments::default()
}

/// The partition key of a job's record.
pub(super) fn partition_key_of(key: &JobKey) -> String {
    format!("{KEY_PREFIX}{key}")
}

/// The partition key of an item, for messages about items that cannot be read.
pub(super) fn shown_key_of(item: &Item) -> String {
    match item.get(PARTITION_KEY) {
        Some(AttributeValue::S(key)) => key.clone(),
        _ => "without a key".to_owned(),
    }
}

/// The record as it is written, with the next version.
pub(super) fn to_item(record: &LedgerRecord) -> Result<Item, serde_dynamo::Error> {
    serde_dynamo::aws_sdk_dynamodb_1::to_item(LedgerItem::written_over(record))
}

/// Reads an item, and passes over attributes it does not know.
pub(super) fn to_record(mut item: Item) -> Result<LedgerRecord, InvalidAttribute> {
    let item = &mut item;
    let claim: Option<ClaimItem> = optional(item, "claim")?;
    let runner: Option<RunnerItem> = optional(item, "runner")?;
    let former: Option<Vec<FormerItem>> = optional(item, "former")?;
    let transitions: Vec<Transition> = required(item, "transitions")?;
    let expires_at = read_expiry(item)?;
    Ok(LedgerRecord {
        key: read_key(item)?,
        version: read_version(item)?,
        name: required(item, "job_name")?,
        project: optional(item, "project")?,
        known_since: match optional(item, "known_since")? {
            Some(known_since) => known_since,
            None => first_heard_of(&transitions, expires_at),
        },
        state: required(item, "state")?,
        rank: required(item, "rank")?,
        explanation: optional(item, "explanation")?,
        claim: claim.map(Claim::from),
        not_before: optional(item, "not_before")?,
        runner: match runner {
            Some(runner) => Some(runner.into_record(required(item, RUNNER_NAME)?)),
            None => None,
        },
        former: former.into_iter().flatten().map(FormerItem::into_record).collect(),
        retries: optional(item, "retries")?.unwrap_or(0),
        retry: optional(item, "retry")?,
        transitions,
        expires_at,
    })
}

/// What can be told of an item that cannot be read as a record, or nothing if not even the job can.
pub(super) fn to_broken(mut item: Item, error: &InvalidAttribute) -> Option<BrokenRecord> {
    Some(BrokenRecord {
        key: read_key(&mut item).ok()?,
        version: read_version(&mut item).ok(),
        runner: required(&mut item, RUNNER_NAME).ok(),
        reason: Chain(error).to_string(),
    })
}

/// The version of an item, whatever else can be read of it; `None` if it has none that counts.
pub(super) fn version_of(item: &Item) -> Option<u64> {
    let version = item.get("version").cloned()?;
    read_version(&mut Item::from([("version".to_owned(), version)])).ok()
}

/// True if the item says that it has expired. One that says nothing readable has not.
pub(super) fn has_expired(item: &Item, now: Timestamp) -> bool {
    let seconds = match item.get(EXPIRES_AT) {
        Some(AttributeValue::N(digits)) => digits.parse::<i64>().ok(),
        _ => None,
    };
    seconds.is_some_and(|seconds| seconds <= now.as_second())
}

/// When an item was first heard of that is older than the attribute which says so: at its first transition, or else at the
/// latest when it was last written.
fn first_heard_of(transitions: &[Transition], expires_at: Timestamp) -> Timestamp {
    let last_written = expires_at.saturating_sub(RETENTION);
    transitions.first().map_or(last_written.unwrap_or(Timestamp::MIN), |first| first.at)
}

fn read_version(item: &mut Item) -> Result<u64, InvalidAttribute> {
    let version = required(item, "version")?;
    if version == LAST_VERSION {
        return Err(InvalidAttribute::unreadable("version", "there is no next one"));
    }
    Ok(version)
}

fn read_key(item: &mut Item) -> Result<JobKey, InvalidAttribute> {
    let text: String = required(item, PARTITION_KEY)?;
    let Some(key) = text.strip_prefix(KEY_PREFIX) else {
        let reason = format!("`{text}` does not begin with `{KEY_PREFIX}`");
        return Err(InvalidAttribute::unreadable(PARTITION_KEY, reason));
    };
    key.parse().map_err(|error| InvalidAttribute::unreadable(PARTITION_KEY, error))
}

fn read_expiry(item: &mut Item) -> Result<Timestamp, InvalidAttribute> {
    let seconds = required(item, EXPIRES_AT)?;
    Timestamp::from_second(seconds).map_err(|error| InvalidAttribute::unreadable(EXPIRES_AT, error))
}

impl LedgerItem {
    fn written_over(record: &LedgerRecord) -> Self {
        Self {
            pk: partition_key_of(&record.key),
            schema: SCHEMA,
            version: record.version + 1,
            state: record.state,
            rank: record.rank,
            job_name: record.name.clone(),
            known_since: record.known_since,
            open: record.is_open().then_some(IS_OPEN),
            project: record.project.clone(),
            explanation: record.explanation.clone(),
            claim: record.claim.as_ref().map(|claim| ClaimItem::new(claim, &record.key)),
            not_before: record.not_before,
            runner_name: record.runner.as_ref().map(|runner| runner.name.clone()),
            runner: record.runner.as_ref().map(RunnerItem::new),
            former: record.former.iter().map(FormerItem::new).collect(),
            retries: record.retries,
            retry: record.retry,
            transitions: record.transitions.clone(),
            expires_at: record.expires_at.as_second(),
        }
    }
}

impl ClaimItem {
    fn new(claim: &Claim, key: &JobKey) -> Self {
        let settings = &claim.request.settings;
        Self {
            holder: claim.holder.clone(),
            lease_until: claim.lease_until,
            attempt: claim.attempt,
            lost_runners: claim.lost_runners,
            refusals: claim.refusals,
            step: claim.step,
            token: claim.token(key).as_str().to_owned(),
            request: RequestItem {
                target: claim.request.target.clone(),
                settings: SettingsItem {
                    executor: settings.executor,
                    wait_timeout_seconds: settings.wait_timeout_seconds,
                    max_life_seconds: settings.max_life_seconds,
                    runner_token: settings.runner_token.clone(),
                    keep_aws_credentials: settings.keep_aws_credentials,
                    retries_after_loss: settings.retries_after_loss,
                    pass_env: settings.pass_env.clone(),
                },
                mapping: claim.request.mapping.clone(),
                tags: claim.request.tags.clone(),
                project: claim.request.project,
                protection: claim.request.protection,
                machine: claim.request.machine.clone(),
                steps: claim.request.steps.clone(),
            },
            registered: claim.registered,
            fleet: claim.fleet.clone(),
        }
    }
}

impl From<ClaimItem> for Claim {
    fn from(item: ClaimItem) -> Self {
        let settings = item.request.settings;
        Self {
            holder: item.holder,
            lease_until: item.lease_until,
            attempt: item.attempt,
            lost_runners: item.lost_runners,
            refusals: item.refusals,
            step: item.step,
            request: Arc::new(LaunchRequest {
                target: item.request.target,
                settings: RunnerSettings {
                    executor: settings.executor,
                    wait_timeout_seconds: settings.wait_timeout_seconds,
                    max_life_seconds: settings.max_life_seconds,
                    runner_token: settings.runner_token,
                    keep_aws_credentials: settings.keep_aws_credentials,
                    retries_after_loss: settings.retries_after_loss,
                    pass_env: settings.pass_env,
                },
                mapping: item.request.mapping,
                tags: item.request.tags,
                project: item.request.project,
                protection: item.request.protection,
                machine: item.request.machine,
                steps: item.request.steps,
            }),
            registered: item.registered,
            fleet: item.fleet,
        }
    }
}

impl RunnerItem {
    fn new(runner: &RunnerRecord) -> Self {
        Self {
            registered: runner.registered,
            launched_at: runner.launched_at,
            moments: runner.moments,
            took: runner.took.clone(),
            stopped_at: runner.stopped_at,
            ended: runner.ended.clone(),
        }
    }

    fn into_record(self, name: RunnerName) -> RunnerRecord {
        RunnerRecord {
            name,
            registered: self.registered,
            launched_at: self.launched_at,
            moments: self.moments,
            took: self.took,
            stopped_at: self.stopped_at,
            ended: self.ended,
        }
    }
}

impl FormerItem {
    fn new(runner: &RunnerRecord) -> Self {
        Self { name: runner.name.clone(), runner: RunnerItem::new(runner) }
    }

    fn into_record(self) -> RunnerRecord {
        self.runner.into_record(self.name)
    }
}

#[cfg(test)]
mod tests;
