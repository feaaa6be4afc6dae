//! What is done because of other events, of the ends of runners, and of repairs: the steps of `mayfly-app`'s `handle.rs` and
//! of `reconcile/act.rs` and `reconcile/end.rs`.

use std::sync::Arc;

use jiff::Timestamp;
use mayfly_core::decide::{
    EndRunner, FinishInput, LaunchPolicy, RecordInput, RunnerEnd, RunnerOutcome, decide_finish,
    decide_former_ended, decide_gone, decide_park, decide_record, decide_relaunch, decide_runner_ended,
};
use mayfly_core::ledger::{LedgerRecord, RunnerRecord};

use super::dispatcher::Scene;
use super::ledger::{Ledger, Wrong};
use super::plan::{JOB, Token};
use super::world::{Id, Left, News, Which, Work, World, model_id};

/// One thing to do. It has at most one effect that others see.
#[derive(Debug, Clone)]
pub(crate) enum Task {
    /// `handle.rs`, `record`, or `finish` up to its writes.
    Learn(News),
    /// `handle.rs`, `runner_gone`.
    Gone(Gone),
    /// The second half of it: writes what was decided before the registration was removed.
    WriteGone {
        decided: Arc<LedgerRecord>,
        starts: bool,
        gone: Gone,
    },
    /// `handle.rs`, `end_runner`: its three parts.
    Unregister(Id),
    Stop {
        token: Token,
        is_known: bool,
    },
    WriteEnded(Token),
    /// `act.rs`, `lost`.
    Lost(Gone),
    /// `act.rs`, `forget_former`: its second half.
    WriteFormer(Token),
    /// `busy.rs`, `jobs_of_paused`: its two halves. If the runner has a job, nothing else is done.
    Pause(Id),
    LeaveIfBusy(Id),
    /// `end.rs`, `end`, once nothing speaks against it. Without an outcome nobody knows the runner's job.
    End {
        token: Token,
        registered: Option<Id>,
        outcome: Option<RunnerOutcome>,
    },
    /// `act.rs`, `relaunch`.
    Relaunch,
    /// `act.rs`, `start`.
    Start,
    /// `act.rs`, `park`.
    Park,
    /// `act.rs`, `unregister`, once its runner is seen without a job.
    UnregisterOrphan(Id),
}

/// The end of a runner, as it is told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gone {
    pub(crate) token: Token,
    pub(crate) outcome: RunnerOutcome,
    pub(crate) took: Option<Which>,
}

/// What is to be done after a task.
pub(crate) enum Then {
    /// These first, and then what was to be done anyway.
    First(Vec<Task>),
    /// The same at once: nothing was done yet that others see.
    Instead(Vec<Task>),
    /// Nothing else of it.
    Leave,
    /// The job is to be started: that is for a dispatcher.
    Start,
}

/// Why, in texts that only people read.
const WHY: &str = "the model says so";

impl Task {
    /// The registrations that it is about.
    pub(crate) fn ids(&self) -> Vec<Id> {
        match self {
            Self::Unregister(id) | Self::UnregisterOrphan(id) | Self::Pause(id) | Self::LeaveIfBusy(id) => {
                vec![*id]
            }
            Self::End { registered, .. } => registered.iter().copied().collect(),
            _ => Vec::new(),
        }
    }

    /// Does it.
    pub(crate) fn perform(self, scene: &mut Scene<'_>) -> Then {
        let now = scene.now;
        let mut then = Vec::new();
        match self {
            Self::Learn(news) => {
                then = learn(news, scene);
                scene.ledger.is_end_handled |= news.is_final && news.which == Which::TheJob;
            }
            Self::Gone(gone) => return gone.perform(scene),
            Self::WriteGone { decided, starts, gone } => match scene.ledger.put((*decided).clone()) {
                Some(_) if starts => return Then::Start,
                Some(_) => {}
                None => then.push(Self::Gone(gone)),
            },
            Self::Unregister(id) => scene.unregister(id),
            Self::UnregisterOrphan(id) => {
                if scene.world.unregister(id) == Some(Which::TheJob) {
                    scene.ledger.wrong(Wrong::UNREGISTERED_WITH_JOB);
                }
            }
            Self::Stop { token, is_known } => stop(token, is_known, scene),
            Self::WriteEnded(token) => {
                let owner = scene.ledger.by_runner(scene.world.backend.name(token));
                let ended = owner.and_then(|owner| decide_runner_ended(owner, WHY, now));
                scene.write(ended);
            }
            Self::Lost(gone) => return Then::Instead(lost(gone, scene)),
            Self::WriteFormer(token) => {
                let name = scene.world.backend.name(token);
                scene.decide(|record| decide_former_ended(record, name, WHY, now));
            }
            Self::Pause(id) => scene.world.pause(id),
            Self::LeaveIfBusy(id) if scene.world.has_job(id) => return Then::Leave,
            Self::LeaveIfBusy(_) => {}
            Self::End { token, registered, outcome } => {
                return Then::Instead(end(token, registered, outcome, scene));
            }
            Self::Relaunch => {
                if scene.decide(|record| decide_relaunch(record, WHY, now)) {
                    then.push(Self::Start);
                }
            }
            Self::Start => return Then::Start,
            Self::Park => {
                scene.decide(|record| decide_park(record, WHY, now));
            }
        }
        Then::First(then)
    }
}

impl Gone {
    fn perform(self, scene: &mut Scene<'_>) -> Then {
        let Some(owner) = scene.ledger.by_runner(scene.world.backend.name(self.token)) else {
            return Then::First(Vec::new());
        };
        let end = RunnerEnd { outcome: self.outcome, job: self.took.map(|which| which.key().job) };
        let decision = decide_gone(owner, &end, &LaunchPolicy::default(), scene.now);
        let starts = decision.start_again.is_some();
        let Some(id) = decision.unregister else {
            scene.write(decision.record);
            return if starts { Then::Start } else { Then::First(Vec::new()) };
        };
        scene.unregister(model_id(id));
        let write = |decided| Task::WriteGone { decided: Arc::new(decided), starts, gone: self };
        Then::First(decision.record.map(write).into_iter().collect())
    }
}

impl Scene<'_> {
    /// Reads the record, decides, and writes. A conflict repeats all of it, so it is as if it were done at once.
    fn decide(&mut self, decide: impl Fn(&LedgerRecord) -> Option<LedgerRecord>) -> bool {
        let next = self.ledger.record.as_deref().and_then(decide);
        self.write(next)
    }

    fn write(&mut self, next: Option<LedgerRecord>) -> bool {
        next.is_some_and(|next| self.ledger.put(next).is_some())
    }

    /// The runner of this name, if it was started for the job before its present one.
    fn former(&self, token: Token) -> Option<&RunnerRecord> {
        let name = self.world.backend.name(token);
        self.ledger.record.as_ref()?.former.iter().find(|former| former.name == *name)
    }
}

/// Writes what an event tells, and says how the runner is ended that a final one names.
fn learn(news: News, scene: &mut Scene<'_>) -> Vec<Task> {
    let (writes, end) = decide_event(news, scene.world, scene.ledger, scene.now);
    for write in writes {
        scene.write(Some(write));
    }
    let end_named = |end: EndRunner| {
        end_runner(Token::named(&end.runner), end.registered.map(model_id), true, scene.world)
    };
    end.map(end_named).unwrap_or_default()
}

/// What an event says. Of what is to be written, the record of the other job is nobody's here.
fn decide_event(
    news: News,
    world: &World,
    ledger: &Ledger,
    now: Timestamp,
) -> (Vec<LedgerRecord>, Option<EndRunner>) {
    let Some(event) = &world.event(news, now) else { return (Vec::new(), None) };
    let record = ledger.record.as_deref().filter(|record| record.key == event.key);
    let named = world.job(news.which).on().map(|on| world.backend.name(on.token));
    let owner = named.and_then(|name| ledger.by_runner(name)).map(AsRef::as_ref);
    let (mut writes, end) = if news.is_final {
        let decision = decide_finish(&FinishInput { now, event, record, owner });
        (decision.writes, decision.end)
    } else {
        (decide_record(&RecordInput { now, event, record, owner }).writes, None)
    };
    writes.retain(|write| write.key == *JOB);
    (writes, end)
}

/// True if an event would change something, or must: the end of the job.
pub(crate) fn is_news(news: News, world: &World, ledger: &Ledger, now: Timestamp) -> bool {
    let is_end = news.is_final && news.which == Which::TheJob && world.event(news, now).is_some();
    if is_end && !ledger.is_end_handled {
        return true;
    }
    let (writes, end) = decide_event(news, world, ledger, now);
    end.is_some() || !writes.is_empty()
}

/// True if the end of a runner would change something.
pub(crate) fn is_news_of_end(left: Left, world: &World, ledger: &Ledger) -> bool {
    ledger.by_runner(world.backend.name(left.token)).is_some_and(|owner| owner.live_runner().is_some())
}

fn end_runner(token: Token, registered: Option<Id>, is_known: bool, world: &World) -> Vec<Task> {
    let unregister = registered.map(Task::Unregister);
    let stop = world.backend.can_stop().then_some(Task::Stop { token, is_known });
    unregister.into_iter().chain(stop).chain([Task::WriteEnded(token)]).collect()
}

fn stop(token: Token, is_known: bool, scene: &mut Scene<'_>) {
    for compute in scene.world.stop(token) {
        match compute.work {
            Work::Has(Which::TheJob) => scene.ledger.wrong(Wrong::ENDED_WITH_JOB),
            Work::Has(Which::Another) if is_known => scene.ledger.wrong(Wrong::ENDED_WITH_ANOTHER),
            Work::Has(Which::Another) | Work::Waits | Work::Done(_) => {}
        }
    }
}

fn lost(gone: Gone, scene: &Scene<'_>) -> Vec<Task> {
    match scene.former(gone.token) {
        Some(former) => {
            let unregister = former.registered.map(model_id).map(Task::Unregister);
            unregister.into_iter().chain([Task::WriteFormer(gone.token)]).collect()
        }
        None => vec![Task::Gone(gone)],
    }
}

fn end(token: Token, registered: Option<Id>, outcome: Option<RunnerOutcome>, scene: &Scene<'_>) -> Vec<Task> {
    let mut tasks = end_runner(token, registered, outcome.is_some(), scene.world);
    if let Some(outcome) = outcome {
        let gone = Gone { token, outcome, took: None };
        let is_former = scene.former(token).is_some();
        tasks.push(if is_former { Task::Lost(gone) } else { Task::Gone(gone) });
    }
    tasks
}
