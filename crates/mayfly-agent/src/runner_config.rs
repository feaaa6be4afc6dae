//! The configuration file of `gitlab-runner`, as far as one job needs it.

use std::path::Path;

use mayfly_core::assignment::{Assignment, JobCredentials};
use mayfly_core::mapping::Executor;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::environment::AWS_REGIONS;

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
    /// Variables of every job, each `NAME=value`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    environment: Vec<String>,
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
/// job's container, which has its own. The region is the machine's, for a job that may act on AWS.
pub(crate) fn runner_config(
    assignment: &Assignment,
    builds: &Path,
    cache: &Path,
    region: Option<&str>,
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
        environment: assignment
            .job_credentials
            .as_ref()
            .map(|credentials| aws_variables(credentials, region))
            .unwrap_or_default(),
        builds_dir: is_shell.then_some(builds),
        cache_dir: is_shell.then_some(cache),
        docker: (!is_shell).then_some(Docker { image: DEFAULT_IMAGE, privileged: false }),
    };
    toml::to_string(&Document { concurrent: 1, runners: [runner] }).map(SecretString::from)
}

/// The variables in which every client of AWS looks for credentials and region.
fn aws_variables(credentials: &JobCredentials, region: Option<&str>) -> Vec<String> {
    let secrets = [
        ("AWS_ACCESS_KEY_ID", credentials.access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key.expose_secret()),
        ("AWS_SESSION_TOKEN", credentials.session_token.expose_secret()),
    ];
    let regions = region.into_iter().flat_map(|region| AWS_REGIONS.map(|name| (name, region)));
    secrets.into_iter().chain(regions).map(|(name, value)| format!("{name}={value}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mayfly_core::assignment::RegistrationEnd;
    use mayfly_core::mapping::RunnerSettings;

    fn assignment(executor: Executor, ca_file: Option<&str>, token: &str) -> Assignment {
        Assignment {
            runner: "mayfly-ec2-i-0abc".parse().unwrap(),
            gitlab_url: "https://gitlab.example.com/git/".parse().unwrap(),
            ca_file: ca_file.map(Into::into),
            token: token.into(),
            at_end: RegistrationEnd::DeleteRunner,
            settings: RunnerSettings { executor, ..RunnerSettings::default() },
            deadline: "2026-08-01T11:00:00Z".parse().unwrap(),
            job_credentials: None,
        }
    }

    fn config_of(assignment: &Assignment, region: Option<&str>) -> String {
        let config =
            runner_config(assignment, Path::new("/w/builds"), Path::new("/w/cache"), region).unwrap();
        config.expose_secret().to_owned()
    }

    fn written(executor: Executor, ca_file: Option<&str>, token: &str) -> String {
        config_of(&assignment(executor, ca_file, token), Some("eu-central-1"))
    }

    /// The `environment` of a job that is given credentials.
    fn environment(executor: Executor, region: Option<&str>) -> Vec<String> {
        let mut assignment = assignment(executor, None, "glrt-1");
        assignment.job_credentials = Some(JobCredentials {
            access_key_id: "ASIAEXAMPLE".to_owned(),
            secret_access_key: "secret/+\"".into(),
            session_token: "session==".into(),
            expires_at: "2026-08-01T11:00:00Z".parse().unwrap(),
        });
        let config: toml::Table = config_of(&assignment, region).parse().unwrap();
        config["runners"][0]["environment"].clone().try_into().unwrap()
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
    fn a_job_that_may_act_in_a_role_gets_its_credentials_whatever_the_executor() {
        let credentials = [
            "AWS_ACCESS_KEY_ID=ASIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY=secret/+\"",
            "AWS_SESSION_TOKEN=session==",
        ];
        let regions = ["AWS_DEFAULT_REGION=eu-central-1", "AWS_REGION=eu-central-1"];
        for executor in [Executor::Shell, Executor::Docker] {
            assert_eq!(environment(executor, None), credentials);
            assert_eq!(
                environment(executor, Some("eu-central-1")),
                [&credentials[..], &regions[..]].concat()
            );
        }
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
