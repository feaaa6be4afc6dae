//! The protocol as a whole: its state, and what may happen in it.

use jiff::{SignedDuration, Timestamp};
use stateright::{Model, Property};

use super::dispatcher::{Dispatcher, Fate};
use super::ledger::{Ledger, Wrong};
use super::plan::Backend;
use super::properties::properties;
use super::reconciler::{Pass, Suspects};
use super::worker::{Task, is_news, is_news_of_end};
use super::world::{Job, News, Which, Work, World};

/// A moment of the model: longer than any lease, wait or delay, and shorter than a runner waits for its job.
pub(crate) const TICK: SignedDuration = SignedDuration::from_secs(600);

/// How often the world does what it should not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    /// A dispatcher, the handler of other events, or the reconciler dies.
    pub(crate) crashes: u8,
    /// A launch is definitely refused.
    pub(crate) refusals: u8,
    /// The answer to a call is lost, with its effect or without.
    pub(crate) losses: u8,
    /// Time passes while a dispatcher is at work: its lease runs out.
    pub(crate) lapses: u8,
    /// A runner leaves though the job waits for it.
    pub(crate) leaves: u8,
    /// A runner waits for longer than it may.
    pub(crate) overstays: u8,
    /// GitLab does not answer what has become of the job.
    pub(crate) silences: u8,
    /// A runner takes the other job.
    pub(crate) thefts: u8,
    /// A job is canceled before its script begins, and its runner waits for another.
    pub(crate) aborts: u8,
    /// The reconciler makes a pass while others are at work.
    pub(crate) passes: u8,
}

/// The protocol.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Protocol {
    pub(crate) backend: Backend,
    pub(crate) budget: Budget,
}

/// All of it at one moment.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) now: Timestamp,
    pub(crate) world: World,
    pub(crate) ledger: Ledger,
    pub(crate) dispatchers: [Dispatcher; 2],
    /// What is still to be done about a final event or the end of a runner.
    pub(crate) handler: Vec<Task>,
    pub(crate) pass: Pass,
    pub(crate) suspects: Suspects,
    /// The reconciler asked for the job to be started.
    pub(crate) is_wanted: bool,
    /// Something has happened since the reconciler looked.
    pub(crate) is_unseen: bool,
    pub(crate) budget: Budget,
    /// Which events have happened and would tell something.
    news: Vec<News>,
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// The event that says the job waits is delivered to a dispatcher, once more or for the first time.
    Pending(usize),
    /// The same, and GitLab does not answer what has become of the job.
    PendingUnanswered(usize),
    /// A dispatcher makes its next step.
    Step(usize, Fate),
    /// Another event is delivered, once more or for the first time.
    News(News),
    /// The end of a runner is told.
    Left(usize),
    /// The handler of such news makes its next step.
    Handle,
    /// The reconciler makes a pass while nobody else is at work.
    WholePass,
    /// The reconciler begins a pass, and others go on meanwhile.
    Pass,
    /// It makes its next step, or begins with one of the repairs.
    Reconcile(usize),
    DispatcherDies(usize),
    HandlerDies,
    ReconcilerDies,
    /// A runner takes a job.
    Takes(usize, Which),
    Succeeds(Which),
    IsAborted(Which),
    IsCanceled,
    /// A runner leaves.
    Leaves {
        index: usize,
        dies: bool,
    },
    TimePasses,
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            now: Timestamp::UNIX_EPOCH,
            world: World::new(self.backend),
            ledger: Ledger { record: None, is_end_handled: false, wrong: Wrong::default() },
            dispatchers: [Dispatcher::new(0), Dispatcher::new(1)],
            handler: Vec::new(),
            pass: Pass::None,
            suspects: Suspects::new(),
            is_wanted: false,
            is_unseen: true,
            budget: self.budget,
            news: Vec::new(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        state.dispatchers_actions(actions);
        state.handlers_actions(actions);
        state.reconcilers_actions(actions);
        state.worlds_actions(actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        next.happens(action);
        let version = |state: &State| state.ledger.record.as_ref().map(|record| record.version);
        let is_same_job = (last.world.job, last.world.another) == (next.world.job, next.world.another);
        let is_end_heard = last.ledger.is_end_handled != next.ledger.is_end_handled;
        if !is_same_job || is_end_heard || version(last) != version(&next) {
            next.news = News::ALL
                .into_iter()
                .filter(|news| is_news(*news, &next.world, &next.ledger, next.now))
                .collect();
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties(*self)
    }
}

impl State {
    /// True if no dispatcher and no handler is at work or about to be.
    pub(crate) fn is_calm(&self) -> bool {
        let is_idle = self.dispatchers.iter().all(Dispatcher::is_idle) && self.handler.is_empty();
        is_idle && !self.is_start_due()
    }

    fn is_start_due(&self) -> bool {
        self.is_wanted && Dispatcher::would_start(&self.ledger, self.now)
    }

    /// True if nothing happens any more, unless an event is delivered that was lost.
    pub(crate) fn is_at_rest(&self) -> bool {
        let is_seen = matches!(self.pass, Pass::None) && !self.is_unseen;
        self.is_calm() && is_seen && self.world.computes.is_empty() && !self.may_pass_time()
    }

    fn may_pass_time(&self) -> bool {
        let is_at_work = !self.dispatchers.iter().all(Dispatcher::is_idle);
        let is_overdue = self.world.is_anybody_overdue();
        // A look is shorter than all that it judges by.
        let is_looking = matches!(self.pass, Pass::Saw(_) | Pass::Read(..));
        (!is_overdue || self.budget.overstays > 0)
            && !is_looking
            && (!is_at_work || self.budget.lapses > 0)
            && self.ages()
    }

    fn dispatchers_actions(&self, actions: &mut Vec<Action>) {
        let would_start = Dispatcher::would_start(&self.ledger, self.now);
        let idle = self.dispatchers.iter().position(Dispatcher::is_idle);
        actions.extend(idle.filter(|_| would_start).map(Action::Pending));
        let is_silent = would_start && self.budget.silences > 0;
        actions.extend(idle.filter(|_| is_silent).map(Action::PendingUnanswered));
        for (index, dispatcher) in self.dispatchers.iter().enumerate().filter(|(_, one)| !one.is_idle()) {
            let may_be = |fate: &&Fate| match fate {
                Fate::Works => true,
                Fate::IsRefused => self.budget.refusals > 0,
                Fate::AnswerIsLost | Fate::IsLost => self.budget.losses > 0,
            };
            actions.extend(dispatcher.fates().iter().filter(may_be).map(|fate| Action::Step(index, *fate)));
            if self.budget.crashes > 0 {
                actions.push(Action::DispatcherDies(index));
            }
        }
    }

    fn handlers_actions(&self, actions: &mut Vec<Action>) {
        if !self.handler.is_empty() {
            actions.push(Action::Handle);
            if self.budget.crashes > 0 {
                actions.push(Action::HandlerDies);
            }
        }
        let is_free = self.handler.is_empty();
        let Self { world, ledger, .. } = self;
        actions.extend(self.news.iter().filter(|news| is_free || !news.is_final).copied().map(Action::News));
        let told = world
            .left
            .iter()
            .enumerate()
            .filter(|(_, left)| is_free && is_news_of_end(**left, world, ledger));
        actions.extend(told.map(|(index, _)| Action::Left(index)));
    }

    fn reconcilers_actions(&self, actions: &mut Vec<Action>) {
        match &self.pass {
            Pass::None => {
                if self.is_unseen && self.is_calm() {
                    actions.push(Action::WholePass);
                }
                if self.is_unseen && self.budget.passes > 0 {
                    actions.push(Action::Pass);
                }
                return;
            }
            Pass::Repairs { tasks, rest, .. } if tasks.is_empty() => {
                actions.extend((0..rest.len()).map(Action::Reconcile));
            }
            Pass::Saw(_) | Pass::Read(..) | Pass::Repairs { .. } => actions.push(Action::Reconcile(0)),
        }
        if self.budget.crashes > 0 {
            actions.push(Action::ReconcilerDies);
        }
    }

    fn worlds_actions(&self, actions: &mut Vec<Action>) {
        let World { job, another, computes, .. } = &self.world;
        let is_pending = *job == Job::Pending;
        for (index, compute) in computes.iter().enumerate() {
            let is_needed = is_pending && self.world.may_take(*compute);
            if is_needed {
                actions.push(Action::Takes(index, Which::TheJob));
            }
            if self.world.may_take(*compute) && *another == Job::Pending && self.budget.thefts > 0 {
                actions.push(Action::Takes(index, Which::Another));
            }
            if !matches!(compute.work, Work::Has(_)) && (!is_needed || self.budget.leaves > 0) {
                actions.push(Action::Leaves { index, dies: false });
            }
            if !matches!(compute.work, Work::Has(_)) && self.budget.leaves > 0 {
                actions.push(Action::Leaves { index, dies: true });
            }
        }
        if is_pending {
            actions.push(Action::IsCanceled);
        }
        for which in [Which::TheJob, Which::Another] {
            if matches!(self.world.job(which), Job::Running(_)) {
                actions.push(Action::Succeeds(which));
                if self.budget.aborts > 0 {
                    actions.push(Action::IsAborted(which));
                }
            }
        }
        if self.may_pass_time() {
            actions.push(Action::TimePasses);
        }
    }
}
