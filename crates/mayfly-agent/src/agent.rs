//! One runner from its assignment to its end.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mayfly_core::assignment::Assignment;
use mayfly_core::clock::Clock;
use mayfly_core::decide::{RunnerEnd, RunnerOutcome};
use mayfly_core::error::Chain;
use mayfly_core::mapping::Executor;
use nix::sys::signal::Signal;
use secrecy::ExposeSecret;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::environment::{region_of, runner_environment};
use crate::folder::PrivateFolder;
use crate::last_words::{LastWords, say};
use crate::leftovers::{Family, adopt_orphans, kill_all_but, kill_leftovers};
use crate::log_line::LogLine;
use crate::registration::Registration;
use crate::runner_process::{RunnerNews, RunnerOrder, RunnerProcess, StartError};
use crate::settings::{AgentConfig, AgentTimings, StopRequest, TimeLimit};
use crate::supervise::{Action, Event, Plan, Reason, Supervisor, TokenCheck};

/// The agent looks at the clock at least this often: a sleep does not notice that the machine slept, or that its clock
/// was set.
const LONGEST_NAP: Duration = Duration::from_secs(10);

/// How long the rest of the log is read after the runner's end, in case somebody unknown still holds it open.
const REST_OF_LOG: Duration = Duration::from_secs(1);

/// How long the killed processes of a job may take to be gone before the agent goes on.
const KILLED_JOB: Duration = Duration::from_millis(500);

/// Which processes below this one are the runner's.
#[derive(Debug, Clone, Copy)]
enum Household {
    Shared,
    Alone,
}

/// Runs one `gitlab-runner run-single` for the assignment and cleans up after it, whatever happens. It returns when the
/// runner and everything it started is gone; a failure is an outcome, with its reason in the log.
///
/// What `stop` asks for is passed on to the runner; a receiver without a sender never asks. Dropping the future kills the runner and removes
/// its folder, but not what it left running.
///
/// The calling process becomes the reaper of orphans below it, and stays it. It may have other children: only processes
/// with this runner's mark in their environment, or working in its folder, are killed, and all below them.
pub async fn run(
    assignment: Assignment,
    config: AgentConfig,
    clock: &dyn Clock,
    stop: watch::Receiver<StopRequest>,
) -> RunnerEnd {
    run_in(Household::Shared, &assignment, &config, clock, News { stop, limit: no_limit() }).await
}

/// Like [`run`], for a process that starts nothing else: every process below it that is there after the runner is killed,
/// also one that hides by clearing its environment. In return it is hidden from jobs of the same user: they cannot read its
/// memory and its environment, where credentials may be that are not for them.
pub async fn run_alone(
    assignment: Assignment,
    config: AgentConfig,
    clock: &dyn Clock,
    stop: watch::Receiver<StopRequest>,
) -> RunnerEnd {
    run_alone_until(assignment, config, clock, stop, no_limit()).await
}

/// Like [`run_alone`], on a machine that may be taken away: `limit` tells when, once it is known. The runner takes no job any
/// more then. If it has none it leaves at once, and else when its job is over or, at the latest, in time for the limit. A limit
/// after the deadline does not postpone it. A receiver without a sender never tells one.
pub async fn run_alone_until(
    assignment: Assignment,
    config: AgentConfig,
    clock: &dyn Clock,
    stop: watch::Receiver<StopRequest>,
    limit: watch::Receiver<Option<TimeLimit>>,
) -> RunnerEnd {
    hide_from_jobs();
    run_in(Household::Alone, &assignment, &config, clock, News { stop, limit }).await
}

/// What is heard from outside while a runner runs.
struct News {
    stop: watch::Receiver<StopRequest>,
    limit: watch::Receiver<Option<TimeLimit>>,
}

/// Nobody ever takes the machine away.
fn no_limit() -> watch::Receiver<Option<TimeLimit>> {
    watch::channel(None).1
}

async fn run_in(
    household: Household,
    assignment: &Assignment,
    config: &AgentConfig,
    clock: &dyn Clock,
    news: News,
) -> RunnerEnd {
    let last_words = LastWords::new(assignment, config.time_limit.as_ref());
    tracing::info!(runner = %assignment.runner, deadline = %last_words.deadline, "a runner starts");
    let region = region_of(&config.environment);
    let (end, folder, registration) = match PrivateFolder::create(&config.work_dir, assignment, region) {
        Ok(folder) => {
            let registration = Arc::new(Registration::new(assignment, Some(folder.system_id.clone())));
            let work = Work { assignment, config, folder: &folder, registration: &registration, household };
            let end = work.run(last_words, clock, news).await;
            (end, Some(folder), registration)
        }
        Err(error) => {
            tracing::error!(error = %Chain(&error), "the runner cannot be prepared");
            (failed(), None, Arc::new(Registration::new(assignment, None)))
        }
    };
    say_farewell(folder, &registration, config.timings.farewell).await;
    tracing::info!(runner = %assignment.runner, job = end.job.map(|job| job.0), "the runner left: {}", end.outcome);
    end
}

/// Hides this process's environment and memory from other processes of the same user, such as scripts of jobs: the kernel
/// asks whether a process may be dumped before it shows them.
pub fn hide_from_jobs() {
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_dumpable(false) {
        tracing::warn!(%error, "jobs of the same user can read the agent's memory and environment");
    }
}

fn failed() -> RunnerEnd {
    RunnerEnd { outcome: RunnerOutcome::Failed, job: None }
}

async fn say_farewell(folder: Option<PrivateFolder>, registration: &Registration, within: Duration) {
    let removal = tokio::task::spawn_blocking(move || folder.map(PrivateFolder::remove));
    let both = async { tokio::join!(removal, registration.end()) };
    if timeout(within, both).await.is_err() {
        tracing::warn!("no time is left to clean up after the runner");
    }
}

/// One runner's work, with everything it needs.
struct Work<'a> {
    assignment: &'a Assignment,
    config: &'a AgentConfig,
    folder: &'a PrivateFolder,
    registration: &'a Arc<Registration>,
    household: Household,
}

impl Work<'_> {
    async fn run(&self, last_words: LastWords, clock: &dyn Clock, news: News) -> RunnerEnd {
        let AgentTimings { leftovers, .. } = self.config.timings;
        let wait_timeout = SignedDuration::from_secs(self.assignment.settings.wait_timeout_seconds.into());
        let now = clock.now();
        let deadline = last_words.deadline;
        let plan = Plan::new(now, wait_timeout, deadline, &self.config.timings);
        if plan.is_over(now) {
            tracing::warn!(%deadline, "the assignment came too late");
            return RunnerEnd { outcome: RunnerOutcome::Deadline, job: None };
        }
        adopt_orphans();
        let runner = match self.start() {
            Ok(runner) => runner,
            Err(error) => {
                tracing::error!(error = %Chain(&error), "the runner cannot be started");
                return failed();
            }
        };
        let mut watch = Watch {
            work: self,
            last_words,
            supervisor: Supervisor::new(plan),
            runner,
            checks: JoinSet::new(),
        };
        let status = watch.until_exit(clock, news).await;
        kill_leftovers(self.family(), leftovers).await;
        watch.read_rest_of_log().await;
        watch.end(status)
    }

    fn start(&self) -> Result<RunnerProcess, StartError> {
        let settings = &self.assignment.settings;
        let environment = runner_environment(&self.config.environment, settings, self.folder.places());
        if !environment.refused.is_empty() {
            tracing::warn!(names = ?environment.refused, "these variables are not for jobs and are not passed on");
        }
        RunnerProcess::start(&RunnerOrder {
            command: &self.config.runner_command,
            config_file: self.folder.config_file(),
            name: self.assignment.runner.to_string(),
            wait_timeout: settings.wait_timeout(),
            environment: &environment.variables,
            directory: self.folder.path(),
        })
    }

    fn family(&self) -> Family<'_> {
        match self.household {
            Household::Alone => Family::WholeProcess,
            Household::Shared => Family::OfRunner { mark: self.folder.mark(), folder: self.folder.path() },
        }
    }
}

/// A started runner under supervision.
struct Watch<'a> {
    work: &'a Work<'a>,
    last_words: LastWords,
    supervisor: Supervisor,
    runner: RunnerProcess,
    checks: JoinSet<TokenCheck>,
}

impl Watch<'_> {
    /// Does what the supervisor says until the runner is gone; `None` if it was killed and still is not.
    async fn until_exit(&mut self, clock: &dyn Clock, mut news: News) -> Option<ExitStatus> {
        // What was said before the runner was there counts too.
        news.stop.mark_changed();
        news.limit.mark_changed();
        let (mut can_be_stopped, mut can_be_limited) = (true, true);
        loop {
            let nap = nap(self.supervisor.wake_at(), clock.now());
            let event = tokio::select! {
                news = self.runner.next() => match news {
                    RunnerNews::Line(line) => Event::Line(self.read(&line).facts),
                    RunnerNews::Exited(status) => return status.ok(),
                },
                Some(check) = self.checks.join_next() => {
                    Event::TokenChecked(check.unwrap_or(TokenCheck::Unknown))
                }
                changed = news.stop.changed(), if can_be_stopped => {
                    // Nobody is left to ask for it once the sender is gone.
                    can_be_stopped = changed.is_ok();
                    Event::Stopped(*news.stop.borrow_and_update())
                }
                changed = news.limit.changed(), if can_be_limited => {
                    can_be_limited = changed.is_ok();
                    self.limit(news.limit.borrow_and_update().as_ref())
                }
                () = tokio::time::sleep(nap) => Event::TimePassed,
            };
            for action in self.supervisor.handle(event, clock.now()) {
                match action {
                    Action::RemoveConfig => self.work.folder.remove_config(),
                    Action::CheckToken => self.check_token(),
                    Action::Quit => self.signal(Signal::SIGQUIT),
                    Action::Explain(reason) => self.explain(reason).await,
                    Action::Terminate => self.signal(Signal::SIGTERM),
                    Action::KillJob => self.kill_job().await,
                    Action::Kill => self.signal(Signal::SIGKILL),
                    Action::Abandon => return None,
                }
            }
        }
    }

    fn limit(&mut self, limit: Option<&TimeLimit>) -> Event {
        let Some(limit) = limit else { return Event::TimePassed };
        tracing::warn!(deadline = %limit.deadline, because = limit.because, "the machine will be taken away");
        self.last_words.shorten(limit);
        Event::MachineLeaves(limit.deadline)
    }

    async fn read_rest_of_log(&mut self) {
        let rest = async {
            while let Some(line) = self.runner.next_line().await {
                let facts = self.read(&line).facts;
                self.supervisor.learn(facts);
            }
        };
        if timeout(REST_OF_LOG, rest).await.is_err() {
            tracing::warn!("somebody still holds the runner's log open");
        }
    }

    fn end(&self, status: Option<ExitStatus>) -> RunnerEnd {
        let end = self.supervisor.end(status.and_then(|status| status.code()));
        match status {
            Some(status) if status.success() => tracing::debug!("the runner exited well"),
            Some(status) => tracing::warn!(%status, "the runner exited badly"),
            None => tracing::error!("the runner was killed and is still there"),
        }
        end
    }

    fn read(&self, line: &str) -> LogLine {
        let line = LogLine::parse(line, self.work.assignment.token.expose_secret());
        line.forward();
        line
    }

    fn check_token(&mut self) {
        tracing::warn!("GitLab turned the runner away; asking whether its token is good");
        let registration = Arc::clone(self.work.registration);
        self.checks.spawn(async move { registration.check_token().await });
    }

    async fn explain(&self, reason: Reason) {
        let is_shell = self.work.assignment.settings.executor == Executor::Shell;
        let Some(words) = self.last_words.on(reason) else { return };
        if let Some(runner) = self.runner.id().filter(|_| is_shell) {
            say(runner, &words).await;
        }
    }

    async fn kill_job(&self) {
        if let Some(runner) = self.runner.id() {
            kill_all_but(runner, self.work.family(), KILLED_JOB).await;
        }
    }

    fn signal(&self, signal: Signal) {
        tracing::info!(%signal, "the runner is told to end");
        self.runner.signal(signal);
    }
}

fn nap(wake_at: Option<Timestamp>, now: Timestamp) -> Duration {
    let until = wake_at.map_or(SignedDuration::MAX, |wake_at| wake_at.duration_since(now));
    // What is over already is negative.
    Duration::try_from(until).unwrap_or_default().min(LONGEST_NAP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_hidden_process_cannot_be_dumped() {
        hide_from_jobs();
        assert!(!nix::sys::prctl::get_dumpable().unwrap());
    }

    #[test]
    fn a_nap_is_never_long_and_what_is_due_is_not_waited_for() {
        let now = Timestamp::UNIX_EPOCH;
        let in_seconds = |seconds| Some(now + SignedDuration::from_secs(seconds));
        assert_eq!(nap(None, now), LONGEST_NAP);
        assert_eq!(nap(in_seconds(3600), now), LONGEST_NAP);
        assert_eq!(nap(in_seconds(2), now), Duration::from_secs(2));
        assert_eq!(nap(in_seconds(-2), now), Duration::ZERO);
    }
}
