//! What becomes of the state when something happens.

use mayfly_core::decide::{RunnerOutcome, StartAction, refuse_early};

use super::dispatcher::{Dispatcher, Fate, Scene, ids};
use super::model::{Action, State, TICK};
use super::reconciler::{Pass, Sight, open, plan, suspected};
use super::worker::{Gone, Task, Then};
use super::world::{Id, Job, Left, Which, Work, World};

impl State {
    pub(crate) fn happens(&mut self, action: Action) {
        self.is_unseen = true;
        match action {
            Action::Pending(index) => {
                self.is_wanted = false;
                self.dispatchers[index].look(&self.ledger, &self.world);
            }
            Action::PendingUnanswered(index) => {
                self.is_wanted = false;
                self.budget.silences -= 1;
                self.dispatchers[index].look_in_vain(&self.ledger);
            }
            Action::Step(index, fate) => self.step(index, fate),
            Action::News(news) => self.handle(Task::Learn(news)),
            Action::Left(index) => {
                let Left { token, took } = self.world.left[index];
                let outcome = if took.is_some() { RunnerOutcome::JobDone } else { RunnerOutcome::NoJob };
                self.handle(Task::Gone(Gone { token, outcome, took }));
            }
            Action::Handle => {
                let task = self.handler.remove(0);
                self.handle(task);
            }
            Action::WholePass => self.whole_pass(),
            Action::Pass => {
                self.budget.passes -= 1;
                self.is_unseen = false;
                self.pass = Pass::Saw(Sight::of(&self.world));
            }
            Action::Reconcile(choice) => self.reconcile(choice),
            Action::DispatcherDies(index) => {
                self.budget.crashes -= 1;
                self.dispatchers[index] = Dispatcher::new(2 + self.budget.crashes);
            }
            Action::HandlerDies => {
                self.budget.crashes -= 1;
                self.handler.clear();
            }
            Action::ReconcilerDies => {
                self.budget.crashes -= 1;
                self.pass = Pass::None;
            }
            Action::Takes(index, which) => {
                self.budget.thefts -= u8::from(which == Which::Another);
                self.world.takes(index, which);
            }
            Action::Succeeds(which) => self.world.succeeds(which),
            Action::IsAborted(which) => {
                self.budget.aborts -= 1;
                self.world.is_aborted(which);
            }
            Action::IsCanceled => self.world.job = Job::Over(None),
            Action::Leaves { index, dies } => self.leaves(index, dies),
            Action::TimePasses => self.time_passes(),
        }
        if matches!(refuse_early(self.ledger.record.as_deref(), self.now), Some(StartAction::Nothing(_))) {
            // A dispatcher that got the message would look, and do nothing.
            self.is_wanted = false;
        }
    }

    fn leaves(&mut self, index: usize, dies: bool) {
        let compute = self.world.computes[index];
        let is_needed = self.world.job == Job::Pending && self.world.may_take(compute);
        self.budget.leaves -= u8::from(is_needed || dies);
        self.world.leaves(index, dies, self.world.backend.finds());
    }

    fn time_passes(&mut self) {
        self.budget.lapses -= u8::from(!self.dispatchers.iter().all(Dispatcher::is_idle));
        self.budget.overstays -= u8::from(self.world.is_anybody_overdue());
        self.now += TICK;
        for compute in self.world.computes.iter_mut().filter(|compute| compute.work == Work::Waits) {
            compute.is_impatient = true;
        }
    }

    fn step(&mut self, index: usize, fate: Fate) {
        self.budget.refusals -= u8::from(fate == Fate::IsRefused);
        self.budget.losses -= u8::from(matches!(fate, Fate::AnswerIsLost | Fate::IsLost));
        let was_over = self.ledger.is_over();
        if self.dispatchers[index].is_registering() {
            let id = self.free_id();
            self.dispatchers[index].register(id, fate, &mut self.world);
            return;
        }
        let Self { now, world, ledger, dispatchers, .. } = self;
        dispatchers[index].step(fate, &mut Scene { now: *now, world, ledger });
        self.note_calls_under_way(was_over);
    }

    /// Once the job is over, no call is made but those that were under way.
    fn note_calls_under_way(&mut self, was_over: bool) {
        if !was_over && self.ledger.is_over() {
            self.dispatchers.iter_mut().for_each(Dispatcher::is_overtaken_by_end);
        }
    }

    /// The handler does a task. That a job is to be started again is a message, and those may be lost.
    fn handle(&mut self, task: Task) {
        let tasks = std::mem::take(&mut self.handler);
        let (tasks, _) = self.perform(task, tasks);
        self.handler = tasks;
    }

    /// Does a task, and says what is left to do, and whether the job is to be started.
    fn perform(&mut self, task: Task, mut rest: Vec<Task>) -> (Vec<Task>, bool) {
        let was_over = self.ledger.is_over();
        let mut task = task;
        let starts = loop {
            match task.perform(&mut self.scene()) {
                Then::First(first) => {
                    rest.splice(0..0, first);
                    break false;
                }
                Then::Instead(first) => {
                    rest.splice(0..0, first);
                    if rest.is_empty() {
                        break false;
                    }
                    task = rest.remove(0);
                }
                Then::Leave => {
                    rest.clear();
                    break false;
                }
                Then::Start => break true,
            }
        };
        self.note_calls_under_way(was_over);
        (rest, starts)
    }

    /// A pass in one go, its repairs in the order of the plan.
    fn whole_pass(&mut self) {
        self.is_unseen = false;
        self.pass = Pass::Saw(Sight::of(&self.world));
        while !matches!(self.pass, Pass::None) {
            self.reconcile(0);
        }
    }

    /// The next step of a pass: a look, the decision, or a task; with `choice` the repair that is begun.
    fn reconcile(&mut self, choice: usize) {
        let was_unseen = std::mem::replace(&mut self.is_unseen, false);
        self.pass = match std::mem::replace(&mut self.pass, Pass::None) {
            Pass::None => Pass::None,
            Pass::Saw(sight) => Pass::Read(sight, open(&self.ledger)),
            Pass::Read(sight, read) => {
                plan(&sight, read.as_deref(), &self.suspects, &self.world, &self.ledger, self.now)
            }
            Pass::Repairs { mut tasks, mut rest, suspects } => {
                self.is_unseen = true;
                if tasks.is_empty() {
                    tasks = rest.remove(choice);
                }
                let task = tasks.remove(0);
                let (tasks, starts) = self.perform(task, tasks);
                self.is_wanted |= starts;
                Pass::Repairs { tasks, rest, suspects }
            }
        };
        if let Pass::Repairs { tasks, rest, suspects } = &self.pass
            && tasks.is_empty()
            && rest.is_empty()
        {
            self.suspects.clone_from(suspects);
            self.pass = Pass::None;
        }
        self.is_unseen |= was_unseen;
    }

    fn scene(&mut self) -> Scene<'_> {
        Scene { now: self.now, world: &mut self.world, ledger: &mut self.ledger }
    }

    /// The lowest id that no registration has and nobody knows.
    fn free_id(&self) -> Id {
        let World { registrations, computes, job, another, .. } = &self.world;
        let mut known: Vec<Id> = registrations.iter().map(|registration| registration.id).collect();
        known.extend(computes.iter().map(|compute| compute.registered));
        known.extend([job, another].into_iter().filter_map(|job| job.on()).map(|on| on.id));
        known.extend(self.ledger.record.iter().flat_map(|record| ids(record)));
        known.extend(self.dispatchers.iter().flat_map(Dispatcher::ids));
        known.extend(self.handler.iter().flat_map(Task::ids));
        known.extend(self.pass.ids());
        known.extend(suspected(&self.suspects));
        (1..=Id::MAX).find(|id| !known.contains(id)).unwrap()
    }
}
