//! What each service answers.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::account;
use super::{Invocation, Known, Message, Next, Reply, Shared, lock};

pub(super) struct Request {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The service and the operation: from `X-Amz-Target`, or from the path in the one REST service.
    fn operation(&self) -> (&str, String) {
        match self.header("x-amz-target").and_then(|target| target.split_once('.')) {
            Some((service, operation)) => (service, operation.to_owned()),
            None if self.function().is_some() => ("Lambda", "Invoke".to_owned()),
            None if self.configured_function().is_some() => ("Lambda", "GetFunctionConfiguration".to_owned()),
            None => match self.form_field("Action") {
                Some(action) => ("query", action),
                None => ("unknown", format!("{} {}", self.method, self.uri.path())),
            },
        }
    }

    fn function(&self) -> Option<&str> {
        self.uri.path().strip_prefix("/2015-03-31/functions/")?.strip_suffix("/invocations")
    }

    pub(super) fn configured_function(&self) -> Option<&str> {
        self.uri.path().strip_prefix("/2015-03-31/functions/")?.strip_suffix("/configuration")
    }

    /// A field of a call in the form of the older services.
    pub(super) fn form_field(&self, name: &str) -> Option<String> {
        let mut fields = url::form_urlencoded::parse(&self.body);
        fields.find(|(field, _)| field == name).map(|(_, value)| value.into_owned())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

pub(super) async fn answer(shared: &Shared, request: &Request) -> Response {
    if request.uri.path() == "/webhook" {
        return lock(&shared.known).webhook.receive(&request.headers);
    }
    let (service, operation) = request.operation();
    let prepared = {
        let mut known = lock(&shared.known);
        known.calls.push(operation.clone());
        known.bodies.push(String::from_utf8_lossy(&request.body).into_owned());
        known.replies.get_mut(&operation).and_then(std::collections::VecDeque::pop_front)
    };
    match prepared {
        Some(Next::Answer(Reply { status, body })) => return with_status(status, body),
        Some(Next::Lose) => {
            pass_on(shared, request).await;
            return with_status(
                500,
                json!({ "__type": "InternalServerError", "message": "the answer is lost" }),
            );
        }
        Some(Next::Pass) | None => {}
    }
    let refusal = lock(&shared.known).account.refusal(service, &operation);
    if let Some(refusal) = refusal {
        return refusal;
    }
    if service.starts_with("DynamoDB") {
        return pass_on(shared, request).await;
    }
    let mut known = lock(&shared.known);
    if let Some(answer) = account::answer(&known, request, &operation) {
        return answer;
    }
    if let Some(answer) = super::events::answer(&mut known, service, &operation, &request.json()) {
        return answer;
    }
    match (service, operation.as_str()) {
        ("AmazonSSM", "GetParameters") => parameters(&known, &request.json()),
        ("AWSEvents", "PutEvents") => put_events(&mut known, &request.json()),
        ("AmazonSQS", "SendMessage") => send_message(&mut known, &request.json()),
        ("query", "DescribeStacks") => describe_stacks(&known, request),
        ("Lambda", "Invoke") => invoke(&mut known, request),
        _ => with_status(404, json!({ "__type": "UnknownOperationException", "message": operation })),
    }
}

pub(super) fn with_status(status: u16, body: Value) -> Response {
    let code = body.get("__type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [("x-amzn-errortype", code)], Json(body)).into_response()
}

fn parameters(known: &Known, request: &Value) -> Response {
    let names = request["Names"].as_array().cloned().unwrap_or_default();
    let (mut found, mut invalid) = (Vec::new(), Vec::new());
    for name in names.iter().filter_map(Value::as_str) {
        match known.parameters.get(name) {
            Some(value) => found.push(json!({
                "Name": name, "Type": "SecureString", "Value": value, "Version": 1,
            })),
            None => invalid.push(name),
        }
    }
    Json(json!({ "Parameters": found, "InvalidParameters": invalid })).into_response()
}

fn put_events(known: &mut Known, request: &Value) -> Response {
    let entries = request["Entries"].as_array().cloned().unwrap_or_default();
    let answers: Vec<Value> = entries.iter().map(|_| json!({ "EventId": "e" })).collect();
    known.events.extend(entries);
    Json(json!({ "FailedEntryCount": 0, "Entries": answers })).into_response()
}

fn describe_stacks(known: &Known, request: &Request) -> Response {
    let name = request.form_field("StackName").unwrap_or_default();
    let Some(outputs) = known.stacks.get(&name) else {
        let error = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code>\
             <Message>Stack with id {name} does not exist</Message></Error></ErrorResponse>"
        );
        return (StatusCode::BAD_REQUEST, error).into_response();
    };
    let outputs: Vec<String> = outputs
        .iter()
        .map(|(key, value)| {
            format!("<member><OutputKey>{key}</OutputKey><OutputValue>{value}</OutputValue></member>")
        })
        .collect();
    let outputs = outputs.concat();
    let (status, parameters) = known.account.stack(&name);
    format!(
        "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>{name}</StackName>\
         <StackStatus>{status}</StackStatus>{parameters}<Outputs>{outputs}</Outputs></member></Stacks>\
         </DescribeStacksResult></DescribeStacksResponse>"
    )
    .into_response()
}

fn send_message(known: &mut Known, request: &Value) -> Response {
    let text = request["MessageBody"].as_str().unwrap_or_default();
    known.messages.push(Message {
        queue: request["QueueUrl"].as_str().unwrap_or_default().to_owned(),
        body: serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
        delay_seconds: request["DelaySeconds"].as_u64().unwrap_or(0),
    });
    Json(json!({ "MessageId": "m" })).into_response()
}

fn invoke(known: &mut Known, request: &Request) -> Response {
    if !known.knows_functions {
        return with_status(
            404,
            json!({ "__type": "ResourceNotFoundException", "Type": "User", "Message": "Function not found" }),
        );
    }
    known.invocations.push(Invocation {
        function: request.function().unwrap_or_default().replace("%3A", ":"),
        invocation_type: request.header("x-amz-invocation-type").unwrap_or_default().to_owned(),
        tenant: request.header("x-amz-tenant-id").map(str::to_owned),
        payload: request.json(),
    });
    StatusCode::ACCEPTED.into_response()
}

async fn pass_on(shared: &Shared, request: &Request) -> Response {
    let Some(dynamodb) = &shared.dynamodb else {
        return with_status(
            500,
            json!({ "__type": "InternalServerError", "message": "there is no DynamoDB" }),
        );
    };
    let mut headers = request.headers.clone();
    headers.remove("host");
    let sent = shared.http.post(dynamodb.clone()).headers(headers).body(request.body.clone()).send().await;
    match sent {
        Ok(answer) => {
            let status = answer.status();
            let headers = answer.headers().clone();
            let body = answer.bytes().await.unwrap_or_default();
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            response
        }
        Err(error) => {
            with_status(500, json!({ "__type": "InternalServerError", "message": error.to_string() }))
        }
    }
}
