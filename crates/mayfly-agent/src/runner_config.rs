//! The configuration file of `gitlab-runner`, as far as one job needs it.

use std::path::Path;

use mayfly_core::assignment::Assignment;
use mayfly_core::mapping::Executor;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

/// The image of jobs that name none (`image:`), with the docker executor.
const DEFAULT_IMAGE: &str = "alpine:latest";

#[derive(Serialize)]
struct Document<'a> {
    concurrent: u32,
    runners: [Runner<'a>; 1],
}

/// One `[[runners]]` section. The names are those of GitLab's documentation of `config.toml`.
#[derive(Serialize)]
struct Runner<'a> {
    name: String,
    url: &'a str,
    token: &'a str,
    #[serde(rename = "tls-ca-file", skip_serializing_if = "Option::is_none")]
    tls_ca_file: Option<&'a Path>,
    executor: &'static str,
    shell: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    builds_dir: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_dir: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    docker: Option<Docker>,
}

#[derive(Serialize)]
struct Docker {
    image: &'static str,
    privileged: bool,
}

/// Writes the configuration. The two folders are for the shell executor; with docker they would be paths inside the
/// job's container, which has its own.
pub(crate) fn runner_config(
    assignment: &Assignment,
    builds: &Path,
    cache: &Path,
) -> Result<SecretString, toml::ser::Error> {
    let executor = assignment.settings.executor;
    let is_shell = executor == Executor::Shell;
    let runner = Runner {
        name: assignment.runner.to_string(),
        url: assignment.gitlab_url.as_str(),
        token: assignment.token.expose_secret(),
        tls_ca_file: assignment.ca_file.as_deref(),
        executor: executor.as_str(),
        shell: "bash",
        builds_dir: is_shell.then_some(builds),
        cache_dir: is_shell.then_some(cache),
        docker: (!is_shell).then_some(Docker { image: DEFAULT_IMAGE, privileged: false }),
    };
    toml::to_string(&Document { concurrent: 1, runners: [runner] }).map(SecretString::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mayfly_core::assignment::RegistrationEnd;
    use mayfly_core::mapping::RunnerSettings;

    fn written(executor: Executor, ca_file: Option<&str>, token: &str) -> String {
        let assignment = Assignment {
            runner: "mayfly-ec2-i-0abc".parse().unwrap(),
            gitlab_url: "https://gitlab.example.com/git/".parse().unwrap(),
            ca_file: ca_file.map(Into::into),
            token: token.into(),
            at_end: RegistrationEnd::DeleteRunner,
            settings: RunnerSettings { executor, ..RunnerSettings::default() },
            deadline: "2026-08-01T11:00:00Z".parse().unwrap(),
        };
        let config = runner_config(&assignment, Path::new("/w/builds"), Path::new("/w/cache")).unwrap();
        config.expose_secret().to_owned()
    }

    #[test]
    fn the_shell_executor_gets_folders_of_its_own() {
        insta::assert_snapshot!(written(Executor::Shell, None, "glrt-1"), @r#"
        concurrent = 1

        [[runners]]
        name = "mayfly-ec2-i-0abc"
        url = "https://gitlab.example.com/git/"
        token = "glrt-1"
        executor = "shell"
        shell = "bash"
        builds_dir = "/w/builds"
        cache_dir = "/w/cache"
        "#);
    }

    #[test]
    fn the_docker_executor_gets_an_image_and_no_privileges() {
        insta::assert_snapshot!(written(Executor::Docker, Some("/etc/ca.pem"), "glrt-1"), @r#"
        concurrent = 1

        [[runners]]
        name = "mayfly-ec2-i-0abc"
        url = "https://gitlab.example.com/git/"
        token = "glrt-1"
        tls-ca-file = "/etc/ca.pem"
        executor = "docker"
        shell = "bash"

        [runners.docker]
        image = "alpine:latest"
        privileged = false
        "#);
    }

    #[test]
    fn a_token_cannot_break_out_of_its_place() {
        let token = "a\"\n[[runners]]\nname = 'b'";
        let read: toml::Table = written(Executor::Shell, None, token).parse().unwrap();
        let runners = read["runners"].as_array().unwrap();
        assert_eq!(runners.len(), 1);
        assert_eq!(runners[0]["token"].as_str(), Some(token));
    }
}
