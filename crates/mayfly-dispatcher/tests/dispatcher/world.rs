//! The function's own program in a stand-in Lambda environment, with an embedded DynamoDB, stand-in AWS services and a stand-in
//! GitLab.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use mayfly_aws::dynamodb::{DynamoLedger, create_tables, embedded_client};
use mayfly_core::clock::{Clock, SystemClock};
use mayfly_core::event::{EventRunner, JobEvent};
use mayfly_core::ids::{GitlabHost, JobId, JobKey, ProjectId};
use mayfly_core::ledger::LedgerRecord;
use mayfly_core::ports::{Ledger, Written};
use mayfly_core::status::JobStatus;
use mayfly_standins::aws::StandinAws;
use mayfly_standins::gitlab::{JobSpec, StandinGitlab};
use mayfly_standins::lambda_runtime::{Answer, Environment, Function};
use mayfly_standins::tables::EmbeddedTables;
use serde_json::{Value, json};

pub(crate) const SHELL_RUNNER: &str = "arn:aws:lambda:eu-west-1:123456789012:function:mayfly-shell-runner";
pub(crate) const QUEUE: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/mayfly-launch";
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) aws: StandinAws,
    pub(crate) gitlab: StandinGitlab,
    pub(crate) environment: Environment,
    pub(crate) project: ProjectId,
    dynamodb: aws_sdk_dynamodb::Client,
    _store: EmbeddedTables,
}

impl World {
    /// A dispatcher whose default target is the shell runner, registering a runner for each job.
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// A dispatcher with these variables besides.
    pub(crate) async fn with(variables: &[(&str, &str)]) -> Self {
        Self::build(variables, None).await
    }

    /// A dispatcher that finds one parameter missing.
    pub(crate) async fn without_parameter(name: &str) -> Self {
        Self::build(&[], Some(name)).await
    }

    async fn build(variables: &[(&str, &str)], missing: Option<&str>) -> Self {
        let store = EmbeddedTables::in_memory().await.unwrap();
        let dynamodb = embedded_client(store.url().as_str());
        create_tables(&dynamodb, "mappings", "ledger").await.unwrap();
        let aws = StandinAws::start(Some(store.url().clone())).await.unwrap();
        let gitlab = StandinGitlab::start().await.unwrap();
        let project = gitlab.create_project("group/app");
        aws.put_parameter("/mayfly/Url", gitlab.url().as_str());
        aws.put_parameter("/mayfly/ApiToken", gitlab.api_token());
        if let Some(name) = missing {
            aws.delete_parameter(name);
        }
        let mut function = Function::new(env!("CARGO_BIN_EXE_mayfly-dispatcher"))
            .timeout(Duration::from_mins(1))
            .env("AWS_ENDPOINT_URL", aws.url().as_str())
            .env("MAYFLY_DEFAULT_TARGET", SHELL_RUNNER)
            .env("MAYFLY_LAUNCH_QUEUE_URL", QUEUE)
            .env("MAYFLY_LEDGER_TABLE", "ledger")
            .env("MAYFLY_MAPPING_TABLE", "mappings")
            .env("MAYFLY_PARAMETER_PATH", "/mayfly")
            .env("MAYFLY_REGISTRATION", "per-job")
            .env("MAYFLY_STACK", "mayfly-autoscaler")
            .env(
                "MAYFLY_STACK_ID",
                "arn:aws:cloudformation:eu-central-1:123456789012:stack/mayfly-autoscaler/0a1b",
            );
        for (name, value) in variables {
            function = function.env(name, value);
        }
        let environment = function.start().await.unwrap();
        Self { aws, gitlab, environment, project, dynamodb, _store: store }
    }

    /// A new job that waits for a runner.
    pub(crate) fn job(&self, spec: JobSpec) -> JobId {
        self.gitlab.run_pipeline(self.project, vec![spec]).unwrap()[0]
    }

    pub(crate) fn key(&self, job: JobId) -> JobKey {
        JobKey { host: GitlabHost::of_url(self.gitlab.url()).unwrap(), project: self.project, job }
    }

    pub(crate) fn event(&self, job: JobId, name: &str, status: JobStatus) -> JobEvent {
        JobEvent {
            key: self.key(job),
            name: name.parse().unwrap(),
            status,
            project: Some("group/app".parse().unwrap()),
            pipeline: None,
            runner: None,
            queued_seconds: None,
            failure_reason: None,
            received_at: SystemClock.now(),
        }
    }

    /// An event that names the runner which was started for the job.
    pub(crate) async fn event_of_runner(&self, job: JobId, status: JobStatus) -> JobEvent {
        let runner = self.record(job).await.runner.unwrap();
        let description = Some(runner.name.to_string());
        let runner = Some(EventRunner { id: runner.registered.unwrap(), description });
        JobEvent { runner, ..self.event(job, "build", status) }
    }

    /// What a state machine sends, and the answer's outcome and summary.
    pub(crate) async fn one(&mut self, action: &str, event: &JobEvent) -> (String, String) {
        let answer = self.invoke(&json!({ "action": action, "event": event })).await;
        let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
        (text("outcome"), text("summary"))
    }

    /// What the launch queue sends, and the ids of the messages that must come again.
    pub(crate) async fn batch(&mut self, bodies: &[String]) -> Vec<String> {
        let records: Vec<Value> = (0..)
            .zip(bodies)
            .map(|(number, body)| json!({
                "messageId": format!("m{number}"), "body": body, "attributes": {}, "messageAttributes": {},
            }))
            .collect();
        let answer = self.invoke(&json!({ "Records": records })).await;
        let failures = answer["batchItemFailures"].as_array().unwrap();
        failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) async fn invoke(&mut self, payload: &Value) -> Value {
        match self.environment.invoke(payload.to_string()).await.unwrap().answer {
            Answer::Response(response) => serde_json::from_slice(&response).unwrap(),
            other => panic!("{other:?}: {:#?}", self.environment.log()),
        }
    }

    /// Writes a mapping row as somebody would in the console: every attribute a text.
    pub(crate) async fn put_row(&self, attributes: &[(&str, &str)]) {
        let text = |value: &str| AttributeValue::S(value.to_owned());
        let item = attributes.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect();
        self.dynamodb.put_item().table_name("mappings").set_item(Some(item)).send().await.unwrap();
    }

    pub(crate) async fn record(&self, job: JobId) -> LedgerRecord {
        let ledger = DynamoLedger::new(self.dynamodb.clone(), "ledger");
        ledger.get(&self.key(job), SystemClock.now()).await.unwrap().expect("the ledger knows the job")
    }

    /// The time that a job waits for has come.
    pub(crate) async fn make_due(&self, job: JobId) {
        let ledger = DynamoLedger::new(self.dynamodb.clone(), "ledger");
        let record = LedgerRecord { not_before: None, ..self.record(job).await };
        assert_eq!(ledger.put(&record, SystemClock.now()).await.unwrap(), Written::Yes);
    }

    /// How often tables were asked since the counting began.
    pub(crate) fn table_operations(&self) -> usize {
        let operations = ["GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem"];
        self.aws.calls().iter().filter(|call| operations.contains(&call.as_str())).count()
    }
}
