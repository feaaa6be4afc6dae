//! Asks Lambda for the functions that mappings name.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::ProvideErrorMetadata;
use indicatif::ProgressBar;
use mayfly_core::error::Chain;
use mayfly_core::lint::{FunctionFact, TableRow};
use mayfly_core::mapping::{StoredMapping, Target};
use mayfly_core::resolve::DefaultTarget;
use tokio::task::JoinSet;

use crate::installation::aws::Account;

/// How many are asked for at once. Lambda lets an account ask 100 times a second (quotas, control plane).
const AT_ONCE: usize = 8;

/// What is known of each function that a row or the default target names. A function that could not be asked for is a fact too.
pub(super) async fn look_up(
    account: &Account,
    rows: &[TableRow],
    default: Option<&DefaultTarget>,
) -> anyhow::Result<BTreeMap<String, FunctionFact>> {
    let arns = named(rows, default);
    let bar = ProgressBar::new(u64::try_from(arns.len())?).with_message("asking for functions");
    bar.enable_steady_tick(Duration::from_millis(200));
    let client = Client::new(account.config());
    let (mut asked, mut facts) = (JoinSet::new(), BTreeMap::new());
    let mut arns = arns.into_iter();
    loop {
        while asked.len() < AT_ONCE
            && let Some(arn) = arns.next()
        {
            let client = client.clone();
            asked.spawn(async move { (ask(&client, &arn).await, arn) });
        }
        let Some(answered) = asked.join_next().await else { break };
        let (fact, arn) = answered?;
        facts.insert(arn, fact);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(facts)
}

fn named(rows: &[TableRow], default: Option<&DefaultTarget>) -> BTreeSet<String> {
    let of_rows = rows.iter().filter_map(|row| match &row.mapping {
        StoredMapping::Readable(mapping) => Some(&mapping.target),
        StoredMapping::Unreadable { .. } | StoredMapping::Pause { .. } => None,
    });
    let targets = of_rows.chain(default.map(|default| &default.target));
    let arns = targets.filter_map(|target| match target {
        Target::Lambda { arn } => Some(arn.clone()),
        Target::Ec2(_) | Target::Local => None,
    });
    arns.collect()
}

async fn ask(client: &Client, arn: &str) -> FunctionFact {
    match client.get_function_configuration().function_name(arn).send().await {
        Ok(found) => match found.timeout.and_then(|seconds| u32::try_from(seconds).ok()) {
            Some(timeout_seconds) => FunctionFact::Exists { timeout_seconds },
            None => FunctionFact::NotKnown("Lambda did not tell its timeout".to_owned()),
        },
        Err(error) if error.code() == Some("ResourceNotFoundException") => FunctionFact::Missing,
        Err(error) => FunctionFact::NotKnown(Chain(&error).to_string()),
    }
}
