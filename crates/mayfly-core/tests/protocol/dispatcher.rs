//! One dispatcher that handles the `pending` event: the steps of `mayfly-app`'s `start.rs`, `launch.rs` and `assign.rs`.
//!
//! Each step has at most one effect that others see. What is only read is read together with the step after it, where nothing
//! that was read can change in between without making that step's conditional write fail.

use std::sync::Arc;

use jiff::Timestamp;
use mayfly_core::decide::{
    AfterLaunch, GitlabView, LaunchPolicy, Room, StartAction, StartInput, decide_after_launch, decide_start,
    refuse_early,
};
use mayfly_core::launch::{Claim, Holder, RefProtection};
use mayfly_core::ledger::{LedgerRecord, LedgerState};
use mayfly_core::ports::LaunchOutcome;

use super::ledger::{Ledger, Wrong};
use super::plan::{PLAN, Token, resolution};
use super::world::{Compute, Id, Registration, Which, Work, World, model_id, runner_id, waiting};

/// A dispatcher: one at a time holds the job's claim.
#[derive(Debug, Clone)]
pub(crate) struct Dispatcher {
    /// Who it is, in claims. After a crash its place is taken by another.
    pub(crate) holder: u8,
    pub(crate) at: At,
}

/// How far it is.
#[derive(Debug, Clone)]
pub(crate) enum At {
    Idle,
    /// It has read the ledger (`start.rs`, `look`) and asked GitLab (`gather.rs`, `look_at_job`).
    Asked {
        read: Option<Arc<LedgerRecord>>,
        view: GitlabView,
    },
    /// It has the claim in this record (`launch.rs`, `launch`).
    Launching {
        held: Arc<LedgerRecord>,
        next: Next,
    },
}

/// What it does next about its claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Next {
    /// `launch.rs`, `launch_step`: looks for what the token has started.
    Find,
    /// `busy.rs`, `jobs_of_paused`: lets the runner of an earlier try take no job any more.
    Pause,
    /// `assign.rs`, `remove_unused`: removes its registration, unless it has a job. While it is paused it gets none, so looking
    /// and removing is as good as one step.
    Remove,
    /// `assign.rs`, `assign`: registers the runner.
    Register,
    /// `assign.rs`, `note_registration`.
    Note(Id),
    /// `assign.rs`, `assign`: removes the registration, because the record changed.
    Withdraw(Id),
    /// `launch.rs`, `register_and_launch`: calls the backend.
    Launch { is_under_way: bool },
    /// `assign.rs`, `unregister_unless_used`.
    CleanUp,
    /// `launch.rs`, `write_outcome`.
    Settle(Outcome),
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Started,
    Refused,
    /// Nobody knows.
    Unknown,
}

/// What the world does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fate {
    /// It has its effect, and the answer says so.
    Works,
    /// It has no effect, and the answer says so.
    IsRefused,
    /// It has its effect, and the answer is lost.
    AnswerIsLost,
    /// It is lost.
    IsLost,
}

/// What a step of a dispatcher sees and changes.
pub(crate) struct Scene<'a> {
    pub(crate) now: Timestamp,
    pub(crate) world: &'a mut World,
    pub(crate) ledger: &'a mut Ledger,
}

impl Dispatcher {
    pub(crate) fn new(holder: u8) -> Self {
        Self { holder, at: At::Idle }
    }

    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.at, At::Idle)
    }

    /// True if a `pending` event would make it do more than look into the ledger.
    pub(crate) fn would_start(ledger: &Ledger, now: Timestamp) -> bool {
        refuse_early(ledger.record.as_deref(), now).is_none()
    }

    /// `start.rs`, `look`, and the question to GitLab in `gather.rs`. The record that is read now is written over later only if it
    /// is unchanged then, so it does not matter that GitLab is asked a moment after it was read.
    pub(crate) fn look(&mut self, ledger: &Ledger, world: &World) {
        self.at = At::Asked { read: ledger.record.clone(), view: GitlabView::Known(world.view()) };
    }

    /// The same, while GitLab does not answer: then the job is started.
    pub(crate) fn look_in_vain(&mut self, ledger: &Ledger) {
        self.at = At::Asked { read: ledger.record.clone(), view: GitlabView::Unreachable };
    }

    /// The job is over: a call that is about to be made cannot be called back any more.
    pub(crate) fn is_overtaken_by_end(&mut self) {
        if let At::Launching { next: Next::Launch { is_under_way }, .. } = &mut self.at {
            *is_under_way = true;
        }
    }

    /// The registrations that it knows and may do something about.
    pub(crate) fn ids(&self) -> impl Iterator<Item = Id> {
        let (held, next) = match &self.at {
            At::Idle | At::Asked { .. } => (None, None),
            At::Launching { held, next } => (registered(held), Some(*next)),
        };
        let noted = next.and_then(|next| match next {
            Next::Note(id) | Next::Withdraw(id) => Some(id),
            _ => None,
        });
        held.into_iter().chain(noted)
    }

    /// What may become of its next step.
    pub(crate) fn fates(&self) -> &'static [Fate] {
        match self.at {
            At::Launching { next: Next::Launch { .. }, .. } => {
                &[Fate::Works, Fate::IsRefused, Fate::AnswerIsLost, Fate::IsLost]
            }
            At::Launching { next: Next::Register, .. } => &[Fate::Works, Fate::AnswerIsLost],
            _ => &[Fate::Works],
        }
    }

    /// True if its next step is to register the runner.
    pub(crate) fn is_registering(&self) -> bool {
        matches!(self.at, At::Launching { next: Next::Register, .. })
    }

    /// Registers the runner, under this id.
    pub(crate) fn register(&mut self, id: Id, fate: Fate, world: &mut World) {
        if let At::Launching { held, next } = &mut self.at {
            world.registrations.push(Registration { id, token: token_of(held), is_paused: false });
            *next = if fate == Fate::Works { Next::Note(id) } else { Next::Settle(Outcome::Unknown) };
        }
    }

    /// Makes its next step, if that is another one.
    pub(crate) fn step(&mut self, fate: Fate, scene: &mut Scene<'_>) {
        self.at = match std::mem::replace(&mut self.at, At::Idle) {
            At::Idle => At::Idle,
            At::Asked { read, view } => self.decide(read.as_deref(), &view, scene),
            At::Launching { held, next } => Self::launching(held, next, fate, scene),
        };
    }

    /// `gather.rs`, `gather_and_decide`, and `start.rs`, `carry_out`. A conflict: it looks again.
    fn decide(&self, read: Option<&LedgerRecord>, view: &GitlabView, scene: &mut Scene<'_>) -> At {
        let decision = decide_start(&StartInput {
            now: scene.now,
            event: &waiting(Which::TheJob, scene.now),
            record: read,
            gitlab: view,
            resolution: &resolution(scene.world.backend),
            room: Room::Free,
            protection: RefProtection::Unknown,
            machines: None,
            holder: &self.name(),
            policy: &LaunchPolicy::default(),
        });
        let Some(mut record) = decision.record else { return At::Idle };
        if let Some(claim) = record.claim.as_mut() {
            Arc::make_mut(&mut claim.request).steps = PLAN.to_vec();
        }
        match (scene.ledger.put(record), decision.action) {
            (Some(held), StartAction::Launch(_)) => launch(held, scene.world),
            _ => At::Idle,
        }
    }

    fn launching(held: Arc<LedgerRecord>, next: Next, fate: Fate, scene: &mut Scene<'_>) -> At {
        match next {
            Next::Find if scene.world.has_started(token_of(&held)) => {
                At::Launching { held, next: Next::Settle(Outcome::Started) }
            }
            Next::Find => assign(held),
            Next::Pause => {
                if let Some(id) = registered(&held) {
                    scene.world.pause(id);
                }
                At::Launching { held, next: Next::Remove }
            }
            Next::Remove if registered(&held).is_some_and(|id| scene.world.has_job(id)) => {
                At::Launching { held, next: Next::Settle(Outcome::Started) }
            }
            Next::Remove => {
                scene.unregister_noted(&held);
                At::Launching { held, next: Next::Register }
            }
            Next::Register => At::Launching { held, next },
            Next::Note(id) => Self::note(held, id, scene),
            Next::Withdraw(id) => {
                scene.unregister(id);
                At::Idle
            }
            Next::Launch { is_under_way } => {
                let outcome = scene.launch(&held, fate, is_under_way);
                let next = if outcome == Outcome::Refused { Next::CleanUp } else { Next::Settle(outcome) };
                At::Launching { held, next }
            }
            Next::CleanUp => {
                scene.unregister_noted(&held);
                At::Launching { held, next: Next::Settle(Outcome::Refused) }
            }
            Next::Settle(outcome) => Self::settle(&held, outcome, scene),
        }
    }

    /// `assign.rs`, `note_registration`: over whatever was written meanwhile, if the claim is still its own.
    fn note(held: Arc<LedgerRecord>, id: Id, scene: &mut Scene<'_>) -> At {
        let mut noted = (*held).clone();
        if let Some(claim) = noted.claim.as_mut() {
            claim.registered = Some(runner_id(id));
        }
        if let Some(held) = scene.ledger.put(noted) {
            return At::Launching { held, next: Next::Launch { is_under_way: false } };
        }
        let fresh = scene.ledger.record.clone();
        match fresh.filter(|fresh| fresh.state == LedgerState::Claimed && is_same_launch(fresh, &held)) {
            Some(held) => At::Launching { held, next: Next::Note(id) },
            None => At::Launching { held, next: Next::Withdraw(id) },
        }
    }

    /// `launch.rs`, `write_outcome` and `launch`.
    fn settle(held: &Arc<LedgerRecord>, outcome: Outcome, scene: &mut Scene<'_>) -> At {
        let reason = || "because the model says so".to_owned();
        let launch_outcome = match outcome {
            Outcome::Started => LaunchOutcome::Started { resource: token_of(held).resource() },
            Outcome::Refused => LaunchOutcome::Refused { reason: reason() },
            Outcome::Unknown => LaunchOutcome::Unknown { reason: reason() },
        };
        let (next, after) = decide_after_launch(held, &launch_outcome, &LaunchPolicy::default(), scene.now);
        if let Some(written) = scene.ledger.put(next) {
            return if after == AfterLaunch::NextStep { launch(written, scene.world) } else { At::Idle };
        }
        match scene.ledger.record.clone().filter(|fresh| is_same_launch(fresh, held)) {
            Some(held) => At::Launching { held, next: Next::Settle(outcome) },
            None => At::Idle,
        }
    }

    fn name(&self) -> Holder {
        Holder(format!("dispatcher {}", self.holder))
    }
}

/// `launch.rs`, `launch_step`. Where nothing can be found, nothing is looked for.
fn launch(held: Arc<LedgerRecord>, world: &World) -> At {
    if world.backend.finds() { At::Launching { held, next: Next::Find } } else { assign(held) }
}

/// `assign.rs`, `assign`.
fn assign(held: Arc<LedgerRecord>) -> At {
    let next = if registered(&held).is_some() { Next::Pause } else { Next::Register };
    At::Launching { held, next }
}

/// `launch.rs`, `same_launch`.
pub(crate) fn is_same_launch(fresh: &LedgerRecord, ours: &LedgerRecord) -> bool {
    let launch = |record: &LedgerRecord| {
        record.claim.as_ref().map(|claim| (claim.attempt, claim.step, claim.holder.0.clone()))
    };
    launch(fresh) == launch(ours)
}

/// The token of the step that the record's claim is at.
pub(crate) fn token_of(record: &LedgerRecord) -> Token {
    Token::of(claim_of(record))
}

fn claim_of(record: &LedgerRecord) -> &Claim {
    record.claim.as_ref().expect("a launch has a claim")
}

/// The registration that is noted in the record's claim.
pub(crate) fn registered(record: &LedgerRecord) -> Option<Id> {
    record.claim.as_ref()?.registered.map(model_id)
}

/// The registrations that a record knows.
pub(crate) fn ids(record: &LedgerRecord) -> impl Iterator<Item = Id> {
    let runners = record.runner.iter().chain(&record.former).filter_map(|runner| runner.registered);
    record.claim.iter().filter_map(|claim| claim.registered).chain(runners).map(model_id)
}

impl Scene<'_> {
    /// Removes a registration in GitLab.
    pub(crate) fn unregister(&mut self, id: Id) {
        match self.world.unregister(id) {
            Some(Which::TheJob) => self.ledger.wrong(Wrong::UNREGISTERED_WITH_JOB),
            Some(Which::Another) => self.ledger.wrong(Wrong::UNREGISTERED_WITH_ANOTHER),
            None => {}
        }
    }

    /// Removes the registration that is noted in the claim.
    fn unregister_noted(&mut self, held: &LedgerRecord) {
        if let Some(id) = registered(held) {
            self.unregister(id);
        }
    }

    /// Calls the backend with the registration that is noted in the claim.
    fn launch(&mut self, held: &LedgerRecord, fate: Fate, is_under_way: bool) -> Outcome {
        let token = token_of(held);
        let Some(registered) = registered(held) else { return Outcome::Refused };
        let was_started = self.world.has_started(token);
        if !token.is_of_this_step_only(claim_of(held)) {
            self.ledger.wrong(Wrong::TOKEN_OF_ANOTHER_STEP);
        }
        if matches!(fate, Fate::Works | Fate::AnswerIsLost) && !was_started {
            self.world.started |= token.bit();
            self.world.computes.push(Compute { token, registered, work: Work::Waits, is_impatient: false });
            if self.ledger.is_over() && !is_under_way {
                self.ledger.wrong(Wrong::STARTED_AFTER_END);
            }
        }
        match fate {
            Fate::Works => Outcome::Started,
            // What is there is found, whatever else would have become of the call.
            Fate::IsRefused if was_started => Outcome::Started,
            Fate::IsRefused => Outcome::Refused,
            Fate::AnswerIsLost | Fate::IsLost => Outcome::Unknown,
        }
    }
}
