//! The scripted sessions of the command, in `scenarios/`, that are played at a deployed installation.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use mayfly_core::clock::{Clock, SystemClock};
use mayfly_core::ids::JobId;
use mayfly_standins::gitlab::JobSpec;
use mayfly_standins::scenario::{
    DEPLOYED, Scenario, ScenarioError, World, compare, copy_files, play, sessions,
};
use serde_json::json;
use tempfile::TempDir;

use crate::installation::Installation;

/// A session: its name and what it does.
type Session = (String, Pin<Box<dyn Future<Output = ()> + Send>>);

pub(crate) fn trials(installation: &Arc<Installation>) -> Vec<Session> {
    let sessions = sessions(installation.scenarios()).unwrap().into_iter();
    let read = sessions.map(|(name, file)| (name, Scenario::read(&file).unwrap(), file));
    let here = read.filter(|(_, scenario, _)| scenario.is_for(DEPLOYED));
    here.map(|(name, scenario, file)| -> Session {
        let played = session(scenario, file, Arc::clone(installation));
        (format!("session_{name}"), Box::pin(played))
    })
    .collect()
}

async fn session(scenario: Scenario, file: PathBuf, installation: Arc<Installation>) {
    let mut world = DeployedWorld::new(installation);
    let transcript = play(&scenario, &mut world).await.unwrap_or_else(|error| panic!("{error}"));
    compare(&transcript, &file).unwrap_or_else(|error| panic!("{error}"));
}

struct DeployedWorld {
    installation: Arc<Installation>,
    values: BTreeMap<String, String>,
    folder: TempDir,
}

impl DeployedWorld {
    fn new(installation: Arc<Installation>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let values = [("SHELL_RUNNER", installation.shell_runner()), ("WEBHOOK", installation.webhook_url())];
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        copy_files(&installation.scenarios().join("files"), folder.path(), &values).unwrap();
        Self { installation, values, folder }
    }

    /// A job in a pipeline of its own. A held one runs until it is released, or the session's folder is gone: then that has failed.
    fn start_job(&mut self, name: &str, tags: &[&str], is_held: bool) {
        let script = if is_held {
            let (folder, released) = (self.folder.path().display(), self.released());
            format!("while test -d '{folder}' && ! test -e '{}'; do sleep 0.1; done", released.display())
        } else {
            "true".to_owned()
        };
        let job = self.installation.start(JobSpec::new(name).tags(tags.iter().copied()).script([script]));
        self.remember(job);
    }

    /// A job whose webhooks nobody hears. Its event is in `lost.json`.
    fn lose_job(&mut self, name: &str) {
        let gitlab = &self.installation.gitlab;
        gitlab.hold_webhooks(true);
        let job = self.installation.start(JobSpec::new(name));
        assert!(!gitlab.take_held_deliveries().is_empty(), "webhooks are lost");
        gitlab.hold_webhooks(false);
        self.remember(job);
        let event = json!({
            "key": self.values["JOB"], "name": name, "status": "pending", "project": "group/app",
            "received_at": SystemClock.now(),
        });
        std::fs::write(self.folder.path().join("lost.json"), event.to_string()).unwrap();
    }

    fn remember(&mut self, job: JobId) {
        let gitlab = self.installation.gitlab.url();
        let key = format!("{}/{}/{job}", gitlab.authority(), self.installation.project);
        self.values.insert("JOB".to_owned(), key);
        self.values.insert("PAGE".to_owned(), format!("{gitlab}group/app/-/jobs/{job}"));
    }

    fn released(&self) -> PathBuf {
        self.folder.path().join("released")
    }
}

impl World for DeployedWorld {
    fn program(&self) -> &Path {
        self.installation.command()
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn variables(&self) -> BTreeMap<String, String> {
        self.installation.operator()
    }

    fn values(&self) -> BTreeMap<String, String> {
        self.values.clone()
    }

    fn redactions(&self) -> Vec<(&'static str, String)> {
        let mut redactions = vec![
            ("[GITLAB]", self.installation.gitlab.url().authority().to_owned()),
            ("[SHELL_RUNNER]", self.installation.shell_runner().to_owned()),
            ("[WEBHOOK]", self.installation.webhook_url().to_owned()),
            ("[VERSION]", env!("CARGO_PKG_VERSION").to_owned()),
        ];
        redactions.extend(self.values.get("JOB").map(|job| ("[JOB]", job.clone())));
        redactions
    }

    async fn prepare(&mut self, directive: &[String]) -> Result<(), ScenarioError> {
        let words: Vec<&str> = directive.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["project", path] => drop(self.installation.gitlab.create_project(path)),
            ["job", name, tags @ ..] => self.start_job(name, tags, false),
            ["held-job", name, tags @ ..] => self.start_job(name, tags, true),
            ["lost-job", name] => self.lose_job(name),
            ["release"] => std::fs::write(self.released(), "").unwrap(),
            _ => return Err(ScenarioError(format!("`@ {}` is not known here", words.join(" ")))),
        }
        Ok(())
    }
}
