//! An installation on the stand-in AWS with the stand-in GitLab, and the command in front of it.

use std::process::{Output, Stdio};

use mayfly_aws::dynamodb::create_tables;
use mayfly_aws::dynamodb::embedded_client;
use mayfly_standins::aws::StandinAws;
use mayfly_standins::gitlab::StandinGitlab;
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::oneshot;

pub(crate) const SECRET: &str = "the-secret-of-the-webhook";
pub(crate) const MAPPINGS: &str = "mayfly-autoscaler-MappingTable-1A2B3C";
const LEDGER: &str = "mayfly-autoscaler-LedgerTable-1A2B3C";

pub(crate) struct Scene {
    pub(crate) aws: StandinAws,
    pub(crate) gitlab: StandinGitlab,
    pub(crate) dynamodb: String,
    _folder: tempfile::TempDir,
    _stop: oneshot::Sender<()>,
}

/// What the command said, and its exit code.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) text: String,
    pub(crate) complaint: String,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic_with(self))
    }

    pub(crate) fn expect(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.text, self.complaint);
        for part in parts {
            assert!(
                self.text.contains(part) || self.complaint.contains(part),
                "`{part}` is not in:\n{}{}",
                self.text,
                self.complaint
            );
        }
        self
    }
}

#[expect(clippy::panic, reason = "it says what was there instead")]
fn panic_with(said: &Said) -> Value {
    panic!("no JSON: {}{}", said.text, said.complaint)
}

impl Scene {
    /// Three stacks that are deployed well, their parameters, and a GitLab.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tables.db");
        let database = dynoxide::Database::new(file.to_str().unwrap()).unwrap();
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let dynamodb = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            // Ends when the sender is dropped.
            let _ = stopped.await;
        };
        tokio::spawn(async move {
            dynoxide::server::serve_with_shutdown(listener, database, shutdown).await.unwrap();
        });
        create_tables(&embedded_client(&dynamodb), MAPPINGS, LEDGER).await.unwrap();
        let aws = StandinAws::start(Some(dynamodb.parse().unwrap())).await.unwrap();
        let gitlab = StandinGitlab::start().await.unwrap();
        let scene = Self { aws, gitlab, dynamodb, _folder: folder, _stop: stop };
        scene.deploy();
        scene
    }

    /// Where the webhook is to send its events: a receiver that answers 2xx, because the stand-in AWS answers everything it does not
    /// know with an error, and a test says when it shall not.
    pub(crate) fn webhook(&self) -> String {
        self.aws.url().join("webhook").unwrap().to_string()
    }

    fn deploy(&self) {
        let queue = |name: &str| format!("https://sqs.eu-central-1.amazonaws.com/123456789012/{name}");
        let version = env!("CARGO_PKG_VERSION");
        self.aws.put_stack(
            "mayfly-infrastructure",
            &[
                ("WebhookUrl", &self.webhook()),
                ("DeadLetterQueueUrl", &queue("mayfly-dead-letters")),
                ("MayflyVersion", version),
            ],
        );
        self.aws.put_stack_parameters(
            "mayfly-infrastructure",
            &[("WebhookSecretParameter", "/mayfly-secrets/WebhookSecret"), ("SigningTokenParameter", "")],
        );
        self.aws.put_stack(
            "mayfly-autoscaler",
            &[
                ("MappingTable", MAPPINGS),
                ("LedgerTable", LEDGER),
                ("LaunchQueueUrl", &queue("mayfly-autoscaler-launches")),
                ("LaunchDeadLetterQueueUrl", &queue("mayfly-autoscaler-launch-dead-letters")),
                ("ReconcilerScheduleName", "mayfly-autoscaler-reconciler"),
                ("MayflyVersion", version),
            ],
        );
        self.aws.put_stack_parameters(
            "mayfly-autoscaler",
            &[
                ("ParameterPath", "/mayfly"),
                ("RegistrationMode", "per-job"),
                ("ReconcileDryRun", "false"),
                ("DefaultTarget", "arn:aws:lambda:eu-central-1:123456789012:function:mayfly-shell-runner"),
                ("RunnerSubnetIds", "subnet-0aaa"),
                ("RunnerArchitecture", "arm64"),
                ("RunnerImageArm64", "/mayfly-images/arm64"),
                ("RunnerImageX86", ""),
                ("RunnerInstanceTypesArm64", "m8g.large,m7g.large"),
                ("RunnerInstanceTypesX86", "m7i.large"),
            ],
        );
        self.aws.put_stack(
            "mayfly-shell-runner",
            &[("FailureQueueUrl", &queue("mayfly-shell-runner-failures")), ("MayflyVersion", version)],
        );
        self.aws.put_parameter("/mayfly/Url", self.gitlab.url().as_str());
        let token = self.gitlab.create_token(&["create_runner", "manage_runner", "read_api"]);
        self.aws.put_parameter("/mayfly/ApiToken", &token);
        self.aws.put_parameter("/mayfly-secrets/WebhookSecret", SECRET);
        self.aws.put_parameter("/mayfly-images/arm64", "ami-0123456789abcdef0");
    }

    /// Runs `mayfly` with an account's credentials, and the token of a maintainer.
    pub(crate) async fn mayfly(&self, arguments: &[&str]) -> Said {
        self.mayfly_with(arguments, &[("MAYFLY_API_TOKEN", self.gitlab.api_token())]).await
    }

    /// Runs `mayfly` with an account's credentials and these variables.
    pub(crate) async fn mayfly_with(&self, arguments: &[&str], more: &[(&str, &str)]) -> Said {
        let variables = [
            ("HOME", "/nonexistent"),
            ("AWS_ENDPOINT_URL", self.aws.url().as_str()),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "hidden-key"),
            ("AWS_REGION", "eu-central-1"),
        ];
        let said = mayfly(arguments, &[&variables, more].concat()).await;
        let secrets = [SECRET, "glpat-", "hidden-key", "whsec_"];
        for secret in secrets {
            assert!(!said.text.contains(secret) && !said.complaint.contains(secret), "{secret} is told");
        }
        for body in self.aws.bodies() {
            assert!(!secrets.iter().any(|secret| body.contains(secret)), "a secret went to AWS: {body}");
        }
        said
    }
}

/// Runs `mayfly` with just these variables.
pub(crate) async fn mayfly(arguments: &[&str], variables: &[(&str, &str)]) -> Said {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_mayfly"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: status.code(), text: text(stdout), complaint: text(stderr) }
}
