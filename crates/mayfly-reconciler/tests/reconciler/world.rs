//! The function's own program in a stand-in Lambda environment, with an embedded DynamoDB, stand-in AWS services and a stand-in
//! GitLab.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use mayfly_aws::dynamodb::{DynamoLedger, create_tables, embedded_client};
use mayfly_core::clock::{Clock, SystemClock};
use mayfly_core::event::JobEvent;
use mayfly_core::ids::{GitlabHost, JobId, JobKey, ProjectId};
use mayfly_core::ledger::{LedgerRecord, LedgerState};
use mayfly_core::ports::{Ledger, Written};
use mayfly_core::status::JobStatus;
use mayfly_standins::aws::StandinAws;
use mayfly_standins::gitlab::{JobSpec, StandinGitlab};
use mayfly_standins::lambda_runtime::{Answer, Environment, Function};
use mayfly_standins::tables::EmbeddedTables;
use serde_json::Value;

pub(crate) const QUEUE: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/mayfly-launch";
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) aws: StandinAws,
    pub(crate) environment: Environment,
    gitlab: Option<StandinGitlab>,
    host: GitlabHost,
    project: ProjectId,
    dynamodb: aws_sdk_dynamodb::Client,
    _store: EmbeddedTables,
}

impl World {
    /// A reconciler that waits for nothing, of a stack without machines.
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// The same with these variables besides.
    pub(crate) async fn with(variables: &[(&str, &str)]) -> Self {
        let store = EmbeddedTables::in_memory().await.unwrap();
        let dynamodb = embedded_client(store.url().as_str());
        create_tables(&dynamodb, "mappings", "ledger").await.unwrap();
        let aws = StandinAws::start(Some(store.url().clone())).await.unwrap();
        let gitlab = StandinGitlab::start().await.unwrap();
        let project = gitlab.create_project("group/app");
        aws.put_parameter("/mayfly/Url", gitlab.url().as_str());
        aws.put_parameter("/mayfly/ApiToken", gitlab.api_token());
        let mut function = Function::new(env!("CARGO_BIN_EXE_mayfly-reconciler"))
            .timeout(Duration::from_mins(1))
            .env("AWS_ENDPOINT_URL", aws.url().as_str())
            .env("MAYFLY_DEFAULT_TARGET", "none")
            .env("MAYFLY_LAUNCH_QUEUE_URL", QUEUE)
            .env("MAYFLY_LEDGER_TABLE", "ledger")
            .env("MAYFLY_MAPPING_TABLE", "mappings")
            .env("MAYFLY_PARAMETER_PATH", "/mayfly")
            .env("MAYFLY_RECONCILE_GRACE_SECONDS", "0")
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
        let host = GitlabHost::of_url(gitlab.url()).unwrap();
        Self { aws, environment, gitlab: Some(gitlab), host, project, dynamodb, _store: store }
    }

    /// A new job that waits for a runner, and of which nobody is told.
    pub(crate) fn job(&self, spec: JobSpec) -> JobId {
        let gitlab = self.gitlab.as_ref().unwrap();
        gitlab.run_pipeline(self.project, vec![spec]).unwrap()[0]
    }

    /// From now on nobody answers for GitLab.
    pub(crate) fn lose_gitlab(&mut self) {
        self.gitlab = None;
    }

    pub(crate) fn key(&self, job: JobId) -> JobKey {
        JobKey { host: self.host.clone(), project: self.project, job }
    }

    /// Writes down what the dispatcher writes when it hears that a job waits.
    pub(crate) async fn know(&self, job: JobId) {
        let now = SystemClock.now();
        let event = JobEvent {
            key: self.key(job),
            name: "build".parse().unwrap(),
            status: JobStatus::Pending,
            project: Some("group/app".parse().unwrap()),
            pipeline: None,
            runner: None,
            queued_seconds: None,
            failure_reason: None,
            received_at: now,
        };
        let mut record = LedgerRecord::new(&event, now);
        record.enter(LedgerState::Seen, "it waits", now);
        assert_eq!(self.ledger().put(&record, now).await.unwrap(), Written::Yes);
    }

    pub(crate) async fn record(&self, job: JobId) -> LedgerRecord {
        self.ledger().get(&self.key(job), SystemClock.now()).await.unwrap().unwrap()
    }

    /// Makes the state of a record something that no version knows.
    pub(crate) async fn break_record(&self, job: JobId) {
        let key = HashMap::from([("pk".to_owned(), text(&format!("job#{}", self.key(job))))]);
        let request = self.dynamodb.update_item().table_name("ledger").set_key(Some(key));
        let request =
            request.update_expression("SET #state = :state").expression_attribute_names("#state", "state");
        request.expression_attribute_values(":state", text("bewildered")).send().await.unwrap();
    }

    fn ledger(&self) -> DynamoLedger {
        DynamoLedger::new(self.dynamodb.clone(), "ledger")
    }

    /// The answer to an invocation that succeeds.
    pub(crate) async fn pass(&mut self, payload: &Value) -> Value {
        match self.invoke(payload).await {
            Answer::Response(response) => serde_json::from_slice(&response).unwrap(),
            other => panic!("{other:?}: {:#?}", self.environment.log()),
        }
    }

    pub(crate) async fn invoke(&mut self, payload: &Value) -> Answer {
        self.environment.invoke(payload.to_string()).await.unwrap().answer
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}
