//! What an account tells of itself: who asks, images, instance types, functions, quotas, queues. All is well unless a test says
//! otherwise.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::StandinAws;
use super::services::{Request, with_status};

#[derive(Debug, Default)]
pub(super) struct Known {
    stack_statuses: BTreeMap<String, String>,
    stack_parameters: BTreeMap<String, BTreeMap<String, String>>,
    /// Operations that are refused, with the code.
    refusals: BTreeMap<String, String>,
    /// Images that are not `available`: their state, or `None` for one that is not there.
    images: BTreeMap<String, Option<String>>,
    types_not_offered: BTreeSet<String>,
    /// The timeout in seconds of each function, by its ARN; if there are any, no others are there.
    functions: BTreeMap<String, u32>,
    missing_functions: BTreeSet<String>,
    /// Service quotas by their code.
    quotas: BTreeMap<String, f64>,
    lambda_concurrency: Option<u32>,
    /// Messages by the end of the queue's address.
    depths: BTreeMap<String, u32>,
}

impl StandinAws {
    /// Sets what a stack was given as parameters.
    pub fn put_stack_parameters(&self, stack: &str, parameters: &[(&str, &str)]) {
        let mut known = self.known();
        let all = known.account.stack_parameters.entry(stack.to_owned()).or_default();
        all.extend(parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    }

    /// Sets a stack's status; `CREATE_COMPLETE` unless set.
    pub fn set_stack_status(&self, stack: &str, status: &str) {
        self.known().account.stack_statuses.insert(stack.to_owned(), status.to_owned());
    }

    /// Forgets a stack.
    pub fn delete_stack(&self, stack: &str) {
        self.known().stacks.remove(stack);
    }

    /// From now on this operation, such as `GetCallerIdentity`, is refused with this code.
    pub fn refuse(&self, operation: &str, code: &str) {
        self.known().account.refusals.insert(operation.to_owned(), code.to_owned());
    }

    /// From now on this operation is refused no more.
    pub fn allow(&self, operation: &str) {
        self.known().account.refusals.remove(operation);
    }

    /// Sets an image's state, or that there is none.
    pub fn set_image(&self, image: &str, state: Option<&str>) {
        self.known().account.images.insert(image.to_owned(), state.map(str::to_owned));
    }

    /// From now on an instance type is not offered.
    pub fn withdraw_instance_type(&self, instance_type: &str) {
        self.known().account.types_not_offered.insert(instance_type.to_owned());
    }

    /// From now on there is no function of this name.
    pub fn delete_function(&self, name: &str) {
        self.known().account.missing_functions.insert(name.to_owned());
    }

    /// Sets a service quota, which is 64 unless set.
    pub fn set_quota(&self, code: &str, value: f64) {
        self.known().account.quotas.insert(code.to_owned(), value);
    }

    /// Makes this function one of those there are, with a timeout in seconds.
    pub fn put_function(&self, arn: &str, timeout_seconds: u32) {
        self.known().account.functions.insert(arn.to_owned(), timeout_seconds);
    }

    /// Sets the concurrency of Lambda functions, which is 1,000 unless set.
    pub fn set_lambda_concurrency(&self, concurrency: u32) {
        self.known().account.lambda_concurrency = Some(concurrency);
    }

    /// Sets how many messages a queue has whose address ends so.
    pub fn set_queue_depth(&self, ending: &str, messages: u32) {
        self.known().account.depths.insert(ending.to_owned(), messages);
    }
}

impl Known {
    /// A stack's status, and its parameters in XML.
    pub(super) fn stack(&self, name: &str) -> (String, String) {
        let status = self.stack_statuses.get(name).map_or("CREATE_COMPLETE", String::as_str);
        let member = |(key, value): (&String, &String)| {
            format!(
                "<member><ParameterKey>{key}</ParameterKey><ParameterValue>{value}</ParameterValue></member>"
            )
        };
        let members: String = self.stack_parameters.get(name).into_iter().flatten().map(member).collect();
        (status.to_owned(), format!("<Parameters>{members}</Parameters>"))
    }

    /// The answer to an operation that a test refuses, in the form of its service.
    pub(super) fn refusal(&self, service: &str, operation: &str) -> Option<Response> {
        let code = self.refusals.get(operation)?;
        let is_ec2 = ["DescribeImages", "DescribeInstanceTypes", "DescribeInstanceTypeOfferings"];
        let error = format!("<Error><Code>{code}</Code><Message>{code}, as the test wants</Message></Error>");
        Some(match service {
            "query" if is_ec2.contains(&operation) => {
                let body = format!("<Response><Errors>{error}</Errors><RequestID>r</RequestID></Response>");
                (StatusCode::FORBIDDEN, body).into_response()
            }
            "query" => {
                let body = format!("<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>");
                (StatusCode::FORBIDDEN, body).into_response()
            }
            _ => with_status(400, json!({ "__type": code, "message": format!("{code}, as the test wants") })),
        })
    }
}

/// The answer to an operation about the account; `None` if it is none.
pub(super) fn answer(known: &super::Known, request: &Request, operation: &str) -> Option<Response> {
    let account = &known.account;
    Some(match operation {
        "GetCallerIdentity" => "<GetCallerIdentityResponse><GetCallerIdentityResult>\
             <Arn>arn:aws:sts::123456789012:assumed-role/operator/me</Arn><UserId>AROA:me</UserId>\
             <Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
            .into_response(),
        "DescribeImages" => images(account, request),
        "DescribeInstanceTypeOfferings" => offerings(account, request),
        "DescribeInstanceTypes" => instance_types(request),
        "GetServiceQuota" => {
            let code = request.json()["QuotaCode"].as_str().unwrap_or_default().to_owned();
            let value = account.quotas.get(&code).copied().unwrap_or(64.0);
            Json(json!({ "Quota": { "QuotaCode": code, "Value": value } })).into_response()
        }
        "GetQueueAttributes" => {
            let queue = request.json()["QueueUrl"].as_str().unwrap_or_default().to_owned();
            let depth = account.depths.iter().find(|(ending, _)| queue.ends_with(ending.as_str()));
            let messages = depth.map_or(0, |(_, messages)| *messages).to_string();
            Json(json!({ "Attributes": {
                "ApproximateNumberOfMessages": messages,
                "ApproximateNumberOfMessagesNotVisible": "0",
                "ApproximateNumberOfMessagesDelayed": "0",
            } }))
            .into_response()
        }
        _ => return lambda(account, request),
    })
}

fn lambda(account: &Known, request: &Request) -> Option<Response> {
    let path = request.uri.path();
    if request.method != Method::GET {
        return None;
    }
    if path.trim_end_matches('/') == "/2016-08-19/account-settings" {
        let concurrency = account.lambda_concurrency.unwrap_or(1000);
        let limit =
            json!({ "ConcurrentExecutions": concurrency, "UnreservedConcurrentExecutions": concurrency });
        return Some(Json(json!({ "AccountLimit": limit })).into_response());
    }
    let function = request.configured_function()?.replace("%3A", ":");
    let name = function.rsplit(':').next().unwrap_or(&function);
    let timeout = account.functions.get(&function);
    let is_missing = timeout.is_none() && !account.functions.is_empty();
    if is_missing || account.missing_functions.contains(name) {
        let body = json!({ "__type": "ResourceNotFoundException", "Message": format!("Function not found: {name}") });
        return Some(with_status(404, body));
    }
    Some(
        Json(json!({ "FunctionName": name, "State": "Active", "Timeout": timeout.unwrap_or(&900) }))
            .into_response(),
    )
}

/// The values of all fields whose name begins so.
fn fields(request: &Request, beginning: &str) -> Vec<String> {
    let mut values = Vec::new();
    for number in 1.. {
        match request.form_field(&format!("{beginning}{number}")) {
            Some(value) => values.push(value),
            None => break,
        }
    }
    values
}

fn images(account: &Known, request: &Request) -> Response {
    let images = fields(request, "Filter.1.Value.");
    let item = |image: String| {
        let state = match account.images.get(&image) {
            Some(state) => state.clone()?,
            None => "available".to_owned(),
        };
        Some(format!("<item><imageId>{image}</imageId><imageState>{state}</imageState></item>"))
    };
    let items: String = images.into_iter().filter_map(item).collect();
    format!("<DescribeImagesResponse><imagesSet>{items}</imagesSet></DescribeImagesResponse>").into_response()
}

fn offerings(account: &Known, request: &Request) -> Response {
    let items: Vec<String> = fields(request, "Filter.1.Value.")
        .into_iter()
        .filter(|instance_type| !account.types_not_offered.contains(instance_type))
        .map(|instance_type| format!("<item><instanceType>{instance_type}</instanceType></item>"))
        .collect();
    let items = items.concat();
    format!(
        "<DescribeInstanceTypeOfferingsResponse><instanceTypeOfferingSet>{items}</instanceTypeOfferingSet>\
         </DescribeInstanceTypeOfferingsResponse>"
    )
    .into_response()
}

/// Instances have two processors if they are `large`, and eight otherwise.
fn instance_types(request: &Request) -> Response {
    let items: Vec<String> = fields(request, "Filter.1.Value.")
        .into_iter()
        .map(|instance_type| {
            let processors =
                if instance_type.split_once('.').is_some_and(|(_, size)| size == "large") { 2 } else { 8 };
            format!(
                "<item><instanceType>{instance_type}</instanceType>\
                 <vCpuInfo><defaultVCpus>{processors}</defaultVCpus></vCpuInfo></item>"
            )
        })
        .collect();
    let items = items.concat();
    format!(
        "<DescribeInstanceTypesResponse><instanceTypeSet>{items}</instanceTypeSet></DescribeInstanceTypesResponse>"
    )
    .into_response()
}
