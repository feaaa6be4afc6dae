//! The whole state of one world, and what can happen in it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use mayfly_core::clock::Clock;
use mayfly_core::event::JobEvent;
use mayfly_core::ids::JobId;

use super::agenda::{Agenda, Due, MINUTE, Moment, SECOND, timestamp};
use super::chance::Chance;
use super::compute::{Computes, Which};
use super::executor::Sleep;
use super::gitlab::GitlabState;
use super::mix::Mix;
use super::queue::LaunchQueue;
use super::story::Story;
use super::tally::{Tally, Trouble};
use super::watch::Watch;
use super::work::{TaskId, Work};

/// Something that happens in the world by itself.
pub(super) enum Event {
    /// Somebody pushes: a pipeline begins.
    Push,
    /// A runner of somebody else looks for this job.
    Theft(JobId),
    /// The job that a runner of somebody else has is over.
    TheftOver(JobId),
    /// Somebody cancels the job.
    Cancel(JobId),
    /// Somebody retries the job.
    Retry(JobId),
    /// Somebody has seen that the job was given up.
    Mend(JobId),
    /// GitLab notices that nothing was heard of a running job for an hour.
    Stuck(JobId),
    /// Something is to be done: an event came in, or is tried again.
    Begin(Box<Work>),
    /// The time of some tasks of production code may be over.
    Reap,
    /// Messages may be visible in the launch queue.
    Poll,
    /// A machine or function has booted.
    Boot(Which),
    /// The agent looks for its assignment.
    Read(Which),
    /// The agent was told nothing.
    GiveUp(Which),
    /// The agent asks GitLab for a job.
    Ask(Which),
    /// The script of the job is over.
    ScriptOver(Which, JobId),
    /// The agent's time is over.
    Deadline(Which),
    /// The agent ends its machine.
    Off(Which),
    /// AWS says that it takes a machine back.
    Interrupted(Which),
    /// The machine dies.
    Dies(Which),
    /// From now on the machine does nothing any more.
    Hangs(Which),
    /// The reconciler's time has come.
    Pass,
    /// GitLab looks for jobs that have waited for a day.
    Sweep,
}

/// One world.
pub(super) struct Sim {
    pub(super) agenda: Agenda,
    pub(super) chance: Chance,
    pub(super) mix: Mix,
    pub(super) gitlab: GitlabState,
    pub(super) computes: Computes,
    pub(super) queue: LaunchQueue,
    pub(super) outages: Outages,
    pub(super) watch: Watch,
    pub(super) tally: Tally,
    pub(super) story: Story,
    /// What is to be begun before time goes on.
    pub(super) begun: Vec<Work>,
    /// The task that runs just now.
    pub(super) current: TaskId,
    /// True if the task that runs just now has died.
    pub(super) is_dead: bool,
}

impl Sim {
    pub(super) fn now(&self) -> Moment {
        self.agenda.now()
    }

    pub(super) fn at(&mut self, at: Moment, event: Event) {
        self.agenda.put(at, Due::Happens(event));
    }

    pub(super) fn after(&mut self, wait: Moment, event: Event) {
        self.at(self.now() + wait, event);
    }

    /// True in this part of all cases; then the fault is counted.
    pub(super) fn strikes(&mut self, rate: f64, trouble: Trouble) -> bool {
        let strikes = self.chance.happens(rate);
        if strikes {
            self.tally.trouble(trouble);
        }
        strikes
    }
}

/// A time in which something is out of order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outage {
    pub(super) from: Moment,
    pub(super) until: Moment,
}

/// When what is out of order; drawn once, because the world's length does not depend on it.
#[derive(Debug, Default)]
pub(super) struct Outages {
    pub(super) gitlab: Vec<Outage>,
    pub(super) hook: Vec<Outage>,
    pub(super) spot: Vec<Outage>,
    pub(super) on_demand: Vec<Outage>,
}

impl Outages {
    /// The outages of a world in which jobs begin for so long.
    pub(super) fn draw(chance: &mut Chance, mix: &Mix, length: Moment) -> Self {
        let mut some = |rate: f64, low: Moment, high: Moment| {
            let mut drawn = Vec::new();
            let mut from = 0;
            while from < length {
                from += 5 * MINUTE;
                if chance.happens(rate / 12.0) {
                    let until = from + chance.between(low, high);
                    drawn.push(Outage { from, until });
                    from = until;
                }
            }
            drawn
        };
        Self {
            gitlab: some(mix.gitlab_down_an_hour, MINUTE, 6 * MINUTE),
            hook: some(mix.hook_disabled_an_hour, 2 * MINUTE, 10 * MINUTE),
            spot: some(mix.shortages_an_hour, 3 * MINUTE, 20 * MINUTE),
            on_demand: some(mix.shortages_an_hour / 4.0, MINUTE, 5 * MINUTE),
        }
    }

    /// The end of the outage, if there is one now.
    pub(super) fn end(outages: &[Outage], now: Moment) -> Option<Moment> {
        outages.iter().find(|outage| (outage.from..outage.until).contains(&now)).map(|outage| outage.until)
    }
}

impl Sim {
    /// The end of GitLab's outage, if it is down.
    pub(super) fn gitlab_down_until(&self) -> Option<Moment> {
        Outages::end(&self.outages.gitlab, self.now())
    }

    /// Sends a webhook on its way, or loses it.
    pub(super) fn deliver(&mut self, event: JobEvent) {
        if Outages::end(&self.outages.hook, self.now()).is_some() {
            self.tally.trouble(Trouble::HookDisabled);
            self.story.tell_job(self.now(), event.key.job, || {
                format!("webhook `{}`: the hook is disabled", event.status)
            });
            return;
        }
        if self.strikes(self.mix.webhooks_lost, Trouble::WebhookLost) {
            self.story.tell_job(self.now(), event.key.job, || format!("webhook `{}` is lost", event.status));
            return;
        }
        let event = Arc::new(event);
        if self.strikes(self.mix.webhooks_repeated, Trouble::WebhookRepeated) {
            self.bring(Arc::clone(&event));
        }
        self.bring(event);
    }

    fn bring(&mut self, event: Arc<JobEvent>) {
        let late = if self.strikes(self.mix.webhooks_late, Trouble::WebhookLate) {
            self.chance.between(0, 2 * MINUTE)
        } else {
            0
        };
        let wait = self.chance.between(SECOND / 5, SECOND) + late;
        let at = self.now() + wait;
        let mut event = event;
        Arc::make_mut(&mut event).received_at = timestamp(at);
        self.at(at, Event::Begin(Box::new(Work::Event { event, tries: 0 })));
    }
}

/// A world, as those hold it who live in it.
#[derive(Clone)]
pub(super) struct World(Arc<Mutex<Sim>>);

impl World {
    pub(super) fn new(sim: Sim) -> Self {
        Self(Arc::new(Mutex::new(sim)))
    }

    /// Its state. Nobody else has it meanwhile: a world has one thread.
    pub(super) fn lock(&self) -> MutexGuard<'_, Sim> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits in the world's time.
    pub(super) fn sleep(&self, wait: Moment) -> Sleep<'_> {
        Sleep::new(self, wait)
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        timestamp(self.lock().now())
    }
}
