//! The settings file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use mayfly_core::ids::{JobName, ProjectPath};
use mayfly_core::mapping::{Mapping, MappingKey, NamePattern, RunnerSettings, Target, TargetType};
use mayfly_core::tags::TagSet;
use serde::Deserialize;

use super::reconcile::ReconcileTable;
use super::secret::warn_if_readable_by_others;
use super::{LocalFlags, check_max_life};

/// What the file may hold: every flag by its name, `[secrets]`, `[reconcile]`, and `[[mappings]]`.
#[derive(Debug, Default)]
pub(super) struct SettingsFile {
    pub(super) flags: LocalFlags,
    pub(super) secrets: SecretsTable,
    pub(super) reconcile: ReconcileTable,
    mappings: Option<Vec<MappingTable>>,
}

/// Secrets in the file, or the files that hold them (`<name>-file`).
#[derive(Debug, Default)]
pub(super) struct SecretsTable {
    pub(super) values: BTreeMap<String, String>,
    /// Tokens that mappings name.
    pub(super) runner_tokens: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct MappingTable {
    job: String,
    #[serde(default)]
    project: Option<ProjectPath>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(rename = "type")]
    target_type: TargetType,
    #[serde(default)]
    settings: RunnerSettings,
}

impl SettingsFile {
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the settings file {}", path.display()))?;
        let file = Self::parse(&text, path.parent().unwrap_or(Path::new(".")))
            .with_context(|| format!("cannot use the settings file {}", path.display()))?;
        if file.secrets.holds_values() {
            warn_if_readable_by_others(path);
        }
        Ok(file)
    }

    fn parse(text: &str, folder: &Path) -> anyhow::Result<Self> {
        let mut table: toml::Table = toml::from_str(text).map_err(|error| without_source(&error, text))?;
        let secrets = table.remove("secrets");
        let reconcile = table.remove("reconcile");
        let mappings = table.remove("mappings");
        let mut flags: LocalFlags = toml::Value::Table(table).try_into()?;
        for path in [&mut flags.data_dir, &mut flags.gitlab_ca_file].into_iter().flatten() {
            *path = relative_to(folder, path);
        }
        // A mere name is looked for on the PATH.
        if let Some(runner) = flags.runner.as_mut().filter(|runner| runner.components().count() > 1) {
            *runner = relative_to(folder, runner);
        }
        Ok(Self {
            flags,
            secrets: secrets
                .map(|secrets| SecretsTable::parse(secrets, folder))
                .transpose()?
                .unwrap_or_default(),
            reconcile: reconcile
                .map(toml::Value::try_into)
                .transpose()
                .context("[reconcile]")?
                .unwrap_or_default(),
            mappings: mappings.map(toml::Value::try_into).transpose().context("[[mappings]]")?,
        })
    }

    pub(super) fn mappings(&self) -> anyhow::Result<Option<Vec<Mapping>>> {
        let Some(tables) = &self.mappings else { return Ok(None) };
        tables.iter().map(MappingTable::to_mapping).collect::<anyhow::Result<Vec<_>>>().map(Some)
    }
}

impl SecretsTable {
    /// True if a secret itself stands in the file, and not only where it is.
    fn holds_values(&self) -> bool {
        !self.runner_tokens.is_empty() || self.values.keys().any(|name| !name.ends_with("-file"))
    }

    fn parse(value: toml::Value, folder: &Path) -> anyhow::Result<Self> {
        let mut table: toml::Table = value.try_into().context("[secrets]")?;
        let runner_tokens = match table.remove("runner-tokens") {
            Some(tokens) => tokens.try_into().context("[secrets.runner-tokens]")?,
            None => BTreeMap::new(),
        };
        let mut values: BTreeMap<String, String> =
            toml::Value::Table(table).try_into().context("[secrets]")?;
        for (name, value) in &mut values {
            if name.ends_with("-file") {
                *value = relative_to(folder, Path::new(value)).to_string_lossy().into_owned();
            }
        }
        Ok(Self { values, runner_tokens })
    }
}

impl MappingTable {
    fn to_mapping(&self) -> anyhow::Result<Mapping> {
        let pattern = match self.job.strip_suffix('*') {
            Some(prefix) => NamePattern::Prefix(prefix.to_owned()),
            None => NamePattern::Exact(JobName::new(self.job.clone())?),
        };
        if self.target_type != TargetType::Local {
            bail!(
                "the mapping of `{}` has type {}, but `mayfly local` has only LOCAL",
                self.job,
                self.target_type
            );
        }
        check_max_life(&self.settings).with_context(|| format!("the mapping of `{}`", self.job))?;
        let tags: TagSet = self.tags.iter().cloned().collect();
        let key = MappingKey { project: self.project.clone(), pattern, tags };
        Ok(Mapping { key, target: Target::Local, settings: self.settings.clone(), paused: None })
    }
}

/// Says where and what, without the line itself: it may hold a secret.
fn without_source(error: &toml::de::Error, text: &str) -> anyhow::Error {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.lines().count().max(1);
    anyhow::anyhow!("line {line}: {}", error.message())
}

fn relative_to(folder: &Path, path: &Path) -> PathBuf {
    if path.is_absolute() { path.to_owned() } else { folder.join(path) }
}
