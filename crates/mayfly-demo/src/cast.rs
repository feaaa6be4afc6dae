//! The cast: a stand-in GitLab with a project and a hook, and a Mayfly that listens to it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use anyhow::Context;
use mayfly_core::ids::ProjectId;
use mayfly_local::server::LocalServer;
use mayfly_local::settings::{LocalFlags, LocalSettings};
use mayfly_standins::gitlab::StandinGitlab;

/// The hook's secret. Every run has its own GitLab, so it need not be one.
const WEBHOOK_TOKEN: &str = "the-demo-hook";

/// How long a runner waits for its job: short, so that the runner of the canceled job is seen to leave.
const WAIT_TIMEOUT_SECONDS: u32 = 3;

pub(crate) struct Cast {
    pub(crate) gitlab: StandinGitlab,
    pub(crate) project: ProjectId,
    pub(crate) mayfly: LocalServer,
    /// The runner program, for people.
    pub(crate) runner: String,
}

impl Cast {
    pub(crate) async fn assemble(data_dir: &Path, log: &str) -> anyhow::Result<Self> {
        let gitlab = StandinGitlab::start().await.context("cannot start the stand-in GitLab")?;
        let project = gitlab.create_project("demo/app");
        let (runner, runner_command) = runner_command()?;
        let mut settings = LocalSettings::load(
            LocalFlags {
                listen: Some(([127, 0, 0, 1], 0).into()),
                data_dir: Some(data_dir.to_owned()),
                gitlab_url: Some(gitlab.url().clone()),
                wait_timeout: Some(WAIT_TIMEOUT_SECONDS),
                runner: Some(std::env::current_exe()?),
                ..LocalFlags::default()
            },
            demo_command(&["--log", log, "agent"])?,
            environment(&gitlab),
        )?;
        settings.runner_command = runner_command;
        let mayfly = LocalServer::start(settings).await?;
        let hook = format!("http://{}/webhook", mayfly.address());
        gitlab.add_hook(project, &hook, Some(WEBHOOK_TOKEN), None)?;
        Ok(Self { gitlab, project, mayfly, runner })
    }
}

/// The real `gitlab-runner` if there is one, else the stand-in.
fn runner_command() -> anyhow::Result<(String, Vec<OsString>)> {
    let path = variable("PATH").unwrap_or_default();
    let real =
        std::env::split_paths(&path).map(|folder| folder.join("gitlab-runner")).find(|file| file.is_file());
    if let Some(file) = real {
        return Ok((file.display().to_string(), vec![file.into_os_string()]));
    }
    let command = demo_command(&["standin-runner", "--", "--check-interval-ms", "200"])?;
    Ok(("a stand-in, for want of a gitlab-runner on the PATH".to_owned(), command))
}

/// This program, in another part.
fn demo_command(arguments: &[&str]) -> anyhow::Result<Vec<OsString>> {
    let mut command =
        vec![std::env::current_exe().context("cannot find the demo's own file")?.into_os_string()];
    command.extend(arguments.iter().map(OsString::from));
    Ok(command)
}

/// What `mayfly local` would find in its environment.
fn environment(gitlab: &StandinGitlab) -> BTreeMap<OsString, OsString> {
    let mut environment: BTreeMap<OsString, OsString> =
        ["PATH", "HOME", "LANG"].iter().filter_map(|name| Some(((*name).into(), variable(name)?))).collect();
    environment.insert("MAYFLY_API_TOKEN".into(), gitlab.api_token().into());
    environment.insert("MAYFLY_WEBHOOK_TOKEN".into(), WEBHOOK_TOKEN.into());
    environment
}

#[expect(clippy::disallowed_methods, reason = "the demo's environment is read here and nowhere else")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}
