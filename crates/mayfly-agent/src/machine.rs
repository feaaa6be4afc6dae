//! The agent of an EC2 instance. It fetches the assignment that waits for this instance, runs its one job and says how it ended.
//! Whoever started it powers the instance off then.

mod end;
mod fetch;
mod interruption;
mod log_buffer;
mod logging;
mod settings;
mod shipping;
mod watchdog;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use jiff::SignedDuration;
use mayfly_agent::{AgentConfig, StopRequest, run_alone_until, stop_requests};
use mayfly_aws::machine::{Instance, MachineConnection, Metadata, Transport};
use mayfly_core::assignment::Assignment;
use mayfly_core::clock::{Clock, SystemClock};
use mayfly_core::error::Chain;
use secrecy::ExposeSecret;
use tokio::sync::watch;
use tokio::time::Instant;

use self::end::MachineEnd;
use self::fetch::{find_instance, take_assignment};
use self::interruption::watch_for_interruption;
use self::log_buffer::LogBuffer;
use self::settings::Settings;
use self::shipping::Shipping;
use self::watchdog::Watchdog;

pub(crate) use self::settings::MachineArguments;

/// How long after its deadline the agent may take for everything else: what outlives the runner, the end of the registration, the
/// last lines of the log.
const MARGIN: Duration = Duration::from_secs(30);

/// Runs the agent, which started at this moment, to its end.
pub(crate) async fn run(arguments: MachineArguments, started: Instant) -> anyhow::Result<ExitCode> {
    let (settings, filter) = arguments.into_settings();
    let log = LogBuffer::new(&SystemClock);
    logging::begin(filter, &log);
    let watchdog = Watchdog::start(started + settings.assignment_wait + MARGIN);
    let stop = stop_requests().context("signals cannot be listened for")?;
    let metadata = Metadata::new(settings.metadata_address.as_deref())?;
    let log_wait = settings.log_wait;
    let machine = Machine { settings, metadata, watchdog, started };
    let mut shipping = None;
    let end = machine.run(stop, &log, &mut shipping).await.unwrap_or_else(|end| end);
    end.log();
    if let Some(shipping) = shipping {
        shipping.finish(log_wait).await;
    }
    crate::say(&end.to_json()?)?;
    Ok(end.exit_code())
}

/// What is known from the start.
struct Machine {
    settings: Settings,
    metadata: Metadata,
    watchdog: Watchdog,
    started: Instant,
}

impl Machine {
    /// An early end is an error, for `?` alone.
    async fn run(
        self,
        mut stop: watch::Receiver<StopRequest>,
        log: &LogBuffer,
        shipping: &mut Option<Shipping>,
    ) -> Result<MachineEnd, MachineEnd> {
        let fetched = async {
            let (instance, connection) = self.find_out().await?;
            *shipping = connection.log_stream(&instance).map(|stream| Shipping::start(log.clone(), stream));
            let assignment = self.fetch_assignment(&instance, &connection).await?;
            Ok::<_, MachineEnd>((instance, assignment))
        };
        let (instance, assignment) = tokio::select! {
            fetched = fetched => fetched?,
            // An assignment that is taken at this moment is lost with this agent; its registration ends without it.
            Ok(_) = stop.wait_for(|request| *request != StopRequest::None) => return Err(MachineEnd::Stopped),
        };
        Ok(self.work(&instance, assignment, stop).await)
    }

    /// Asks the instance what it is while the root certificates are read.
    async fn find_out(&self) -> Result<(Instance, MachineConnection), MachineEnd> {
        let endpoint = self.settings.endpoint.clone();
        let transport = tokio::task::spawn_blocking(|| Transport::prepare(endpoint));
        let (instance, transport) = tokio::join!(
            find_instance(&self.metadata, self.settings.ask_every, self.give_up_at()),
            transport
        );
        let instance = instance?;
        let transport = transport.map_err(|error| {
            tracing::error!(%error, "a client for AWS cannot be made");
            MachineEnd::Refused
        })?;
        let connection = MachineConnection::new(&transport, &instance);
        Ok((instance, connection))
    }

    async fn fetch_assignment(
        &self,
        instance: &Instance,
        connection: &MachineConnection,
    ) -> Result<Assignment, MachineEnd> {
        let table = connection.assignment_table(instance);
        let ask = || {
            let table = table.clone();
            async move { table.take().await }
        };
        let json = take_assignment(ask, self.settings.ask_every, self.give_up_at()).await?;
        let milliseconds = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(milliseconds, instance = instance.id, "assignment read");
        Assignment::from_json(json.expose_secret().as_bytes()).map_err(|error| {
            tracing::error!(error = %Chain(&error), "it is no assignment");
            MachineEnd::UnreadableAssignment
        })
    }

    async fn work(
        self,
        instance: &Instance,
        assignment: Assignment,
        stop: watch::Receiver<StopRequest>,
    ) -> MachineEnd {
        let left = assignment.deadline.duration_since(SystemClock.now()).max(SignedDuration::ZERO);
        self.watchdog.expect_end_by(Instant::now() + left.unsigned_abs() + MARGIN);
        let mut runner: AgentConfig = self.settings.runner;
        runner.environment.insert("AWS_REGION".into(), instance.region.clone().into());
        let (sender, limit) = watch::channel(None);
        let interruption = watch_for_interruption(&self.metadata, self.settings.spot_poll, sender);
        let end = run_alone_until(assignment, runner, &SystemClock, stop, limit);
        tokio::pin!(end);
        tokio::select! {
            end = &mut end => MachineEnd::Ran(end),
            () = interruption => MachineEnd::Ran(end.await),
        }
    }

    fn give_up_at(&self) -> Instant {
        self.started + self.settings.assignment_wait
    }
}
