//! The programs that are measured, each with its settings and its first event.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use mayfly_standins::lambda_runtime::Function;
use serde_json::{Value, json};

use crate::world::{SHELL_RUNNER, WEBHOOK_PARAMETER, WEBHOOK_SECRET, World};

/// A job event of the size GitLab sends.
const WEBHOOK_BODY: &str = include_str!("../../../../fixtures/gitlab/job-pending.json");

/// Which of the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Answers, and calls nobody.
    Hello,
    /// Reads its secret and puts an event on the bus.
    Webhook,
    /// Starts one runner in a Lambda function, with a registration of its own.
    Dispatcher,
}

/// A program, ready to be started.
pub(crate) struct Program {
    kind: Kind,
    path: PathBuf,
    pub(crate) function: Function,
}

impl Program {
    /// The smallest function.
    pub(crate) fn hello(path: &Path) -> Self {
        Self { kind: Kind::Hello, path: path.to_owned(), function: Function::new(path) }
    }

    /// The webhook function, as the stack sets it up.
    pub(crate) fn webhook(path: &Path, world: &World) -> Self {
        let function = world
            .called_by(Function::new(path))
            .env("MAYFLY_EVENT_BUS", "mayfly")
            .env("MAYFLY_WEBHOOK_SECRETS", WEBHOOK_PARAMETER);
        Self { kind: Kind::Webhook, path: path.to_owned(), function }
    }

    /// The dispatcher function, as the stack sets it up.
    pub(crate) fn dispatcher(path: &Path, world: &World) -> Self {
        let function = world
            .called_by(Function::new(path))
            .env("MAYFLY_DEFAULT_TARGET", SHELL_RUNNER)
            .env("MAYFLY_LAUNCH_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/123456789012/mayfly-launch")
            .env("MAYFLY_LEDGER_TABLE", "ledger")
            .env("MAYFLY_MAPPING_TABLE", "mappings")
            .env("MAYFLY_PARAMETER_PATH", "/mayfly")
            .env("MAYFLY_REGISTRATION", "per-job")
            .env("MAYFLY_STACK", "mayfly-autoscaler")
            .env(
                "MAYFLY_STACK_ID",
                "arn:aws:cloudformation:eu-central-1:123456789012:stack/mayfly-autoscaler/0a1b",
            );
        Self { kind: Kind::Dispatcher, path: path.to_owned(), function }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Hello => "hello",
            Kind::Webhook => "webhook",
            Kind::Dispatcher => "dispatcher",
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The event of the next start.
    pub(crate) fn event(&self, world: &World) -> anyhow::Result<Value> {
        match self.kind {
            Kind::Hello => Ok(json!({})),
            Kind::Webhook => Ok(json!({
                "version": "2.0",
                "routeKey": "POST /webhook",
                "rawPath": "/webhook",
                "rawQueryString": "",
                "headers": {
                    "content-type": "application/json",
                    "x-gitlab-event": "Job Hook",
                    "x-gitlab-instance": "https://gitlab.example.com",
                    "x-gitlab-token": WEBHOOK_SECRET,
                },
                "requestContext": { "http": { "method": "POST", "path": "/webhook", "sourceIp": "192.0.2.7" } },
                "body": WEBHOOK_BODY,
                "isBase64Encoded": false,
            })),
            Kind::Dispatcher => Ok(json!({ "action": "start", "event": world.waiting_job()? })),
        }
    }

    /// Makes sure that the program did its work: otherwise the figures would be good for nothing.
    pub(crate) fn check(&self, answer: &[u8], world: &World) -> anyhow::Result<()> {
        let text = String::from_utf8_lossy(answer);
        let answer: Value = serde_json::from_slice(answer).context("the answer is not JSON")?;
        let is_right = match self.kind {
            Kind::Hello => answer["message"] == "hello",
            Kind::Webhook => answer["statusCode"] == 202,
            Kind::Dispatcher => answer["outcome"] == "done",
        };
        ensure!(is_right, "the answer is wrong: {text}");
        let calls = world.take_calls();
        let last = match self.kind {
            Kind::Hello => None,
            Kind::Webhook => Some("PutEvents"),
            Kind::Dispatcher => Some("Invoke"),
        };
        ensure!(last.is_none_or(|last| calls.iter().any(|call| call == last)), "it only called {calls:?}");
        Ok(())
    }
}
