//! What runners run on: EC2's machines and Lambda's environments.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::time::Duration;

use mayfly_core::decide::{MachineNews, MachineState};
use mayfly_core::ids::{JobId, ResourceId, RunnerId};
use mayfly_core::launch::ClientToken;
use mayfly_core::machine::Market;
use mayfly_core::mapping::TargetType;
use mayfly_core::runner_name::RunnerName;

use crate::ec2::TokenBucket;

use super::agenda::{MINUTE, Moment, SECOND, timestamp};
use super::sim::{Event, Sim};
use super::tally::{Fact, Trouble};
use super::work::Work;

/// One machine, or one environment of Lambda for one invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Which(pub(super) usize);

impl fmt::Display for Which {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "#{}", self.0)
    }
}

/// Where a runner is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Booting,
    /// Its agent looks for its assignment.
    Waiting,
    /// Its agent asks for jobs until then.
    Asking(Moment),
    /// It has a job.
    Busy(JobId),
    /// Its agent has done its work, and is about to end the machine.
    Leaving,
    /// It lives, and does nothing any more.
    Hung,
    Gone,
}

/// What an agent was told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Brief {
    pub(super) registration: RunnerId,
    pub(super) wait: Moment,
    pub(super) deadline: Moment,
    /// The job it was told for.
    pub(super) job: Option<JobId>,
}

#[derive(Debug)]
pub(super) struct Compute {
    pub(super) name: RunnerName,
    pub(super) life: Life,
    /// When it must be gone.
    pub(super) hard_end: Moment,
    /// When EC2 lists it, and knows it by its id.
    pub(super) known_at: Moment,
    /// The call that started it, and the deadline it names.
    pub(super) launch: Option<(ClientToken, Moment)>,
    pub(super) brief: Option<Brief>,
    pub(super) had_job: bool,
}

impl Compute {
    pub(super) fn is_alive(&self) -> bool {
        self.life != Life::Gone
    }
}

/// All compute of a world.
#[derive(Debug)]
pub(super) struct Computes {
    all: Vec<Compute>,
    by_resource: HashMap<ResourceId, Which>,
    live: BTreeSet<Which>,
    /// The assignments that machines have not read.
    pub(super) assignments: HashMap<Which, Brief>,
    /// How often machines may be asked for.
    limit: TokenBucket,
}

impl Default for Computes {
    /// The limit as AWS's guide gives it for `RunInstances` ("Request throttling for the Amazon EC2 API"); that of
    /// `CreateFleet` is not published.
    fn default() -> Self {
        Self {
            all: Vec::new(),
            by_resource: HashMap::new(),
            live: BTreeSet::new(),
            assignments: HashMap::new(),
            limit: TokenBucket::new(5, 2),
        }
    }
}

impl Computes {
    pub(super) fn get(&self, which: Which) -> &Compute {
        &self.all[which.0]
    }

    pub(super) fn get_mut(&mut self, which: Which) -> &mut Compute {
        &mut self.all[which.0]
    }

    /// The compute of this name. A function may be invoked twice under one: the last.
    pub(super) fn find(&self, name: &RunnerName) -> Option<Which> {
        self.by_resource.get(&name.resource).copied()
    }

    /// False if there were too many calls lately.
    pub(super) fn may_create_fleet(&mut self, now: Moment) -> bool {
        self.limit.take(1, Duration::from_millis(now))
    }

    /// The compute that lives and has this registration, or has it waiting.
    pub(super) fn registered(&self, registration: RunnerId) -> Option<Which> {
        let has = |brief: &Brief| brief.registration == registration;
        self.live().find(|(_, compute)| compute.brief.as_ref().is_some_and(has)).map(|(which, _)| which)
    }

    /// What an agent was told or is about to be.
    pub(super) fn brief(&self, which: Which) -> Option<Brief> {
        self.get(which).brief.or_else(|| self.assignments.get(&which).copied())
    }

    pub(super) fn machine(&self, id: &ResourceId) -> Option<Which> {
        self.by_resource.get(id).copied()
    }

    /// All that live.
    pub(super) fn live(&self) -> impl Iterator<Item = (Which, &Compute)> {
        self.live.iter().map(|which| (*which, self.get(*which)))
    }

    pub(super) fn add(&mut self, compute: Compute) -> Which {
        let which = Which(self.all.len());
        self.by_resource.insert(compute.name.resource.clone(), which);
        self.live.insert(which);
        self.all.push(compute);
        which
    }
}

/// How a machine or an environment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Its agent ended it.
    Agent,
    /// A call of ours ended it.
    Us,
    /// It died.
    Died,
}

impl Sim {
    /// A machine comes to be.
    pub(super) fn add_machine(
        &mut self,
        market: Market,
        launch: ClientToken,
        deadline: Moment,
        hard_end: Moment,
    ) -> ResourceId {
        let now = self.now();
        let id = loop {
            let text = format!("i-0{:016x}", self.chance.number());
            // What is made of digits and letters is an id.
            if let Ok(id) = ResourceId::new(text)
                && self.computes.machine(&id).is_none()
            {
                break id;
            }
        };
        let is_known_late = self.chance.happens(self.mix.index_lags);
        let lag = if is_known_late { self.chance.between(SECOND, MINUTE) } else { 0 };
        let which = self.computes.add(Compute {
            name: RunnerName { target: TargetType::Ec2, resource: id.clone() },
            life: Life::Booting,
            hard_end,
            known_at: now + lag,
            launch: Some((launch, deadline)),
            brief: None,
            had_job: false,
        });
        self.tally.fact(Fact::MachinesStarted);
        self.story.tell_compute(now, which, || format!("machine {id} starts ({market:?})"));
        let runs = self.chance.between(5 * SECOND, 20 * SECOND);
        self.tell_news(which, MachineState::Running, now + runs);
        if self.strikes(self.mix.machines_never_up, Trouble::MachineNeverUp) {
            self.computes.get_mut(which).life = Life::Hung;
        } else {
            let boot = self.chance.between(20 * SECOND, 90 * SECOND);
            self.after(boot, Event::Boot(which));
        }
        self.draw_fate(which, market == Market::Spot);
        id
    }

    /// Whether, when and how it dies before its time.
    pub(super) fn draw_fate(&mut self, which: Which, is_spot: bool) {
        let now = self.now();
        if self.strikes(self.mix.machines_dying, Trouble::MachineDied) {
            let at = now + self.chance.mostly_short(SECOND, 20 * MINUTE);
            if is_spot && self.chance.happens(0.5) {
                self.at(at.saturating_sub(2 * MINUTE), Event::Interrupted(which));
            }
            self.at(at, Event::Dies(which));
        }
        if self.strikes(self.mix.machines_hung, Trouble::MachineHung) {
            let at = now + self.chance.mostly_short(SECOND, 20 * MINUTE);
            self.at(at, Event::Hangs(which));
        }
    }

    /// A machine or an environment ends.
    pub(super) fn end(&mut self, which: Which, cause: Cause) {
        let now = self.now();
        let compute = self.computes.get_mut(which);
        if !compute.is_alive() {
            return;
        }
        let life = std::mem::replace(&mut compute.life, Life::Gone);
        let (hard_end, had_job, is_machine) = (compute.hard_end, compute.had_job, compute.launch.is_some());
        let was_told = compute.brief.is_some();
        self.computes.live.remove(&which);
        self.story.tell_compute(now, which, || format!("ends ({cause:?}), it was {life:?}"));
        if is_machine && !was_told {
            self.tally.fact(Fact::MachinesIdle);
        } else if !had_job {
            self.tally.fact(Fact::RunnersIdle);
        }
        self.watch.check_life(which, now, hard_end);
        self.silence(which);
        if is_machine {
            self.tell_news(which, MachineState::ShuttingDown, now);
            let gone = now + self.chance.between(5 * SECOND, 40 * SECOND);
            self.tell_news(which, MachineState::Terminated, gone);
        }
    }

    /// From now on GitLab hears nothing of the runner's job, if it has one.
    pub(super) fn silence(&mut self, which: Which) {
        let Some(registration) = self.computes.get(which).brief.map(|brief| brief.registration) else {
            return;
        };
        let jobs = self.gitlab.jobs_on(registration);
        for job in jobs {
            self.watch_silent(job);
        }
    }

    /// News of a machine, as they come to the dispatcher.
    pub(super) fn tell_news(&mut self, which: Which, state: MachineState, at: Moment) {
        if self.strikes(self.mix.news_lost, Trouble::NewsLost) {
            self.story.tell_compute(at, which, || format!("news {state:?} are lost"));
            return;
        }
        let news =
            MachineNews { id: self.computes.get(which).name.resource.clone(), state, at: timestamp(at) };
        let times = if self.strikes(self.mix.news_repeated, Trouble::NewsRepeated) { 2 } else { 1 };
        for _ in 0..times {
            let is_late = self.strikes(self.mix.news_late, Trouble::NewsLate);
            let wait = if is_late {
                self.chance.between(0, MINUTE)
            } else {
                self.chance.between(SECOND, 3 * SECOND)
            };
            self.at(at + wait, Event::Begin(Box::new(Work::News { news: news.clone(), tries: 0 })));
        }
    }
}
