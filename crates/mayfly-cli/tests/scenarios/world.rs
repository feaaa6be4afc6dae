//! The world of sessions that need no deployed installation.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::SignedDuration;
use mayfly_aws::dynamodb::{DynamoLedger, create_history_table, create_tables, embedded_client};
use mayfly_core::clock::{Clock, SystemClock};
use mayfly_core::ports::Ledger;
use mayfly_standins::aws::StandinAws;
use mayfly_standins::contracts::{NOW, full_record};
use mayfly_standins::gitlab::{Delivery, JobSpec};
use mayfly_standins::scenario::{ScenarioError, World, copy_files};
use mayfly_standins::tables::EmbeddedTables;
use tempfile::TempDir;

use crate::aws;
use crate::installation::{HISTORY, LEDGER, MAPPINGS, SECRET, SHELL_RUNNER, deploy, webhook};
use crate::mayfly::{LONG, Mayfly, Scene};

pub(crate) struct EmbeddedWorld {
    aws: StandinAws,
    store: Client,
    /// A GitLab, and what a `mayfly local` needs.
    scene: Scene,
    local: Option<Mayfly>,
    values: BTreeMap<String, String>,
    folder: TempDir,
    /// True if the session is played in other worlds too.
    is_shared: bool,
    _tables: EmbeddedTables,
}

impl EmbeddedWorld {
    /// Three stacks whose tables are empty, and a GitLab with the project `group/app`.
    pub(crate) async fn new(root: &Path, is_shared: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tables = EmbeddedTables::in_memory().await.unwrap();
        let store = embedded_client(tables.url().as_str());
        create_tables(&store, MAPPINGS, LEDGER).await.unwrap();
        create_history_table(&store, HISTORY).await.unwrap();
        let aws = StandinAws::start(Some(tables.url().clone())).await.unwrap();
        let scene = Scene::new().await;
        deploy(&aws, &scene.gitlab, "none");
        let ago = |hours| (SystemClock.now() - SignedDuration::from_hours(hours)).to_string();
        let values = [
            ("SHELL_RUNNER", SHELL_RUNNER.to_owned()),
            ("WEBHOOK", webhook(&aws)),
            ("TWO_HOURS_AGO", ago(2)),
            ("THREE_HOURS_AGO", ago(3)),
            ("LAST_MONTH", ago(30 * 24)),
        ];
        let values: BTreeMap<String, String> =
            values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        copy_files(&root.join("scenarios/files"), folder.path(), &values).unwrap();
        fs::copy(root.join("helper-scripts/mappings.yaml"), folder.path().join("mappings.yaml")).unwrap();
        std::os::unix::fs::symlink(scene.data_dir(), folder.path().join("data")).unwrap();
        Self { aws, store, scene, local: None, values, folder, is_shared, _tables: tables }
    }

    /// Ends what still runs.
    pub(crate) async fn end(&mut self) {
        self.release();
        if let Some(local) = self.local.take() {
            local.stop().await;
        }
    }

    /// A job in a pipeline of its own. A held one runs until it is released.
    async fn start_job(&mut self, name: &str, tags: &[&str], is_held: bool) {
        let release = self.folder.path().join("released");
        let script = if is_held {
            format!("until test -e '{}'; do sleep 0.1; done", release.display())
        } else {
            "true".to_owned()
        };
        let spec = JobSpec::new(name).tags(tags.iter().copied()).script([script]);
        let gitlab = &self.scene.gitlab;
        let job = gitlab.run_pipeline(self.scene.project, vec![spec]).unwrap()[0];
        let are_answered =
            |deliveries: &[Delivery]| deliveries.iter().all(|delivery| delivery.answer.is_some());
        gitlab.wait_for_deliveries(are_answered, LONG).await.unwrap();
        let host = gitlab.url().authority();
        self.values.insert("JOB".to_owned(), format!("{host}/{}/{job}", self.scene.project));
        self.values.insert("PAGE".to_owned(), format!("{}group/app/-/jobs/{job}", gitlab.url()));
    }

    fn release(&self) {
        fs::write(self.folder.path().join("released"), "").unwrap();
    }

    /// Writes an item of strings, as somebody types it in the console.
    async fn type_row(&self, attributes: &[&str]) {
        let item = attributes.iter().map(|attribute| {
            let (name, value) = attribute.split_once('=').unwrap();
            (name.to_owned(), AttributeValue::S(value.to_owned()))
        });
        let put = self.store.put_item().table_name(MAPPINGS).set_item(Some(item.collect()));
        put.send().await.unwrap();
    }

    /// A record with a runner that has its job.
    async fn record(&self, key: &str, runner: &str) {
        let mut record = full_record(key, runner);
        record.former.clear();
        let last = record.runner.as_mut().unwrap();
        (last.stopped_at, last.ended) = (None, None);
        last.took = Some(key.parse().unwrap());
        DynamoLedger::new(self.store.clone(), LEDGER).put(&record, NOW).await.unwrap();
    }
}

impl World for EmbeddedWorld {
    fn program(&self) -> &Path {
        Path::new(env!("CARGO_BIN_EXE_mayfly"))
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn variables(&self) -> BTreeMap<String, String> {
        let gitlab = &self.scene.gitlab;
        let gitlab = [("MAYFLY_API_TOKEN", gitlab.api_token()), ("MAYFLY_GITLAB_URL", gitlab.url().as_str())];
        let variables = self.aws.variables().into_iter().chain(gitlab);
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn values(&self) -> BTreeMap<String, String> {
        self.values.clone()
    }

    fn redactions(&self) -> Vec<(&'static str, String)> {
        let mut redactions = vec![
            ("[GITLAB]", self.scene.gitlab.url().authority().to_owned()),
            ("[WEBHOOK]", webhook(&self.aws)),
            ("[AWS]", self.aws.url().authority().to_owned()),
            ("[VERSION]", env!("CARGO_PKG_VERSION").to_owned()),
        ];
        // One that is the same in all worlds need not be hidden in sessions of this one alone.
        if self.is_shared {
            redactions.push(("[SHELL_RUNNER]", SHELL_RUNNER.to_owned()));
        }
        redactions.extend(self.values.get("JOB").map(|job| ("[JOB]", job.clone())));
        redactions
    }

    async fn prepare(&mut self, directive: &[String]) -> Result<(), ScenarioError> {
        let words: Vec<&str> = directive.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["aws", change @ ..] => return aws::change(&self.aws, change),
            ["project", path] => drop(self.scene.gitlab.create_project(path)),
            ["webhook", path] => {
                let project = self.scene.gitlab.create_project(path);
                let url = webhook(&self.aws);
                self.scene.gitlab.add_hook(project, &url, Some(SECRET), None).unwrap();
            }
            ["local", "starts"] => self.local = Some(self.scene.start().await),
            ["local", "stops"] => {
                self.release();
                self.local.take().unwrap().stop().await;
            }
            ["local", "says", text] => drop(self.local.as_mut().unwrap().log_line(text).await),
            ["job", name, tags @ ..] => self.start_job(name, tags, false).await,
            ["held-job", name, tags @ ..] => self.start_job(name, tags, true).await,
            ["release"] => self.release(),
            ["row", attributes @ ..] => self.type_row(attributes).await,
            ["record", key, runner] => self.record(key, runner).await,
            _ => return Err(ScenarioError(format!("`@ {}` is not known here", words.join(" ")))),
        }
        Ok(())
    }
}
