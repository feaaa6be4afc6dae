//! Which of the machine's variables a job gets. `gitlab-runner` hands its own environment to every script of a job.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use mayfly_core::mapping::RunnerSettings;

/// The variable that every process of a runner inherits and that tells nothing but whose it is. Processes that outlive
/// their job are found by it.
pub(crate) const MARK: &str = "MAYFLY_RUN_MARK";

/// Every job gets these, and the `LC_*` variables, where the machine has them.
const USUAL: [&str; 15] = [
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "LANG",
    "LOGNAME",
    "NO_PROXY",
    "PATH",
    "SHELL",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TZ",
    "USER",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// A job gets these only if its mapping keeps the machine's AWS credentials.
const AWS_CREDENTIALS: [&str; 7] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];

/// The same for all variables that begin so: addresses of a container's credentials, and the tokens for them.
const AWS_CONTAINER: &str = "AWS_CONTAINER_";

/// Go with the credentials; alone they are no secret.
pub(crate) const AWS_REGIONS: [&str; 2] = ["AWS_DEFAULT_REGION", "AWS_REGION"];

/// Never passed on, named or not: what is the Lambda runtime's, and what `gitlab-runner` would read as its own settings.
/// A log level without the line about a received job would blind the agent.
const NEVER: [&str; 6] =
    ["CONFIG_FILE", "LOG_FORMAT", "LOG_LEVEL", "RUNNER_DEBUG", "_HANDLER", "_X_AMZN_TRACE_ID"];

/// Never passed on, named or not: our own settings, the address and token of the runner, and those of the Lambda runtime.
const NEVER_BEGINNING_WITH: [&str; 4] = ["AWS_LAMBDA_", "CI_SERVER_", "LAMBDA_", "MAYFLY_"];

/// Where commands are looked for if the machine does not say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The environment of a runner and so of its job.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RunnerEnvironment {
    /// All of its variables.
    pub(crate) variables: BTreeMap<OsString, OsString>,
    /// The names in `pass_env` that are not for jobs.
    pub(crate) refused: Vec<String>,
}

/// What the private folder adds to an environment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PrivatePlaces<'a> {
    /// The home of a job whose machine names none.
    pub(crate) home: &'a Path,
    /// The job's folder for temporary files, unless `pass_env` names `TMPDIR`.
    pub(crate) temporary: &'a Path,
    /// The value of [`MARK`].
    pub(crate) mark: &'a OsStr,
}

/// The part of the machine's variables that a job gets. Whoever starts an agent beside the job, on a machine that has more to
/// hide, starts it with just these.
pub fn job_environment(
    machine: &BTreeMap<OsString, OsString>,
    settings: &RunnerSettings,
) -> BTreeMap<OsString, OsString> {
    let is_passed = |name: &OsString| {
        name.to_str().is_some_and(|name| {
            is_for_job(name, settings.pass_env.iter().any(|passed| passed == name), settings)
        })
    };
    machine
        .iter()
        .filter(|(name, _)| is_passed(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The region that the machine is in, as its variables tell.
pub(crate) fn region_of(machine: &BTreeMap<OsString, OsString>) -> Option<&str> {
    machine.get(OsStr::new("AWS_REGION")).and_then(|region| region.to_str())
}

/// Chooses a job's variables out of the machine's, and adds those of its private places.
pub(crate) fn runner_environment(
    machine: &BTreeMap<OsString, OsString>,
    settings: &RunnerSettings,
    places: PrivatePlaces<'_>,
) -> RunnerEnvironment {
    let mut variables = BTreeMap::from([
        ("HOME".into(), places.home.into()),
        ("PATH".into(), DEFAULT_PATH.into()),
        ("TMPDIR".into(), places.temporary.into()),
    ]);
    variables.extend(job_environment(machine, settings));
    variables.insert(MARK.into(), places.mark.to_owned());
    let refused = settings.pass_env.iter().filter(|name| !is_for_job(name, true, settings));
    RunnerEnvironment { variables, refused: refused.cloned().collect() }
}

fn is_for_job(name: &str, is_named: bool, settings: &RunnerSettings) -> bool {
    let is_never =
        NEVER.contains(&name) || NEVER_BEGINNING_WITH.iter().any(|beginning| name.starts_with(beginning));
    if is_never {
        false
    } else if AWS_CREDENTIALS.contains(&name) || name.starts_with(AWS_CONTAINER) {
        settings.keep_aws_credentials
    } else if AWS_REGIONS.contains(&name) {
        settings.keep_aws_credentials || is_named
    } else {
        is_named || USUAL.contains(&name) || name.starts_with("LC_")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives the machine these variables, and compares the names of those the job gets besides the three it always has.
    #[track_caller]
    fn check(machine: &[&str], pass_env: &[&str], keep_aws: bool, expected: &[&str], refused: &[&str]) {
        let machine = machine.iter().map(|name| (name.into(), format!("machine's {name}").into())).collect();
        let settings = RunnerSettings {
            keep_aws_credentials: keep_aws,
            pass_env: pass_env.iter().map(ToString::to_string).collect(),
            ..RunnerSettings::default()
        };
        let environment = runner_environment(&machine, &settings, places());
        let passed: Vec<&str> = environment
            .variables
            .iter()
            .filter(|(name, value)| **value == *format!("machine's {}", name.display()))
            .map(|(name, _)| name.to_str().unwrap())
            .collect();
        assert_eq!(passed, expected);
        assert_eq!(environment.refused, refused);
        assert_eq!(environment.variables.get(OsStr::new(MARK)).unwrap(), "m");
    }

    fn places() -> PrivatePlaces<'static> {
        PrivatePlaces { home: Path::new("/p/home"), temporary: Path::new("/p/tmp"), mark: OsStr::new("m") }
    }

    #[test]
    fn a_job_gets_the_usual_few_and_nothing_else() {
        check(
            &[
                "PATH",
                "HOME",
                "USER",
                "LC_ALL",
                "http_proxy",
                "SSL_CERT_FILE",
                "SECRET",
                "_HANDLER",
                "TMPDIR",
            ],
            &[],
            false,
            &["HOME", "LC_ALL", "PATH", "SSL_CERT_FILE", "USER", "http_proxy"],
            &[],
        );
    }

    #[test]
    fn a_job_gets_what_its_mapping_names() {
        check(
            &["FEATURE", "OTHER", "TMPDIR"],
            &["FEATURE", "ABSENT", "TMPDIR"],
            false,
            &["FEATURE", "TMPDIR"],
            &[],
        );
    }

    #[test]
    fn what_is_ours_is_not_passed_even_if_named() {
        let ours = [
            "MAYFLY_LOG",
            "MAYFLY_RUN_MARK",
            "CI_SERVER_TOKEN",
            "CI_SERVER_URL",
            "AWS_LAMBDA_FUNCTION_NAME",
            "AWS_LAMBDA_RUNTIME_API",
            "LAMBDA_TASK_ROOT",
            "_HANDLER",
            "_X_AMZN_TRACE_ID",
            "LOG_LEVEL",
            "CONFIG_FILE",
        ];
        check(&ours, &[], true, &[], &[]);
        check(&ours, &ours, true, &[], &ours);
    }

    #[test]
    fn aws_credentials_need_the_mappings_consent() {
        let credentials = [
            "AWS_ACCESS_KEY_ID",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
        ];
        check(&credentials, &[], false, &[], &[]);
        check(&credentials, &credentials, false, &[], &credentials);
        check(&credentials, &[], true, &credentials, &[]);
        check(&["AWS_LAMBDA_FUNCTION_NAME", "AWS_REGION"], &[], true, &["AWS_REGION"], &[]);
        check(&["AWS_REGION"], &[], false, &[], &[]);
        check(&["AWS_REGION"], &["AWS_REGION"], false, &["AWS_REGION"], &[]);
    }

    #[test]
    fn a_machine_without_variables_still_gives_a_home_a_path_and_a_temporary_folder() {
        let environment = runner_environment(&BTreeMap::new(), &RunnerSettings::default(), places());
        let expected = [("HOME", "/p/home"), (MARK, "m"), ("PATH", DEFAULT_PATH), ("TMPDIR", "/p/tmp")];
        assert_eq!(environment.variables, expected.map(|(name, value)| (name.into(), value.into())).into());
    }
}
