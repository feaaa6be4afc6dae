//! What the functions call: AWS behind TLS, and GitLab.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use mayfly_core::clock::{Clock, SystemClock};
use mayfly_core::event::JobEvent;
use mayfly_core::ids::{GitlabHost, JobKey, ProjectId};
use mayfly_core::status::JobStatus;
use mayfly_standins::aws::{Reply, StandinAws};
use mayfly_standins::gitlab::{JobSpec, StandinGitlab};
use mayfly_standins::lambda_runtime::Function;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::tls::TlsFront;

/// Where the webhook's secret is.
pub(crate) const WEBHOOK_PARAMETER: &str = "/mayfly/webhook";
/// The webhook's secret.
pub(crate) const WEBHOOK_SECRET: &str = "the-webhook-secret-of-the-benchmark";
/// Where the dispatcher starts runners.
pub(crate) const SHELL_RUNNER: &str = "arn:aws:lambda:eu-west-1:123456789012:function:mayfly-shell-runner";

const PROJECT: &str = "group/app";
const JOB: &str = "build";
/// Where systems keep the authorities they trust: Debian and its kin, Fedora and its kin (Lambda too).
const SYSTEM_ROOTS: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];
/// As often as one start may use each operation on a table.
const TABLE_CALLS: usize = 8;

/// Everything around the functions.
pub(crate) struct World {
    aws: StandinAws,
    front: TlsFront,
    gitlab: StandinGitlab,
    project: ProjectId,
    /// All root certificates, ours among them.
    roots: PathBuf,
    _folder: TempDir,
}

impl World {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let gitlab = StandinGitlab::start().await?;
        let project = gitlab.create_project(PROJECT);
        let aws = StandinAws::start(None).await?;
        aws.put_parameter(WEBHOOK_PARAMETER, WEBHOOK_SECRET);
        aws.put_parameter("/mayfly/Url", gitlab.url().as_str());
        aws.put_parameter("/mayfly/ApiToken", gitlab.api_token());
        let front = TlsFront::start(aws.url()).await?;
        let folder = tempfile::tempdir()?;
        let roots = folder.path().join("roots.pem");
        // As many roots as on Lambda, where reading them is a part of the first call.
        let system = SYSTEM_ROOTS.iter().find_map(|path| fs::read_to_string(path).ok());
        let system = system.with_context(|| format!("none of {SYSTEM_ROOTS:?} can be read"))?;
        fs::write(&roots, format!("{}{system}", front.authority()))?;
        Ok(Self { aws, front, gitlab, project, roots, _folder: folder })
    }

    /// The function, with AWS as its world.
    pub(crate) fn called_by(&self, function: Function) -> Function {
        function.env("AWS_ENDPOINT_URL", self.front.url()).env("SSL_CERT_FILE", &self.roots)
    }

    /// The event of a new job that waits for a runner.
    pub(crate) fn waiting_job(&self) -> anyhow::Result<JobEvent> {
        self.empty_tables();
        let jobs = self.gitlab.run_pipeline(self.project, vec![JobSpec::new(JOB).tags(["linux"])])?;
        let job = *jobs.first().context("a pipeline without a job")?;
        Ok(JobEvent {
            key: JobKey { host: GitlabHost::of_url(self.gitlab.url())?, project: self.project, job },
            name: JOB.parse()?,
            status: JobStatus::Pending,
            project: Some(PROJECT.parse()?),
            pipeline: None,
            runner: None,
            queued_seconds: None,
            failure_reason: None,
            received_at: SystemClock.now(),
        })
    }

    /// The calls to AWS since this was last asked.
    pub(crate) fn take_calls(&self) -> Vec<String> {
        let calls = self.aws.calls();
        self.aws.forget_calls();
        calls
    }

    /// The TLS handshakes since this was last asked.
    pub(crate) fn take_handshakes(&self) -> u32 {
        self.front.take_handshakes()
    }

    /// The tables hold nothing, and every write to them succeeds: a real one would take time of its own on the same cores.
    fn empty_tables(&self) {
        let nothing = json!({ "Items": [], "Count": 0, "ScannedCount": 0 });
        let done = json!({});
        let answers: [(&str, &Value); 4] =
            [("GetItem", &done), ("PutItem", &done), ("Query", &nothing), ("Scan", &nothing)];
        for (operation, body) in answers {
            for _ in 0..TABLE_CALLS {
                self.aws.answer_next(operation, Reply { status: 200, body: body.clone() });
            }
        }
    }
}
