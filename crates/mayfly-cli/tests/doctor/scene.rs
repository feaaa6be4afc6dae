//! An installation on the stand-in AWS with the stand-in GitLab, and the command in front of it.

use std::process::Output;

use mayfly_aws::dynamodb::{create_tables, embedded_client};
use mayfly_standins::aws::{SECRET_ACCESS_KEY, StandinAws};
use mayfly_standins::gitlab::StandinGitlab;
use mayfly_standins::tables::EmbeddedTables;
use serde_json::Value;

use crate::command::run;
use crate::installation::{LEDGER, MAPPINGS, SECRET, SHELL_RUNNER, deploy, webhook};

pub(crate) struct Scene {
    pub(crate) aws: StandinAws,
    pub(crate) gitlab: StandinGitlab,
    pub(crate) tables: EmbeddedTables,
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
        let tables = EmbeddedTables::in_memory().await.unwrap();
        create_tables(&embedded_client(tables.url().as_str()), MAPPINGS, LEDGER).await.unwrap();
        let aws = StandinAws::start(Some(tables.url().clone())).await.unwrap();
        let gitlab = StandinGitlab::start().await.unwrap();
        deploy(&aws, &gitlab, SHELL_RUNNER);
        Self { aws, gitlab, tables }
    }

    /// Where the webhook is to send its events.
    pub(crate) fn webhook(&self) -> String {
        webhook(&self.aws)
    }

    /// Runs `mayfly` with an account's credentials, and the token of a maintainer.
    pub(crate) async fn mayfly(&self, arguments: &[&str]) -> Said {
        self.mayfly_with(arguments, &[("MAYFLY_API_TOKEN", self.gitlab.api_token())]).await
    }

    /// Runs `mayfly` with an account's credentials and these variables.
    pub(crate) async fn mayfly_with(&self, arguments: &[&str], more: &[(&str, &str)]) -> Said {
        let said = mayfly(arguments, &[&self.aws.variables(), more].concat()).await;
        let secrets = [SECRET, "glpat-", SECRET_ACCESS_KEY, "whsec_"];
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
    let Output { status, stdout, stderr } = run(arguments, variables, "").await;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: status.code(), text: text(stdout), complaint: text(stderr) }
}
