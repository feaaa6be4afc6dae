//! `mayfly timeline`.

mod story;

use std::process::ExitCode;

use clap::Args;

use self::story::Story;
use crate::installation::InstallationFlags;
use crate::job_ref::{GitlabFlags, JobRef};
use crate::output::OutputFlags;

/// Print what happened to one job: every change with its time and reason, the runners started for it and how they ended, and
/// what the job waited for.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, after_long_help = EXIT_CODES)]
pub(crate) struct TimelineCommand {
    /// The job: its key, `host/project id/job id`, as logs have it; or the address of its page in GitLab.
    #[arg(value_name = "JOB")]
    job: JobRef,
    #[command(flatten)]
    installation: InstallationFlags,
    #[command(flatten)]
    gitlab: GitlabFlags,
    #[command(flatten)]
    output: OutputFlags,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  the job is known
  1  the ledger, AWS or GitLab could not be read
  2  the command line is wrong
  3  the ledger does not know the job: its events never came, or it was forgotten (8 days after its last change)

Examples:
  mayfly timeline gitlab.com/380/1977
  mayfly timeline https://gitlab.com/group/app/-/jobs/1977 --stack mayfly-autoscaler --region eu-central-1
  mayfly timeline gitlab.example.com/380/1977 --data-dir mayfly-data --output json";

/// The job is not in the ledger.
const NOT_FOUND: u8 = 3;

pub(crate) async fn run(command: TimelineCommand) -> anyhow::Result<ExitCode> {
    let key = command.job.key(&command.gitlab).await?;
    let ledger = command.installation.ledger().await?;
    let Some(record) = ledger.record(&key).await? else {
        crate::complain(&format!(
            "the ledger does not know job {key}: its events never came, or it was forgotten; `mayfly hooks list --project PATH` \
             tells whether GitLab sends the project's events"
        ));
        return Ok(ExitCode::from(NOT_FOUND));
    };
    command.output.print(&Story::of(&record))?;
    Ok(ExitCode::SUCCESS)
}
