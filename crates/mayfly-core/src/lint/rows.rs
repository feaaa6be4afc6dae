//! What can be said of a row by itself.

use super::{Finding, LintInput, LintRule, TableRow};
use crate::mapping::{
    Executor, Mapping, MappingKey, NamePattern, RunnerSettings, StoredMapping, Target, TargetType,
};

/// A runner asks for a job every 3 s (GitLab Runner, `check_interval`).
const SHORTEST_WAIT_SECONDS: u32 = 10;

pub(super) fn check(row: &TableRow, input: &LintInput<'_>, findings: &mut Vec<Finding>) {
    match &row.mapping {
        StoredMapping::Pause { reason } => findings.push(Finding::of_row(
            LintRule::Paused,
            row,
            format!("all jobs are kept waiting: {reason}"),
            "`mayfly resume` lets them go on",
        )),
        StoredMapping::Unreadable { key: None, reason, .. } => findings.push(Finding::of_row(
            LintRule::UnreadableKey,
            row,
            format!("the key cannot be read: {reason}"),
            "write pk as job#<name> or project#<path>#job#<name>, and sk as tags#<tag>#<tag>…; or remove the row",
        )),
        StoredMapping::Unreadable { key: Some(key), reason, .. } => {
            findings.push(Finding::of_row(
                LintRule::UnreadableRow,
                row,
                format!("the row cannot be used: {reason}"),
                "mend the attribute, or remove the row",
            ));
            check_key(row, key, findings);
        }
        StoredMapping::Readable(mapping) => {
            check_key(row, &mapping.key, findings);
            check_target(row, mapping, input, findings);
            check_times(row, mapping, findings);
            if let Some(reason) = &mapping.paused {
                findings.push(Finding::of_row(
                    LintRule::Paused,
                    row,
                    format!("its jobs are kept waiting: {reason}"),
                    format!("`mayfly resume '{}'` lets them go on", mapping.key.pattern),
                ));
            }
        }
    }
}

fn check_key(row: &TableRow, key: &MappingKey, findings: &mut Vec<Finding>) {
    let (partition_key, sort_key) = (key.partition_key(), key.sort_key());
    if (&partition_key, &sort_key) != (&row.partition_key, &row.sort_key) {
        findings.push(Finding::of_row(
            LintRule::NotCanonicalKey,
            row,
            format!("the key is read as `{partition_key} {sort_key}`, and not written so"),
            format!("write a row with the key `{partition_key} {sort_key}`, and remove this one"),
        ));
    }
    for (what, text) in stray_spaces(key) {
        findings.push(Finding::of_row(
            LintRule::StraySpace,
            row,
            format!("the {what} `{text}` has a space at its beginning or end"),
            "write it as GitLab has it",
        ));
    }
}

fn stray_spaces(key: &MappingKey) -> Vec<(&'static str, String)> {
    let (what, name, is_stray) = match &key.pattern {
        NamePattern::Exact(name) => ("job name", name.as_str(), name.as_str().trim() != name.as_str()),
        // A space at its end is within the name.
        NamePattern::Prefix(prefix) => {
            ("beginning of job names", prefix.as_str(), prefix.trim_start() != prefix)
        }
    };
    let mut found = Vec::new();
    if is_stray {
        found.push((what, name.to_owned()));
    }
    let project = key.project.as_ref().map(|project| ("project", project.as_str()));
    let others = project.into_iter().chain(key.tags.iter().map(|tag| ("tag", tag)));
    found.extend(others.filter(|(_, text)| text.trim() != *text).map(|(what, text)| (what, text.to_owned())));
    found
}

fn check_target(row: &TableRow, mapping: &Mapping, input: &LintInput<'_>, findings: &mut Vec<Finding>) {
    if let Some(reason) = input.installation.cannot_start(&mapping.target) {
        let (rule, advice) = match mapping.target.target_type() {
            TargetType::Local => (LintRule::LocalOnAws, "give the row the type LAMBDA or EC2"),
            TargetType::Ec2 if input.installation.has_machines == Some(false) => (
                LintRule::NoMachines,
                "deploy the stack with RunnerSubnetIds, or give the row the type LAMBDA",
            ),
            TargetType::Ec2 | TargetType::Lambda => (LintRule::AwsOnLocal, "give the row the type LOCAL"),
        };
        findings.push(Finding::of_row(rule, row, reason, advice));
    }
    if matches!(mapping.target, Target::Lambda { .. }) && mapping.settings.executor == Executor::Docker {
        findings.push(Finding::of_row(
            LintRule::LambdaExecutor,
            row,
            "the executor is `docker`, and there is no Docker in a Lambda function",
            "give the row the type EC2, or the executor `shell`",
        ));
    }
}

fn check_times(row: &TableRow, mapping: &Mapping, findings: &mut Vec<Finding>) {
    let settings = &mapping.settings;
    let (life, wait) = (settings.max_life_seconds, settings.wait_timeout_seconds);
    let (shortest, reserve) =
        (RunnerSettings::SHORTEST_LIFE_SECONDS, RunnerSettings::STOP_BEFORE_END_SECONDS);
    if life < shortest {
        findings.push(Finding::of_row(
            LintRule::LifeTooShort,
            row,
            format!("max_life_seconds is {life}, and a job is stopped {reserve} s before the end"),
            format!("give it at least {shortest}"),
        ));
    } else if wait >= life {
        findings.push(Finding::of_row(
            LintRule::WaitTooLong,
            row,
            format!("wait_timeout_seconds ({wait}) is not less than max_life_seconds ({life})"),
            "wait shorter, or live longer",
        ));
    }
    if wait < SHORTEST_WAIT_SECONDS {
        findings.push(Finding::of_row(
            LintRule::WaitTooShort,
            row,
            format!("wait_timeout_seconds is {wait}, so that the runner leaves when it does not get its job at once"),
            "give it a minute or more",
        ));
    }
}
