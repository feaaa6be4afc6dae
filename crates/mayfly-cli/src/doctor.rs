//! `mayfly doctor`.

mod asked;
mod demands;
mod facts;
mod gather;
mod judge;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use mayfly_core::clock::{Clock, SystemClock};
use url::Url;

use self::gather::gitlab::HookQuestions;
use self::judge::gitlab::TokenNeeds;
use self::report::Findings;
use crate::gitlab_access::{GitlabAccessFlags, GitlabSource};
use crate::hooks::places::PlacesFlags;
use crate::installation::aws::{Account, AwsFlags};
use crate::installation::{DEFAULT_INFRASTRUCTURE_STACK, DEFAULT_STACK};
use crate::output::OutputFlags;

/// The version of this command, and of the stacks that go with it.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The name that `shell-runner/samconfig.toml` gives the stack.
const DEFAULT_SHELL_RUNNER_STACK: &str = "mayfly-shell-runner";

/// Look at an installation: is everything there, does it fit together, may it do what it must, and what is near its limit.
///
/// It changes nothing, and prints no secret. Each line is ok, a warning or a failure; the latter two say what to do. What these
/// credentials may not ask is a warning that names the right.
///
/// On AWS it looks at the three stacks and their parameters, GitLab and the installation's token for it, the webhooks of projects,
/// images, instance types, functions, quotas, queues and the reconciler. With --data-dir, for a `mayfly local`: at the store,
/// GitLab, token and webhooks.
///
/// Webhooks are asked for with the token in `MAYFLY_API_TOKEN`, which needs the role of a maintainer; without it, with the
/// installation's.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, after_long_help = EXIT_CODES)]
pub(crate) struct DoctorCommand {
    #[command(flatten)]
    installation: DoctorFlags,
    #[command(flatten)]
    hooks: HookFlags,
    #[command(flatten)]
    gitlab: GitlabAccessFlags,
    #[command(flatten)]
    output: OutputFlags,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Installation")]
struct DoctorFlags {
    /// The data folder of a `mayfly local` on this machine, whether or not that runs.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["stack", "infrastructure_stack", "shell_runner_stack", "profile", "region"])]
    data_dir: Option<PathBuf>,
    /// The name of the autoscaler's stack, as its `samconfig.toml` has it.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_STACK)]
    stack: String,
    /// The name of the infrastructure stack.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_INFRASTRUCTURE_STACK)]
    infrastructure_stack: String,
    /// The name of the shell runner's stack. An installation with EC2 runners alone has none.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_SHELL_RUNNER_STACK)]
    shell_runner_stack: String,
    #[command(flatten)]
    aws: AwsFlags,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Webhooks")]
struct HookFlags {
    /// A project whose webhook is looked at, such as `group/app`. Can be repeated. Without this and --group, the projects that
    /// have had jobs lately.
    #[arg(long = "project", value_name = "PATH")]
    projects: Vec<String>,
    /// A group: the webhooks of its projects and those of its subgroups. Can be repeated.
    #[arg(long = "group", value_name = "PATH")]
    groups: Vec<String>,
    /// Have GitLab send the latest job event of each project again, and see what is answered: that tells whether the secret is
    /// right. GitLab allows five in a minute for each project.
    #[arg(long)]
    test_delivery: bool,
    /// The webhook's address. Without it, the output `WebhookUrl` of the infrastructure stack.
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
}

impl HookFlags {
    fn questions(&self) -> HookQuestions {
        let places =
            PlacesFlags { projects: self.projects.clone(), groups: self.groups.clone(), group_hook: false };
        HookQuestions { places, has_test: self.test_delivery, url: self.url.clone() }
    }
}

const EXIT_CODES: &str = "\
Exit codes:
  0  no failure; there may be warnings
  1  nothing could be looked at
  2  the command line is wrong
  3  at least one failure";

pub(crate) async fn run(command: DoctorCommand) -> anyhow::Result<ExitCode> {
    let given = GitlabSource::given(&command.gitlab)?;
    let questions = command.hooks.questions();
    let lines = match &command.installation.data_dir {
        Some(data_dir) => local(data_dir, given, &questions).await,
        None => on_aws(&command.installation, given, questions).await?,
    };
    let findings = Findings::new(lines);
    command.output.print(&findings)?;
    Ok(if findings.has_failures() { ExitCode::from(3) } else { ExitCode::SUCCESS })
}

async fn local(
    data_dir: &std::path::Path,
    given: GitlabSource,
    questions: &HookQuestions,
) -> Vec<report::Line> {
    let store = gather::store(data_dir).await;
    let mut lines = vec![judge::store(data_dir, &store)];
    match given.url {
        Some(_) => {
            // Whether the server has a token nobody tells; but it is likely the one that is given here, too.
            let own = given.token.is_some().then_some(&given);
            let gitlab = gather::gitlab::gather(own, &given, questions, &SystemClock).await;
            lines.extend(judge::gitlab::judge(&gitlab, &TokenNeeds::default(), SystemClock.now()));
        }
        None => lines.push(judge::gitlab::unknown()),
    }
    lines
}

async fn on_aws(
    flags: &DoctorFlags,
    given: GitlabSource,
    mut questions: HookQuestions,
) -> anyhow::Result<Vec<report::Line>> {
    let account = Account::connect(&flags.aws).await?;
    let names = gather::StackNames {
        infrastructure: flags.infrastructure_stack.clone(),
        shell_runner: flags.shell_runner_stack.clone(),
        autoscaler: flags.stack.clone(),
    };
    let gathered = gather::gather(&account, &names, &SystemClock).await;
    let now = SystemClock.now();
    let mut lines = judge::judge(&gathered.facts, now);
    questions.url = questions.url.or(gathered.webhook_url);
    if questions.places.is_empty() {
        questions.places.projects = gathered.projects;
    }
    let mode = gathered.facts.autoscaler.parameter("RegistrationMode").unwrap_or("per-job").to_owned();
    let needs = TokenNeeds::of_mode(&mode, gathered.facts.demands.retries);
    let sources = gathered.gitlab.and_then(|stored| Ok((given.or(stored.clone())?, stored)));
    let (asking, stored) = match sources {
        Ok(sources) => sources,
        Err(error) => {
            lines.push(judge::gitlab::contradictory(&error));
            return Ok(lines);
        }
    };
    if asking.url.is_none() {
        lines.push(judge::gitlab::unknown());
        return Ok(lines);
    }
    // The token to judge is the one that the installation uses, wherever it can be read and where it goes is known.
    let is_known =
        gathered.facts.parameters.known().is_some() && (stored.token.is_none() || stored.url.is_some());
    let own = GitlabSource { ca_pem: asking.ca_pem.clone(), ..stored };
    let gitlab = gather::gitlab::gather(is_known.then_some(&own), &asking, &questions, &SystemClock).await;
    lines.extend(judge::gitlab::judge(&gitlab, &needs, now));
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stack_tells_the_version_of_this_workspace() {
        let templates = [
            ("infrastructure", include_str!("../../../infrastructure/template.yaml")),
            ("shell-runner", include_str!("../../../shell-runner/template.yaml")),
            ("autoscaler", include_str!("../../../autoscaler/template.yaml")),
        ];
        for (stack, template) in templates {
            let (_, output) = template.split_once("\n  MayflyVersion:\n").unwrap();
            let value = output.lines().find_map(|line| line.trim().strip_prefix("Value: ")).unwrap();
            assert_eq!(value, VERSION, "the output MayflyVersion of {stack}/template.yaml");
        }
    }
}
