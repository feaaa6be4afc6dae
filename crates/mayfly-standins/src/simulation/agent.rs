//! The agent of a runner: what it does from its start until its machine ends.

use mayfly_core::decide::MachineState;
use mayfly_core::ids::JobId;
use mayfly_core::mapping::TargetType;

use super::agenda::{MINUTE, Moment, SECOND};
use super::compute::{Cause, Life, Which};
use super::gitlab::{BEFORE_SCRIPT, Job, Request, Status};
use super::sim::{Event, Sim};
use super::tally::{Fact, Trouble};

/// How long an agent looks for its assignment.
const TOLD_WITHIN: Moment = MINUTE;
/// How often it asks GitLab for a job.
const ASKS_EVERY: Moment = 5 * SECOND;
/// How long Lambda lets a function run.
pub(super) const LONGEST_INVOCATION: Moment = 15 * MINUTE;

impl Sim {
    fn life(&self, which: Which) -> Life {
        self.computes.get(which).life
    }

    /// The agent starts.
    pub(super) fn boot(&mut self, which: Which) {
        if self.life(which) != Life::Booting {
            return;
        }
        let now = self.now();
        if self.computes.get(which).name.target == TargetType::Lambda {
            self.computes.get_mut(which).hard_end = now + LONGEST_INVOCATION;
            self.at(now + LONGEST_INVOCATION, Event::Dies(which));
            self.begin_asking(which);
            return;
        }
        self.computes.get_mut(which).life = Life::Waiting;
        self.story.tell_compute(now, which, || "its agent is up".to_owned());
        self.read(which);
        self.after(TOLD_WITHIN, Event::GiveUp(which));
    }

    /// The agent looks for its assignment, and takes it.
    pub(super) fn read(&mut self, which: Which) {
        if self.life(which) != Life::Waiting {
            return;
        }
        let Some(brief) = self.computes.assignments.remove(&which) else { return };
        self.computes.get_mut(which).brief = Some(brief);
        let now = self.now();
        self.tell_news(which, MachineState::AssignmentRead, now);
        self.begin_asking(which);
    }

    /// Nobody told the agent what it is for.
    pub(super) fn give_up(&mut self, which: Which) {
        self.read(which);
        if self.life(which) == Life::Waiting {
            self.end(which, Cause::Agent);
        }
    }

    fn begin_asking(&mut self, which: Which) {
        let now = self.now();
        let Some(brief) = self.computes.get(which).brief else { return };
        self.computes.get_mut(which).life = Life::Asking(now + brief.wait);
        self.story.tell_compute(now, which, || {
            format!("its agent asks for jobs with registration {}", brief.registration)
        });
        self.at(brief.deadline, Event::Deadline(which));
        let wait = self.chance.between(SECOND, 3 * SECOND);
        self.after(wait, Event::Ask(which));
    }

    /// The agent asks for a job.
    pub(super) fn ask_for_job(&mut self, which: Which) {
        let (Life::Asking(until), Some(brief)) = (self.life(which), self.computes.get(which).brief) else {
            return;
        };
        let now = self.now();
        match self.request_job(brief.registration) {
            Request::Job(job) => self.begin_job(which, job),
            Request::Forbidden => {
                self.story.tell_compute(now, which, || "GitLab refuses its token".to_owned());
                self.leave_compute(which);
            }
            _ if now >= until => {
                self.story.tell_compute(now, which, || "no job came".to_owned());
                self.leave_compute(which);
            }
            Request::Silence | Request::Nothing => self.after(ASKS_EVERY, Event::Ask(which)),
        }
    }

    fn begin_job(&mut self, which: Which, job: JobId) {
        let now = self.now();
        let compute = self.computes.get_mut(which);
        compute.life = Life::Busy(job);
        compute.had_job = true;
        let is_robbed = compute.brief.and_then(|brief| brief.job).is_some_and(|own| own != job);
        self.tally.fact(Fact::JobsRun);
        if is_robbed {
            self.tally.fact(Fact::Robbed);
        }
        self.story.tell_both(now, job, which, || "it has the job".to_owned());
        let script = self.gitlab.job(job).map_or(0, |job| job.script);
        self.after(script, Event::ScriptOver(which, job));
        if self.chance.happens(self.mix.canceled_running) {
            let is_early = self.chance.happens(0.5);
            let wait = self.chance.between(0, if is_early { BEFORE_SCRIPT } else { script });
            self.after(wait, Event::Cancel(job));
        }
    }

    /// GitLab tells a job's runner that it is canceled.
    pub(super) fn tell_runner(&mut self, job: JobId) {
        let busy =
            self.computes.live().find(|(_, compute)| compute.life == Life::Busy(job)).map(|(which, _)| which);
        match busy {
            Some(which) => {
                let wait = self.chance.between(2 * SECOND, 10 * SECOND);
                self.after(wait, Event::ScriptOver(which, job));
            }
            // Nobody is there to hear of it.
            None => self.watch_silent(job),
        }
    }

    /// The job's script is over, or was stopped: GitLab is told, then the runner leaves.
    pub(super) fn script_over(&mut self, which: Which, job: JobId) {
        if self.life(which) != Life::Busy(job) {
            return;
        }
        if let Some(until) = self.gitlab_down_until() {
            let wait = self.chance.between(SECOND, 10 * SECOND);
            self.at(until + wait, Event::ScriptOver(which, job));
            return;
        }
        let is_begun = self.gitlab.job(job).is_some_and(Job::has_begun);
        self.report(job);
        if is_begun {
            self.leave_compute(which);
        } else {
            let now = self.now();
            self.story.tell_compute(now, which, || "its job was canceled before it began".to_owned());
            self.tally.fact(Fact::NotBegun);
            self.begin_asking(which);
        }
    }

    /// The agent's time is over, whatever it does.
    pub(super) fn deadline(&mut self, which: Which) {
        match self.life(which) {
            Life::Busy(job) => {
                if self.gitlab_down_until().is_none() {
                    self.finish_job(job, Status::Failed);
                } else {
                    self.watch_silent(job);
                }
                self.leave_compute(which);
            }
            Life::Asking(_) => self.leave_compute(which),
            _ => {}
        }
    }

    /// The agent removes its registration, and ends its machine.
    fn leave_compute(&mut self, which: Which) {
        self.computes.get_mut(which).life = Life::Leaving;
        let forgets = self.strikes(self.mix.registrations_left, Trouble::RegistrationLeft);
        if let (Some(brief), false) = (self.computes.get(which).brief, forgets)
            && !self.leave(brief.registration)
        {
            self.tally.trouble(Trouble::RegistrationLeft);
        }
        let wait = self.chance.between(SECOND, 4 * SECOND);
        self.after(wait, Event::Off(which));
    }

    /// The machine does nothing any more.
    pub(super) fn hang(&mut self, which: Which) {
        let compute = self.computes.get_mut(which);
        // Lambda ends what hangs.
        if compute.is_alive() && compute.launch.is_some() {
            compute.life = Life::Hung;
            self.silence(which);
            let now = self.now();
            self.story.tell_compute(now, which, || "it hangs".to_owned());
        }
    }

    /// AWS is about to take the machine back.
    pub(super) fn interrupt(&mut self, which: Which) {
        if self.computes.get(which).is_alive() {
            let now = self.now();
            self.tell_news(which, MachineState::Interrupted, now);
        }
    }
}
