//! The installation under test, and a GitLab that sends it webhooks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_ssm::types::ParameterType;
use mayfly_aws::dynamodb::DynamoLedger;
use mayfly_aws::function::Connection;
use mayfly_core::clock::{Clock, SystemClock};
use mayfly_core::ids::{GitlabHost, JobId, JobKey, ProjectId};
use mayfly_core::ledger::{LedgerRecord, LedgerState};
use mayfly_core::ports::Ledger;
use mayfly_standins::gitlab::{JobSnapshot, JobSpec, StandinGitlab, Status};
use serde::Deserialize;
use serde_json::Value;

use crate::machine_room::{Credentials, MachineRoom, RUNNER_IMAGE, Site};
use crate::machines;

/// Longer than anything takes here. A test that waits for so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// How often a condition in the emulator is looked at; it sends no word of a change.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A test: its name and what it does.
pub(crate) type Test = (&'static str, Pin<Box<dyn Future<Output = ()> + Send>>);

/// What `cargo xtask e2e` says of the installation.
#[derive(Debug, Deserialize)]
struct Environment {
    webhook_url: String,
    webhook_secret: String,
    second_webhook_secret: String,
    signing_token: String,
    parameter_path: String,
    image_parameter: String,
    access_key_id: String,
    secret_access_key: String,
    /// The command.
    mayfly: PathBuf,
    /// The folder of its scripted sessions.
    scenarios: PathBuf,
    stacks: BTreeMap<String, Stack>,
    #[serde(flatten)]
    site: Site,
}

#[derive(Debug, Deserialize)]
struct Stack {
    outputs: BTreeMap<String, String>,
}

/// The installation, and the GitLab it works for.
pub(crate) struct Installation {
    environment: Environment,
    pub(crate) connection: Connection,
    pub(crate) gitlab: StandinGitlab,
    pub(crate) project: ProjectId,
    /// Behind EC2.
    pub(crate) machines: MachineRoom,
}

impl Installation {
    /// Finds what `cargo xtask e2e` made, and puts GitLab's address and token where the README says.
    #[expect(clippy::disallowed_methods, reason = "the one place where the test is told of the installation")]
    pub(crate) async fn find() -> Self {
        let file = std::env::var_os("MAYFLY_E2E").expect("no installation is named: run `cargo xtask e2e`");
        let text = std::fs::read_to_string(file).unwrap();
        let environment: Environment = serde_json::from_str(&text).unwrap();
        let connection = Connection::from_environment().unwrap();
        let gitlab = StandinGitlab::start().await.unwrap();
        let project = gitlab.create_project("group/app");
        let (url, secret) = (&environment.webhook_url, &environment.webhook_secret);
        gitlab.add_hook(project, url, Some(secret), None).unwrap();
        let machines = MachineRoom::open(environment.site.clone());
        let installation = Self { environment, connection, gitlab, project, machines };
        installation.put_parameter("Url", installation.gitlab.url().as_str()).await;
        installation.put_parameter("ApiToken", installation.gitlab.api_token()).await;
        installation.put_image(&installation.environment.image_parameter, RUNNER_IMAGE).await;
        installation.write_mappings().await;
        installation
    }

    /// The rows of all tests, before the first event: the dispatcher keeps the table for half a minute.
    async fn write_mappings(&self) {
        let arn = text(self.shell_runner());
        let to_shell_runner = |key, tags| {
            vec![("pk", text(key)), ("sk", text(tags)), ("type", text("LAMBDA")), ("arn", arn.clone())]
        };
        self.put_row(&to_shell_runner("job#build", "tags#linux")).await;
        self.put_row(&to_shell_runner("job#without-rights", "tags#")).await;
        self.put_row(&to_shell_runner("job#session-build", "tags#")).await;
        let mut paused = to_shell_runner("job#session-paused", "tags#");
        paused.push(("paused", text("the compiler is updated until noon")));
        self.put_row(&paused).await;
        let mut with_rights = to_shell_runner("job#with-rights", "tags#");
        with_rights.push(("keep_aws_credentials", AttributeValue::Bool(true)));
        self.put_row(&with_rights).await;
        for row in machines::mappings() {
            self.put_row(&row).await;
        }
        self.put_row(&[("pk", text("job#broken")), ("sk", text("tags#")), ("type", text("FARGATE"))]).await;
    }

    async fn put_parameter(&self, name: &str, value: &str) {
        let request = self.connection.ssm().put_parameter().overwrite(true).value(value);
        let name = format!("{}/{name}", self.environment.parameter_path);
        request.name(name).r#type(ParameterType::SecureString).send().await.unwrap();
    }

    /// Makes an image the one that machines of this parameter start from.
    pub(crate) async fn put_image(&self, parameter: &str, image: &str) {
        let request = self.connection.ssm().put_parameter().overwrite(true).name(parameter).value(image);
        request.r#type(ParameterType::String).send().await.unwrap();
    }

    /// An output of a stack, such as `MappingTable` of `autoscaler`.
    pub(crate) fn output(&self, stack: &str, name: &str) -> &str {
        let stack = self.environment.stacks.get(stack).unwrap_or_else(|| panic!("no stack {stack}"));
        stack.outputs.get(name).unwrap_or_else(|| panic!("no output {name} in {:?}", stack.outputs))
    }

    pub(crate) fn shell_runner(&self) -> &str {
        self.output("shell-runner", "FunctionArn")
    }

    pub(crate) fn webhook_url(&self) -> &str {
        &self.environment.webhook_url
    }

    /// The command `mayfly`.
    pub(crate) fn command(&self) -> &Path {
        &self.environment.mayfly
    }

    /// The folder of the command's scripted sessions.
    pub(crate) fn scenarios(&self) -> &Path {
        &self.environment.scenarios
    }

    /// The environment of an operator's command: the account's root, and a maintainer's token for GitLab.
    pub(crate) fn operator(&self) -> BTreeMap<String, String> {
        let environment = &self.environment;
        let variables = [
            ("HOME", "/nonexistent"),
            ("AWS_ACCESS_KEY_ID", &environment.access_key_id),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_ENDPOINT_URL", &environment.site.endpoint),
            ("AWS_REGION", &environment.site.region),
            ("AWS_SECRET_ACCESS_KEY", &environment.secret_access_key),
            ("MAYFLY_API_TOKEN", self.gitlab.api_token()),
            ("MAYFLY_GITLAB_URL", self.gitlab.url().as_str()),
            ("NO_PROXY", "127.0.0.1,localhost"),
        ];
        variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Both secrets that the webhook accepts.
    pub(crate) fn webhook_secrets(&self) -> [&str; 2] {
        [&self.environment.webhook_secret, &self.environment.second_webhook_secret]
    }

    /// The token that webhooks may be signed with.
    pub(crate) fn signing_token(&self) -> &str {
        &self.environment.signing_token
    }

    /// Runs one job to its end.
    pub(crate) async fn run(&self, spec: JobSpec) -> JobSnapshot {
        let job = self.start(spec);
        self.end_of(job).await
    }

    /// A job that waits for a runner.
    pub(crate) fn start(&self, spec: JobSpec) -> JobId {
        self.gitlab.run_pipeline(self.project, vec![spec]).unwrap()[0]
    }

    /// The job once it is over.
    pub(crate) async fn end_of(&self, job: JobId) -> JobSnapshot {
        let is_over =
            |job: &JobSnapshot| matches!(job.status, Status::Success | Status::Failed | Status::Canceled);
        self.gitlab.wait_for_job(job, is_over, PATIENCE).await.unwrap()
    }

    async fn put_row(&self, attributes: &[(&str, AttributeValue)]) {
        let item = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let request = self.connection.dynamodb().put_item().set_item(Some(item));
        request.table_name(self.output("autoscaler", "MappingTable")).send().await.unwrap();
    }

    /// The ledger's record of a job, once it is in this state.
    pub(crate) async fn record_in(&self, job: JobId, state: LedgerState) -> LedgerRecord {
        self.record_when(job, &format!("`{state}`"), |record| record.state == state).await
    }

    /// The ledger's record of a job, once it is as asked.
    pub(crate) async fn record_when(
        &self,
        job: JobId,
        what: &str,
        is_right: impl Fn(&LedgerRecord) -> bool,
    ) -> LedgerRecord {
        let ledger = DynamoLedger::new(self.connection.dynamodb(), self.output("autoscaler", "LedgerTable"));
        let host = GitlabHost::of_url(self.gitlab.url()).unwrap();
        let key = JobKey { host, project: self.project, job };
        let found = until(|| async {
            ledger.get(&key, SystemClock.now()).await.unwrap().filter(|record| is_right(record))
        });
        let found = found.await;
        found.unwrap_or_else(|| panic!("the record of job {job} did not become {what}"))
    }

    /// The next message of the dead-letter queue that has this text in it.
    pub(crate) async fn dead_letter(&self, text: &str) -> Value {
        let url = self.output("infrastructure", "DeadLetterQueueUrl");
        let found = until(|| async {
            let request = self.connection.sqs().receive_message().queue_url(url).visibility_timeout(1);
            let received = request.max_number_of_messages(10).send().await.unwrap();
            let bodies = received.messages.unwrap_or_default().into_iter().filter_map(|message| message.body);
            bodies.into_iter().find(|body| body.contains(text))
        });
        let body = found.await.unwrap_or_else(|| panic!("no dead letter says `{text}`"));
        serde_json::from_str(&body).unwrap()
    }

    /// AWS with other rights than those of the tests.
    pub(crate) fn connection_with(&self, credentials: &Credentials) -> Connection {
        credentials.connection(&self.environment.site)
    }

    /// Everything the functions and the emulator have written.
    pub(crate) fn logs(&self) -> Vec<(PathBuf, String)> {
        let mut folders = vec![self.environment.site.folder.join("log")];
        let mut logs = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
                    logs.push((path, text));
                }
            }
        }
        logs
    }
}

/// Looks until there is something, or `None` after a long time.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(look: impl Fn() -> F) -> Option<T> {
    let looking = async {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.ok()
}

pub(crate) fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}
