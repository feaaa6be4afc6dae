//! When the runner is told to end, when it is killed, and how it ended: a pure state machine.
//!
//! Events go in with the time, actions come out. Nothing here waits, signals or reads a clock.

use jiff::{SignedDuration, Timestamp};
use mayfly_core::decide::{RunnerEnd, RunnerOutcome};
use mayfly_core::ids::JobId;

use crate::log_line::{JobVerdict, LineFacts};
use crate::settings::{AgentTimings, StopRequest};

/// A runner is killed at the latest this long before its deadline: what comes after needs a moment too.
const MARGIN: SignedDuration = SignedDuration::from_secs(2);

/// How long a killed runner may take to be gone before the agent no longer waits for it.
const KILLED_IS_GONE_WITHIN: SignedDuration = SignedDuration::from_secs(5);

/// The moments at which something is done to a runner.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Without a job by then, it is told to end.
    give_up_waiting_at: Timestamp,
    /// It is told to end then, whatever it does.
    terminate_at: Timestamp,
    /// It is killed by then.
    kill_by: Timestamp,
    term_before_deadline: SignedDuration,
    kill_job_after_term: SignedDuration,
    kill_after_term: SignedDuration,
    quit_grace: SignedDuration,
}

/// What happens to a supervised runner. Time passes with every event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// It wrote a line to its log.
    Line(LineFacts),
    /// Nothing but time.
    TimePassed,
    /// GitLab was asked about its token.
    TokenChecked(TokenCheck),
    /// The agent was told to stop, now or after the job.
    Stopped(StopRequest),
    /// The machine will be taken away at this time.
    MachineLeaves(Timestamp),
}

/// What GitLab says of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenCheck {
    /// It is good.
    Accepted,
    /// It is not, and will not be.
    Refused,
    /// GitLab did not say.
    Unknown,
}

/// What to do to a supervised runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Remove its configuration file: it has been read.
    RemoveConfig,
    /// Ask GitLab about its token.
    CheckToken,
    /// Send it SIGQUIT: it takes no job any more and finishes the one it has.
    Quit,
    /// Say in its job's log why the job is stopped.
    Explain(Reason),
    /// Send it SIGTERM.
    Terminate,
    /// Send SIGKILL to everything it started, but not to itself: it has yet to report its job.
    KillJob,
    /// Send it SIGKILL.
    Kill,
    /// Wait for it no longer.
    Abandon,
}

/// Why a runner was told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// No job came.
    NoJob,
    /// GitLab refuses its token.
    TokenRefused,
    /// Its time is over.
    Deadline,
    /// The agent was told to stop.
    Stopped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// It leaves after its job, or when it next looks for one.
    Quitting,
    Leaving {
        reason: Reason,
        /// `None` without a job, and once it is done.
        kill_job_at: Option<Timestamp>,
        kill_at: Timestamp,
    },
    Killed {
        reason: Reason,
        abandon_at: Timestamp,
    },
    Abandoned {
        reason: Reason,
    },
}

/// What is known of one runner.
#[derive(Debug)]
pub(crate) struct Supervisor {
    plan: Plan,
    phase: Phase,
    job: Option<JobId>,
    job_is_over: bool,
    config_is_there: bool,
    is_checking_token: bool,
}

impl Plan {
    /// The plan for a runner that starts now.
    pub(crate) fn new(
        now: Timestamp,
        wait_timeout: SignedDuration,
        deadline: Timestamp,
        timings: &AgentTimings,
    ) -> Self {
        let signed = |duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        let idle = wait_timeout.saturating_add(signed(timings.idle_grace));
        let term_before_deadline = signed(timings.term_before_deadline);
        Self {
            give_up_waiting_at: later(now, idle),
            terminate_at: earlier(deadline, term_before_deadline),
            kill_by: earlier(deadline, MARGIN),
            term_before_deadline,
            kill_job_after_term: signed(timings.kill_job_after_term),
            kill_after_term: signed(timings.kill_after_term),
            quit_grace: signed(timings.quit_grace),
        }
    }

    /// Has everything done in time for this deadline too.
    fn shorten(&mut self, deadline: Timestamp) {
        self.terminate_at = self.terminate_at.min(earlier(deadline, self.term_before_deadline));
        self.kill_by = self.kill_by.min(earlier(deadline, MARGIN));
    }

    /// True if no time is left to run anything.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        now >= self.terminate_at
    }
}

impl Supervisor {
    /// A runner that was just started.
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            plan,
            phase: Phase::Running,
            job: None,
            job_is_over: false,
            config_is_there: true,
            is_checking_token: false,
        }
    }

    /// Takes in an event and says what to do.
    pub(crate) fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Line(facts) => self.handle_line(facts, now, &mut actions),
            Event::TimePassed | Event::Stopped(StopRequest::None) => {}
            Event::TokenChecked(check) => {
                self.is_checking_token = false;
                if check == TokenCheck::Refused && self.job.is_none() {
                    self.leave(Reason::TokenRefused, now, &mut actions);
                }
            }
            Event::Stopped(StopRequest::AfterJob) => self.quit(&mut actions),
            Event::Stopped(StopRequest::Now) => self.leave(Reason::Stopped, now, &mut actions),
            Event::MachineLeaves(deadline) => self.hurry(deadline, now, &mut actions),
        }
        self.pass_time(now, &mut actions);
        actions
    }

    /// Takes in a line that is read after the runner's end.
    pub(crate) fn learn(&mut self, facts: LineFacts) {
        if let Some(job) = facts.job
            && self.job != Some(job)
        {
            // A job that was canceled before its script began does not count: another one may follow.
            self.job = Some(job);
            self.job_is_over = false;
        }
        match facts.verdict {
            Some(JobVerdict::Succeeded) => self.job_is_over = true,
            // A runner that was told to end reports its job as failed because of that.
            Some(JobVerdict::Failed) => self.job_is_over |= self.is_left_alone(),
            None => {}
        }
    }

    /// When [`Event::TimePassed`] must come next; `None` if nothing is planned.
    pub(crate) fn wake_at(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Running | Phase::Quitting if self.job.is_none() => {
                Some(self.plan.give_up_waiting_at.min(self.plan.terminate_at))
            }
            Phase::Running | Phase::Quitting => Some(self.plan.terminate_at),
            Phase::Leaving { kill_job_at, kill_at, .. } => {
                Some(kill_job_at.map_or(kill_at, |kill_job_at| kill_job_at.min(kill_at)))
            }
            Phase::Killed { abandon_at, .. } => Some(abandon_at),
            Phase::Abandoned { .. } => None,
        }
    }

    /// How the runner ended, once it has: `exit_code` is `None` if a signal ended it or nobody knows.
    pub(crate) fn end(&self, exit_code: Option<i32>) -> RunnerEnd {
        let reason = match self.phase {
            Phase::Running | Phase::Quitting => None,
            Phase::Leaving { reason, .. } | Phase::Killed { reason, .. } | Phase::Abandoned { reason } => {
                Some(reason)
            }
        };
        let outcome = match (reason, self.job) {
            _ if self.job_is_over => RunnerOutcome::JobDone,
            (Some(Reason::Deadline), _) => RunnerOutcome::Deadline,
            (Some(Reason::Stopped), _) => RunnerOutcome::Stopped,
            // `gitlab-runner` exits with 0 whether or not its job passed, and with 1 if it was held up at its end.
            (_, Some(_)) => RunnerOutcome::JobDone,
            (Some(Reason::NoJob), None) => RunnerOutcome::NoJob,
            (Some(Reason::TokenRefused), None) => RunnerOutcome::TokenRefused,
            (None, None) if exit_code == Some(0) && self.phase == Phase::Quitting => RunnerOutcome::Stopped,
            (None, None) if exit_code == Some(0) => RunnerOutcome::NoJob,
            (None, None) => RunnerOutcome::Failed,
        };
        RunnerEnd { outcome, job: self.job }
    }

    fn handle_line(&mut self, facts: LineFacts, now: Timestamp, actions: &mut Vec<Action>) {
        let had_a_job = self.job.is_some();
        self.learn(facts);
        if facts.config_was_read && self.config_is_there {
            self.config_is_there = false;
            actions.push(Action::RemoveConfig);
        }
        if facts.refused && self.job.is_none() && !self.is_checking_token && self.is_left_alone() {
            self.is_checking_token = true;
            actions.push(Action::CheckToken);
        }
        if !had_a_job
            && self.job.is_some()
            && let Phase::Leaving { kill_job_at, kill_at, .. } = &mut self.phase
        {
            // The job came with the last request. It needs time to be reported as interrupted.
            *kill_job_at = Some(later(now, self.plan.kill_job_after_term));
            *kill_at = later(now, self.plan.kill_after_term).min(self.plan.kill_by);
        }
    }

    /// It takes no job any more, and finishes the one it has.
    fn quit(&mut self, actions: &mut Vec<Action>) {
        if self.phase == Phase::Running {
            self.phase = Phase::Quitting;
            actions.push(Action::Quit);
        }
    }

    /// Its machine leaves at this time: without a job it leaves now, and a job may go on as long as it can be.
    fn hurry(&mut self, deadline: Timestamp, now: Timestamp, actions: &mut Vec<Action>) {
        self.plan.shorten(deadline);
        if let Phase::Leaving { kill_at, .. } = &mut self.phase {
            *kill_at = self.plan.kill_by.min(*kill_at);
        } else if self.job.is_none() {
            self.leave(Reason::Stopped, now, actions);
        } else if now < self.plan.terminate_at {
            self.quit(actions);
        }
    }

    /// True unless it was told to end now.
    fn is_left_alone(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Quitting)
    }

    fn leave(&mut self, reason: Reason, now: Timestamp, actions: &mut Vec<Action>) {
        if !self.is_left_alone() {
            return;
        }
        let has_job = self.job.is_some();
        let grace = if has_job { self.plan.kill_after_term } else { self.plan.quit_grace };
        self.phase = Phase::Leaving {
            reason,
            kill_job_at: has_job.then(|| later(now, self.plan.kill_job_after_term)),
            kill_at: later(now, grace).min(self.plan.kill_by),
        };
        if has_job && !self.job_is_over {
            actions.push(Action::Explain(reason));
        }
        actions.push(Action::Terminate);
    }

    fn pass_time(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        if now >= self.plan.terminate_at {
            self.leave(Reason::Deadline, now, actions);
        } else if now >= self.plan.give_up_waiting_at && self.job.is_none() {
            self.leave(Reason::NoJob, now, actions);
        }
        if let Phase::Leaving { kill_job_at, kill_at, .. } = &mut self.phase
            && now < *kill_at
            && kill_job_at.is_some_and(|kill_job_at| now >= kill_job_at)
        {
            *kill_job_at = None;
            actions.push(Action::KillJob);
        }
        if let Phase::Leaving { reason, kill_at, .. } = self.phase
            && now >= kill_at
        {
            self.phase = Phase::Killed { reason, abandon_at: later(now, KILLED_IS_GONE_WITHIN) };
            actions.push(Action::Kill);
        }
        if let Phase::Killed { reason, abandon_at } = self.phase
            && now >= abandon_at
        {
            self.phase = Phase::Abandoned { reason };
            actions.push(Action::Abandon);
        }
    }
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn earlier(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_sub(by).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use RunnerOutcome::{Deadline, Failed, JobDone, NoJob, Stopped, TokenRefused};

    const STOP: Event = Event::Stopped(StopRequest::Now);
    const QUIT: Event = Event::Stopped(StopRequest::AfterJob);
    const TIME: Event = Event::TimePassed;
    const NOTHING: LineFacts = LineFacts { config_was_read: false, job: None, verdict: None, refused: false };
    const STARTED: Event = Event::Line(LineFacts { config_was_read: true, ..NOTHING });
    const FORBIDDEN: Event = Event::Line(LineFacts { config_was_read: true, refused: true, ..NOTHING });
    const SUCCEEDED: Event = Event::Line(LineFacts { verdict: Some(JobVerdict::Succeeded), ..NOTHING });
    const JOB_FAILED: Event = Event::Line(LineFacts { verdict: Some(JobVerdict::Failed), ..NOTHING });

    fn job(id: u64) -> Event {
        Event::Line(LineFacts { config_was_read: true, job: Some(JobId(id)), ..NOTHING })
    }

    /// A wait time of 100 s with 60 s of grace, a deadline at 1000 s (SIGTERM at 960 s).
    fn plan() -> Plan {
        let timings = AgentTimings {
            term_before_deadline: Duration::from_secs(40),
            kill_job_after_term: Duration::from_secs(20),
            kill_after_term: Duration::from_secs(35),
            idle_grace: Duration::from_mins(1),
            quit_grace: Duration::from_secs(10),
            ..AgentTimings::default()
        };
        Plan::new(Timestamp::UNIX_EPOCH, SignedDuration::from_secs(100), second(1000), &timings)
    }

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Feeds events at their seconds, and compares every action and the end.
    #[track_caller]
    fn check(
        events: &[(i64, Event)],
        expected_actions: &[(i64, Action)],
        exit_code: Option<i32>,
        expected_end: (RunnerOutcome, Option<u64>),
    ) {
        let mut supervisor = Supervisor::new(plan());
        let mut actions = Vec::new();
        for (at, event) in events {
            actions.extend(supervisor.handle(*event, second(*at)).into_iter().map(|action| (*at, action)));
        }
        assert_eq!(actions, expected_actions);
        let end = RunnerEnd { outcome: expected_end.0, job: expected_end.1.map(JobId) };
        assert_eq!(supervisor.end(exit_code), end);
    }

    const REMOVE: Action = Action::RemoveConfig;
    const CHECK: Action = Action::CheckToken;
    const TERM: Action = Action::Terminate;
    const KILL_JOB: Action = Action::KillJob;
    const KILL: Action = Action::Kill;
    const SAY_LATE: Action = Action::Explain(Reason::Deadline);
    const SAY_STOPPED: Action = Action::Explain(Reason::Stopped);

    #[test]
    fn a_job_is_done_whatever_the_exit_code_says() {
        for code in [Some(0), Some(1), None] {
            check(&[(1, STARTED), (5, job(7)), (200, SUCCEEDED)], &[(1, REMOVE)], code, (JobDone, Some(7)));
            check(&[(5, job(7)), (200, JOB_FAILED)], &[(5, REMOVE)], code, (JobDone, Some(7)));
            check(&[(5, job(7))], &[(5, REMOVE)], code, (JobDone, Some(7)));
        }
    }

    #[test]
    fn without_a_job_the_exit_code_tells_waiting_from_failing() {
        check(&[(1, STARTED)], &[(1, REMOVE)], Some(0), (NoJob, None));
        check(&[(1, STARTED)], &[(1, REMOVE)], Some(1), (Failed, None));
        check(&[], &[], None, (Failed, None));
    }

    #[test]
    fn told_to_leave_after_its_job_a_runner_is_asked_once_and_not_hurried() {
        let quit = Action::Quit;
        check(
            &[(5, job(7)), (6, QUIT), (7, QUIT), (200, SUCCEEDED)],
            &[(5, REMOVE), (6, quit)],
            Some(0),
            (JobDone, Some(7)),
        );
        check(&[(1, STARTED), (6, QUIT)], &[(1, REMOVE), (6, quit)], Some(0), (Stopped, None));
        check(
            &[(5, job(7)), (6, QUIT), (8, STOP)],
            &[(5, REMOVE), (6, quit), (8, SAY_STOPPED), (8, TERM)],
            Some(0),
            (Stopped, Some(7)),
        );
    }

    #[test]
    fn the_job_told_last_counts() {
        check(&[(5, job(7)), (6, job(8))], &[(5, REMOVE)], Some(0), (JobDone, Some(8)));
        let actions = [(5, REMOVE), (9, SAY_STOPPED), (9, TERM)];
        check(&[(5, job(7)), (6, JOB_FAILED), (7, job(8)), (9, STOP)], &actions, Some(0), (Stopped, Some(8)));
    }

    #[test]
    fn without_a_job_it_leaves_after_wait_time_and_grace() {
        check(&[(159, TIME)], &[], Some(0), (NoJob, None));
        check(&[(160, TIME), (161, TIME)], &[(160, TERM)], Some(1), (NoJob, None));
        check(&[(160, TIME), (170, TIME)], &[(160, TERM), (170, KILL)], None, (NoJob, None));
    }

    #[test]
    fn a_job_keeps_it_until_the_deadline() {
        check(&[(159, job(7)), (900, TIME)], &[(159, REMOVE)], Some(0), (JobDone, Some(7)));
        let actions = [(159, REMOVE), (960, SAY_LATE), (960, TERM), (980, KILL_JOB), (995, KILL)];
        let events = [(159, job(7)), (960, TIME), (979, TIME), (980, TIME), (994, TIME), (995, TIME)];
        check(&events, &actions, None, (Deadline, Some(7)));
    }

    #[test]
    fn without_a_job_nothing_is_explained_and_no_job_is_killed() {
        check(&[(960, TIME), (969, TIME)], &[(960, TERM)], Some(0), (Deadline, None));
        check(&[(3, STOP), (12, TIME)], &[(3, TERM)], Some(0), (Stopped, None));
    }

    #[test]
    fn a_job_that_ends_well_at_the_deadline_is_done() {
        let actions = [(5, REMOVE), (960, SAY_LATE), (960, TERM)];
        check(&[(5, job(7)), (960, TIME), (961, SUCCEEDED)], &actions, Some(0), (JobDone, Some(7)));
        check(&[(5, job(7)), (960, TIME), (961, JOB_FAILED)], &actions, Some(0), (Deadline, Some(7)));
    }

    #[test]
    fn a_job_that_comes_with_the_last_request_gets_time_to_be_reported() {
        check(
            &[(160, TIME), (165, job(7)), (170, TIME), (185, TIME), (200, TIME)],
            &[(160, TERM), (165, REMOVE), (185, KILL_JOB), (200, KILL)],
            None,
            (JobDone, Some(7)),
        );
    }

    #[test]
    fn a_refused_token_ends_it_and_an_unknown_answer_does_not() {
        let refused = Event::TokenChecked(TokenCheck::Refused);
        let unknown = Event::TokenChecked(TokenCheck::Unknown);
        let accepted = Event::TokenChecked(TokenCheck::Accepted);
        check(
            &[(1, FORBIDDEN), (1, FORBIDDEN), (2, refused), (12, TIME)],
            &[(1, REMOVE), (1, CHECK), (2, TERM), (12, KILL)],
            None,
            (TokenRefused, None),
        );
        for answer in [unknown, accepted] {
            check(
                &[(1, FORBIDDEN), (2, answer), (3, FORBIDDEN), (160, TIME)],
                &[(1, REMOVE), (1, CHECK), (3, CHECK), (160, TERM)],
                Some(0),
                (NoJob, None),
            );
        }
        check(
            &[(1, FORBIDDEN), (2, job(7)), (3, refused)],
            &[(1, REMOVE), (1, CHECK)],
            Some(0),
            (JobDone, Some(7)),
        );
    }

    #[test]
    fn told_to_stop_it_stops_idle_or_busy_but_a_job_that_is_over_is_done() {
        check(&[(3, STOP), (13, TIME)], &[(3, TERM), (13, KILL)], None, (Stopped, None));
        check(
            &[(2, job(7)), (3, STOP), (13, TIME), (23, TIME), (38, TIME)],
            &[(2, REMOVE), (3, SAY_STOPPED), (3, TERM), (23, KILL_JOB), (38, KILL)],
            None,
            (Stopped, Some(7)),
        );
        let actions = [(2, REMOVE), (4, TERM)];
        check(&[(2, job(7)), (3, JOB_FAILED), (4, STOP)], &actions, Some(0), (JobDone, Some(7)));
        let actions = [(2, REMOVE), (4, SAY_STOPPED), (4, TERM)];
        check(&[(2, job(7)), (4, STOP), (5, JOB_FAILED)], &actions, Some(0), (Stopped, Some(7)));
    }

    #[test]
    fn it_is_killed_before_the_deadline_whoever_stopped_it_and_when() {
        check(
            &[(2, job(7)), (959, STOP), (994, TIME)],
            &[(2, REMOVE), (959, SAY_STOPPED), (959, TERM), (994, KILL)],
            None,
            (Stopped, Some(7)),
        );
        let mut timings = AgentTimings { kill_after_term: Duration::MAX, ..AgentTimings::default() };
        timings.term_before_deadline = Duration::from_secs(10);
        let plan = Plan::new(Timestamp::UNIX_EPOCH, SignedDuration::MAX, second(1000), &timings);
        let mut supervisor = Supervisor::new(plan);
        supervisor.handle(job(7), second(1));
        assert_eq!(supervisor.handle(TIME, second(990)), [SAY_LATE, TERM]);
        assert_eq!(supervisor.wake_at(), Some(second(998)));
    }

    #[test]
    fn a_runner_without_a_job_leaves_when_its_machine_is_taken_away() {
        let taken = Event::MachineLeaves(second(500));
        check(&[(3, taken), (13, TIME)], &[(3, TERM), (13, KILL)], None, (Stopped, None));
        check(
            &[(3, QUIT), (4, taken), (5, job(7)), (25, TIME)],
            &[(3, Action::Quit), (4, TERM), (5, REMOVE), (25, KILL_JOB)],
            Some(0),
            (Stopped, Some(7)),
        );
    }

    #[test]
    fn a_job_goes_on_until_shortly_before_its_machine_is_taken_away() {
        let taken = Event::MachineLeaves(second(500));
        let quit = Action::Quit;
        check(
            &[(5, job(7)), (300, taken), (301, taken), (459, TIME), (460, TIME), (480, TIME), (495, TIME)],
            &[(5, REMOVE), (300, quit), (460, SAY_LATE), (460, TERM), (480, KILL_JOB), (495, KILL)],
            None,
            (Deadline, Some(7)),
        );
        check(
            &[(5, job(7)), (300, taken), (400, SUCCEEDED)],
            &[(5, REMOVE), (300, quit)],
            Some(0),
            (JobDone, Some(7)),
        );
    }

    #[test]
    fn a_machine_that_is_taken_away_at_once_leaves_no_time_to_wait() {
        let taken = Event::MachineLeaves(second(310));
        check(
            &[(5, job(7)), (300, taken), (308, TIME)],
            &[(5, REMOVE), (300, SAY_LATE), (300, TERM), (308, KILL)],
            None,
            (Deadline, Some(7)),
        );
        // It is on its way out already: it is only hurried.
        check(
            &[(5, job(7)), (290, STOP), (300, taken), (308, TIME)],
            &[(5, REMOVE), (290, SAY_STOPPED), (290, TERM), (308, KILL)],
            None,
            (Stopped, Some(7)),
        );
    }

    #[test]
    fn a_machine_that_is_taken_away_after_the_deadline_changes_nothing_for_a_job() {
        let actions = [(5, REMOVE), (300, Action::Quit), (960, SAY_LATE), (960, TERM)];
        let taken = Event::MachineLeaves(second(2000));
        check(&[(5, job(7)), (300, taken), (959, TIME), (960, TIME)], &actions, Some(0), (Deadline, Some(7)));
    }

    #[test]
    fn a_late_wake_up_does_everything_at_once_and_a_killed_runner_is_not_waited_for_for_ever() {
        let actions = [(2000, TERM), (2000, KILL), (2005, Action::Abandon)];
        check(&[(2000, TIME), (2005, TIME), (3000, TIME)], &actions, None, (Deadline, None));
    }

    #[test]
    fn it_wakes_for_whatever_comes_next() {
        let mut supervisor = Supervisor::new(plan());
        assert_eq!(supervisor.wake_at(), Some(second(160)));
        supervisor.handle(job(7), second(1));
        assert_eq!(supervisor.wake_at(), Some(second(960)));
        supervisor.handle(STOP, second(2));
        assert_eq!(supervisor.wake_at(), Some(second(22)));
        supervisor.handle(TIME, second(22));
        assert_eq!(supervisor.wake_at(), Some(second(37)));
        supervisor.handle(TIME, second(37));
        assert_eq!(supervisor.wake_at(), Some(second(42)));
        supervisor.handle(TIME, second(42));
        assert_eq!(supervisor.wake_at(), None);
    }
}
