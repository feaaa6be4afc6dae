//! What must hold at every moment, and what was seen so far that it takes to tell.

use std::collections::{BTreeMap, HashMap};

use mayfly_core::ids::{JobId, RunnerId};
use mayfly_core::launch::ClientToken;
use mayfly_core::ledger::{LedgerRecord, LedgerState};
use mayfly_core::status::Rank;

use super::agenda::{MINUTE, Moment};
use super::compute::{Life, Which};
use super::gitlab::FIRST_JOB;
use super::machines::Launches;
use super::sim::Sim;
use super::work::TaskId;

/// How long after its time compute may live that only the reconciler can end: it waits a minute and a half, passes are a
/// minute apart, and one or two of them may fail.
const SLACK: Moment = 10 * MINUTE;

/// What must hold and does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// What must hold.
    pub invariant: &'static str,
    /// What is.
    pub words: String,
    /// The job it is about.
    pub job: Option<JobId>,
    /// The compute it is about.
    pub(super) which: Option<Which>,
}

/// A write of a task about a job that took effect.
#[derive(Debug, Clone, Copy)]
struct Write {
    job: JobId,
    at: Moment,
    attempt: u32,
    step: u32,
}

/// What was seen.
#[derive(Default)]
pub(super) struct Watch {
    /// The first thing that does not hold.
    pub(super) broken: Option<Broken>,
    /// The longest life of the runners of each mapping, in seconds.
    pub(super) lives: HashMap<String, u32>,
    /// Calls for machines that were made.
    pub(super) launches: Launches,
    /// The runners started for each launch step.
    steps: HashMap<ClientToken, Vec<Which>>,
    /// The last write of each task about each job.
    writes: BTreeMap<TaskId, Vec<Write>>,
    jobs: Vec<Followed>,
    /// What is asked of the world besides.
    pub(super) probe: Probe,
}

/// What the ledger was told of one job.
#[derive(Debug, Default)]
struct Followed {
    /// When it was first claimed for each call for machines.
    claimed: Vec<(ClientToken, Moment)>,
    /// When its end was written down.
    over: Option<Moment>,
    is_parked: bool,
}

/// A webhook that is lost on purpose, and what comes of it.
#[derive(Debug, Default)]
pub(super) struct Probe {
    /// From when on the next `pending` is to be lost, if its project has had jobs before.
    pub(super) loses_from: Option<Moment>,
    /// The job whose `pending` was lost.
    pub(super) lost: Option<JobId>,
    /// True once a runner is to be started for it.
    pub(super) is_served: bool,
}

impl Watch {
    /// Notes that something does not hold, if it is the first.
    pub(super) fn breaks(
        &mut self,
        invariant: &'static str,
        job: Option<JobId>,
        which: Option<Which>,
        words: impl FnOnce() -> String,
    ) {
        if self.broken.is_none() {
            self.broken = Some(Broken { invariant, words: words(), job, which });
        }
    }

    pub(super) fn check_life(&mut self, which: Which, now: Moment, hard_end: Moment) {
        if now > hard_end + SLACK {
            self.breaks("no compute lives longer than its hard maximum", None, Some(which), || {
                format!("compute {which} lived for {} s longer", (now - hard_end) / 1000)
            });
        }
    }

    /// Forgets what a task wrote that is over.
    pub(super) fn task_over(&mut self, task: TaskId) {
        self.writes.remove(&task);
    }

    fn followed(&mut self, job: JobId) -> &mut Followed {
        let place = usize::try_from(job.0.saturating_sub(FIRST_JOB)).unwrap_or(0);
        if place >= self.jobs.len() {
            self.jobs.resize_with(place + 1, Followed::default);
        }
        &mut self.jobs[place]
    }

    fn write_of(&self, task: TaskId, job: JobId) -> Option<&Write> {
        self.writes.get(&task)?.iter().find(|write| write.job == job)
    }
}

impl Sim {
    /// A record was written.
    pub(super) fn written(&mut self, record: &LedgerRecord) {
        let (now, task, job) = (self.now(), self.current, record.key.job);
        let followed = self.watch.followed(job);
        if record.rank == Rank::Finished {
            followed.over.get_or_insert(now);
        }
        if record.state == LedgerState::Parked && !std::mem::replace(&mut followed.is_parked, true) {
            self.hear_of_parked(job);
        }
        if self.watch.probe.lost == Some(job) && record.state == LedgerState::Claimed {
            self.watch.probe.is_served = true;
        }
        if let Some(claim) = &record.claim {
            let write = Write { job, at: now, attempt: claim.attempt, step: claim.step };
            let writes = self.watch.writes.entry(task).or_default();
            match writes.iter_mut().find(|write| write.job == job) {
                Some(known) => *known = write,
                None => writes.push(write),
            }
            if let (LedgerState::Claimed, Some(fleet)) = (record.state, &claim.fleet) {
                let claimed = &mut self.watch.followed(job).claimed;
                if claimed.iter().all(|(known, _)| known != fleet) {
                    claimed.push((fleet.clone(), now));
                }
            }
        }
        self.story.tell_job(now, job, || {
            let last = record.transitions.last().map_or("", |last| last.reason.as_str());
            let runner = record.runner.as_ref().map(|runner| {
                format!(
                    "; runner {} took {:?} ended {:?}",
                    runner.name,
                    runner.took.as_ref().map(|took| took.job),
                    runner.ended.as_ref().map(|ended| &ended.reason)
                )
            });
            let claim = record.claim.as_ref().map(|claim| {
                format!(
                    "; {}.{} until {} registered {:?}",
                    claim.attempt, claim.step, claim.lease_until, claim.registered
                )
            });
            format!(
                "[task {task}] record: {} {:?} v{}: {last}{}{}",
                record.state,
                record.rank,
                record.version + 1,
                claim.unwrap_or_default(),
                runner.unwrap_or_default()
            )
        });
    }

    /// The job whose launch step has this token, of those this task has written about.
    pub(super) fn job_of_step(&self, token: &ClientToken) -> Option<JobId> {
        let writes = self.watch.writes.get(&self.current)?;
        writes.iter().find(|write| self.token_of(write).as_ref() == Some(token)).map(|write| write.job)
    }

    fn token_of(&self, write: &Write) -> Option<ClientToken> {
        let job = self.gitlab.job(write.job)?;
        Some(ClientToken::new(&self.gitlab.key(job), write.attempt, write.step))
    }

    /// A runner is started for a job: its end must not have been written down before the claim for it was.
    pub(super) fn check_start(&mut self, job: JobId) {
        let written = self.watch.write_of(self.current, job).map(|write| write.at);
        self.check_started_after(job, written);
    }

    /// As [`check_start`](Self::check_start), for a machine. The call for it may be a repetition of one that was written down
    /// before: it starts a machine for every member, also for one whose job is over by now.
    pub(super) fn check_machine_start(&mut self, job: JobId, fleet: &ClientToken) {
        let claimed = &self.watch.followed(job).claimed;
        let written = claimed.iter().find(|(known, _)| known == fleet).map(|(_, at)| *at);
        self.check_started_after(job, written);
    }

    fn check_started_after(&mut self, job: JobId, written: Option<Moment>) {
        let invariant = "nothing is started for a job after its final event was handled";
        match (self.watch.followed(job).over, written) {
            (_, None) => self.watch.breaks("nothing is started without a claim", Some(job), None, || {
                format!("a runner is started for job {job}, for which there is no claim")
            }),
            (Some(over), Some(written)) if written > over => {
                self.watch.breaks(invariant, Some(job), None, || {
                    format!("job {job} was over at {over} ms, was claimed at {written} ms, and a runner is started for it")
                });
            }
            _ => {}
        }
    }

    /// A machine was told a job.
    pub(super) fn check_step_of_machine(&mut self, which: Which, job: JobId) {
        let token = self.watch.write_of(self.current, job).and_then(|write| self.token_of(write));
        if let Some(token) = token {
            self.check_step(&token, which, Some(job));
        }
    }

    /// A runner was started for a step: no other of the same step may live.
    pub(super) fn check_step(&mut self, token: &ClientToken, which: Which, job: Option<JobId>) {
        let of_step = self.watch.steps.entry(token.clone()).or_default();
        if !of_step.contains(&which) {
            of_step.push(which);
        }
        let others = self.watch.steps.get(token).into_iter().flatten().filter(|other| **other != which);
        let other = others.copied().find(|other| self.is_live_runner(*other));
        if let Some(other) = other {
            self.watch.breaks("no job has two live runners of one launch step", job, Some(which), || {
                format!("{which} and {other} both live and are registered")
            });
        }
    }

    fn is_live_runner(&self, which: Which) -> bool {
        let is_registered = self
            .computes
            .brief(which)
            .is_some_and(|brief| self.gitlab.registrations.contains_key(&brief.registration));
        self.computes.get(which).is_alive() && is_registered
    }

    /// We end a machine: it must have no job, unless its time is over.
    pub(super) fn check_not_busy(&mut self, which: Which) {
        let now = self.now();
        let compute = self.computes.get(which);
        if let (Life::Busy(job), Some(brief)) = (compute.life, compute.brief)
            && self.has_running(job, brief.registration)
            && now < compute.hard_end
        {
            self.watch.breaks("no busy runner is ended early", Some(job), Some(which), || {
                format!("{which} is ended by us while it has job {job}")
            });
        }
    }

    /// A registration is removed by us. Its runner must have no job, unless its time is over: it may finish it all the same, but
    /// nobody would be told any more which job is on it.
    pub(super) fn unregister(&mut self, registration: RunnerId) {
        let now = self.now();
        if let Some(which) = self.computes.registered(registration) {
            self.story.tell_compute(now, which, || format!("registration {registration} is removed by us"));
            let compute = self.computes.get(which);
            if let Life::Busy(job) = compute.life
                && self.has_running(job, registration)
                && now < compute.hard_end
            {
                self.watch.breaks("no busy runner loses its registration", Some(job), Some(which), || {
                    format!("registration {registration} of {which} is removed while it has job {job}")
                });
            }
        }
        self.gitlab.registrations.remove(&registration);
    }
}
