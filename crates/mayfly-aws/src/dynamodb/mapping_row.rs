//! Rows of the mapping table, as people type them and as we write them.

mod machine;

use aws_sdk_dynamodb::types::AttributeValue;
use mayfly_core::ids::{JobName, ProjectPath, SecretName};
use mayfly_core::mapping::{
    Executor, Mapping, MappingKey, PAUSE_KEY, RunnerSettings, StoredMapping, Target, TargetType,
};

use super::attributes::{Item, text};
use super::{PARTITION_KEY, SORT_KEY};

/// The most retries of a job whose machine died under it: what dies so often dies for another reason.
const MOST_RETRIES: u32 = 3;

/// The reason of a pause whose reason nobody gave.
const NO_REASON: &str = "no reason was given";

/// Reads an item. What is wrong with it is said in the row and is no error: it must not hide the others.
pub(super) fn read_row(item: &Item) -> StoredMapping {
    let partition_key = key_text(item, PARTITION_KEY);
    let sort_key = key_text(item, SORT_KEY);
    if (partition_key.as_str(), sort_key.as_str()) == PAUSE_KEY {
        let reason = item.get("reason").and_then(as_text).unwrap_or(NO_REASON).to_owned();
        return StoredMapping::Pause { reason };
    }
    let unreadable =
        |key, reason| StoredMapping::Unreadable { key, row: format!("{partition_key} {sort_key}"), reason };
    match MappingKey::parse(&partition_key, &sort_key) {
        Ok(key) => match read_mapping(&key, item) {
            Ok(mapping) => StoredMapping::Readable(mapping),
            Err(reason) => unreadable(Some(key), reason),
        },
        Err(error) => unreadable(None, error.to_string()),
    }
}

/// Why jobs are kept waiting: a text, or `true`.
fn as_pause(value: &AttributeValue) -> Option<Option<String>> {
    match (as_bool(value), as_text(value)) {
        (Some(is_paused), _) => Some(is_paused.then(|| NO_REASON.to_owned())),
        (None, text) => text.map(|text| Some(text.to_owned()).filter(|text| !text.is_empty())),
    }
}

/// False only if the row's key says that it is not for this job.
pub(super) fn may_be_for(row: &StoredMapping, project: Option<&ProjectPath>, job: &JobName) -> bool {
    let key = match row {
        StoredMapping::Readable(mapping) => Some(&mapping.key),
        StoredMapping::Unreadable { key, .. } => key.as_ref(),
        StoredMapping::Pause { .. } => None,
    };
    key.is_none_or(|key| {
        key.pattern.matches(job) && key.project.as_ref().is_none_or(|path| Some(path) == project)
    })
}

/// The item of a mapping. Settings that are the default are left out, so that a row says only what is special.
pub(super) fn to_item(mapping: &Mapping) -> Item {
    let mut item = key_of(&mapping.key);
    let mut set = |attribute: &str, value| item.insert(attribute.to_owned(), value);
    set("type", text(mapping.target.target_type().as_str()));
    match &mapping.target {
        Target::Lambda { arn } => {
            set("arn", text(arn));
        }
        Target::Ec2(spec) => {
            for (attribute, value) in machine::attributes_of(spec) {
                set(attribute, value);
            }
        }
        Target::Local => {}
    }
    if let Some(reason) = &mapping.paused {
        set("paused", text(reason));
    }
    let (settings, default) = (&mapping.settings, RunnerSettings::default());
    if settings.executor != default.executor {
        set("executor", text(settings.executor.as_str()));
    }
    if settings.wait_timeout_seconds != default.wait_timeout_seconds {
        set("wait_timeout_seconds", AttributeValue::N(settings.wait_timeout_seconds.to_string()));
    }
    if settings.max_life_seconds != default.max_life_seconds {
        set("max_life_seconds", AttributeValue::N(settings.max_life_seconds.to_string()));
    }
    if let Some(name) = &settings.runner_token {
        set("runner_token", text(name.as_str()));
    }
    if settings.keep_aws_credentials != default.keep_aws_credentials {
        set("keep_aws_credentials", AttributeValue::Bool(settings.keep_aws_credentials));
    }
    if settings.retries_after_loss != default.retries_after_loss {
        set("retries_after_loss", AttributeValue::N(settings.retries_after_loss.to_string()));
    }
    if settings.pass_env != default.pass_env {
        // A list and not a set: it keeps the order.
        set("pass_env", AttributeValue::L(settings.pass_env.iter().map(text).collect()));
    }
    item
}

/// The primary key of a mapping.
pub(super) fn key_of(key: &MappingKey) -> Item {
    Item::from([
        (PARTITION_KEY.to_owned(), text(key.partition_key())),
        (SORT_KEY.to_owned(), text(key.sort_key())),
    ])
}

fn key_text(item: &Item, attribute: &str) -> String {
    item.get(attribute).and_then(as_text).unwrap_or_default().to_owned()
}

/// Values are not shown in reasons: one may be a secret in the wrong place.
fn read_mapping(key: &MappingKey, item: &Item) -> Result<Mapping, String> {
    let default = RunnerSettings::default();
    Ok(Mapping {
        key: key.clone(),
        target: read_target(item)?,
        settings: RunnerSettings {
            executor: read(item, "executor", "`shell` or `docker`", as_executor)?.unwrap_or(default.executor),
            wait_timeout_seconds: read(item, "wait_timeout_seconds", "a whole number of seconds", as_number)?
                .unwrap_or(default.wait_timeout_seconds),
            max_life_seconds: read(item, "max_life_seconds", "a whole number of seconds", as_number)?
                .unwrap_or(default.max_life_seconds),
            runner_token: read(item, "runner_token", "the name of a secret", as_secret_name)?,
            keep_aws_credentials: read(item, "keep_aws_credentials", "`true` or `false`", as_bool)?
                .unwrap_or(default.keep_aws_credentials),
            retries_after_loss: read(item, "retries_after_loss", "a whole number from 0 to 3", as_retries)?
                .unwrap_or(default.retries_after_loss),
            pass_env: read(item, "pass_env", "a set or list of texts", as_texts)?.unwrap_or(default.pass_env),
        },
        paused: read(item, "paused", "why its jobs are to wait (a text), `true` or `false`", as_pause)?
            .flatten(),
    })
}

fn read_target(item: &Item) -> Result<Target, String> {
    let target =
        read(item, "type", "`LAMBDA`, `EC2` or `LOCAL`", |value| TargetType::parse(as_text(value)?))?;
    match target.ok_or("attribute `type` is missing")? {
        TargetType::Lambda => {
            let arn = read(item, "arn", "the ARN of a Lambda function", |value| {
                as_text(value).filter(|arn| is_function_arn(arn)).map(str::to_owned)
            })?;
            Ok(Target::Lambda { arn: arn.ok_or("attribute `arn` is missing, which `LAMBDA` needs")? })
        }
        TargetType::Ec2 => Ok(Target::Ec2(machine::read_spec(item)?)),
        TargetType::Local => Ok(Target::Local),
    }
}

/// The value of an attribute, if it is there and not NULL.
fn read<T>(
    item: &Item,
    attribute: &str,
    expected: &str,
    parse: impl FnOnce(&AttributeValue) -> Option<T>,
) -> Result<Option<T>, String> {
    match item.get(attribute) {
        None | Some(AttributeValue::Null(_)) => Ok(None),
        Some(value) => {
            parse(value).map(Some).ok_or_else(|| format!("attribute `{attribute}` is not {expected}"))
        }
    }
}

fn as_text(value: &AttributeValue) -> Option<&str> {
    value.as_s().ok().map(String::as_str)
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

fn as_executor(value: &AttributeValue) -> Option<Executor> {
    let word = as_text(value)?;
    [Executor::Shell, Executor::Docker].into_iter().find(|executor| executor.as_str() == word)
}

fn as_number(value: &AttributeValue) -> Option<u32> {
    match value {
        AttributeValue::N(digits) | AttributeValue::S(digits) => digits.trim().parse().ok(),
        _ => None,
    }
}

fn as_retries(value: &AttributeValue) -> Option<u32> {
    as_number(value).filter(|retries| *retries <= MOST_RETRIES)
}

fn as_bool(value: &AttributeValue) -> Option<bool> {
    match value {
        AttributeValue::Bool(value) => Some(*value),
        AttributeValue::S(word) => word.trim().parse().ok(),
        _ => None,
    }
}

fn as_secret_name(value: &AttributeValue) -> Option<SecretName> {
    as_text(value).and_then(|name| SecretName::new(name).ok())
}

fn as_texts(value: &AttributeValue) -> Option<Vec<String>> {
    match value {
        AttributeValue::Ss(texts) => Some(texts.clone()),
        AttributeValue::L(values) => values.iter().map(|value| as_text(value).map(str::to_owned)).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
