//! What is out of order with a job: its events were lost, or nobody is about to start a runner for it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::decide::LaunchPolicy;
use crate::event::{EventRunner, JobEvent};
use crate::ids::{JobKey, JobName, ProjectId};
use crate::launch::LaunchRequest;
use crate::ledger::{LedgerRecord, LedgerState, Retry, RunnerRecord};
use crate::ports::{BrokenRecord, LiveJob};
use crate::status::{JobStatus, Rank};

use super::memory::ProjectKey;
use super::plan::{Act, Reason, Repair};
use super::policy::ReconcilePolicy;
use super::runners::pick_up_by;
use super::snapshot::{Index, Told, key_of, name_of};

/// What puts the job of a record right; one thing at a time.
pub(super) fn repair(
    record: &LedgerRecord,
    robbed: &BTreeSet<&JobKey>,
    index: &Index<'_>,
    policy: &ReconcilePolicy,
) -> Option<Repair> {
    let key = &record.key;
    let told = index.told(key);
    if record.expires_at <= index.now {
        let is_forgotten = record.live_runners().next().is_none();
        return is_forgotten
            .then(|| Repair { act: Act::Forget(Box::new(record.clone())), reason: Reason::Expired });
    }
    if owes_retry(record, told, index.now, policy) {
        return Some(Repair { act: Act::Retry(key.clone()), reason: Reason::DiedUnderJob });
    }
    let is_settled = index.now.duration_since(record.changed_at()) >= policy.grace;
    if !is_settled || record.rank == Rank::Finished {
        return None;
    }
    if let Some(event) = missed(record, told, index.now) {
        return Some(Repair { act: Act::Learn(event), reason: Reason::EventLost });
    }
    if record.rank == Rank::Running {
        return None;
    }
    if told == Told::Deleted && record.is_open() {
        return Some(Repair { act: Act::Park(key.clone()), reason: Reason::Deleted });
    }
    if told == Told::Else {
        return None;
    }
    if record.state == LedgerState::Parked {
        return second_chance(record, told, index.now, policy);
    }
    unserved(record, robbed, index, policy)
}

/// A job whose runners took others, of which no event told, was given up for no fault of its own.
fn second_chance(
    record: &LedgerRecord,
    told: Told<'_>,
    now: Timestamp,
    policy: &ReconcilePolicy,
) -> Option<Repair> {
    let lost = record.claim.as_ref().map_or(0, |claim| claim.lost_runners);
    let pause = policy.second_chance * 2_i32.saturating_pow(lost.saturating_sub(LaunchPolicy::MAX_RUNNERS));
    let is_due = lost >= LaunchPolicy::MAX_RUNNERS && now.duration_since(record.changed_at()) >= pause;
    (is_due && matches!(told, Told::Waits(_)))
        .then(|| Repair { act: Act::Relaunch(record.key.clone()), reason: Reason::StillWaits })
}

/// The event that must have been lost, if what GitLab says is further than what the ledger knows.
fn missed(record: &LedgerRecord, told: Told<'_>, now: Timestamp) -> Option<JobEvent> {
    let (status, runner) = match told {
        Told::Over(status, runner) => (status, runner),
        Told::Runs(job) if record.rank < Rank::Running => (JobStatus::Running, job.runner.as_ref()),
        _ => return None,
    };
    Some(JobEvent { status, runner: runner.cloned(), received_at: now, ..record.as_pending_event() })
}

/// A job that still waits, and for which nobody is about to do anything.
fn unserved(
    record: &LedgerRecord,
    robbed: &BTreeSet<&JobKey>,
    index: &Index<'_>,
    policy: &ReconcilePolicy,
) -> Option<Repair> {
    let (key, now) = (&record.key, index.now);
    let is_late = |since: Timestamp| now.duration_since(since) >= policy.overdue;
    let is_open = matches!(record.state, LedgerState::Seen | LedgerState::Claimed | LedgerState::Launched);
    if is_open && record.waited(now) >= policy.longest_wait {
        return Some(Repair { act: Act::Park(key.clone()), reason: Reason::WaitedTooLong });
    }
    let start = || Repair { act: Act::Start(record.as_pending_event()), reason: Reason::NobodyAtIt };
    match record.state {
        LedgerState::Seen if index.snapshot.is_full => None,
        LedgerState::Seen => {
            let due = record.not_before.map_or(record.changed_at(), |time| time.max(record.changed_at()));
            is_late(due).then(start)
        }
        LedgerState::Claimed => is_late(record.claim.as_ref()?.lease_until).then(start),
        LedgerState::Launched => {
            let reason = match &record.runner {
                Some(runner) if runner.ended.is_none() => robbed.contains(key).then_some(Reason::Robbed)?,
                _ => Reason::RunnerEnded,
            };
            Some(Repair { act: Act::Relaunch(key.clone()), reason })
        }
        _ => None,
    }
}

/// True if the machine has been dead for a while and GitLab still believes that the job runs: it would believe so for an hour.
fn owes_retry(record: &LedgerRecord, told: Told<'_>, now: Timestamp, policy: &ReconcilePolicy) -> bool {
    match record.retry {
        Some(Retry::Owed) => return true,
        Some(Retry::Done) => return false,
        None => {}
    }
    let Told::Runs(job) = told else { return false };
    let allowed = record.claim.as_ref().map_or(0, |claim| claim.request.settings.retries_after_loss);
    let died = record.runner.as_ref().is_some_and(|runner| {
        let is_its_runner = job.runner.as_ref().is_none_or(|on| is_runner(on, runner));
        let has_died =
            runner.ended.as_ref().is_some_and(|ended| now.duration_since(ended.at) >= policy.mourning);
        is_its_runner && has_died && runner.took.as_ref() == Some(&record.key)
    });
    died && record.retries < allowed
}

fn is_runner(on: &EventRunner, runner: &RunnerRecord) -> bool {
    Some(on.id) == runner.registered || name_of(on).as_ref() == Some(&runner.name)
}

/// What runners have in common that can take each other's jobs.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Kind<'a> {
    project: (&'a crate::ids::GitlabHost, ProjectId),
    mapping: &'a str,
    tags: &'a crate::tags::TagSet,
}

impl<'a> Kind<'a> {
    fn of(record: &'a LedgerRecord) -> Option<Self> {
        let LaunchRequest { mapping, tags, project, .. } = &*record.claim.as_ref()?.request;
        Some(Self { project: (&record.key.host, *project), mapping, tags })
    }
}

/// The jobs whose runner has taken another job, and for which no other runner of the same kind is free. A theft alone is no
/// harm: the runner of the job that was taken instead is on its way.
pub(super) fn robbed<'a>(index: &Index<'a>, policy: &ReconcilePolicy) -> BTreeSet<&'a JobKey> {
    let mut victims: BTreeMap<Kind<'a>, Vec<&'a LedgerRecord>> = BTreeMap::new();
    let mut free: BTreeMap<Kind<'a>, usize> = BTreeMap::new();
    for record in index.records.values().copied() {
        let Some(kind) = Kind::of(record) else { continue };
        let needs_runner = record.rank <= Rank::Pending && record.state == LedgerState::Launched;
        let is_robbed = record.runner.as_ref().is_some_and(|runner| {
            runner.ended.is_none() && runner.took.as_ref().is_some_and(|took| *took != record.key)
        });
        if needs_runner && is_robbed {
            victims.entry(kind).or_default().push(record);
        } else if !needs_runner {
            let is_free = |runner: &&RunnerRecord| {
                runner.took.is_none() && index.now < pick_up_by(record, runner, policy)
            };
            *free.entry(kind).or_default() += record.live_runners().filter(is_free).count();
        }
    }
    let mut robbed = BTreeSet::new();
    for (kind, mut jobs) in victims {
        jobs.sort_by_key(|record| (record.known_since, &record.key));
        let served = free.get(&kind).copied().unwrap_or(0);
        robbed.extend(jobs.into_iter().skip(served).map(|record| &record.key));
    }
    robbed
}

/// Jobs that GitLab shows and of which no event was ever heard.
pub(super) fn unheard_of(index: &Index<'_>, policy: &ReconcilePolicy) -> Vec<Repair> {
    let mut repairs = Vec::new();
    for (project, job) in index.live_jobs() {
        let key = key_of(project, job);
        let is_known =
            index.records.contains_key(&key) || index.snapshot.broken.iter().any(|broken| broken.key == key);
        if is_known {
            continue;
        }
        let event = event_of(project, job, index);
        let act = match job.status {
            JobStatus::Pending if waits_for_long(job, policy) => Act::Start(event),
            // It says which runner of ours has the job.
            JobStatus::Running if is_on_runner_of_another(job, index) => Act::Learn(event),
            _ => continue,
        };
        repairs.push(Repair { act, reason: Reason::EventLost });
    }
    repairs
}

fn waits_for_long(job: &LiveJob, policy: &ReconcilePolicy) -> bool {
    job.queued_seconds.is_none_or(|seconds| seconds >= policy.grace.as_secs_f64())
}

fn is_on_runner_of_another(job: &LiveJob, index: &Index<'_>) -> bool {
    let Some(name) = job.runner.as_ref().and_then(name_of) else { return false };
    let mut runners = index.records.values().flat_map(|record| record.live_runners());
    runners.any(|runner| runner.name == name && runner.took.is_none())
}

fn event_of(project: &ProjectKey, job: &LiveJob, index: &Index<'_>) -> JobEvent {
    JobEvent {
        key: key_of(project, job),
        name: job.name.clone(),
        status: job.status,
        project: index.snapshot.memory.projects.get(project).and_then(|watched| watched.path.clone()),
        pipeline: job.pipeline,
        runner: job.runner.clone(),
        queued_seconds: job.queued_seconds,
        failure_reason: None,
        received_at: index.now,
    }
}

/// What belongs in the place of a record that cannot be read. If GitLab shows that the job waits, it starts over; else it is
/// given up, because nobody knows what it is.
pub(super) fn mend(broken: &BrokenRecord, index: &Index<'_>) -> Repair {
    let now = index.now;
    let waiting = match index.told(&broken.key) {
        Told::Waits(job) => Some(event_of(&ProjectKey::of(&broken.key), job, index)),
        _ => None,
    };
    let event = waiting.clone().unwrap_or_else(|| JobEvent {
        key: broken.key.clone(),
        name: JobName::unknown(),
        status: JobStatus::Created,
        project: None,
        pipeline: None,
        runner: None,
        queued_seconds: None,
        failure_reason: None,
        received_at: now,
    });
    let mut record = LedgerRecord::new(&event, now);
    record.runner = broken.runner.clone().map(|name| RunnerRecord::new(name, None, now));
    let reason = format!("its item could not be read: {}", broken.reason);
    match waiting {
        Some(_) if record.runner.is_none() => record.enter(LedgerState::Seen, reason, now),
        Some(_) => record.enter(LedgerState::Launched, reason, now),
        None => record.enter(
            LedgerState::Parked,
            format!("{reason}; if the job still waits, retry it in GitLab"),
            now,
        ),
    }
    Repair { act: Act::Mend { broken: broken.clone(), record: Box::new(record) }, reason: Reason::Unreadable }
}
