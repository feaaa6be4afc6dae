//! Rows of the mapping table, as people type them and as we write them.

mod attribute;
mod machine;

use std::collections::BTreeMap;

use crate::ids::SecretName;
use crate::mapping::{
    Executor, Mapping, MappingKey, PAUSE_KEY, RunnerSettings, StoredMapping, Target, TargetType,
};

pub use attribute::{Attribute, normal_number};

/// The attributes of a row besides its key, by name.
pub type Attributes = BTreeMap<String, Attribute>;

/// Every attribute that Mayfly reads, whatever the target. All others are the operator's own and are kept.
pub const KNOWN_ATTRIBUTES: [&str; 18] = [
    "type",
    "arn",
    "executor",
    "wait_timeout_seconds",
    "max_life_seconds",
    "runner_token",
    "keep_aws_credentials",
    "retries_after_loss",
    "pass_env",
    PAUSED,
    "purchase",
    "architecture",
    "instance_types",
    "image",
    "root_volume_gib",
    "subnets",
    "instance_tags",
    "job_role_arn",
];

/// The most retries of a job whose machine died under it: what dies so often dies for another reason.
const MOST_RETRIES: u32 = 3;

/// The attribute that keeps the jobs of a row waiting: why.
pub const PAUSED: &str = "paused";

/// The reason of a pause whose reason nobody gave.
const NO_REASON: &str = "no reason was given";

/// A row of the mapping table as it is stored, whether or not it can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingRow {
    /// `job#<name>` or `project#<path>#job#<name>`; anything, if it was typed by hand.
    pub partition_key: String,
    /// `tags#<tag>#<tag>…`; anything, if it was typed by hand.
    pub sort_key: String,
    /// All other attributes, those that Mayfly does not know included.
    pub attributes: Attributes,
}

impl MappingRow {
    /// Reads the row. What is wrong with it is said in the answer and is no error: it must not hide the others.
    pub fn read(&self) -> StoredMapping {
        if self.id() == PAUSE_KEY {
            let reason = self.attributes.get("reason").and_then(as_text).unwrap_or(NO_REASON).to_owned();
            return StoredMapping::Pause { reason };
        }
        let unreadable = |key, reason| StoredMapping::Unreadable {
            key,
            row: format!("{} {}", self.partition_key, self.sort_key),
            reason,
        };
        match MappingKey::parse(&self.partition_key, &self.sort_key) {
            Ok(key) => match read_mapping(&key, &self.attributes) {
                Ok(mapping) => StoredMapping::Readable(mapping),
                Err(reason) => unreadable(Some(key), reason),
            },
            Err(error) => unreadable(None, error.to_string()),
        }
    }

    /// The row that keeps all jobs waiting.
    pub fn pause_of_all(reason: &str) -> Self {
        let (partition_key, sort_key) = PAUSE_KEY;
        Self {
            partition_key: partition_key.to_owned(),
            sort_key: sort_key.to_owned(),
            attributes: Attributes::from([("reason".to_owned(), Attribute::text(reason))]),
        }
    }

    /// What the row is known by: partition key and sort key.
    pub fn id(&self) -> (&str, &str) {
        (&self.partition_key, &self.sort_key)
    }
}

impl From<&Mapping> for MappingRow {
    fn from(mapping: &Mapping) -> Self {
        Self {
            partition_key: mapping.key.partition_key(),
            sort_key: mapping.key.sort_key(),
            attributes: attributes_of(mapping),
        }
    }
}

/// The attributes of a mapping. Settings that are the default are left out, so that a row says only what is special.
fn attributes_of(mapping: &Mapping) -> Attributes {
    let mut attributes = Attributes::new();
    let mut set = |attribute: &str, value| attributes.insert(attribute.to_owned(), value);
    set("type", Attribute::text(mapping.target.target_type().as_str()));
    match &mapping.target {
        Target::Lambda { arn } => {
            set("arn", Attribute::text(arn));
        }
        Target::Ec2(spec) => {
            for (attribute, value) in machine::attributes_of(spec) {
                set(attribute, value);
            }
        }
        Target::Local => {}
    }
    if let Some(reason) = &mapping.paused {
        set(PAUSED, Attribute::text(reason));
    }
    let (settings, default) = (&mapping.settings, RunnerSettings::default());
    if settings.executor != default.executor {
        set("executor", Attribute::text(settings.executor.as_str()));
    }
    if settings.wait_timeout_seconds != default.wait_timeout_seconds {
        set("wait_timeout_seconds", Attribute::Number(settings.wait_timeout_seconds.to_string()));
    }
    if settings.max_life_seconds != default.max_life_seconds {
        set("max_life_seconds", Attribute::Number(settings.max_life_seconds.to_string()));
    }
    if let Some(name) = &settings.runner_token {
        set("runner_token", Attribute::text(name.as_str()));
    }
    if settings.keep_aws_credentials != default.keep_aws_credentials {
        set("keep_aws_credentials", Attribute::Bool(settings.keep_aws_credentials));
    }
    if settings.retries_after_loss != default.retries_after_loss {
        set("retries_after_loss", Attribute::Number(settings.retries_after_loss.to_string()));
    }
    if settings.pass_env != default.pass_env {
        // A list and not a set: it keeps the order.
        set("pass_env", Attribute::List(settings.pass_env.iter().map(Attribute::text).collect()));
    }
    attributes
}

/// Values are not shown in reasons: one may be a secret in the wrong place.
fn read_mapping(key: &MappingKey, attributes: &Attributes) -> Result<Mapping, String> {
    let default = RunnerSettings::default();
    Ok(Mapping {
        key: key.clone(),
        target: read_target(attributes)?,
        settings: RunnerSettings {
            executor: read(attributes, "executor", "`shell` or `docker`", as_executor)?
                .unwrap_or(default.executor),
            wait_timeout_seconds: read(
                attributes,
                "wait_timeout_seconds",
                "a whole number of seconds",
                as_number,
            )?
            .unwrap_or(default.wait_timeout_seconds),
            max_life_seconds: read(attributes, "max_life_seconds", "a whole number of seconds", as_number)?
                .unwrap_or(default.max_life_seconds),
            runner_token: read(attributes, "runner_token", "the name of a secret", as_secret_name)?,
            keep_aws_credentials: read(attributes, "keep_aws_credentials", "`true` or `false`", as_bool)?
                .unwrap_or(default.keep_aws_credentials),
            retries_after_loss: read(
                attributes,
                "retries_after_loss",
                "a whole number from 0 to 3",
                as_retries,
            )?
            .unwrap_or(default.retries_after_loss),
            pass_env: read(attributes, "pass_env", "a set or list of texts", as_texts)?
                .unwrap_or(default.pass_env),
        },
        paused: read(attributes, PAUSED, "why its jobs are to wait (a text), `true` or `false`", as_pause)?
            .filter(|reason| !reason.is_empty())
            .map(str::to_owned),
    })
}

fn read_target(attributes: &Attributes) -> Result<Target, String> {
    let target =
        read(attributes, "type", "`LAMBDA`, `EC2` or `LOCAL`", |value| TargetType::parse(as_text(value)?))?;
    match target.ok_or("attribute `type` is missing")? {
        TargetType::Lambda => {
            let arn = read(attributes, "arn", "the ARN of a Lambda function", |value| {
                as_text(value).filter(|arn| is_function_arn(arn)).map(str::to_owned)
            })?;
            Ok(Target::Lambda { arn: arn.ok_or("attribute `arn` is missing, which `LAMBDA` needs")? })
        }
        TargetType::Ec2 => Ok(Target::Ec2(machine::read_spec(attributes)?)),
        TargetType::Local => Ok(Target::Local),
    }
}

/// The value of an attribute, if it is there and not NULL.
fn read<'a, T>(
    attributes: &'a Attributes,
    attribute: &str,
    expected: &str,
    parse: impl FnOnce(&'a Attribute) -> Option<T>,
) -> Result<Option<T>, String> {
    match attributes.get(attribute) {
        None | Some(Attribute::Null) => Ok(None),
        Some(value) => {
            parse(value).map(Some).ok_or_else(|| format!("attribute `{attribute}` is not {expected}"))
        }
    }
}

fn as_text(value: &Attribute) -> Option<&str> {
    match value {
        Attribute::Text(text) => Some(text),
        _ => None,
    }
}

/// `arn:<partition>:lambda:<region>:<12 digits>:function:<name>`, with an alias or a version at the end or without.
/// Names and aliases are of letters, digits, `-` and `_`; `$LATEST` is a version (AWS's Lambda API reference, Invoke).
fn is_function_arn(text: &str) -> bool {
    let is_word = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let parts: Vec<&str> = text.split(':').collect();
    let (["arn", partition, "lambda", region, account, "function", name], qualifier) =
        parts.split_at(parts.len().min(7))
    else {
        return false;
    };
    is_word(partition)
        && is_word(region)
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && is_word(name)
        && match qualifier {
            [] => true,
            [qualifier] => *qualifier == "$LATEST" || is_word(qualifier),
            _ => false,
        }
}

fn as_executor(value: &Attribute) -> Option<Executor> {
    let word = as_text(value)?;
    [Executor::Shell, Executor::Docker].into_iter().find(|executor| executor.as_str() == word)
}

fn as_number(value: &Attribute) -> Option<u32> {
    match value {
        Attribute::Number(digits) | Attribute::Text(digits) => digits.trim().parse().ok(),
        _ => None,
    }
}

/// Why jobs are kept waiting: a text, or `true`. Nothing if they are not.
fn as_pause(value: &Attribute) -> Option<&str> {
    match as_bool(value) {
        Some(true) => Some(NO_REASON),
        Some(false) => Some(""),
        None => as_text(value),
    }
}

fn as_retries(value: &Attribute) -> Option<u32> {
    as_number(value).filter(|retries| *retries <= MOST_RETRIES)
}

fn as_bool(value: &Attribute) -> Option<bool> {
    match value {
        Attribute::Bool(value) => Some(*value),
        Attribute::Text(word) => word.trim().parse().ok(),
        _ => None,
    }
}

fn as_secret_name(value: &Attribute) -> Option<SecretName> {
    as_text(value).and_then(|name| SecretName::new(name).ok())
}

fn as_texts(value: &Attribute) -> Option<Vec<String>> {
    match value {
        Attribute::TextSet(texts) => Some(texts.iter().cloned().collect()),
        Attribute::List(values) => values.iter().map(|value| as_text(value).map(str::to_owned)).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
