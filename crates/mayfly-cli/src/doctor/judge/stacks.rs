//! Stacks, their parameters, the mapping table and the reconciler.

use jiff::{SignedDuration, Timestamp};

use super::judged;
use crate::doctor::VERSION;
use crate::doctor::facts::{
    AwsFacts, LastPass, MappingFacts, ParameterFacts, SecretFacts, StackFacts, StackState,
};
use crate::doctor::report::Line;
use crate::output::length;

/// A pass is made each minute, and asks about the projects in turn.
const LONGEST_SILENCE: SignedDuration = SignedDuration::from_mins(30);

pub(super) fn judge(facts: &AwsFacts) -> Vec<Line> {
    let stacks = [&facts.infrastructure, &facts.shell_runner, &facts.autoscaler];
    let mut lines: Vec<Line> = stacks.into_iter().flat_map(stack).collect();
    lines.extend(judged("parameters", &facts.parameters, parameters));
    lines.extend(judged("webhook secret", &facts.webhook_secret, |secret| {
        vec![webhook_secret(secret, &facts.infrastructure.name)]
    }));
    lines.extend(judged("mappings", &facts.mappings, mappings));
    lines
}

pub(super) fn reconciler(facts: &AwsFacts, now: Timestamp) -> Vec<Line> {
    let check = "reconciler";
    if facts.autoscaler.parameter("ReconcileDryRun") == Some("true") {
        return vec![Line::warning(
            check,
            "it only tells what it would do: lost webhooks and leaked runners stay as they are",
            format!(
                "deploy {} with ReconcileDryRun=false once its log is as you like it",
                facts.autoscaler.name
            ),
        )];
    }
    let schedule = facts.autoscaler.output("ReconcilerScheduleName").unwrap_or("RECONCILER_SCHEDULE_NAME");
    judged(check, &facts.last_pass, |last| vec![last_pass(*last, schedule, now)])
}

fn last_pass(last: LastPass, schedule: &str, now: Timestamp) -> Line {
    let check = "reconciler";
    match last {
        LastPass::At(at) if now.duration_since(at) > LONGEST_SILENCE => Line::warning(
            check,
            format!("it last asked GitLab for jobs {} ago", length(now.duration_since(at))),
            format!(
                "see whether its schedule is enabled: `aws scheduler get-schedule --name {schedule}`; then its log"
            ),
        ),
        LastPass::At(at) => {
            Line::ok(check, format!("it asked GitLab for jobs {} ago", length(now.duration_since(at))))
        }
        LastPass::NotSeen => Line::warning(
            check,
            "it has asked GitLab for no job yet: without an ApiToken it never does, and whether it runs cannot be seen here",
            format!(
                "see its log, and whether its schedule is enabled: `aws scheduler get-schedule --name {schedule}`"
            ),
        ),
        LastPass::NoProject => Line::ok(check, "no project has had a job yet that it could look after"),
    }
}

fn stack(stack: &StackFacts) -> Vec<Line> {
    let check = format!("stack {}", stack.name);
    judged(&check, &stack.found, |found| match found {
        None if stack.is_optional => vec![Line::warning(
            &check,
            "there is none",
            "nothing, if no job runs on Lambda; else deploy shell-runner/, or give its name with --shell-runner-stack",
        )],
        None => vec![Line::failure(
            &check,
            "there is none",
            "deploy it, or give its name with --stack or --infrastructure-stack, and account and region with --profile and \
             --region",
        )],
        Some(state) => vec![status(&check, &stack.name, state), version(&check, state)],
    })
}

fn status(check: &str, name: &str, state: &StackState) -> Line {
    let status = state.status.as_str();
    let next = format!(
        "see why: `aws cloudformation describe-stack-events --stack-name {name}`; then deploy it again"
    );
    if status.ends_with("_FAILED") || status.starts_with("DELETE_") || status == "ROLLBACK_COMPLETE" {
        return Line::failure(check, status, next);
    }
    if status.ends_with("_IN_PROGRESS") {
        return Line::warning(check, status, "wait until it is done, and look again");
    }
    if status == "UPDATE_ROLLBACK_COMPLETE" {
        return Line::warning(check, "its last update was rolled back", next);
    }
    Line::ok(check, status)
}

fn version(check: &str, state: &StackState) -> Line {
    let check = format!("{check}, version");
    match state.version.as_deref() {
        Some(version) if version == VERSION => Line::ok(check, version),
        Some(version) => Line::warning(
            check,
            format!("it is of version {version}, and this command of {VERSION}"),
            "deploy the version of this command, or use the command of that version",
        ),
        None => Line::warning(
            check,
            "it does not tell its version: it is older than this command",
            "deploy the version of this command",
        ),
    }
}

fn parameters(facts: &ParameterFacts) -> Vec<Line> {
    facts.needed.iter().map(|name| parameter(name, facts.found.get(name).copied())).collect()
}

fn parameter(name: &str, is_encrypted: Option<bool>) -> Line {
    let check = format!("parameter {name}");
    let is_secret = !name.ends_with("/Url");
    let (kind, value) =
        if is_secret { ("SecureString", "file://token") } else { ("String", "https://gitlab.com") };
    let put = format!("`aws ssm put-parameter --type {kind} --name {name} --value {value}`");
    match is_encrypted {
        None => Line::failure(check, "there is none", format!("make it: {put}")),
        Some(false) if is_secret => Line::warning(
            check,
            "it is not encrypted",
            format!("make it again as a SecureString, with a new token: delete it, then {put}"),
        ),
        Some(_) => Line::ok(check, "there"),
    }
}

fn webhook_secret(facts: &SecretFacts, stack: &str) -> Line {
    let check = "webhook secret";
    let found: Vec<&str> = facts.found.iter().map(String::as_str).collect();
    if found.is_empty() {
        let name = facts.names.first().map(String::as_str).unwrap_or_default();
        return Line::failure(
            check,
            format!("none of the parameters of {stack} is there: {}", facts.names.join(", ")),
            format!(
                "make one: `aws ssm put-parameter --type SecureString --name {name} --value file://webhook-secret`"
            ),
        );
    }
    Line::ok(check, format!("there: {}", found.join(", ")))
}

fn mappings(facts: &MappingFacts) -> Vec<Line> {
    let check = "mappings";
    let pause = |(what, reason): &(String, String)| {
        let next = "`mayfly resume` lets them start";
        Line::warning(check, format!("{what} are kept waiting: {reason}"), next)
    };
    let mut lines: Vec<Line> = facts.paused.iter().map(pause).collect();
    if facts.broken.is_empty() {
        lines.push(Line::ok(check, format!("{} rows, and all can be read", facts.rows)));
    }
    let line = |(row, reason): &(String, String)| {
        let next = "put the row right, or remove it: its jobs get no runner";
        Line::failure(check, format!("row {row} cannot be used: {reason}"), next)
    };
    lines.extend(facts.broken.iter().map(line));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::asked::Asked;
    use crate::doctor::report::Level;

    fn stack_of(status: &str, version: Option<&str>) -> StackFacts {
        let version = version.map(str::to_owned);
        let state = StackState { status: status.to_owned(), version, ..StackState::default() };
        StackFacts { name: "s".to_owned(), is_optional: false, found: Asked::Known(Some(state)) }
    }

    #[test]
    fn a_stack_is_judged_by_its_status() {
        for (status, level) in [
            ("CREATE_COMPLETE", Level::Ok),
            ("UPDATE_COMPLETE", Level::Ok),
            ("IMPORT_COMPLETE", Level::Ok),
            ("UPDATE_ROLLBACK_COMPLETE", Level::Warning),
            ("UPDATE_IN_PROGRESS", Level::Warning),
            ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", Level::Warning),
            ("ROLLBACK_COMPLETE", Level::Failure),
            ("CREATE_FAILED", Level::Failure),
            ("UPDATE_ROLLBACK_FAILED", Level::Failure),
            ("DELETE_IN_PROGRESS", Level::Failure),
        ] {
            let lines = stack(&stack_of(status, Some(VERSION)));
            assert_eq!((lines[0].level, lines[1].level), (level, Level::Ok), "{status}");
        }
    }

    #[test]
    fn a_reconciler_is_judged_by_when_it_last_asked_gitlab() {
        let now = Timestamp::constant(1_795_000_000, 0);
        let minutes_ago = |minutes: i64| LastPass::At(now - SignedDuration::from_mins(minutes));
        for (last, level, said) in [
            (minutes_ago(30), Level::Ok, "30 min ago"),
            (minutes_ago(31), Level::Warning, "31 min ago"),
            (LastPass::NoProject, Level::Ok, "no project has had a job"),
            (LastPass::NotSeen, Level::Warning, "cannot be seen"),
        ] {
            let line = last_pass(last, "schedule", now);
            assert_eq!(line.level, level, "{line:?}");
            assert!(line.result.contains(said), "{line:?}");
        }
    }

    #[test]
    fn a_stack_of_another_version_is_a_warning() {
        for (version, said) in [(Some("0.0.9"), "it is of version 0.0.9"), (None, "older than this command")]
        {
            let lines = stack(&stack_of("CREATE_COMPLETE", version));
            assert_eq!(lines[1].level, Level::Warning);
            assert!(lines[1].result.contains(said), "{lines:?}");
        }
    }

    #[test]
    fn a_missing_stack_is_a_failure_unless_one_can_do_without() {
        for (is_optional, level) in [(true, Level::Warning), (false, Level::Failure)] {
            let facts = StackFacts { name: "s".to_owned(), is_optional, found: Asked::Known(None) };
            assert_eq!(stack(&facts)[0].level, level);
        }
    }

    #[test]
    fn a_token_in_the_open_is_a_warning_and_an_address_is_none() {
        for (name, is_encrypted, level) in [
            ("/mayfly/Url", Some(false), Level::Ok),
            ("/mayfly/ApiToken", Some(true), Level::Ok),
            ("/mayfly/ApiToken", Some(false), Level::Warning),
            ("/mayfly/ApiToken", None, Level::Failure),
        ] {
            let line = parameter(name, is_encrypted);
            assert_eq!(line.level, level, "{line:?}");
            assert_eq!(
                level != Level::Ok,
                line.next.is_some_and(|next| next.contains("aws ssm put-parameter"))
            );
        }
    }
}
