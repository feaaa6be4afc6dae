//! `decide_start`: a job waits. Is a runner to be started for it, and which?

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use crate::event::JobEvent;
use crate::ids::JobKey;
use crate::launch::{Claim, Holder, LaunchRequest, LaunchStep, RefProtection};
use crate::ledger::{LedgerRecord, LedgerState};
use crate::machine::{MachineDefaults, MachineRequest};
use crate::mapping::{RunnerSettings, Target};
use crate::ports::JobView;
use crate::resolve::{Choice, Resolution};
use crate::status::{JobStatus, Rank};
use crate::tags::TagSet;

use super::launched::{LaunchPolicy, unknown_wait};

/// Statuses without an event after which a job does not wait any more.
const ENDING_WORDS: [&str; 2] = ["canceling", "skipped"];

/// Everything the decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct StartInput<'a> {
    /// The present moment.
    pub now: Timestamp,
    /// The event that says the job waits.
    pub event: &'a JobEvent,
    /// What the ledger knows of the job.
    pub record: Option<&'a LedgerRecord>,
    /// What GitLab says of the job.
    pub gitlab: &'a GitlabView,
    /// Where the job goes.
    pub resolution: &'a Resolution,
    /// Whether the backend of that target can start one more.
    pub room: Room,
    /// Whether the job's branch or tag is protected.
    pub protection: RefProtection,
    /// What this installation has for machines; `None` if it has none.
    pub machines: Option<&'a MachineDefaults>,
    /// Who decides.
    pub holder: &'a Holder,
    /// How long things last.
    pub policy: &'a LaunchPolicy,
}

/// What GitLab says of a job. No answer means: start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GitlabView {
    /// There is no API token, or GitLab knows no such job.
    Unknown,
    /// GitLab did not answer.
    Unreachable,
    /// The job as it is now.
    Known(JobView),
}

/// Whether the target's backend can start one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// It can.
    Free,
    /// Not now.
    Full,
    /// There is no such backend in this installation.
    NoBackend,
}

/// What to write, and what to do once it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartDecision {
    /// The record to write first, on the condition that nobody else did. `None`: nothing changed.
    pub record: Option<LedgerRecord>,
    /// What to do then.
    pub action: StartAction,
}

/// What to do about a waiting job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartAction {
    /// Start a runner, for the claim that is in the record.
    Launch(Launch),
    /// Nothing now; ask again at this time.
    Wait {
        /// When.
        until: Timestamp,
        /// Why.
        reason: String,
        /// True if it waits for a runner to leave.
        for_capacity: bool,
    },
    /// Nothing, and nothing later because of this event.
    Nothing(Refusal),
}

/// A launch of the claim in the record beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launch {
    /// The first call of its step.
    First,
    /// A step whose first call may have been made by somebody who did not live to tell.
    Again,
}

/// Why nothing is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The job is over.
    Finished,
    /// Some runner has the job.
    Running,
    /// A runner was started for it already.
    AlreadyLaunched,
    /// It was given up before.
    Parked,
    /// It is given up now.
    GivenUp(String),
    /// GitLab says the job does not wait.
    NotPending(String),
    /// No mapping and no default target.
    NotOurs,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished => formatter.write_str("the job is over"),
            Self::Running => formatter.write_str("a runner has the job"),
            Self::AlreadyLaunched => formatter.write_str("a runner was started for it already"),
            Self::Parked => formatter.write_str("the job was given up before"),
            Self::GivenUp(reason) => write!(formatter, "given up: {reason}"),
            Self::NotPending(word) => write!(formatter, "GitLab says the job is `{word}`"),
            Self::NotOurs => formatter.write_str("no mapping and no default target: not ours"),
        }
    }
}

/// The part of the decision that the ledger alone can make: most repeated and late events end here, before anybody asks
/// GitLab or the mapping table.
pub fn refuse_early(record: Option<&LedgerRecord>, now: Timestamp) -> Option<StartAction> {
    let record = record?;
    match record.rank {
        Rank::Finished => return Some(StartAction::Nothing(Refusal::Finished)),
        Rank::Running => return Some(StartAction::Nothing(Refusal::Running)),
        Rank::Created | Rank::Pending => {}
    }
    match record.state {
        LedgerState::Seen => record.not_before.filter(|not_before| *not_before > now).map(|until| {
            let reason = "another try makes no sense before".to_owned();
            StartAction::Wait { until, reason, for_capacity: false }
        }),
        LedgerState::Ignored => None,
        LedgerState::Claimed => {
            let lease_until = record.claim.as_ref()?.lease_until;
            (lease_until > now).then(|| StartAction::Wait {
                until: lease_until,
                reason: "a start of its runner is under way".to_owned(),
                for_capacity: false,
            })
        }
        LedgerState::Launched => Some(StartAction::Nothing(Refusal::AlreadyLaunched)),
        LedgerState::Running => Some(StartAction::Nothing(Refusal::Running)),
        LedgerState::Finished => Some(StartAction::Nothing(Refusal::Finished)),
        LedgerState::Parked => Some(StartAction::Nothing(Refusal::Parked)),
    }
}

/// Decides what to do about a job that waits.
pub fn decide_start(input: &StartInput<'_>) -> StartDecision {
    if let Some(action) = refuse_early(input.record, input.now) {
        return StartDecision { record: None, action };
    }
    let mut record = input.record.cloned().unwrap_or_else(|| LedgerRecord::new(input.event, input.now));
    record.learn(input.event);

    if let GitlabView::Known(view) = input.gitlab
        && view.status != Some(JobStatus::Pending)
    {
        return not_pending(record, view, input);
    }
    if let (LedgerState::Claimed, Some(claim)) = (record.state, record.claim.as_mut()) {
        claim.holder = input.holder.clone();
        claim.lease_until = input.now + input.policy.lease;
        if let (GitlabView::Known(view), None) = (input.gitlab, claim.registered) {
            // GitLab may have been silent when the claim was made; nothing was registered with its tags yet.
            Arc::make_mut(&mut claim.request).tags.clone_from(&view.tags);
        }
        record.enter(LedgerState::Claimed, "taken over: the claim had run out", input.now);
        return StartDecision { record: Some(record), action: StartAction::Launch(Launch::Again) };
    }
    record.explanation = Some(input.resolution.explanation.to_string());
    let Chosen { target, settings, mapping, tags } = match chosen(&input.resolution.choice) {
        Ok(chosen) => chosen,
        Err((state, refusal)) => return refuse(record, state, refusal, input.now),
    };
    if let Some(reason) = &input.resolution.paused {
        return wait(record, input.now + input.policy.pause_retry, reason.clone(), input.now);
    }
    match input.room {
        Room::NoBackend => {
            let reason = format!("target {} is not available in this installation", target.target_type());
            refuse(record, LedgerState::Parked, Refusal::GivenUp(reason), input.now)
        }
        Room::Full => {
            record.enter(LedgerState::Seen, "waits for capacity", input.now);
            let action = StartAction::Wait {
                until: input.now + input.policy.capacity_retry,
                reason: format!("no room for one more {} runner", target.target_type()),
                for_capacity: true,
            };
            StartDecision { record: Some(record), action }
        }
        Room::Free => {
            let machine = match machine_for(target, input) {
                Ok(machine) => machine,
                Err(without) => return without.decide(record, input),
            };
            let request = LaunchRequest {
                target: target.clone(),
                settings: settings.clone(),
                mapping,
                tags: known_tags(input.gitlab).cloned().unwrap_or(tags),
                project: input.event.key.project,
                protection: input.protection,
                machine,
                steps: LaunchStep::plan_for(target),
            };
            claim(record, request, input)
        }
    }
}

struct Chosen<'a> {
    target: &'a Target,
    settings: &'a RunnerSettings,
    mapping: String,
    tags: TagSet,
}

/// What a choice says of the runner, or why there is none and where that leaves the job.
fn chosen(choice: &Choice) -> Result<Chosen<'_>, (LedgerState, Refusal)> {
    match choice {
        Choice::Mapping(mapping) => Ok(Chosen {
            target: &mapping.target,
            settings: &mapping.settings,
            mapping: mapping.key.to_string(),
            tags: mapping.key.tags.clone(),
        }),
        Choice::Default(default) => Ok(Chosen {
            target: &default.target,
            settings: &default.settings,
            mapping: "default".to_owned(),
            tags: TagSet::default(),
        }),
        Choice::Broken { row, reason } => {
            let reason = format!(
                "mapping row `{row}` cannot be used: {reason}; mend it, then retry the job in GitLab"
            );
            Err((LedgerState::Parked, Refusal::GivenUp(reason)))
        }
        Choice::NotOurs => Err((LedgerState::Ignored, Refusal::NotOurs)),
    }
}

fn known_tags(gitlab: &GitlabView) -> Option<&TagSet> {
    match gitlab {
        GitlabView::Known(view) => Some(&view.tags),
        GitlabView::Unknown | GitlabView::Unreachable => None,
    }
}

/// Why a target's machine is not asked for.
enum NoMachine {
    /// The stack and the mapping together do not say what it is.
    Unspecified(String),
    /// A machine is of no use while GitLab is away: it could neither be registered nor get a job, and it costs money.
    GitlabAway,
}

/// The machine that a target needs, if it needs one.
fn machine_for(target: &Target, input: &StartInput<'_>) -> Result<Option<MachineRequest>, NoMachine> {
    match (target, input.machines) {
        (Target::Ec2(_), Some(_)) if *input.gitlab == GitlabView::Unreachable => Err(NoMachine::GitlabAway),
        (Target::Ec2(spec), Some(machines)) => {
            machines.complete(spec).map(Some).map_err(NoMachine::Unspecified)
        }
        _ => Ok(None),
    }
}

impl NoMachine {
    fn decide(self, record: LedgerRecord, input: &StartInput<'_>) -> StartDecision {
        match self {
            Self::Unspecified(reason) => {
                refuse(record, LedgerState::Parked, Refusal::GivenUp(reason), input.now)
            }
            Self::GitlabAway => {
                let reason = "GitLab does not answer, and a machine is of no use without it".to_owned();
                let until = input.now + unknown_wait(input.policy, record.waited(input.now));
                wait(record, until, reason, input.now)
            }
        }
    }
}

/// Nobody looks at the job before that time.
fn wait(mut record: LedgerRecord, until: Timestamp, reason: String, now: Timestamp) -> StartDecision {
    record.not_before = Some(until);
    record.enter(LedgerState::Seen, reason.clone(), now);
    let action = StartAction::Wait { until, reason, for_capacity: false };
    StartDecision { record: Some(record), action }
}

fn claim(mut record: LedgerRecord, request: LaunchRequest, input: &StartInput<'_>) -> StartDecision {
    let (attempt, lost_runners, refusals) = match &record.claim {
        Some(claim) => (claim.attempt, claim.lost_runners, claim.refusals),
        None => (0, 0, 0),
    };
    record.not_before = None;
    record.claim = Some(Claim {
        holder: input.holder.clone(),
        lease_until: input.now + input.policy.lease,
        attempt,
        lost_runners,
        refusals,
        step: 0,
        request: Arc::new(request),
        registered: None,
        fleet: None,
    });
    record.enter(LedgerState::Claimed, "a runner is to be started", input.now);
    StartDecision { record: Some(record), action: StartAction::Launch(Launch::First) }
}

/// GitLab's present word outranks the event's: a job that is over leaves its tombstone at once.
fn not_pending(mut record: LedgerRecord, view: &JobView, input: &StartInput<'_>) -> StartDecision {
    let refusal = Refusal::NotPending(view.status_word.clone());
    let state = match view.status.map(JobStatus::rank) {
        Some(Rank::Finished) => LedgerState::Finished,
        Some(Rank::Running) => LedgerState::Running,
        None if ENDING_WORDS.contains(&view.status_word.as_str()) => {
            return StartDecision { record: None, action: StartAction::Nothing(refusal) };
        }
        // The answer is older than the event: it came from a database that lags behind.
        Some(Rank::Created | Rank::Pending) | None => {
            let action = StartAction::Wait {
                until: input.now + input.policy.capacity_retry,
                reason: refusal.to_string(),
                for_capacity: false,
            };
            return StartDecision { record: None, action };
        }
    };
    if let Some(status) = view.status {
        record.rank = record.rank.max(status.rank());
    }
    refuse(record, state, refusal, input.now)
}

fn refuse(mut record: LedgerRecord, state: LedgerState, refusal: Refusal, now: Timestamp) -> StartDecision {
    record.enter(state, refusal.to_string(), now);
    StartDecision { record: Some(record), action: StartAction::Nothing(refusal) }
}

/// Ends the lease of a claim whose holder is known to be gone, so that it can be taken over at once.
pub fn release_lease(record: &LedgerRecord, now: Timestamp) -> Option<(JobKey, LedgerRecord)> {
    let mut released = record.clone();
    let claim = released.claim.as_mut().filter(|claim| claim.lease_until > now)?;
    claim.lease_until = now;
    released.enter(LedgerState::Claimed, "released: its holder is gone", now);
    (record.state == LedgerState::Claimed).then(|| (record.key.clone(), released))
}
