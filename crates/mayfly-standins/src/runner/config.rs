//! The configuration file and the system id beside it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::log::Logger;
use crate::random;

/// The file beside the configuration that tells machines with the same token apart.
const SYSTEM_ID_FILE: &str = ".runner_system_id";

/// How much of a token `gitlab-runner` shows in logs and paths.
const SHORT_TOKEN_LENGTH: usize = 9;

/// Why there is no runner to start.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConfigError {
    #[error("Error loading config: {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("Error loading config: {path}")]
    Parse {
        path: PathBuf,
        #[source]
        source: toml::de::Error,
    },
    #[error("Error loading runner by name: could not find a runner with the name '{0}'")]
    NoSuchRunner(String),
    #[error("Missing {0}")]
    Missing(&'static str),
    #[error("Unknown executor: {0}")]
    UnknownExecutor(String),
}

/// One runner of the configuration file.
pub(super) struct RunnerConfig {
    pub(super) name: String,
    /// Without a slash at the end.
    pub(super) url: String,
    pub(super) token: SecretString,
    pub(super) system_id: String,
    pub(super) builds_dir: Option<PathBuf>,
    pub(super) shell: String,
    /// `KEY=VALUE` for every job.
    pub(super) environment: Vec<String>,
    pub(super) ca_file: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    runners: Vec<Section>,
}

#[derive(Deserialize)]
struct Section {
    #[serde(default)]
    name: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    token: String,
    #[serde(default)]
    executor: String,
    builds_dir: Option<PathBuf>,
    shell: Option<String>,
    #[serde(default)]
    environment: Vec<String>,
    #[serde(rename = "tls-ca-file")]
    ca_file: Option<PathBuf>,
}

impl RunnerConfig {
    /// Reads the runner of this name, and the system id; makes the latter if there is none.
    pub(super) fn load(path: &Path, name: &str, log: &Logger) -> Result<Self, ConfigError> {
        let at = || path.to_owned();
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read { path: at(), source })?;
        let document: Document =
            toml::from_str(&text).map_err(|source| ConfigError::Parse { path: at(), source })?;
        let section = document.runners.into_iter().find(|runner| runner.name == name);
        let section = section.ok_or_else(|| ConfigError::NoSuchRunner(name.to_owned()))?;
        for (value, what) in
            [(&section.url, "URL"), (&section.token, "Token"), (&section.executor, "Executor")]
        {
            if value.is_empty() {
                return Err(ConfigError::Missing(what));
            }
        }
        if section.executor != "shell" {
            return Err(ConfigError::UnknownExecutor(section.executor));
        }
        let beside = path.parent().unwrap_or(Path::new("")).join(SYSTEM_ID_FILE);
        Ok(Self {
            name: section.name,
            url: section.url.trim_end_matches('/').to_owned(),
            token: section.token.into(),
            system_id: system_id(&beside, log),
            builds_dir: section.builds_dir,
            shell: section.shell.filter(|shell| !shell.is_empty()).unwrap_or_else(|| "bash".to_owned()),
            environment: section.environment,
            ca_file: section.ca_file,
        })
    }

    /// The beginning of the token that may be shown: nine characters after the well-known prefixes.
    pub(super) fn short_token(&self) -> String {
        shorten(self.token.expose_secret())
    }
}

fn shorten(token: &str) -> String {
    let rest = token.strip_prefix("glrt-").unwrap_or(token);
    let rest = ["t1_", "t2_", "t3_"].iter().find_map(|prefix| rest.strip_prefix(prefix)).unwrap_or(rest);
    rest.chars().take(SHORT_TOKEN_LENGTH).collect()
}

fn system_id(path: &Path, log: &Logger) -> String {
    if let Some(known) = fs::read_to_string(path).ok().and_then(|text| parse_system_id(&text)) {
        return known;
    }
    let text: String = random::token_text().chars().take(12).collect();
    let id = format!("r_{text}");
    log.info("Created missing unique system ID", &[("system_id", json!(id))]);
    if let Err(error) = fs::write(path, &id) {
        let fields = [("state_file", json!(path)), ("error", json!(error.to_string()))];
        log.warning("Couldn't save new system ID on state file.", &fields);
    }
    id
}

/// `s_` or `r_` and twelve letters or digits.
fn parse_system_id(text: &str) -> Option<String> {
    let id = text.trim();
    let rest = id.strip_prefix("s_").or_else(|| id.strip_prefix("r_"))?;
    let is_right = rest.len() == 12 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_right.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::log::{Format, Level};

    fn load(text: &str) -> Result<RunnerConfig, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, text).unwrap();
        RunnerConfig::load(&path, "one", &Logger::new(Format::Runner, Level::Fatal))
    }

    #[test]
    fn a_runner_is_found_by_its_name_and_unknown_settings_do_no_harm() {
        let config = load(
            "concurrent = 1\n[[runners]]\nname = \"other\"\n[[runners]]\nname = \"one\"\nurl = \"http://gitlab.test/\"\n\
             token = \"glrt-t3_0123456789abc\"\nexecutor = \"shell\"\nbuilds_dir = \"/b\"\n[runners.cache]\nShared = true\n",
        )
        .ok()
        .unwrap();
        assert_eq!(config.url, "http://gitlab.test");
        assert_eq!(config.short_token(), "012345678");
        assert_eq!(config.shell, "bash");
        assert!(parse_system_id(&config.system_id).is_some());
    }

    #[test]
    fn what_cannot_be_started_is_refused_with_a_reason() {
        let section = |rest: &str| format!("[[runners]]\nname = \"one\"\n{rest}");
        for (text, reason) in [
            (String::new(), "Error loading runner by name: could not find a runner with the name 'one'"),
            (section(""), "Missing URL"),
            (section("url = \"http://x\"\n"), "Missing Token"),
            (section("url = \"http://x\"\ntoken = \"t\"\n"), "Missing Executor"),
            (section("url = \"http://x\"\ntoken = \"t\"\nexecutor = \"ssh\"\n"), "Unknown executor: ssh"),
        ] {
            assert_eq!(load(&text).err().unwrap().to_string(), reason);
        }
    }

    #[test]
    fn a_system_id_is_kept_beside_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SYSTEM_ID_FILE);
        let log = Logger::new(Format::Runner, Level::Fatal);
        let made = system_id(&path, &log);
        assert_eq!(system_id(&path, &log), made);
        fs::write(&path, "s_0123456789ab\n").unwrap();
        assert_eq!(system_id(&path, &log), "s_0123456789ab");
        fs::write(&path, "nonsense").unwrap();
        assert_ne!(system_id(&path, &log), "nonsense");
    }
}
