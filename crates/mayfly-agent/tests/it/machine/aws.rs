//! What an instance sees of AWS, on one port: its metadata service, its assignment in DynamoDB, its log in CloudWatch.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The session token of the metadata service.
const SESSION: &str = "metadata-session";
const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";

/// What is in the role's credentials.
pub(super) const ROLE_SECRETS: [&str; 3] = ["ASIAINSTANCE", "instance-secret", "instance-session"];

/// What AWS knows, and what it was asked.
pub(super) struct AwsState {
    pub(super) user_data: Option<String>,
    /// So many questions for the role's credentials are answered with 404.
    pub(super) credentials_missing: u32,
    pub(super) spot_action: Option<String>,
    pub(super) assignment: Option<String>,
    /// So many questions for the assignment find nothing yet.
    pub(super) assignment_late: u32,
    /// What happens to the next questions for the assignment.
    pub(super) faults: VecDeque<Fault>,
    /// What happens to everything about logs.
    pub(super) log_fault: Option<Fault>,
    /// Bodies of the questions for the assignment.
    pub(super) asked: Vec<Value>,
    /// Questions to the metadata service without its session token.
    pub(super) unauthorized: u32,
    /// `group/stream` of every line, and the line.
    pub(super) logged: Vec<(String, String)>,
    stream_is_there: bool,
}

/// What may go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Throttled,
    Denied,
    Broken,
    /// It is done, and the answer says that something broke.
    AnswerLost,
    /// There is never an answer.
    Silent,
}

/// AWS, as one instance sees it.
#[derive(Clone)]
pub(super) struct Aws {
    address: SocketAddr,
    state: Arc<Mutex<AwsState>>,
    /// How many questions for the assignment there were.
    asks: watch::Sender<usize>,
}

impl Aws {
    pub(super) async fn start() -> Self {
        let state = AwsState {
            user_data: Some(
                json!({
                    "mayfly": 1, "assignment_table": "assignments", "role_id": "AROAEXAMPLE",
                    "log_group": "/mayfly/main/runners", "of_a_later_version": {},
                })
                .to_string(),
            ),
            credentials_missing: 0,
            spot_action: None,
            assignment: None,
            assignment_late: 0,
            faults: VecDeque::new(),
            log_fault: None,
            asked: Vec::new(),
            unauthorized: 0,
            logged: Vec::new(),
            stream_is_there: false,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let aws = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::new(Mutex::new(state)),
            asks: watch::Sender::new(0),
        };
        let router = Router::new().fallback(answer).with_state(aws.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        aws
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Looks at what it knows, or changes it.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut AwsState) -> T) -> T {
        act(&mut self.state.lock().unwrap())
    }

    /// Waits until the assignment was asked for so often.
    pub(super) async fn asked(&self, times: usize) {
        self.asks.subscribe().wait_for(|asks| *asks >= times).await.unwrap();
    }
}

async fn answer(
    State(aws): State<Aws>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if method == Method::PUT && uri.path() == "/latest/api/token" {
        return ([(TTL, header(TTL).to_owned())], SESSION).into_response();
    }
    if method == Method::GET {
        let has_session = header("x-aws-ec2-metadata-token") == SESSION;
        return aws.with(|state| state.metadata(uri.path(), has_session));
    }
    let has_credentials = header("authorization").contains("Credential=ASIAINSTANCE/")
        && header("x-amz-security-token") == "instance-session";
    if !has_credentials {
        return refusal(StatusCode::BAD_REQUEST, "UnrecognizedClientException");
    }
    let body: Value = serde_json::from_str(&body).unwrap();
    let operation = header("x-amz-target").rsplit('.').next().unwrap_or_default();
    if operation != "DeleteItem" {
        let fault = aws.with(|state| state.log_fault);
        return fail_or(fault, || aws.with(|state| state.log(operation, &body))).await;
    }
    let fault = aws.with(|state| {
        state.asked.push(body);
        state.faults.pop_front()
    });
    let answer = fail_or(fault, || aws.with(AwsState::take_assignment)).await;
    aws.asks.send_modify(|asks| *asks += 1);
    answer
}

async fn fail_or(fault: Option<Fault>, act: impl FnOnce() -> Response) -> Response {
    match fault {
        None => act(),
        Some(Fault::Throttled) => refusal(StatusCode::BAD_REQUEST, "ThrottlingException"),
        Some(Fault::Denied) => refusal(StatusCode::BAD_REQUEST, "AccessDeniedException"),
        Some(Fault::Broken) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError"),
        Some(Fault::AnswerLost) => {
            act();
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError")
        }
        Some(Fault::Silent) => std::future::pending().await,
    }
}

fn refusal(status: StatusCode, code: &str) -> Response {
    (status, json!({ "__type": code, "message": "words of the service" }).to_string()).into_response()
}

impl AwsState {
    fn metadata(&mut self, path: &str, has_session: bool) -> Response {
        if !has_session {
            self.unauthorized += 1;
            return StatusCode::UNAUTHORIZED.into_response();
        }
        let found = match path.strip_prefix("/latest/").unwrap_or_default() {
            "user-data" => self.user_data.clone(),
            "meta-data/instance-id" => Some("i-0abc".to_owned()),
            "meta-data/placement/region" => Some("eu-central-1".to_owned()),
            "meta-data/spot/instance-action" => self.spot_action.clone(),
            "meta-data/iam/security-credentials/" => Some("runner".to_owned()),
            "meta-data/iam/security-credentials/runner" => self.credentials(),
            _ => None,
        };
        found.map_or_else(|| StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response)
    }

    fn credentials(&mut self) -> Option<String> {
        if self.credentials_missing > 0 {
            self.credentials_missing -= 1;
            return None;
        }
        let [access_key_id, secret_access_key, token] = ROLE_SECRETS;
        let credentials = json!({
            "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-08-01T10:00:00Z",
            "AccessKeyId": access_key_id, "SecretAccessKey": secret_access_key, "Token": token,
            "Expiration": "2099-01-01T00:00:00Z",
        });
        Some(credentials.to_string())
    }

    fn take_assignment(&mut self) -> Response {
        if self.assignment_late > 0 {
            self.assignment_late -= 1;
            return "{}".into_response();
        }
        let answer = self.assignment.take().map_or(json!({}), |assignment| {
            json!({ "Attributes": {
                "pk": { "S": "AROAEXAMPLE:i-0abc" },
                "assignment": { "S": assignment },
                "expires_at": { "N": "4102444800" },
            }})
        });
        answer.to_string().into_response()
    }

    fn log(&mut self, operation: &str, body: &Value) -> Response {
        match operation {
            "CreateLogStream" if self.stream_is_there => {
                refusal(StatusCode::BAD_REQUEST, "ResourceAlreadyExistsException")
            }
            "CreateLogStream" => {
                self.stream_is_there = true;
                "{}".into_response()
            }
            "PutLogEvents" if self.stream_is_there => {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                let stream = format!("{}/{}", text(&body["logGroupName"]), text(&body["logStreamName"]));
                let events = body["logEvents"].as_array().unwrap();
                self.logged.extend(events.iter().map(|event| (stream.clone(), text(&event["message"]))));
                "{}".into_response()
            }
            _ => refusal(StatusCode::BAD_REQUEST, "ResourceNotFoundException"),
        }
    }
}
