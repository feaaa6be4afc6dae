//! Secrets: never a flag, because everybody on the machine can read those.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, bail};
use mayfly_core::ids::SecretName;
use secrecy::SecretString;

use super::file::SecretsTable;

/// The secrets by their names under `[secrets]`. The variable of `api-token` is `MAYFLY_API_TOKEN`, or
/// `MAYFLY_API_TOKEN_FILE` for the path of a file that holds it.
const NAMES: [&str; 7] = [
    "webhook-token",
    "webhook-token-previous",
    "signing-token",
    "signing-token-previous",
    "api-token",
    "runner-token",
    "registration-token",
];

/// All secrets that were given.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    pub(super) webhook_tokens: Vec<SecretString>,
    pub(super) signing_tokens: Vec<SecretString>,
    pub(super) api_token: Option<SecretString>,
    /// What runners are registered with, by the names that the registration modes and mappings use.
    pub(super) runner_tokens: BTreeMap<SecretName, SecretString>,
}

impl Secrets {
    pub(super) fn gather(
        file: &SecretsTable,
        variable: impl Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Self> {
        for name in file.values.keys() {
            let known = name.strip_suffix("-file").unwrap_or(name);
            if !NAMES.contains(&known) {
                bail!("there is no secret `{name}`: the names are {}", NAMES.join(", "));
            }
        }
        let get = |name: &str| one(name, file, &variable);
        let mut runner_tokens = BTreeMap::new();
        for (name, token) in &file.runner_tokens {
            runner_tokens.insert(SecretName::new(name.as_str())?, token.clone().into());
        }
        for (name, key) in [("RunnerToken", "runner-token"), ("RegistrationToken", "registration-token")] {
            if let Some(token) = get(key)? {
                runner_tokens.insert(SecretName::new(name)?, token);
            }
        }
        let both = |name: &str| -> anyhow::Result<Vec<SecretString>> {
            Ok([get(name)?, get(&format!("{name}-previous"))?].into_iter().flatten().collect())
        };
        Ok(Self {
            webhook_tokens: both("webhook-token")?,
            signing_tokens: both("signing-token")?,
            api_token: get("api-token")?,
            runner_tokens,
        })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.runner_tokens.keys().any(|known| known.as_str() == name)
    }
}

fn one(
    name: &str,
    file: &SecretsTable,
    variable: &impl Fn(&str) -> Option<String>,
) -> anyhow::Result<Option<SecretString>> {
    let variable_name = format!("MAYFLY_{}", name.to_uppercase().replace('-', "_"));
    let path = variable(&format!("{variable_name}_FILE"));
    let value = variable(&variable_name);
    let (value, path) = if value.is_some() || path.is_some() {
        (value, path)
    } else {
        (file.values.get(name).cloned(), file.values.get(&format!("{name}-file")).cloned())
    };
    let value = match (value, path) {
        (Some(_), Some(_)) => bail!("the secret `{name}` is given twice: as a value and as a file"),
        (Some(value), None) => value,
        (None, Some(path)) => {
            warn_if_readable_by_others(Path::new(&path));
            fs::read_to_string(&path)
                .with_context(|| format!("cannot read the secret `{name}` from {path}"))?
                .trim_end_matches(['\r', '\n'])
                .to_owned()
        }
        (None, None) => return Ok(None),
    };
    if value.is_empty() {
        bail!("the secret `{name}` is empty: look at {variable_name}, {variable_name}_FILE, or [secrets]");
    }
    Ok(Some(value.into()))
}

/// Says so if others than its owner may read a file that holds a secret.
pub(super) fn warn_if_readable_by_others(path: &Path) {
    let Ok(metadata) = fs::metadata(path) else { return };
    if metadata.permissions().mode() & 0o077 != 0 {
        tracing::warn!("{} holds a secret and others may read it: chmod 600 it", path.display());
    }
}
