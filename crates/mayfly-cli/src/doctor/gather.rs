//! Asks AWS what it knows of an installation. Nothing is changed.

mod account;
pub(super) mod gitlab;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mayfly_aws::dynamodb::{DynamoLedger, DynamoMappingStore};
use mayfly_core::clock::{Clock, SystemClock};
use mayfly_core::error::Chain;
use mayfly_core::mapping::StoredMapping;
use mayfly_core::ports::Ledger;
use mayfly_core::reconcile::Memory;
use mayfly_local::ledger::EmbeddedLedger;
use url::Url;

use super::asked::Asked;
use super::demands::Demands;
use super::facts::{
    AwsFacts, LastPass, MappingFacts, ON_DEMAND_QUOTA, ParameterFacts, SPOT_QUOTA, SecretFacts, StackFacts,
    StackState,
};
use crate::gitlab_access::{self, GitlabSource};
use crate::hooks::credentials;
use crate::installation::aws::Account;
use crate::installation::stack::Stack;

/// So many of the projects that had jobs lately are looked at if nobody names any.
const MOST_PROJECTS: usize = 20;

pub(super) struct StackNames {
    pub(super) infrastructure: String,
    pub(super) shell_runner: String,
    pub(super) autoscaler: String,
}

/// The facts, and what is needed to ask for more.
pub(super) struct Gathered {
    pub(super) facts: AwsFacts,
    /// The installation's GitLab and token, as far as they can be read.
    pub(super) gitlab: anyhow::Result<GitlabSource>,
    pub(super) webhook_url: Option<Url>,
    /// The projects that had jobs lately.
    pub(super) projects: Vec<String>,
}

/// Looks into the store of a data folder: how many jobs are open.
pub(super) async fn store(data_dir: &Path) -> Result<usize, String> {
    let ledger = EmbeddedLedger::open(data_dir).map_err(|error| format!("{error:#}"))?;
    let sweep = ledger.ledger().open().await.map_err(|error| Chain(&error).to_string())?;
    Ok(sweep.records.len())
}

pub(super) async fn gather(account: &Account, names: &StackNames, clock: &dyn Clock) -> Gathered {
    let (identity, aws_clock) = (account::identity(account).await, account::clock(account, clock).await);
    let infrastructure = stack(account, &names.infrastructure, false).await;
    let shell_runner = stack(account, &names.shell_runner, true).await;
    let autoscaler = stack(account, &names.autoscaler, false).await;
    let (mappings, demands) = mappings(account, &autoscaler).await;
    let (parameters, gitlab) = parameters(account, &autoscaler, &demands).await;
    let webhook_secret = webhook_secret(account, &infrastructure).await;
    let memory = memory(account, &autoscaler).await;
    let queues = account::queues(account, [&infrastructure, &autoscaler, &shell_runner]).await;
    let has_instances = demands.has_instances();
    let instance_types = demands.instance_types();
    let facts = AwsFacts {
        identity,
        clock: aws_clock,
        functions: account::functions(account, &demands.functions).await,
        images: account::images(account, &demands.images).await,
        instance_types: account::instance_types(account, &instance_types).await,
        lambda_concurrency: account::lambda_concurrency(account).await,
        on_demand_quota: account::quota(account, ON_DEMAND_QUOTA, has_instances).await,
        spot_quota: account::quota(account, SPOT_QUOTA, has_instances).await,
        last_pass: memory.clone().map(|memory| last_pass(&memory)),
        parameters,
        webhook_secret,
        mappings,
        demands,
        queues,
        autoscaler,
        shell_runner,
        infrastructure,
    };
    let webhook_url = facts.infrastructure.output("WebhookUrl").and_then(|url| url.parse().ok());
    let projects = memory.known().map(projects_of).unwrap_or_default();
    Gathered { facts, gitlab, webhook_url, projects }
}

async fn stack(account: &Account, name: &str, is_optional: bool) -> StackFacts {
    let answer = Asked::of("cloudformation:DescribeStacks", account.ask_for_stack(name).await);
    let state = |stack: Stack| StackState {
        status: stack.status().to_owned(),
        version: stack.outputs().get("MayflyVersion").cloned(),
        parameters: stack.parameters().clone(),
        outputs: stack.outputs().clone(),
    };
    StackFacts { name: name.to_owned(), is_optional, found: answer.map(|found| found.map(state)) }
}

/// The parameters of the registration mode, and with them GitLab's address and token.
async fn parameters(
    account: &Account,
    stack: &StackFacts,
    demands: &Demands,
) -> (Asked<ParameterFacts>, anyhow::Result<GitlabSource>) {
    let (Some(path), Some(mode)) = (stack.parameter("ParameterPath"), stack.parameter("RegistrationMode"))
    else {
        return (Asked::Skipped, Ok(GitlabSource::default()));
    };
    let of_gitlab = gitlab_access::parameter_names(path);
    let secrets = demands.secrets(mode).into_iter().map(|secret| format!("{path}/{secret}"));
    let needed: Vec<String> = of_gitlab.iter().take(1).cloned().chain(secrets).collect();
    let mut names = [&needed[..], &of_gitlab].concat();
    names.sort();
    names.dedup();
    let answer = Asked::of("ssm:GetParameters", account.ask_for_parameters(&names).await);
    let gitlab = answer
        .known()
        .map_or_else(|| Ok(GitlabSource::default()), |found| GitlabSource::read(&of_gitlab, found));
    let facts = answer.map(|found| {
        let found = found.into_iter().map(|(name, parameter)| (name, parameter.is_encrypted)).collect();
        ParameterFacts { needed, found }
    });
    (facts, gitlab)
}

async fn webhook_secret(account: &Account, stack: &StackFacts) -> Asked<SecretFacts> {
    let Some(Some(state)) = stack.found.known() else { return Asked::Skipped };
    let names = credentials::parameter_names(&stack.name, &state.parameters).to_vec();
    let answer = Asked::of("ssm:GetParameters", account.ask_for_parameters(&names).await);
    answer.map(|found| SecretFacts { names, found: found.into_keys().collect() })
}

async fn mappings(account: &Account, stack: &StackFacts) -> (Asked<MappingFacts>, Demands) {
    let parameters = stack.found.known().and_then(Option::as_ref).map(|state| state.parameters.clone());
    let parameters: BTreeMap<_, _> = parameters.unwrap_or_default();
    let Some(table) = stack.output("MappingTable") else {
        return (Asked::Skipped, Demands::of(&parameters, &[]));
    };
    let store = DynamoMappingStore::new(account.dynamodb(), table, Duration::ZERO, Arc::new(SystemClock));
    let rows = Asked::of_port("dynamodb:Scan", store.list().await);
    let demands = Demands::of(&parameters, rows.known().map(Vec::as_slice).unwrap_or_default());
    (rows.map(mapping_facts), demands)
}

fn mapping_facts(rows: Vec<StoredMapping>) -> MappingFacts {
    let mut facts = MappingFacts { rows: rows.len(), broken: Vec::new(), paused: Vec::new() };
    for row in rows {
        match row {
            StoredMapping::Unreadable { row, reason, .. } => facts.broken.push((row, reason)),
            StoredMapping::Pause { reason } => facts.paused.push(("all jobs".to_owned(), reason)),
            StoredMapping::Readable(mapping) => {
                facts
                    .paused
                    .extend(mapping.paused.map(|reason| (format!("jobs of {}", mapping.key), reason)));
            }
        }
    }
    facts
}

async fn memory(account: &Account, stack: &StackFacts) -> Asked<Memory> {
    let Some(table) = stack.output("LedgerTable") else { return Asked::Skipped };
    let ledger = DynamoLedger::new(account.dynamodb(), table);
    Asked::of_port("dynamodb:GetItem", ledger.memory().await)
}

fn last_pass(memory: &Memory) -> LastPass {
    let asked = memory.projects.values().map(|project| project.asked_at);
    match asked.max() {
        None => LastPass::NoProject,
        Some(at) if at <= Timestamp::UNIX_EPOCH => LastPass::NotSeen,
        Some(at) => LastPass::At(at),
    }
}

/// The projects that had jobs, the latest first, by their path if it is known.
fn projects_of(memory: &Memory) -> Vec<String> {
    let mut projects: Vec<_> = memory.projects.iter().collect();
    projects.sort_by_key(|(_, watched)| std::cmp::Reverse(watched.active_at));
    let name = |(key, watched): (&mayfly_core::reconcile::ProjectKey, &mayfly_core::reconcile::Watched)| {
        watched.path.as_ref().map_or_else(|| key.project.to_string(), ToString::to_string)
    };
    projects.into_iter().take(MOST_PROJECTS).map(name).collect()
}

#[cfg(test)]
mod tests {
    use mayfly_core::reconcile::Watched;

    use super::*;

    #[test]
    fn a_reconciler_that_never_asked_gitlab_is_not_seen() {
        let memory = |asked: &[Timestamp]| {
            let watched = |asked_at: &Timestamp| Watched {
                path: None,
                active_at: Timestamp::UNIX_EPOCH,
                asked_at: *asked_at,
            };
            let key = |number: usize| format!("gitlab.com/{number}").parse().unwrap();
            let projects = asked.iter().enumerate().map(|(number, at)| (key(number), watched(at)));
            Memory { projects: projects.collect(), ..Memory::default() }
        };
        let (never, now) = (Timestamp::UNIX_EPOCH, Timestamp::constant(1_795_000_000, 0));
        assert_eq!(last_pass(&memory(&[])), LastPass::NoProject);
        assert_eq!(last_pass(&memory(&[never, never])), LastPass::NotSeen);
        assert_eq!(last_pass(&memory(&[now, never])), LastPass::At(now));
    }
}
