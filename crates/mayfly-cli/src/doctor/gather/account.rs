//! Questions to the services of an account.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_ec2::types::Filter;
use aws_sdk_sqs::types::QueueAttributeName;
use aws_sdk_ssm::error::ProvideErrorMetadata;
use jiff::SignedDuration;
use jiff::fmt::rfc2822::DateTimeParser;
use mayfly_core::clock::Clock;
use secrecy::ExposeSecret;

use crate::doctor::asked::Asked;
use crate::doctor::facts::{ImageFacts, LambdaFacts, QueueFacts, StackFacts};
use crate::installation::aws::Account;

const CLOCK_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) async fn identity(account: &Account) -> Asked<String> {
    let client = aws_sdk_sts::Client::new(account.config());
    let answer = client.get_caller_identity().send().await;
    Asked::of("sts:GetCallerIdentity", answer).map(|answer| answer.arn.unwrap_or_default())
}

/// How far AWS's clock is ahead. Every answer has the time, also one to somebody unknown.
pub(super) async fn clock(account: &Account, clock: &dyn Clock) -> Asked<SignedDuration> {
    let region = account.region();
    let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
    let url = match account.config().endpoint_url() {
        Some(url) => url.to_owned(),
        None => format!("https://sts.{region}.amazonaws.com{suffix}/"),
    };
    let failed = |why: String| Asked::Failed { why };
    let client = match mayfly_gitlab::http_client(None, CLOCK_TIMEOUT) {
        Ok(client) => client,
        Err(error) => return failed(error.to_string()),
    };
    let answer = match client.get(url).send().await {
        Ok(answer) => answer,
        Err(error) => return failed(error.without_url().to_string()),
    };
    let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
    match date.and_then(|date| DateTimeParser::new().parse_timestamp(date).ok()) {
        Some(date) => Asked::Known(date.duration_since(clock.now())),
        None => Asked::NotOffered { why: "the answer has no date".to_owned() },
    }
}

pub(super) async fn functions(
    account: &Account,
    functions: &BTreeSet<String>,
) -> BTreeMap<String, Asked<bool>> {
    let client = aws_sdk_lambda::Client::new(account.config());
    let mut found = BTreeMap::new();
    for function in functions {
        let answer = client.get_function_configuration().function_name(function).send().await;
        let asked = match answer {
            Err(error) if error.code() == Some("ResourceNotFoundException") => Asked::Known(false),
            answer => Asked::of("lambda:GetFunctionConfiguration", answer).map(|_| true),
        };
        found.insert(function.clone(), asked);
    }
    found
}

pub(super) async fn lambda_concurrency(account: &Account) -> Asked<LambdaFacts> {
    let client = aws_sdk_lambda::Client::new(account.config());
    let answer = Asked::of("lambda:GetAccountSettings", client.get_account_settings().send().await);
    let positive = |number: i32| u32::try_from(number).unwrap_or(0);
    match answer.map(|answer| answer.account_limit) {
        Asked::Known(None) => Asked::NotOffered { why: "the answer has no limit".to_owned() },
        answer => answer.map(|limit| {
            let limit = limit.unwrap_or_else(|| aws_sdk_lambda::types::AccountLimit::builder().build());
            let all = positive(limit.concurrent_executions());
            LambdaFacts { all, unreserved: limit.unreserved_concurrent_executions().map_or(all, positive) }
        }),
    }
}

/// A quota of EC2. Not asked for if nothing needs it.
pub(super) async fn quota(account: &Account, code: &str, is_needed: bool) -> Asked<f64> {
    if !is_needed {
        return Asked::Skipped;
    }
    let client = aws_sdk_servicequotas::Client::new(account.config());
    let answer = client.get_service_quota().service_code("ec2").quota_code(code).send().await;
    match Asked::of("servicequotas:GetServiceQuota", answer) {
        Asked::Known(answer) => match answer.quota.and_then(|quota| quota.value) {
            Some(value) => Asked::Known(value),
            None => Asked::NotOffered { why: "the answer has no value".to_owned() },
        },
        other => other.map(|_| 0.0),
    }
}

/// The images, by their id or by the parameter that has it.
pub(super) async fn images(account: &Account, names: &BTreeSet<String>) -> Asked<Vec<ImageFacts>> {
    if names.is_empty() {
        return Asked::Skipped;
    }
    let parameters: Vec<String> = names.iter().filter(|name| name.starts_with('/')).cloned().collect();
    let values = Asked::of("ssm:GetParameters", account.ask_for_parameters(&parameters).await);
    let Asked::Known(values) = values else { return values.map(|_| Vec::new()) };
    let id_of = |name: &String| {
        let is_parameter = name.starts_with('/');
        let value = || values.get(name).map(|found| found.value.expose_secret().trim().to_owned());
        if is_parameter { value() } else { Some(name.clone()) }
    };
    let images: Vec<(String, Option<String>)> =
        names.iter().map(|name| (name.clone(), id_of(name))).collect();
    let ids: Vec<String> = images.iter().filter_map(|(_, id)| id.clone()).collect();
    available(account, ids).await.map(|states| {
        let fact = |(name, id): (String, Option<String>)| {
            let state = id.as_ref().and_then(|id| states.get(id)).cloned();
            ImageFacts { name, id, state }
        };
        images.into_iter().map(fact).collect()
    })
}

/// The states of those images that are there.
async fn available(account: &Account, ids: Vec<String>) -> Asked<BTreeMap<String, String>> {
    if ids.is_empty() {
        // A filter without values takes every image there is.
        return Asked::Known(BTreeMap::new());
    }
    let client = aws_sdk_ec2::Client::new(account.config());
    // A filter, because a list of ids fails as a whole if one of them is unknown.
    let filter = Filter::builder().name("image-id").set_values(Some(ids)).build();
    let asked = client.describe_images().filters(filter).include_deprecated(true);
    Asked::of("ec2:DescribeImages", asked.send().await).map(|answer| {
        let images = answer.images.unwrap_or_default().into_iter();
        images.filter_map(|image| Some((image.image_id?, image.state?.as_str().to_owned()))).collect()
    })
}

/// The instance types that the region offers, with their processors, and those that it does not.
pub(super) async fn instance_types(
    account: &Account,
    types: &BTreeSet<String>,
) -> Asked<BTreeMap<String, Option<u32>>> {
    if types.is_empty() {
        return Asked::Skipped;
    }
    let client = aws_sdk_ec2::Client::new(account.config());
    let filter =
        Filter::builder().name("instance-type").set_values(Some(types.iter().cloned().collect())).build();
    let answer =
        client.describe_instance_type_offerings().filters(filter.clone()).into_paginator().items().send();
    let offered = Asked::of("ec2:DescribeInstanceTypeOfferings", answer.collect::<Result<Vec<_>, _>>().await);
    let Asked::Known(offered) = offered else { return offered.map(|_| BTreeMap::new()) };
    let offered: BTreeSet<String> = offered
        .into_iter()
        .filter_map(|offering| Some(offering.instance_type?.as_str().to_owned()))
        .collect();
    let answer = client.describe_instance_types().filters(filter).into_paginator().items().send();
    let described = Asked::of("ec2:DescribeInstanceTypes", answer.collect::<Result<Vec<_>, _>>().await);
    described.map(|described| {
        let processors: BTreeMap<String, u32> = described
            .into_iter()
            .filter_map(|it| {
                let processors = it.v_cpu_info?.default_v_cpus?;
                Some((it.instance_type?.as_str().to_owned(), u32::try_from(processors).ok()?))
            })
            .collect();
        let of = |name: &String| processors.get(name).copied().filter(|_| offered.contains(name));
        types.iter().map(|name| (name.clone(), of(name))).collect()
    })
}

/// The queues that the stacks tell of.
pub(super) async fn queues(account: &Account, stacks: [&StackFacts; 3]) -> Vec<QueueFacts> {
    let client = aws_sdk_sqs::Client::new(account.config());
    let outputs = ["LaunchQueueUrl", "LaunchDeadLetterQueueUrl", "DeadLetterQueueUrl", "FailureQueueUrl"];
    let mut queues = Vec::new();
    for (stack, output) in stacks.iter().flat_map(|stack| outputs.map(|output| (stack, output))) {
        let Some(url) = stack.output(output) else { continue };
        let counts = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let request = client.get_queue_attributes().queue_url(url).set_attribute_names(Some(counts.to_vec()));
        let answer = Asked::of("sqs:GetQueueAttributes", request.send().await);
        queues.push(QueueFacts {
            name: url.rsplit('/').next().unwrap_or(url).to_owned(),
            is_dead_letters: output != "LaunchQueueUrl",
            messages: answer.map(|answer| {
                let attributes = answer.attributes.unwrap_or_default();
                attributes.into_values().filter_map(|count| count.parse::<u64>().ok()).sum()
            }),
        });
    }
    queues
}
