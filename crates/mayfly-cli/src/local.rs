//! `mayfly local`.

use std::collections::BTreeMap;
use std::ffi::OsString;

use anyhow::Context;
use clap::Args;
use mayfly_local::server::LocalServer;
use mayfly_local::settings::{LocalFlags, LocalSettings};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::log::LogFlags;

/// Run all of Mayfly on this machine: take GitLab's job webhook, start one runner process for each waiting job.
///
/// Settings come from flags, then environment variables, then the settings file. Secrets are never flags: each is an
/// environment variable, a file named by that variable with `_FILE` added, or stands in the settings file's table `secrets`.
#[derive(Debug, Args)]
#[command(after_help = MORE_HELP, after_long_help = MORE_HELP)]
pub(crate) struct LocalCommand {
    #[command(flatten)]
    flags: LocalFlags,
}

const MORE_HELP: &str = "\
Secrets. Each is an environment variable, or the same with _FILE added for the path of
a file, or a key under [secrets] in the settings file (`api-token` for MAYFLY_API_TOKEN):
  MAYFLY_WEBHOOK_TOKEN           the secret token of the webhook in GitLab
  MAYFLY_SIGNING_TOKEN           its signing token, whsec_... (GitLab 19 and later)
  MAYFLY_WEBHOOK_TOKEN_PREVIOUS  accepted too, while the secret token is changed
  MAYFLY_SIGNING_TOKEN_PREVIOUS  accepted too, while the signing token is changed
  MAYFLY_API_TOKEN               registers runners and looks at jobs
  MAYFLY_RUNNER_TOKEN            glrt-..., for --registration shared
  MAYFLY_REGISTRATION_TOKEN      for --registration registration-token

The reconciler looks at jobs and runners each minute and repairs what lost events and
dead processes leave behind. Without an api-token it sees the ledger and this machine,
but neither GitLab's jobs nor its runners: a job of whose events none came is not found.
It is set under [reconcile] in the settings file:
  every-seconds = 60    from one pass to the next; 0 for none
  dry-run = false       only log what would be repaired
  max-ends = 20         how many runners one pass may end
  grace-seconds = 30    how long something may be out of place: its event may be on the
                        way. Less than every-seconds, or repairs take a pass longer
  overdue-seconds = 90  how late a start may be before it is made again

GET /health tells what the last pass did, and counts what happened since the start.

Stop with SIGTERM or Ctrl-C: running jobs end first. A second time: they are ended now.";

pub(crate) fn run(command: LocalCommand, log: &LogFlags) -> anyhow::Result<()> {
    mayfly_agent::hide_from_jobs();
    let program = std::env::current_exe().context("cannot find the program's own file")?;
    let mut agent_command = vec![program.into_os_string()];
    agent_command.extend(log.to_arguments());
    agent_command.push("agent".into());
    let settings = LocalSettings::load(command.flags, agent_command, environment())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(serve(settings));
    // A thread may still wait for a runner that the next server looks after.
    runtime.shutdown_background();
    result
}

async fn serve(settings: LocalSettings) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let server = LocalServer::start(settings).await?;
    either(&mut terminate, &mut interrupt).await;
    server.stop(either(&mut terminate, &mut interrupt)).await
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

#[expect(clippy::disallowed_methods, reason = "the environment is read here, once, and passed on as a value")]
fn environment() -> BTreeMap<OsString, OsString> {
    std::env::vars_os().collect()
}
