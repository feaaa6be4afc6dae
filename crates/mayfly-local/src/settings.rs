//! The settings of `mayfly local`: flag, environment, file, default, in that order.

mod file;
mod reconcile;
mod secret;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::ValueEnum;
use mayfly_app::Registration;
use mayfly_core::ids::SecretName;
use mayfly_core::mapping::{Executor, Mapping, RunnerSettings, Target};
use mayfly_core::resolve::DefaultTarget;
use mayfly_gitlab::webhook::{SignaturePolicy, WebhookSecrets};
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use self::file::SettingsFile;
use self::secret::Secrets;

pub use self::reconcile::ReconcileSettings;

/// The flags of `mayfly local`. Each may also be given as an environment variable or, by the same name, in the file.
#[derive(Debug, Clone, Default, clap::Args, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct LocalFlags {
    /// Settings file (TOML). Flags and environment variables come before it.
    #[arg(long, env = "MAYFLY_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,

    /// Where to listen for webhooks. [default: 127.0.0.1:8080]
    #[arg(long, env = "MAYFLY_LISTEN", value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,

    /// Folder for the store and the runners. Keeps everything that must survive a restart. [default: ./mayfly-data]
    #[arg(long, env = "MAYFLY_DATA_DIR", value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,

    /// GitLab's address, such as `https://gitlab.example.com`. Required.
    #[arg(long, env = "MAYFLY_GITLAB_URL", value_name = "URL", value_parser = web_address)]
    pub gitlab_url: Option<Url>,

    /// Certificates (PEM) of a private authority that signed GitLab's.
    #[arg(long, env = "MAYFLY_GITLAB_CA_FILE", value_name = "FILE")]
    pub gitlab_ca_file: Option<PathBuf>,

    /// How runners get their token. `per-job` needs the secret `api-token` (scopes `create_runner`, `manage_runner`,
    /// `read_api`); `shared` needs `runner-token`; `registration-token` needs `registration-token`, and a GitLab before 20
    /// that still allows it. [default: per-job]
    #[arg(long, env = "MAYFLY_REGISTRATION", value_enum)]
    pub registration: Option<RegistrationMode>,

    /// What authenticates a webhook when a signing token is set: its signature alone (`required`), or the secret token too
    /// (`optional`, while a hook is moved from one to the other). [default: required]
    #[arg(long, env = "MAYFLY_SIGNATURE", value_enum)]
    pub signature: Option<SignatureMode>,

    /// Where jobs without a mapping go: `local`, or `none` if they are not ours. [default: local]
    #[arg(long, env = "MAYFLY_DEFAULT_TARGET", value_enum)]
    pub default_target: Option<DefaultTargetMode>,

    /// How the default target runs scripts. [default: shell]
    #[arg(long, env = "MAYFLY_EXECUTOR", value_enum)]
    pub executor: Option<ExecutorMode>,

    /// How long a runner of the default target waits for its job, in seconds. [default: 300]
    #[arg(long, env = "MAYFLY_WAIT_TIMEOUT", value_name = "SECONDS")]
    pub wait_timeout: Option<u32>,

    /// How long a runner of the default target may live, in seconds. A job still running 40 s
    /// before its end is stopped and fails. [default: 3600]
    #[arg(long, env = "MAYFLY_MAX_LIFE", value_name = "SECONDS")]
    pub max_life: Option<u32>,

    /// Environment variables that jobs of the default target get besides PATH, HOME, LANG and the like. May be repeated.
    #[arg(long, env = "MAYFLY_PASS_ENV", value_name = "NAME", value_delimiter = ',')]
    pub pass_env: Option<Vec<String>>,

    /// How many runners may live at once. Further jobs wait. [default: 4]
    #[arg(long, env = "MAYFLY_MAX_RUNNERS", value_name = "NUMBER")]
    pub max_runners: Option<usize>,

    /// The gitlab-runner program. [default: gitlab-runner, from the PATH]
    #[arg(long, env = "MAYFLY_RUNNER", value_name = "PROGRAM")]
    pub runner: Option<PathBuf>,

    /// How long running jobs may take to end when Mayfly is told to stop (SIGTERM or Ctrl-C), in seconds. After that they
    /// are stopped. [default: 600]
    #[arg(long, env = "MAYFLY_DRAIN_TIMEOUT", value_name = "SECONDS")]
    pub drain_timeout: Option<u32>,
}

/// How runners get their token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "described at the flag, where users read it")]
pub enum RegistrationMode {
    PerJob,
    Shared,
    RegistrationToken,
}

/// Whether a webhook must be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "described at the flag, where users read it")]
pub enum SignatureMode {
    Required,
    Optional,
}

/// Where jobs without a mapping go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "described at the flag, where users read it")]
pub enum DefaultTargetMode {
    Local,
    None,
}

/// How scripts are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "described at the flag, where users read it")]
pub enum ExecutorMode {
    Shell,
    Docker,
}

/// The settings, complete and checked.
pub struct LocalSettings {
    /// Where to listen. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// GitLab's address.
    pub gitlab_url: Url,
    /// A file with the certificates of a private authority.
    pub gitlab_ca_file: Option<PathBuf>,
    /// GitLab's API token.
    pub api_token: Option<SecretString>,
    /// How runners get their token.
    pub registration: Registration,
    /// The tokens that runners are registered with, by name.
    pub secrets: BTreeMap<SecretName, SecretString>,
    /// What authenticates a webhook.
    pub webhook_secrets: WebhookSecrets,
    /// Where jobs without a mapping go.
    pub default_target: Option<DefaultTarget>,
    /// The mapping table is made equal to these at the start; `None` leaves it as it is.
    pub mappings: Option<Vec<Mapping>>,
    /// How many runners may live at once.
    pub max_runners: usize,
    /// `gitlab-runner`, with leading arguments.
    pub runner_command: Vec<OsString>,
    /// The program that becomes the agent, with leading arguments.
    pub agent_command: Vec<OsString>,
    /// How the reconciler goes about its work.
    pub reconcile: ReconcileSettings,
    /// How long running jobs may take to end when Mayfly stops.
    pub drain_timeout: Duration,
    /// The environment of this process.
    pub environment: BTreeMap<OsString, OsString>,
}

impl fmt::Debug for LocalSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LocalSettings").field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
}

impl LocalSettings {
    /// Puts the settings together. `environment` holds the variables that are not flags: the secrets.
    ///
    /// # Errors
    ///
    /// Each names the setting and says what to do.
    pub fn load(
        flags: LocalFlags,
        agent_command: Vec<OsString>,
        environment: BTreeMap<OsString, OsString>,
    ) -> anyhow::Result<Self> {
        let file = match &flags.config {
            Some(path) => SettingsFile::read(path)?,
            None => SettingsFile::default(),
        };
        let variable = |name: &str| environment.get(&OsString::from(name))?.to_str().map(str::to_owned);
        let secrets = Secrets::gather(&file.secrets, variable)?;
        let (mappings, reconcile) = (file.mappings()?, file.reconcile.settings()?);
        let flags = flags.or(file.flags);
        let registration = registration(flags.registration, &secrets)?;
        let gitlab_url = flags.gitlab_url.clone().context(
            "GitLab's address is not set: give --gitlab-url, MAYFLY_GITLAB_URL, or `gitlab-url` in the settings file",
        )?;
        if !matches!(gitlab_url.scheme(), "http" | "https") || gitlab_url.host_str().is_none() {
            bail!("GitLab's address must begin with http:// or https://, but is `{gitlab_url}`");
        }
        Ok(Self {
            listen: flags.listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))),
            data_dir: std::path::absolute(flags.data_dir.as_deref().unwrap_or(Path::new("mayfly-data")))?,
            gitlab_url,
            // Runners read it from folders of their own.
            gitlab_ca_file: flags.gitlab_ca_file.as_deref().map(std::path::absolute).transpose()?,
            api_token: secrets.api_token.clone(),
            registration,
            webhook_secrets: webhook_secrets(&secrets, flags.signature)?,
            secrets: secrets.runner_tokens,
            default_target: default_target(&flags)?,
            mappings,
            max_runners: positive("max-runners", flags.max_runners.unwrap_or(4))?,
            runner_command: vec![runner(flags.runner.as_deref(), &environment)?],
            agent_command,
            reconcile,
            drain_timeout: Duration::from_secs(u64::from(flags.drain_timeout.unwrap_or(600))),
            environment,
        })
    }
}

impl LocalFlags {
    fn or(self, file: Self) -> Self {
        Self {
            config: self.config,
            listen: self.listen.or(file.listen),
            data_dir: self.data_dir.or(file.data_dir),
            gitlab_url: self.gitlab_url.or(file.gitlab_url),
            gitlab_ca_file: self.gitlab_ca_file.or(file.gitlab_ca_file),
            registration: self.registration.or(file.registration),
            signature: self.signature.or(file.signature),
            default_target: self.default_target.or(file.default_target),
            executor: self.executor.or(file.executor),
            wait_timeout: self.wait_timeout.or(file.wait_timeout),
            max_life: self.max_life.or(file.max_life),
            pass_env: self.pass_env.or(file.pass_env),
            max_runners: self.max_runners.or(file.max_runners),
            runner: self.runner.or(file.runner),
            drain_timeout: self.drain_timeout.or(file.drain_timeout),
        }
    }
}

fn registration(mode: Option<RegistrationMode>, secrets: &Secrets) -> anyhow::Result<Registration> {
    let (registration, needed, is_there) = match mode.unwrap_or(RegistrationMode::PerJob) {
        RegistrationMode::PerJob => (Registration::PerJob, "api-token", secrets.api_token.is_some()),
        // Mappings may name tokens of their own.
        RegistrationMode::Shared => (Registration::Shared, "runner-token", !secrets.runner_tokens.is_empty()),
        RegistrationMode::RegistrationToken => {
            (Registration::RegistrationToken, "registration-token", secrets.has("RegistrationToken"))
        }
    };
    if !is_there {
        let variable = format!("MAYFLY_{}", needed.to_uppercase().replace('-', "_"));
        bail!(
            "this registration mode needs the secret `{needed}`: set {variable} or {variable}_FILE, \
             or `{needed}` under [secrets] in the settings file"
        );
    }
    Ok(registration)
}

fn webhook_secrets(secrets: &Secrets, mode: Option<SignatureMode>) -> anyhow::Result<WebhookSecrets> {
    let policy = match mode.unwrap_or(SignatureMode::Required) {
        SignatureMode::Required => SignaturePolicy::Required,
        SignatureMode::Optional => SignaturePolicy::Optional,
    };
    WebhookSecrets::new(secrets.webhook_tokens.clone(), secrets.signing_tokens.clone(), policy).context(
        "cannot tell authentic webhooks: set MAYFLY_WEBHOOK_TOKEN (the secret token of the hook in GitLab) or \
         MAYFLY_SIGNING_TOKEN, each also with _FILE, or `webhook-token` or `signing-token` under [secrets]",
    )
}

fn default_target(flags: &LocalFlags) -> anyhow::Result<Option<DefaultTarget>> {
    if flags.default_target == Some(DefaultTargetMode::None) {
        return Ok(None);
    }
    let default = RunnerSettings::default();
    let settings = RunnerSettings {
        executor: match flags.executor {
            Some(ExecutorMode::Docker) => Executor::Docker,
            Some(ExecutorMode::Shell) | None => Executor::Shell,
        },
        wait_timeout_seconds: flags.wait_timeout.unwrap_or(default.wait_timeout_seconds),
        max_life_seconds: flags.max_life.unwrap_or(default.max_life_seconds),
        pass_env: flags.pass_env.clone().unwrap_or_default(),
        ..default
    };
    check_max_life(&settings).context("--max-life")?;
    Ok(Some(DefaultTarget { target: Target::Local, settings }))
}

fn check_max_life(settings: &RunnerSettings) -> anyhow::Result<()> {
    let (life, shortest) = (settings.max_life_seconds, RunnerSettings::SHORTEST_LIFE_SECONDS);
    if life < shortest {
        bail!("a runner's life of {life} s is too short: at least {shortest} s");
    }
    Ok(())
}

fn positive(name: &str, value: usize) -> anyhow::Result<usize> {
    if value == 0 {
        bail!("`{name}` must be at least 1");
    }
    Ok(value)
}

/// Finds the runner now, so that its absence is said at the start and not at the first job.
fn runner(program: Option<&Path>, environment: &BTreeMap<OsString, OsString>) -> anyhow::Result<OsString> {
    let program = program.unwrap_or(Path::new("gitlab-runner"));
    let candidates: Vec<PathBuf> = if program.components().count() > 1 {
        vec![program.to_owned()]
    } else {
        let path = environment.get(&OsString::from("PATH")).cloned().unwrap_or_default();
        std::env::split_paths(&path).map(|folder| folder.join(program)).collect()
    };
    let found = candidates.into_iter().find(|candidate| is_program(candidate)).with_context(|| {
        format!(
            "cannot find the program `{}`: install GitLab Runner (https://docs.gitlab.com/runner/install/), \
             or say where it is with --runner",
            program.display()
        )
    })?;
    Ok(std::path::absolute(found)?.into_os_string())
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Like [`Url`]'s own reading, with a hint at the usual mistake.
fn web_address(text: &str) -> Result<Url, String> {
    text.parse()
        .map_err(|error| format!("{error}: write it with https://, such as https://gitlab.example.com"))
}
