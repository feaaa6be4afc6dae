//! GitLab, the installation's token and the webhooks.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};
use mayfly_gitlab::client::{Hook, HookDelivery, TestDelivery, TokenInfo};

use super::clock;
use crate::doctor::facts::{GitlabFacts, GroupAbove, HookFacts, OwnToken};
use crate::doctor::report::Line;
use crate::hooks::plan::is_disabled;

/// So long before its end a token should be renewed.
const RENEWAL_DAYS: i32 = 30;

/// `POST /user/runners` came with this version.
const FIRST_FOR_PER_JOB: u32 = 16;

/// What the installation does with its token. By default nobody knows: its registration mode is not told.
#[derive(Debug, Clone, Default)]
pub(in crate::doctor) struct TokenNeeds {
    scopes: Vec<&'static str>,
    /// Whether nothing works without a token.
    is_needed: bool,
    makes_runners: bool,
}

impl TokenNeeds {
    /// What a registration mode needs, and whether jobs whose machine died are retried.
    pub(in crate::doctor) fn of_mode(mode: &str, retries: bool) -> Self {
        let makes_runners = mode == "per-job";
        let mut scopes = vec!["read_api"];
        if makes_runners {
            scopes.insert(0, "create_runner");
        }
        if mode != "shared" {
            scopes.insert(scopes.len() - 1, "manage_runner");
        }
        if retries {
            scopes.push("api");
        }
        Self { scopes, is_needed: makes_runners || retries, makes_runners }
    }

    /// The scopes that a token lacks. `api` may do everything.
    fn missing(&self, has: &[String]) -> Vec<&'static str> {
        let has = |scope: &str| has.iter().any(|it| it == scope);
        self.scopes.iter().copied().filter(|scope| !has(scope) && !has("api")).collect()
    }
}

/// Nobody knows where GitLab is.
pub(in crate::doctor) fn unknown() -> Line {
    Line::failure(
        "GitLab",
        "its address is not known",
        "give it with --gitlab-url and a token in MAYFLY_API_TOKEN, or make the parameters Url and ApiToken",
    )
}

/// GitLab, or the token for it, is not what it is said to be.
pub(in crate::doctor) fn contradictory(error: &anyhow::Error) -> Line {
    Line::failure(
        "GitLab",
        format!("{error:#}"),
        "put the parameters Url and ApiToken right, or give both --gitlab-url and a token for it in MAYFLY_API_TOKEN",
    )
}

pub(in crate::doctor) fn judge(facts: &GitlabFacts, needs: &TokenNeeds, now: Timestamp) -> Vec<Line> {
    let (version, skew) = match &facts.about {
        Ok(about) => about,
        Err(why) => {
            let next = "check the address, and whether this machine can reach it; a private authority needs --gitlab-ca-file";
            return vec![Line::failure("GitLab", format!("{} cannot be reached: {why}", facts.host), next)];
        }
    };
    let mut lines = vec![reached(facts, version.as_deref(), needs)];
    lines.extend(skew.map(|skew| clock("GitLab clock", skew)));
    lines.extend(token(&facts.token, needs, now));
    lines.extend(hooks(facts));
    lines
}

fn reached(facts: &GitlabFacts, version: Option<&str>, needs: &TokenNeeds) -> Line {
    let Some(version) = version else {
        return Line::ok("GitLab", format!("{} answers, and does not tell its version", facts.host));
    };
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    let result = format!("{} answers: {version}", facts.host);
    if needs.makes_runners && major.is_some_and(|major| major < FIRST_FOR_PER_JOB) {
        let next = "set RegistrationMode to registration-token, or update GitLab to 16.0 or later";
        return Line::failure("GitLab", format!("{result}, which cannot make a runner for each job"), next);
    }
    Line::ok("GitLab", result)
}

fn token(token: &OwnToken, needs: &TokenNeeds, now: Timestamp) -> Vec<Line> {
    let check = "GitLab token";
    let renew = "make a new token, and put it in the place of the old one (`aws ssm put-parameter --overwrite`, or \
                 MAYFLY_API_TOKEN)";
    match token {
        OwnToken::Unknown => Vec::new(),
        OwnToken::Missing if needs.is_needed => {
            let scopes = needs.scopes.join(", ");
            let next = format!("make one with the scopes {scopes}, and put it into the parameter ApiToken");
            vec![Line::failure(check, "there is none", next)]
        }
        OwnToken::Missing => vec![Line::warning(
            check,
            "there is none: whether a job still waits, its tags, and lost webhooks are not seen",
            "give one with the scopes read_api and manage_runner, if you like",
        )],
        OwnToken::Refused(why) => vec![Line::failure(check, why.clone(), renew)],
        OwnToken::Known(info) if !info.active => {
            vec![Line::failure(check, "it is revoked or has expired", renew)]
        }
        OwnToken::Known(info) if needs.scopes.is_empty() => vec![expiry(info, now, renew)],
        OwnToken::Known(info) => vec![scopes(info, needs), expiry(info, now, renew)],
    }
}

fn scopes(info: &TokenInfo, needs: &TokenNeeds) -> Line {
    let check = "GitLab token, scopes";
    let has = info.scopes.join(", ");
    let missing = needs.missing(&info.scopes);
    if missing.is_empty() {
        return Line::ok(check, has);
    }
    Line::failure(
        check,
        format!("it lacks {} (it has: {has})", missing.join(", ")),
        format!("make a token with the scopes {}: scopes cannot be added later", needs.scopes.join(", ")),
    )
}

fn expiry(info: &TokenInfo, now: Timestamp, renew: &str) -> Line {
    let check = "GitLab token, expiry";
    let Some(end) = &info.expires_at else { return Line::ok(check, "it does not expire") };
    let today = now.to_zoned(TimeZone::UTC).date();
    let days = end
        .parse::<Date>()
        .ok()
        .and_then(|end| today.until((Unit::Day, end)).ok())
        .map(|span| span.get_days());
    match days {
        None => Line::warning(check, format!("it expires on `{end}`, which is no day"), renew),
        Some(days) if days <= 0 => Line::failure(check, format!("it expired on {end}"), renew),
        Some(days) if days < RENEWAL_DAYS => {
            Line::warning(check, format!("it expires on {end}, in {days} days"), renew)
        }
        Some(_) => Line::ok(check, format!("it expires on {end}")),
    }
}

fn hooks(facts: &GitlabFacts) -> Vec<Line> {
    let check = "webhooks";
    if facts.webhook_url.is_none() {
        let next = "give its address with --url, or the stack that has it with --infrastructure-stack";
        return vec![Line::warning(check, "nobody knows where the webhook is to send its events", next)];
    }
    if facts.hooks.is_empty() {
        let next = "name projects or groups with --project and --group, and a token of a maintainer in MAYFLY_API_TOKEN";
        return vec![Line::warning(check, "none was looked at: no project is named and none had jobs", next)];
    }
    facts.hooks.iter().flat_map(|(path, hook)| webhook(path, hook)).collect()
}

fn webhook(path: &str, found: &Result<HookFacts, String>) -> Vec<Line> {
    let check = format!("webhook of {path}");
    let facts = match found {
        Ok(facts) => facts,
        Err(why) => {
            let next = "give the token of a maintainer with the scope read_api in MAYFLY_API_TOKEN";
            return vec![Line::warning(check, format!("cannot be asked: {why}"), next)];
        }
    };
    let Some(hook) = facts.ours.first() else {
        return vec![match &facts.above {
            GroupAbove::Covers(group) => Line::ok(check, format!("that of the group {group}")),
            GroupAbove::Unknown(why) => Line::warning(
                check,
                format!("it has none of its own; the group's cannot be asked: {why}"),
                format!(
                    "if no group above has one, install it: `mayfly hooks install --project {path}`; to know, give the token of an \
                     owner of the group in MAYFLY_API_TOKEN"
                ),
            ),
            GroupAbove::None => Line::failure(
                check,
                "there is none: no job of it gets a runner",
                format!("install it: `mayfly hooks install --project {path}`"),
            ),
        }];
    };
    let mut lines = vec![settings(&check, path, hook)];
    if let Some(deliveries) = &facts.deliveries {
        lines.extend(delivered(&check, path, deliveries));
    }
    lines.extend(facts.test.as_ref().map(|outcome| tested(&check, path, outcome)));
    if facts.ours.len() > 1 {
        let next = format!("keep one: `mayfly hooks install --project {path} --remove-duplicates`");
        lines.push(Line::warning(&check, format!("{} with the same address", facts.ours.len()), next));
    }
    lines
}

fn settings(check: &str, path: &str, hook: &Hook) -> Line {
    let install = format!("put it right: `mayfly hooks install --project {path}`");
    if !hook.job_events {
        return Line::failure(check, "it does not send job events", install);
    }
    if is_disabled(hook) {
        let until = hook.disabled_until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
        return Line::failure(
            check,
            format!("GitLab has disabled it{until}, after failures in a row: events are lost"),
            format!(
                "{install}, which sends a test that enables it; with --rotate, if the secret may be wrong"
            ),
        );
    }
    if !hook.enable_ssl_verification {
        return Line::warning(check, "it takes any certificate for good", install);
    }
    Line::ok(check, "it sends job events")
}

fn delivered(check: &str, path: &str, deliveries: &[HookDelivery]) -> Vec<Line> {
    let check = format!("{check}, deliveries");
    let is_well =
        |delivery: &&HookDelivery| delivery.status.is_some_and(|status| (200..300).contains(&status));
    let word = |delivery: &HookDelivery| {
        delivery.status.map_or_else(|| "no answer".to_owned(), |status| format!("the answer {status}"))
    };
    let Some(latest) = deliveries.first() else {
        return vec![Line::ok(check, "none in the last days")];
    };
    let well = deliveries.iter().filter(is_well).count();
    if !is_well(&latest) {
        return vec![Line::failure(
            check,
            format!("the latest had {}", word(latest)),
            next_after(path, latest.status),
        )];
    }
    match deliveries.len() - well {
        0 => vec![Line::ok(check, format!("the latest {well} were answered well"))],
        failed => vec![Line::warning(
            check,
            format!("{failed} of the latest {} failed, not the latest of all", deliveries.len()),
            "nothing, if you know why; lost events are found by the reconciler",
        )],
    }
}

/// What to do about a delivery that was answered so.
fn next_after(path: &str, status: Option<u16>) -> String {
    match status {
        Some(401 | 403) => format!(
            "the secret is another one, or AllowedSourceRanges does not have GitLab's address: \
             `mayfly hooks install --project {path} --rotate`"
        ),
        Some(404) => "the address is wrong: see the output WebhookUrl".to_owned(),
        Some(429 | 503) => "see ThrottlingRateLimit and WebhookConcurrency, and docs/RUNBOOK.md".to_owned(),
        Some(_) => "see the log of the webhook function".to_owned(),
        None => {
            "see whether GitLab can reach the address: on a GitLab of your own an administrator must allow it"
                .to_owned()
        }
    }
}

fn tested(check: &str, path: &str, outcome: &Result<TestDelivery, String>) -> Line {
    let check = format!("{check}, test");
    match outcome {
        Ok(TestDelivery::Accepted) => Line::ok(check, "answered well: the secret is right"),
        Ok(TestDelivery::NothingToSend) => Line::warning(
            check,
            "GitLab has no event to send: the project has had no job",
            "run a pipeline first",
        ),
        Ok(TestDelivery::Refused(why)) => Line::failure(
            check,
            format!("not answered well: {why}"),
            format!("the secret may be another one: `mayfly hooks install --project {path} --rotate`"),
        ),
        Ok(TestDelivery::NotOffered) => Line::warning(
            check,
            "this GitLab cannot be asked for a test",
            "send one from the project's settings, under Webhooks",
        ),
        Err(why) => Line::warning(
            check,
            format!("could not be sent: {why}"),
            "it takes the scope api and the role of a maintainer, and GitLab allows five in a minute",
        ),
    }
}

#[cfg(test)]
mod tests;
