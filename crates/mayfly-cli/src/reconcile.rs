//! `mayfly reconcile`.

mod answer;

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

pub(crate) use self::answer::failure_of;

use self::answer::PassAnswer;
use crate::installation::DEFAULT_STACK;
use crate::installation::aws::{Account, AwsFlags};
use crate::output::OutputFlags;

/// Have the reconciler make a pass now: compare jobs, runners and machines, and repair what is out of order.
///
/// A pass is made each minute anyway. `mayfly local` makes its own; this is for an installation on AWS, and takes the right
/// `lambda:InvokeFunction`.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, after_long_help = EXIT_CODES)]
pub(crate) struct ReconcileCommand {
    /// Only say what would be repaired. Without it, as the stack's parameter says.
    #[arg(long)]
    dry_run: bool,
    /// How many runners this pass may end. Without it, as the stack's parameter says.
    #[arg(long, value_name = "NUMBER")]
    max_ends: Option<u32>,
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
  0  the pass is made; what it found is repaired
  1  the pass failed, something could not be seen or repaired, or AWS could not be reached
  2  the command line is wrong";

impl ReconcileCommand {
    /// What is not asked for is as the stack has it.
    fn payload(&self) -> String {
        let mut payload = json!({});
        if self.dry_run {
            payload["dry_run"] = json!(true);
        }
        if let Some(most) = self.max_ends {
            payload["max_ends"] = json!(most);
        }
        payload.to_string()
    }
}

pub(crate) async fn run(command: ReconcileCommand) -> anyhow::Result<ExitCode> {
    let account = Account::connect(&command.aws).await?;
    let function = format!("{}-reconciler", command.stack);
    let answer = account.invoke(&function, command.payload()).await?;
    if answer.is_error {
        anyhow::bail!("the pass failed: {}", failure_of(&answer.payload));
    }
    let pass = PassAnswer::read(&answer.payload)?;
    command.output.print(&pass)?;
    Ok(if pass.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
