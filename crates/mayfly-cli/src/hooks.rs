//! `mayfly hooks`.

mod act;
pub(crate) mod credentials;
pub(crate) mod places;
pub(crate) mod plan;
mod report;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use mayfly_gitlab::client::GitlabClient;
use url::Url;

use self::act::Looked;
use self::credentials::{CredentialFlags, Credentials};
use self::places::PlacesFlags;
use self::plan::{Act, Wanted};
use self::report::{HooksReport, Listed};
use crate::consent::consent;
use crate::gitlab_access::{self, GitlabAccessFlags, LazyAccount};
use crate::installation::aws::AwsFlags;
use crate::installation::{DEFAULT_INFRASTRUCTURE_STACK, DEFAULT_STACK};
use crate::output::{OutputFlags, counted};

/// Install, list or remove GitLab's job webhook, in one project, in several, or in all of a group.
///
/// The token for GitLab needs the scope `api` (`list`: `read_api`) and the role of a maintainer. Without `MAYFLY_API_TOKEN` it is
/// that of the installation, which has these only if you gave them to it.
#[derive(Debug, Args)]
pub(crate) struct HooksCommand {
    #[command(subcommand)]
    action: HooksAction,
}

#[derive(Debug, Subcommand)]
enum HooksAction {
    Install(Box<InstallCommand>),
    List(Box<ListCommand>),
    Remove(Box<RemoveCommand>),
}

/// Make the webhook where there is none, and put right what is wrong with one that is there.
///
/// It can be repeated: a webhook with our address that sends job events alone, verifies certificates, has a secret and is not
/// disabled is left alone. GitLab never tells which secret it has: if that may be another one, or has changed, say --rotate, which
/// sends it again. One that GitLab has disabled gets a test delivery, which enables it if it is answered well.
///
/// The secret is that in `MAYFLY_WEBHOOK_SECRET` or in --secret-file, else the one that the infrastructure stack has, else it is
/// asked for; the signing token likewise, in `MAYFLY_SIGNING_TOKEN` or --signing-token-file, and it may be missing.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, after_long_help = EXIT_CODES)]
struct InstallCommand {
    #[command(flatten)]
    places: PlacesFlags,
    /// Send secret and signing token also to webhooks that are there already.
    #[arg(long)]
    rotate: bool,
    /// Where several webhooks have our address, keep one. Without it they are only named: each event comes as often as there
    /// are webhooks, which does no harm.
    #[arg(long)]
    remove_duplicates: bool,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    credentials: CredentialFlags,
    #[command(flatten)]
    at: AddressFlags,
    #[command(flatten)]
    output: OutputFlags,
}

/// List the webhooks with our address, and how GitLab treats them.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, after_long_help = EXIT_CODES)]
struct ListCommand {
    #[command(flatten)]
    places: PlacesFlags,
    #[command(flatten)]
    at: AddressFlags,
    #[command(flatten)]
    output: OutputFlags,
}

/// Remove the webhooks with our address. Jobs then get a runner only through the reconciler, or none.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, after_long_help = EXIT_CODES)]
struct RemoveCommand {
    #[command(flatten)]
    places: PlacesFlags,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    at: AddressFlags,
    #[command(flatten)]
    output: OutputFlags,
}

/// Where the webhook sends its events, and where GitLab is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Installation")]
struct AddressFlags {
    /// The webhook's address. Without it, the output `WebhookUrl` of the infrastructure stack.
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
    /// The name of the infrastructure stack, as its `samconfig.toml` has it.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_INFRASTRUCTURE_STACK)]
    infrastructure_stack: String,
    /// The name of the autoscaler's stack, as its `samconfig.toml` has it.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_STACK)]
    stack: String,
    #[command(flatten)]
    gitlab: GitlabAccessFlags,
    #[command(flatten)]
    aws: AwsFlags,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  everything is as it was asked for
  1  it failed, maybe only for some of the projects: each is named with the reason
  2  the command line is wrong";

pub(crate) async fn run(command: HooksCommand) -> anyhow::Result<ExitCode> {
    match command.action {
        HooksAction::Install(command) => install(*command).await,
        HooksAction::List(command) => list(*command).await,
        HooksAction::Remove(command) => remove(*command).await,
    }
}

/// What all three need.
struct Session {
    account: LazyAccount,
    client: GitlabClient,
    url: Url,
}

impl Session {
    async fn open(at: &AddressFlags) -> anyhow::Result<Self> {
        let mut account = LazyAccount::new(at.aws.clone());
        let url = match &at.url {
            Some(url) => url.clone(),
            None => {
                account.get().await?.stack(&at.infrastructure_stack).await?.output("WebhookUrl")?.parse()?
            }
        };
        let client = gitlab_access::find(&at.gitlab, &mut account, &at.stack).await?;
        Ok(Self { account, client, url })
    }
}

async fn install(command: InstallCommand) -> anyhow::Result<ExitCode> {
    let mut session = Session::open(&command.at).await?;
    let wanted = Wanted {
        url: session.url.clone(),
        rotates: command.rotate,
        removes_duplicates: command.remove_duplicates,
    };
    let looked = act::look(&session.client, &command.places).await?;
    let plan = planned(looked, |looked| plan::install(&looked.hooks, &wanted));
    if command.dry_run {
        return finish(command.output, &HooksReport::planned(&session.url, &plan));
    }
    let is_secret_needed = plan.iter().flatten().any(|(_, acts)| acts.iter().any(Act::sends_secret));
    let credentials = if is_secret_needed {
        command.credentials.find(&mut session.account, &command.at.infrastructure_stack).await?
    } else {
        Credentials::default()
    };
    let outcomes = act::perform(&session.client, plan, &session.url, &credentials).await;
    finish(command.output, &HooksReport::done(&session.url, outcomes))
}

async fn remove(command: RemoveCommand) -> anyhow::Result<ExitCode> {
    let session = Session::open(&command.at).await?;
    let looked = act::look(&session.client, &command.places).await?;
    let plan = planned(looked, |looked| plan::remove(&looked.hooks, &session.url));
    if command.dry_run {
        return finish(command.output, &HooksReport::planned(&session.url, &plan));
    }
    let count: usize = plan.iter().flatten().map(|(_, acts)| acts.len()).sum();
    let webhooks = counted(count, "webhook");
    let question = format!("Remove {webhooks} to {}?", session.url);
    let unasked = format!(
        "{webhooks} would be removed and nobody can be asked: say --yes, or look first with --dry-run"
    );
    consent(&question, &unasked, command.yes || count == 0)?;
    let outcomes = act::perform(&session.client, plan, &session.url, &Credentials::default()).await;
    finish(command.output, &HooksReport::done(&session.url, outcomes))
}

async fn list(command: ListCommand) -> anyhow::Result<ExitCode> {
    let session = Session::open(&command.at).await?;
    let looked = act::look(&session.client, &command.places).await?;
    let listed = Listed::of(&session.url, looked);
    command.output.print(&listed)?;
    Ok(exit_code(listed.has_failed()))
}

/// The acts for each place that could be looked at.
fn planned(
    looked: Vec<Result<Looked, act::Failed>>,
    plan: impl Fn(&Looked) -> Vec<Act>,
) -> Vec<Result<(places::Place, Vec<Act>), act::Failed>> {
    let plan = |looked: Looked| {
        let acts = plan(&looked);
        (looked.place, acts)
    };
    looked.into_iter().map(|looked| looked.map(plan)).collect()
}

fn finish(output: OutputFlags, report: &HooksReport) -> anyhow::Result<ExitCode> {
    output.print(report)?;
    Ok(exit_code(report.has_failed()))
}

fn exit_code(has_failed: bool) -> ExitCode {
    if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
