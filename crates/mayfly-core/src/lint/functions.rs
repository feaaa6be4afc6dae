//! Functions that rows and the default target name.

use std::collections::BTreeMap;

use super::{DefaultFact, Finding, FunctionFact, LintInput, LintRule, Place, TableRow};
use crate::mapping::{RunnerSettings, StoredMapping, Target};

pub(super) fn check(input: &LintInput<'_>, findings: &mut Vec<Finding>) {
    let mut unknown: BTreeMap<&str, (Place, usize)> = BTreeMap::new();
    for (place, arn, row) in named_functions(input) {
        if let Some(invocable) = input.installation.invocable.as_ref().filter(|it| !it.allows(arn))
            && row.is_some()
        {
            findings.push(Finding::new(
                LintRule::FunctionNotAllowed,
                place.clone(),
                format!(
                    "the dispatcher may invoke functions named {} and those in OtherShellRunnerArns, and not {arn}",
                    invocable.names
                ),
                "deploy the autoscaler's stack with the function in OtherShellRunnerArns, or correct the ARN",
            ));
        }
        match input.functions.get(arn) {
            Some(FunctionFact::Missing) => findings.push(Finding::new(
                LintRule::MissingFunction,
                place,
                format!("there is no function {arn}"),
                "correct the ARN, or deploy the function",
            )),
            Some(FunctionFact::NotKnown(_)) => unknown.entry(arn).or_insert((place, 0)).1 += 1,
            Some(FunctionFact::Exists { timeout_seconds }) => {
                findings.extend(row.and_then(|row| outlived(row, *timeout_seconds)));
            }
            None => {}
        }
    }
    for (arn, (place, count)) in unknown {
        let Some(FunctionFact::NotKnown(reason)) = input.functions.get(arn) else { continue };
        let others = if count > 1 { format!(" ({} more rows name it)", count - 1) } else { String::new() };
        findings.push(Finding::new(
            LintRule::FunctionNotChecked,
            place,
            format!("the function {arn} was not checked{others}: {reason}"),
            "give these credentials the right lambda:GetFunctionConfiguration, or pass --offline",
        ));
    }
}

/// Every place that names a function, with its ARN and its row.
fn named_functions<'a>(
    input: &LintInput<'a>,
) -> impl Iterator<Item = (Place, &'a str, Option<&'a TableRow>)> {
    let rows = input.rows.iter().filter_map(|row| match &row.mapping {
        StoredMapping::Readable(mapping) => {
            Some((Place::Row(row.name()), arn_of(&mapping.target)?, Some(row)))
        }
        StoredMapping::Unreadable { .. } | StoredMapping::Pause { .. } => None,
    });
    let default = match &input.installation.default {
        DefaultFact::Known(Some(default)) => arn_of(&default.target),
        DefaultFact::Known(None) | DefaultFact::NotKnown => None,
    };
    rows.chain(default.map(|arn| (Place::DefaultTarget, arn, None)))
}

fn arn_of(target: &Target) -> Option<&str> {
    match target {
        Target::Lambda { arn } => Some(arn),
        Target::Ec2(_) | Target::Local => None,
    }
}

/// A life that somebody has chosen, and that the function does not let the runner have. The default life is longer than any function
/// may run, so it says nothing.
fn outlived(row: &TableRow, timeout_seconds: u32) -> Option<Finding> {
    let StoredMapping::Readable(mapping) = &row.mapping else { return None };
    let life = mapping.settings.max_life_seconds;
    (life > timeout_seconds && life != RunnerSettings::default().max_life_seconds).then(|| {
        Finding::of_row(
            LintRule::FunctionTimesOut,
            row,
            format!("max_life_seconds is {life}, and the function ends after {timeout_seconds} s"),
            "give the function a longer timeout (at most 900 s), the row a shorter life, or the type EC2",
        )
    })
}
