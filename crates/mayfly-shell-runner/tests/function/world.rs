//! One test's world: a GitLab, a function, and a machine with a stand-in `gitlab-runner`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use mayfly_core::assignment::{Assignment, RegistrationEnd};
use mayfly_core::clock::{Clock, SystemClock};
use mayfly_core::ids::{JobId, ProjectId};
use mayfly_core::mapping::RunnerSettings;
use mayfly_standins::gitlab::{JobSnapshot, JobSpec, StandinGitlab};
use mayfly_standins::lambda_runtime::{Answer, Environment, Function, Invocation};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::STANDIN_RUNNER;

/// Longer than anything here may take.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct World {
    pub(crate) gitlab: StandinGitlab,
    pub(crate) project: ProjectId,
    folder: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let gitlab = StandinGitlab::start().await.unwrap();
        let project = gitlab.create_project("group/app");
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        let runner = folder.path().join("bin/gitlab-runner");
        let this_program = std::env::current_exe().unwrap();
        let script = format!(
            "#!/bin/sh\nexec '{}' {STANDIN_RUNNER} \"$@\" --check-interval-ms 20 --trace-interval-ms 20\n",
            this_program.display()
        );
        fs::write(&runner, script).unwrap();
        fs::set_permissions(&runner, fs::Permissions::from_mode(0o755)).unwrap();
        Self { gitlab, project, folder }
    }

    /// The function, with the stand-in runner first in its `PATH`.
    pub(crate) fn function(&self) -> Function {
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.path("bin").display());
        Function::new(env!("CARGO_BIN_EXE_mayfly-shell-runner"))
            .env("PATH", path)
            .env("MAYFLY_SCRATCH_DIR", self.path("scratch"))
    }

    pub(crate) async fn start(&self) -> Environment {
        let mut environment = self.function().start().await.unwrap();
        environment.ready(PATIENCE).await.unwrap();
        environment
    }

    /// A path in the world's own folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder in which jobs of this environment work.
    pub(crate) fn scratch(&self, environment: &Environment) -> PathBuf {
        self.path("scratch").join(format!("mayfly-environment-{}", environment.process_id()))
    }

    #[track_caller]
    pub(crate) fn assert_scratch_is_empty(&self, environment: &Environment) {
        assert_eq!(entries(&self.scratch(environment)), Vec::<String>::new());
    }

    /// An assignment for a runner that was just registered, and the runner's token.
    pub(crate) fn assignment(&self, settings: RunnerSettings) -> Assignment {
        let (_, token) = self.gitlab.create_shared_runner::<String>(self.project, []);
        Assignment {
            runner: "mayfly-lambda-0a1b".parse().unwrap(),
            gitlab_url: self.gitlab.url().clone(),
            ca_file: None,
            token: token.into(),
            at_end: RegistrationEnd::DeleteRunner,
            settings,
            deadline: SystemClock.now() + SignedDuration::from_hours(1),
            job_credentials: None,
        }
    }

    /// A job with this script, that waits for a runner.
    pub(crate) fn job(&self, script: &str) -> JobId {
        let spec = JobSpec::new("job").script(script.trim().lines().map(str::trim));
        self.gitlab.run_pipeline(self.project, vec![spec]).unwrap()[0]
    }

    /// Runs a job in an environment, and compares what the function answers.
    pub(crate) async fn run(&self, environment: &mut Environment, script: &str) -> JobSnapshot {
        self.run_with(environment, RunnerSettings::default(), script).await
    }

    pub(crate) async fn run_with(
        &self,
        environment: &mut Environment,
        settings: RunnerSettings,
        script: &str,
    ) -> JobSnapshot {
        let job = self.job(script);
        let invocation = invoke(environment, &self.assignment(settings)).await;
        assert_eq!(response(environment, &invocation), json!({ "outcome": "job-done", "job": job }));
        self.gitlab.job(job).unwrap()
    }
}

/// Invokes with an assignment. Whatever happens, its token is not in the function's log.
pub(crate) async fn invoke(environment: &mut Environment, assignment: &Assignment) -> Invocation {
    let event = assignment.to_secret_json().expose_secret().to_owned();
    let invocation = environment.invoke(event).await.unwrap();
    let log = environment.log().join("\n");
    assert!(!log.contains(assignment.token.expose_secret()), "{log}");
    invocation
}

#[track_caller]
pub(crate) fn response(environment: &Environment, invocation: &Invocation) -> Value {
    match &invocation.answer {
        Answer::Response(body) => serde_json::from_slice(body).unwrap(),
        other => panic!("{other:?}: {:#?}", environment.log()),
    }
}

/// The names in a folder.
pub(crate) fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
