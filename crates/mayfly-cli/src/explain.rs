//! `mayfly explain`.

mod answer;
mod happened;
mod question;

use std::process::ExitCode;

use clap::{ArgGroup, Args};
use mayfly_core::clock::{Clock, SystemClock};
use mayfly_core::ids::{JobName, ProjectPath};
use mayfly_core::mapping::StoredMapping;
use mayfly_core::resolve::{ResolveInput, near_misses, resolve};

use self::answer::Answer;
use self::happened::Happened;
use self::question::Question;
use crate::installation::mappings::{DefaultFlag, MappingFlags, OpenedMappings};
use crate::job_ref::{GitlabFlags, JobRef};
use crate::output::OutputFlags;

/// Say where a job goes, and why.
///
/// It prints each rule of the mapping table, the rows it found, why each of them is taken or not, the target and how the runner is
/// made. It decides with the dispatcher's own function.
///
/// For a job that there was, named by its key or its page, it also says what happened, from the ledger.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, after_long_help = EXIT_CODES, group = ArgGroup::new("what").required(true))]
pub(crate) struct ExplainCommand {
    /// A job that there was: its key, `host/project id/job id`, as logs have it; or the address of its page in GitLab.
    #[arg(value_name = "JOB", group = "what")]
    job_ref: Option<JobRef>,
    /// The name of a job, as its `.gitlab-ci.yml` has it.
    #[arg(long, value_name = "NAME", group = "what")]
    job: Option<JobName>,
    /// A file with the body of a job event of GitLab, such as one copied from the page of the webhook; `-` is standard input.
    #[arg(long, value_name = "FILE", group = "what")]
    event: Option<String>,
    /// The job's project, such as `group/app`. Without it, rows of single projects are not for the job.
    #[arg(long, value_name = "PATH", requires = "job")]
    project: Option<ProjectPath>,
    /// The job's tags, with commas between them; empty for a job without tags. Without it they are not known, as when GitLab
    /// does not answer: its events do not carry them. For a job that there was, they are those that its runner was given.
    #[arg(long, value_name = "TAGS", value_delimiter = ',')]
    tags: Option<Vec<String>>,
    /// The default target: `none`, `local`, `EC2`, or the ARN of a function. Without it, that of the stack; for a data folder
    /// `local`.
    #[arg(long, value_name = "TARGET")]
    default_target: Option<DefaultFlag>,
    #[command(flatten)]
    mappings: MappingFlags,
    #[command(flatten)]
    gitlab: GitlabFlags,
    #[command(flatten)]
    output: OutputFlags,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  the job goes somewhere
  1  the table, the ledger, AWS, GitLab or the file could not be read
  2  the command line is wrong
  3  the job goes nowhere: it is not ours, its row or its target cannot be used, or the ledger does not know it

Examples:
  mayfly explain --job build --project group/app --tags linux,docker
  mayfly explain --event event.json --stack mayfly-autoscaler
  mayfly explain https://gitlab.com/group/app/-/jobs/1977
  mayfly explain gitlab.com/380/1977 --data-dir mayfly-data --output json";

/// The job goes nowhere.
const NOWHERE: u8 = 3;

/// What is said of a job that there was, if only one of the tables is named: the other would be one of another installation.
const ONE_TABLE: &str = "a job that there was is looked for in the ledger and in the mapping table: give --table and \
     --mapping-table together, or --stack";

/// How many rows that are nearly for the job are named.
const MOST_NEAR_MISSES: usize = 5;

pub(crate) async fn run(command: ExplainCommand) -> anyhow::Result<ExitCode> {
    let tags = command.tags.as_ref().map(|tags| tags.iter().map(|tag| tag.trim()).collect());
    let mut installation = None;
    let (question, happened) = match (&command.job, &command.event, &command.job_ref) {
        (Some(job), _, _) => (Question::of_name(job, command.project.as_ref()), None),
        (None, Some(file), _) => match Question::of_event(file, SystemClock.now())? {
            Ok(question) => (question, None),
            Err(ignored) => {
                crate::complain(&format!("Mayfly does nothing because of this event: {ignored}"));
                return Ok(ExitCode::from(NOWHERE));
            }
        },
        (None, None, Some(job)) => {
            if command.mappings.names_one_table() {
                crate::complain(ONE_TABLE);
                return Ok(ExitCode::from(2));
            }
            let key = job.key(&command.gitlab).await?;
            let found = installation.insert(command.mappings.find().await?);
            let Some(record) = command.mappings.ledger(found)?.record(&key).await? else {
                crate::complain(&format!(
                    "the ledger does not know job {key}: its events never came, or it was forgotten; \
                     `mayfly explain --job NAME` says where a job of that name goes"
                ));
                return Ok(ExitCode::from(NOWHERE));
            };
            (Question::of_record(&record), Some(Happened::of(&record)))
        }
        (None, None, None) => anyhow::bail!("name a job"),
    };
    let installation = match installation {
        Some(found) => found,
        None => command.mappings.find().await?,
    };
    let opened = command.mappings.mappings(&installation, command.default_target.as_ref()).await?;
    let answer = answer(&question.with_tags(tags), happened, &opened).await?;
    command.output.print(&answer)?;
    Ok(if answer.goes_somewhere() { ExitCode::SUCCESS } else { ExitCode::from(NOWHERE) })
}

async fn answer(
    question: &Question,
    happened: Option<Happened>,
    opened: &OpenedMappings,
) -> anyhow::Result<Answer> {
    let rows = opened.rows().await?.into_iter();
    let (keys, rows): (Vec<String>, Vec<StoredMapping>) =
        rows.map(|row| (format!("{} {}", row.partition_key, row.sort_key), row.mapping)).unzip();
    let input = ResolveInput {
        project: question.project.as_ref(),
        job: &question.job,
        tags: question.tags.as_ref(),
        rows: &rows,
        default: opened.default_target(),
    };
    let resolution = resolve(&input);
    let near = near_misses(&input, MOST_NEAR_MISSES);
    Ok(Answer::new(question, &resolution, near, &keys, opened, happened))
}
