//! The loop of `run-single`: ask, run, count, leave.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::cli::{Cli, RunSingle};
use super::client::Client;
use super::config::RunnerConfig;
use super::job::{JobRun, Processed};
use super::log::Logger;
use super::network_types::Requested;
use super::signals::StopWatch;

/// How long `gitlab-runner` waits after a 403 before it asks again, whatever its wait timeout is.
const UNHEALTHY_PAUSE: Duration = Duration::from_mins(5);

pub(super) struct Single {
    config: RunnerConfig,
    client: Client,
    stop: StopWatch,
    log: Logger,
    builds_left: Option<u32>,
    wait_timeout: u64,
    check_interval: Duration,
    trace_interval: Duration,
    last_build: Instant,
}

impl Single {
    pub(super) fn new(
        cli: &Cli,
        options: &RunSingle,
        config: RunnerConfig,
        client: Client,
        stop: StopWatch,
        log: Logger,
    ) -> Self {
        Self {
            config,
            client,
            stop,
            log,
            builds_left: (options.max_builds > 0).then_some(options.max_builds),
            wait_timeout: options.wait_timeout,
            check_interval: cli.check_interval(),
            trace_interval: cli.trace_interval(),
            last_build: Instant::now(),
        }
    }

    /// Runs until a limit is reached or somebody asks it to leave.
    pub(super) async fn run(mut self) {
        let mut is_finished = false;
        while !is_finished && !self.stop.is_asked() {
            match self.client.request_job().await {
                Requested::Unhealthy => {
                    self.log.info("Runner is not healthy!", &[]);
                    self.pause(UNHEALTHY_PAUSE).await;
                }
                Requested::Nothing => self.pause(self.check_interval).await,
                Requested::Job(job) => {
                    let run = JobRun::new(&self.config, &self.client, &job, self.trace_interval, &self.log);
                    if run.process(self.stop.clone()).await == Processed::Counted {
                        self.builds_left = self.builds_left.map(|left| left - 1);
                        self.last_build = Instant::now();
                    }
                }
            }
            is_finished = self.is_limit_reached();
        }
    }

    /// Looked at only between two requests, in whole seconds, as `gitlab-runner` does.
    fn is_limit_reached(&self) -> bool {
        let mut is_reached = false;
        if self.builds_left == Some(0) {
            self.log.info("This runner has processed its build limit, so now exiting", &[]);
            is_reached = true;
        }
        if self.wait_timeout > 0 && self.last_build.elapsed().as_secs() > self.wait_timeout {
            let seconds = self.wait_timeout;
            let message = format!("This runner has not received a job in {seconds} seconds, so now exiting");
            self.log.info(&message, &[]);
            is_reached = true;
        }
        is_reached
    }

    /// SIGQUIT does not shorten it.
    async fn pause(&mut self, time: Duration) {
        tokio::select! {
            () = sleep(time) => {}
            _ = self.stop.now() => {}
        }
    }
}
