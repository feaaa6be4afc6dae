//! `mayfly runners end`.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use mayfly_core::decide::{EndOrder, OneLine};
use mayfly_core::mapping::TargetType;
use mayfly_core::runner_name::RunnerName;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::consent::consent;
use crate::installation::DEFAULT_STACK;
use crate::installation::aws::{Account, AwsFlags};
use crate::output::{OutputFlags, Report, printable};
use crate::reconcile::failure_of;

/// The exit code for a runner that the ledger does not know.
const UNKNOWN: u8 = 3;

/// End one runner, by its name as `mayfly runners` lists it.
///
/// The reconciler's function does it, because it alone may. The runner's registration in GitLab goes too, and it gets no more jobs.
/// The ledger keeps who ordered it and why: `mayfly timeline` tells. If the job it was started for still waits, that is started
/// again at once, and if that fails, by one of the next passes.
///
/// A runner that has a job is not ended, because the job would die with it; nor is one of which nothing tells whether it has one
/// (registration mode `shared`, or no API token). --force ends both. GitLab may show a job that died running for up to an hour:
/// cancel it there.
///
/// An invocation of a Lambda function cannot be stopped. Of a Lambda runner only the registration is removed: without a job it
/// leaves by itself; with one it goes on until the job is over, or canceled in GitLab.
///
/// Runners of a `mayfly local` end with the jobs they have, which can be canceled in GitLab, or with that server.
///
/// Takes the right lambda:InvokeFunction.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, after_long_help = EXIT_CODES)]
pub(super) struct EndCommand {
    /// The runner, such as `mayfly-ec2-i-0123456789abcdef0`.
    #[arg(value_name = "RUNNER")]
    runner: RunnerName,
    /// Why, in one line. It is kept with the job, and who ordered it.
    #[arg(long, value_name = "TEXT")]
    reason: OneLine,
    /// End it even if a job dies with it.
    #[arg(long)]
    force: bool,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    /// The name of the autoscaler's stack, as its `samconfig.toml` has it.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_STACK, help_heading = "Installation")]
    stack: String,
    #[command(flatten)]
    aws: AwsFlags,
    #[command(flatten)]
    output: OutputFlags,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  the runner is ended, or was gone before
  1  it has a job, or may have one, and was not ended; or it could not be
  2  the command line is wrong
  3  the ledger does not know the runner";

/// What the reconciler's function says of an order.
#[derive(Debug, Serialize, Deserialize)]
struct Ended {
    runner: String,
    result: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job: Option<String>,
    text: String,
}

impl Report for Ended {
    fn to_text(&self, _width: Option<u16>) -> String {
        let force = if self.is_refused() { "; give --force to end it all the same" } else { "" };
        let mut text = printable(&self.text);
        if let Some(first) = text.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        format!("{text}{force}.\n")
    }
}

impl Ended {
    fn read(payload: &[u8]) -> anyhow::Result<Self> {
        serde_json::from_slice(payload)
            .context("the function's answer is not that of a reconciler: are both of the same version?")
    }

    fn is_refused(&self) -> bool {
        matches!(self.result.as_str(), "busy" | "perhaps-busy")
    }

    fn exit_code(&self) -> ExitCode {
        match self.result.as_str() {
            "ended" | "gone" => ExitCode::SUCCESS,
            "unknown" => ExitCode::from(UNKNOWN),
            _ => ExitCode::FAILURE,
        }
    }
}

pub(super) async fn run(command: EndCommand) -> anyhow::Result<ExitCode> {
    let runner = &command.runner;
    if runner.target == TargetType::Local {
        bail!(
            "runner {runner} is of a `mayfly local`, which no command reaches: cancel its job in GitLab, or stop that server, \
             which ends its runners"
        );
    }
    let dies = if command.force { "and the job that it may have dies with it" } else { "if it has no job" };
    let warning = format!("runner {runner} ends, {dies}");
    let unasked = format!("{warning}; give --yes to end it");
    consent(&format!("{warning}.\nEnd it?"), &unasked, command.yes)?;
    let account = Account::connect(&command.aws).await?;
    let caller = account.caller().await?;
    let by = caller.parse::<OneLine>();
    let by = by.with_context(|| format!("the caller's ARN `{}` is not understood", printable(&caller)))?;
    let order = EndOrder { runner: runner.clone(), reason: command.reason, by, force: command.force };
    let function = format!("{}-reconciler", command.stack);
    let answer = account.invoke(&function, json!({ "end": order }).to_string()).await?;
    if answer.is_error {
        bail!("runner {runner} could not be ended: {}", failure_of(&answer.payload));
    }
    let ended = Ended::read(&answer.payload)?;
    command.output.print(&ended)?;
    Ok(ended.exit_code())
}
