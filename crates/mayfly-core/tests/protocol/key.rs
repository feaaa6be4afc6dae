//! What of a state tells it apart from others: what the future depends on, and nothing else.
//!
//! Times are only told apart as far as somebody decides by them, versions only as far as a write would succeed, and the two
//! dispatchers not at all.

use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;
use mayfly_core::decide::GitlabView;
use mayfly_core::ledger::{LedgerRecord, LedgerState, RunnerRecord};
use mayfly_core::status::{JobStatus, Rank};

use super::dispatcher::{At, Dispatcher, Next, is_same_launch, registered};
use super::ledger::{Ledger, Wrong};
use super::model::{Budget, State, TICK};
use super::plan::Token;
use super::reconciler::{Pass, Sight};
use super::worker::Task;
use super::world::{Id, Which, Work, World, model_id};

/// What tells a state apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    world: World,
    record: Option<RecordKey>,
    is_end_handled: bool,
    wrong: Wrong,
    dispatchers: Vec<DispatcherKey>,
    handler: Vec<TaskKey>,
    pass: PassKey,
    suspects: Vec<(String, bool)>,
    is_wanted: bool,
    is_unseen: bool,
    budget: Budget,
}

/// Where a time is, seen from now. What is not now is far away: [`TICK`] is longer than all that anybody waits for, but for a
/// runner's time to take a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Time {
    Past,
    Now,
    Future,
}

impl Time {
    fn of(time: Timestamp, now: Timestamp) -> Self {
        match time.cmp(&now) {
            std::cmp::Ordering::Less => Self::Past,
            std::cmp::Ordering::Equal => Self::Now,
            std::cmp::Ordering::Greater => Self::Future,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct RecordKey {
    state: &'static str,
    rank: Rank,
    claim: Option<ClaimKey>,
    lease: Time,
    not_before: Time,
    changed: Time,
    reason: u64,
    runners: Vec<RunnerKey>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct ClaimKey {
    attempt: u32,
    step: u32,
    lost_runners: u32,
    registered: Option<Id>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct RunnerKey {
    token: Token,
    registered: Option<Id>,
    /// In ticks, up to where it makes no difference any more.
    age: u8,
    took: Option<Which>,
    is_seen_at_work: bool,
    is_gone: bool,
}

impl RecordKey {
    fn of(record: &LedgerRecord, now: Timestamp) -> Self {
        let time = |time: Option<Timestamp>, counts: bool| {
            time.filter(|_| counts).map_or(Time::Past, |time| Time::of(time, now))
        };
        let claim = record.claim.as_ref();
        let last = record.transitions.last();
        let mut hasher = DefaultHasher::new();
        last.map(|last| (last.to, &last.reason)).hash(&mut hasher);
        Self {
            state: record.state.as_str(),
            rank: record.rank,
            claim: claim.map(|claim| ClaimKey {
                attempt: claim.attempt,
                step: claim.step,
                lost_runners: claim.lost_runners,
                registered: claim.registered.map(model_id),
            }),
            lease: time(claim.map(|claim| claim.lease_until), record.state == LedgerState::Claimed),
            not_before: time(record.not_before, record.state == LedgerState::Seen),
            changed: time(Some(record.changed_at()), record.is_open() || record.state == LedgerState::Parked),
            reason: hasher.finish(),
            runners: record
                .runner
                .iter()
                .chain(&record.former)
                .map(|runner| RunnerKey::of(runner, now))
                .collect(),
        }
    }

    /// True if it is another thing after some time.
    fn ages(&self) -> bool {
        let times = [self.lease, self.not_before, self.changed];
        times.iter().any(|time| *time != Time::Past) || self.runners.iter().any(|runner| runner.age < OLD)
    }
}

/// How many ticks old a runner is that must have left if it took no job.
const OLD: u8 = 2;

impl RunnerKey {
    fn of(runner: &RunnerRecord, now: Timestamp) -> Self {
        let age = now.duration_since(runner.launched_at).as_secs() / TICK.as_secs();
        let is_gone = runner.ended.is_some();
        Self {
            token: Token::named(&runner.name),
            registered: runner.registered.map(model_id),
            age: if is_gone { OLD } else { u8::try_from(age).unwrap_or(OLD).min(OLD) },
            took: runner.took.as_ref().map(Which::of),
            is_seen_at_work: runner.moments.job_picked_up.is_some(),
            is_gone,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum DispatcherKey {
    Idle,
    /// It will look again.
    AskedInVain,
    Asked(Option<Rank>),
    /// With the record that is stored, or with an older one and what it says of the claim.
    Launching(Next, Option<(bool, Option<ClaimKey>)>),
}

impl DispatcherKey {
    fn of(dispatcher: &Dispatcher, ledger: &Ledger) -> Self {
        match &dispatcher.at {
            At::Idle => Self::Idle,
            At::Asked { read, .. } if !ledger.is_current(read.as_deref()) => Self::AskedInVain,
            At::Asked { view, .. } => Self::Asked(match view {
                GitlabView::Known(view) => view.status.map(JobStatus::rank),
                GitlabView::Unknown | GitlabView::Unreachable => None,
            }),
            At::Launching { held, next } if ledger.is_current(Some(held)) => Self::Launching(*next, None),
            At::Launching { held, next } => {
                let is_same = ledger.record.as_ref().is_some_and(|record| is_same_launch(record, held));
                let claim = held.claim.as_ref().map(|claim| ClaimKey {
                    attempt: claim.attempt,
                    step: claim.step,
                    lost_runners: 0,
                    registered: registered(held),
                });
                Self::Launching(*next, Some((is_same, claim)))
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum PassKey {
    None,
    Saw(Sight),
    /// With the record that is stored, or with what it has read instead.
    Read(Sight, Record),
    Repairs(Vec<TaskKey>, Vec<Vec<TaskKey>>, Vec<(String, bool)>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Record {
    Stored,
    Other(Option<RecordKey>),
}

impl PassKey {
    fn of(pass: &Pass, ledger: &Ledger, now: Timestamp) -> Self {
        match pass {
            Pass::None => Self::None,
            Pass::Saw(sight) => Self::Saw(sight.clone()),
            Pass::Read(sight, read) => {
                let record = match read.as_deref() {
                    read if ledger.is_current(read) => Record::Stored,
                    read => Record::Other(read.map(|record| RecordKey::of(record, now))),
                };
                Self::Read(sight.clone(), record)
            }
            Pass::Repairs { tasks, rest, suspects } => {
                let keys = |tasks: &Vec<Task>| tasks.iter().map(|task| TaskKey::of(task, ledger)).collect();
                Self::Repairs(keys(tasks), rest.iter().map(keys).collect(), suspects_key(suspects, now))
            }
        }
    }
}

fn suspects_key(suspects: &super::reconciler::Suspects, now: Timestamp) -> Vec<(String, bool)> {
    suspects.iter().map(|(suspect, since)| (suspect.to_string(), *since < now)).collect()
}

/// A task as text, and whether the record it was decided from is the one that is stored.
type TaskKey = (String, bool);

trait OfTask {
    fn of(task: &Task, ledger: &Ledger) -> Self;
}

impl OfTask for TaskKey {
    fn of(task: &Task, ledger: &Ledger) -> Self {
        match task {
            Task::WriteGone { decided, starts, gone } => {
                // `decided` has the version that it was made from.
                (format!("{starts} {gone:?}"), ledger.is_current(Some(decided)))
            }
            task => (format!("{task:?}"), false),
        }
    }
}

impl State {
    /// What tells it apart from others.
    pub(crate) fn key(&self) -> Key {
        let Self { now, world, ledger, .. } = self;
        let mut world = world.clone();
        world.computes.sort_unstable();
        world.registrations.sort_unstable();
        world.left.sort_unstable();
        let mut dispatchers: Vec<_> =
            self.dispatchers.iter().map(|dispatcher| DispatcherKey::of(dispatcher, ledger)).collect();
        dispatchers.sort_unstable();
        Key {
            world,
            record: ledger.record.as_deref().map(|record| RecordKey::of(record, *now)),
            is_end_handled: ledger.is_end_handled,
            wrong: ledger.wrong,
            dispatchers,
            handler: self.handler.iter().map(|task| TaskKey::of(task, ledger)).collect(),
            pass: PassKey::of(&self.pass, ledger, *now),
            suspects: suspects_key(&self.suspects, *now),
            is_wanted: self.is_wanted,
            is_unseen: self.is_unseen,
            budget: self.budget,
        }
    }

    /// True if something is different once more time has passed.
    pub(crate) fn ages(&self) -> bool {
        let record = self.ledger.record.as_deref().map(|record| RecordKey::of(record, self.now));
        record.is_some_and(|record| record.ages())
            || self.suspects.values().any(|since| *since >= self.now)
            || self.world.computes.iter().any(|compute| compute.work == Work::Waits)
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.key().hash(hasher);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
