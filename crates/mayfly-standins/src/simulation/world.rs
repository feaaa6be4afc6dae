//! One world: an installation of Mayfly, a GitLab, and time.

use std::sync::Arc;

use mayfly_core::ids::InvalidId;

use super::agenda::{Due, HOUR, MINUTE, Moment, SECOND};
use super::compute::Cause;
use super::executor::{Ended, Executor};
use super::installation::{Environment, Installation};
use super::mappings::LONGEST_LIFE;
use super::mix::Mix;
use super::sim::{Event, Sim, World};
use super::story::Story;
use super::tally::{Tally, Trouble};
use super::watch::Broken;
use super::work::{TaskId, Work, Worker};

/// How far apart passes are.
const PASSES_APART: Moment = MINUTE;
/// How often it is looked for tasks whose time is over.
const REAPS_EVERY: Moment = 5 * SECOND;
/// How long a world runs on in which nothing is left to do: late events come, and must start nothing.
const QUIET: Moment = 6 * MINUTE;
/// When everything must be gone after the last job.
const ALL_GONE: Moment = LONGEST_LIFE as u64 * SECOND + HOUR + 30 * MINUTE;

/// Which world.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WorldSettings {
    /// The seed of the run.
    pub seed: u64,
    /// The world's number in the run.
    pub number: u64,
    /// How many jobs begin, retries not counted.
    pub jobs: u64,
    /// What goes wrong.
    pub mix: Mix,
}

/// What became of one world.
#[derive(Debug, Clone, PartialEq)]
pub struct WorldReport {
    /// What was counted.
    pub tally: Tally,
    /// What did not hold.
    pub broken: Option<Broken>,
}

/// A world that runs.
pub(super) struct Running {
    pub(super) world: World,
    installation: Installation,
    executor: Executor,
    tasks: TaskId,
    /// How many passes have begun.
    pub(super) passes: u64,
    /// Environments of functions that have nothing to do.
    idle: Vec<Arc<Environment>>,
    over_since: Option<Moment>,
    quiet_since: Option<Moment>,
}

impl Running {
    /// A world at its beginning.
    pub(super) fn new(settings: &WorldSettings, story: Story) -> Result<Self, InvalidId> {
        let installation = Installation::new(settings, story)?;
        let world = installation.world.clone();
        {
            let mut sim = world.lock();
            sim.at(SECOND, Event::Push);
            sim.at(PASSES_APART, Event::Pass);
            sim.at(10 * MINUTE, Event::Sweep);
            sim.at(REAPS_EVERY, Event::Reap);
        }
        Ok(Self {
            world,
            installation,
            executor: Executor::default(),
            tasks: 0,
            passes: 0,
            idle: Vec::new(),
            over_since: None,
            quiet_since: None,
        })
    }

    /// Runs the world to its end.
    pub(super) fn run(&mut self) -> WorldReport {
        while self.step() {}
        let mut sim = self.world.lock();
        sim.tally.simulated = sim.now();
        WorldReport { tally: sim.tally.clone(), broken: sim.watch.broken.clone() }
    }

    /// Goes on to the next thing that happens; false at the end.
    pub(super) fn step(&mut self) -> bool {
        let due = self.world.lock().agenda.next();
        match due {
            None => return false,
            Some(Due::Wake(waker)) => waker.wake(),
            Some(Due::Happens(Event::Reap)) => self.reap(),
            Some(Due::Happens(Event::Pass)) => {
                if self.is_over() {
                    return false;
                }
                self.passes += 1;
                let mut sim = self.world.lock();
                sim.after(PASSES_APART, Event::Pass);
                sim.begun.push(Work::Pass);
            }
            Some(Due::Happens(event)) => self.world.lock().happen(event),
        }
        self.run_tasks();
        self.world.lock().watch.broken.is_none()
    }

    fn reap(&mut self) {
        let now = {
            let mut sim = self.world.lock();
            sim.after(REAPS_EVERY, Event::Reap);
            sim.now()
        };
        for ended in self.executor.reap(now) {
            self.world.lock().tally.trouble(Trouble::Timeout);
            self.over(ended);
        }
    }

    fn run_tasks(&mut self) {
        loop {
            let begun = std::mem::take(&mut self.world.lock().begun);
            for work in begun {
                self.spawn(work);
            }
            for ended in self.executor.run(&self.world) {
                self.over(ended);
            }
            if self.world.lock().begun.is_empty() {
                return;
            }
        }
    }

    fn spawn(&mut self, work: Work) {
        let environment = self.idle.pop().unwrap_or_else(|| self.installation.environment());
        self.tasks += 1;
        let id = self.tasks;
        let worker = Worker { world: self.world.clone(), environment };
        let now = self.world.lock().now();
        self.executor.spawn(id, work, now, worker);
    }

    fn over(&mut self, Ended { id, environment, undone }: Ended) {
        let mut sim = self.world.lock();
        sim.watch.task_over(id);
        match undone {
            Some(work) => {
                sim.tell_death(id, &work);
                sim.died(work);
            }
            None => self.idle.push(environment),
        }
    }

    /// True if all is over: then the last things were checked that must hold.
    fn is_over(&mut self) -> bool {
        let mut sim = self.world.lock();
        let now = sim.now();
        if !sim.gitlab.is_over() {
            return false;
        }
        let over_since = *self.over_since.get_or_insert(now);
        let is_open = self.installation.has_open_records();
        let is_quiet = !is_open
            && sim.queue.is_empty()
            && self.executor.running() == 0
            && sim.gitlab.registrations.is_empty()
            && sim.computes.live().next().is_none();
        if is_quiet && now - *self.quiet_since.get_or_insert(now) >= QUIET {
            return true;
        }
        if !is_quiet {
            self.quiet_since = None;
        }
        if now - over_since >= ALL_GONE {
            sim.check_all_gone(is_open);
            return true;
        }
        false
    }
}

impl Sim {
    fn check_all_gone(&mut self, is_open: bool) {
        let left = self
            .computes
            .live()
            .next()
            .map(|(which, compute)| (which, compute.name.to_string(), compute.life));
        if let Some((which, name, life)) = left {
            self.watch
                .breaks("no compute is left at the end", None, Some(which), || format!("{name}: {life:?}"));
        }
        if let Some((id, registration)) = self.gitlab.registrations.iter().next() {
            let words = format!(
                "registration {id} of {:?} is left",
                registration.name.as_ref().map(ToString::to_string)
            );
            self.watch.breaks("no registration is left at the end", None, None, || words);
        }
        if is_open {
            self.watch.breaks("no record is open at the end", None, None, || {
                "the ledger has open records".to_owned()
            });
        }
    }

    /// Something happens.
    fn happen(&mut self, event: Event) {
        match event {
            Event::Push => self.push(),
            Event::Theft(job) => self.theft(job),
            Event::TheftOver(job) => self.theft_over(job),
            Event::Cancel(job) => self.cancel(job),
            Event::Retry(job) => self.retry(job),
            Event::Mend(job) => self.mend(job),
            Event::Stuck(job) => self.stuck(job),
            Event::Begin(work) => self.begun.push(*work),
            Event::Poll => self.poll_queue(),
            Event::Boot(which) => self.boot(which),
            Event::Read(which) => self.read(which),
            Event::GiveUp(which) => self.give_up(which),
            Event::Ask(which) => self.ask_for_job(which),
            Event::ScriptOver(which, job) => self.script_over(which, job),
            Event::Deadline(which) => self.deadline(which),
            Event::Off(which) => self.end(which, Cause::Agent),
            Event::Interrupted(which) => self.interrupt(which),
            Event::Dies(which) => self.end(which, Cause::Died),
            Event::Hangs(which) => self.hang(which),
            Event::Sweep => {
                self.sweep();
                self.after(10 * MINUTE, Event::Sweep);
            }
            // The loop itself sees to these.
            Event::Reap | Event::Pass => {}
        }
    }
}
