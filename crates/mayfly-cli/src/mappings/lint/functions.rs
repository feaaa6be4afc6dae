//! Asks Lambda for the functions that mappings name.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::ProvideErrorMetadata;
use mayfly_core::error::Chain;
use mayfly_core::lint::{FunctionFact, TableRow};
use mayfly_core::mapping::{StoredMapping, Target};
use mayfly_core::resolve::DefaultTarget;

use crate::installation::aws::Account;
use crate::many::{AT_ONCE, for_each};

/// What is known of each function that a row or the default target names. A function that could not be asked for is a fact too.
pub(super) async fn look_up(
    account: &Account,
    rows: &[TableRow],
    default: Option<&DefaultTarget>,
) -> BTreeMap<String, FunctionFact> {
    let client = Client::new(account.config());
    let ask_one = |arn: String| {
        let client = client.clone();
        async move { (ask(&client, &arn).await, arn) }
    };
    let arns = named(rows, default).into_iter().collect();
    let asked = for_each(arns, AT_ONCE, "asking for functions", ask_one).await;
    asked.into_iter().map(|(fact, arn)| (arn, fact)).collect()
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
