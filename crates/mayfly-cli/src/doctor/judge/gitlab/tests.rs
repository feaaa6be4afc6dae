use super::*;
use crate::doctor::report::Level;

const NOW: &str = "2026-11-22T12:00:00Z";

fn info(scopes: &[&str], expires_at: Option<&str>) -> TokenInfo {
    TokenInfo {
        name: "t".to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        active: true,
        expires_at: expires_at.map(str::to_owned),
    }
}

#[test]
fn a_token_has_the_scopes_that_the_mode_needs() {
    for (mode, retries, scopes, missing) in [
        ("per-job", false, &["create_runner", "manage_runner", "read_api"][..], ""),
        ("per-job", false, &["read_api"], "create_runner, manage_runner"),
        ("per-job", false, &["api"], ""),
        ("per-job", true, &["create_runner", "manage_runner", "read_api"], "api"),
        ("per-job", true, &["api"], ""),
        ("shared", false, &["read_api"], ""),
        ("registration-token", false, &["read_api"], "manage_runner"),
    ] {
        let line = self::scopes(&info(scopes, None), &TokenNeeds::of_mode(mode, retries));
        assert_eq!(line.level == Level::Ok, missing.is_empty(), "{line:?}");
        assert!(line.result.contains(missing), "{line:?}");
    }
}

#[test]
fn a_token_is_renewed_a_month_before_its_end() {
    for (end, level) in [
        (None, Level::Ok),
        (Some("2026-12-22"), Level::Ok),
        (Some("2026-12-21"), Level::Warning),
        (Some("2026-11-23"), Level::Warning),
        (Some("2026-11-22"), Level::Failure),
        (Some("2025-01-01"), Level::Failure),
        (Some("soon"), Level::Warning),
    ] {
        let line = expiry(&info(&["api"], end), NOW.parse().unwrap(), "renew");
        assert_eq!(line.level, level, "{line:?}");
    }
}

#[test]
fn no_token_is_a_failure_where_each_job_needs_one() {
    let now = NOW.parse().unwrap();
    for (mode, level) in [("per-job", Level::Failure), ("shared", Level::Warning)] {
        let needs = TokenNeeds::of_mode(mode, false);
        assert_eq!(token(&OwnToken::Missing, &needs, now)[0].level, level, "{mode}");
        assert_eq!(token(&OwnToken::Unknown, &needs, now), []);
    }
    let needs = TokenNeeds::of_mode("shared", false);
    let revoked = TokenInfo { active: false, ..info(&["api"], None) };
    for refused in [OwnToken::Known(revoked), OwnToken::Refused("refused".to_owned())] {
        assert_eq!(token(&refused, &needs, now)[0].level, Level::Failure);
    }
    let lines = token(&OwnToken::Known(info(&["read_user"], None)), &TokenNeeds::default(), now);
    let checks: Vec<&str> = lines.iter().map(|line| line.check.as_str()).collect();
    assert_eq!(checks, ["GitLab token, expiry"], "what an unknown mode needs is not known");
}

fn hook() -> Hook {
    Hook {
        id: 1,
        url: "https://x.example/webhook".to_owned(),
        job_events: true,
        push_events: false,
        enable_ssl_verification: true,
        alert_status: Some("executable".to_owned()),
        disabled_until: None,
        token_present: None,
        signing_token_present: None,
    }
}

/// The worst line of a webhook, and a part of its result.
fn check(facts: HookFacts, level: Level, said: &str) {
    let lines = webhook("group/app", &Ok(facts));
    let worst = lines
        .iter()
        .find(|line| line.level == Level::Failure)
        .or_else(|| lines.iter().find(|line| line.level == Level::Warning))
        .unwrap_or(&lines[0]);
    assert_eq!(worst.level, level, "{lines:?}");
    assert!(worst.result.contains(said), "{lines:?}");
    assert_eq!(worst.next.is_none(), level == Level::Ok, "{lines:?}");
}

#[test]
fn a_webhook_is_judged_by_its_settings() {
    let with = |hook: Hook| HookFacts { ours: vec![hook], ..HookFacts::default() };
    check(HookFacts::default(), Level::Failure, "there is none");
    let below = |above: GroupAbove| HookFacts { above, ..HookFacts::default() };
    check(below(GroupAbove::Covers("group".to_owned())), Level::Ok, "that of the group group");
    check(below(GroupAbove::Unknown("403".to_owned())), Level::Warning, "the group's cannot be asked: 403");
    check(with(hook()), Level::Ok, "job events");
    check(with(Hook { job_events: false, ..hook() }), Level::Failure, "does not send job events");
    for status in ["disabled", "temporarily_disabled"] {
        let disabled = Hook { alert_status: Some(status.to_owned()), ..hook() };
        check(with(disabled), Level::Failure, "events are lost");
    }
    check(with(Hook { alert_status: None, ..hook() }), Level::Ok, "");
    check(with(Hook { enable_ssl_verification: false, ..hook() }), Level::Warning, "any certificate");
    let twice = HookFacts { ours: vec![hook(), hook()], ..HookFacts::default() };
    check(twice, Level::Warning, "2 with the same address");
}

#[test]
fn a_webhook_is_judged_by_what_it_sent() {
    let with = |statuses: &[Option<u16>]| HookFacts {
        ours: vec![hook()],
        deliveries: Some(
            statuses
                .iter()
                .map(|status| HookDelivery { trigger: "job_hooks".to_owned(), status: *status })
                .collect(),
        ),
        ..HookFacts::default()
    };
    check(with(&[]), Level::Ok, "");
    check(with(&[Some(200), Some(204)]), Level::Ok, "");
    check(with(&[Some(200), Some(503)]), Level::Warning, "1 of the latest 2 failed");
    check(with(&[Some(401), Some(200)]), Level::Failure, "the answer 401");
    check(with(&[None]), Level::Failure, "no answer");
    check(with(&[Some(302)]), Level::Failure, "the answer 302");
}

#[test]
fn a_webhook_is_judged_by_a_test() {
    let with = |test: Result<TestDelivery, String>| HookFacts {
        ours: vec![hook()],
        test: Some(test),
        ..HookFacts::default()
    };
    let refused = |why: &str| Ok(TestDelivery::Refused(why.to_owned()));
    check(with(Ok(TestDelivery::Accepted)), Level::Ok, "");
    check(with(refused("401")), Level::Failure, "not answered well");
    check(with(Ok(TestDelivery::NothingToSend)), Level::Warning, "no job");
    check(with(Ok(TestDelivery::NotOffered)), Level::Warning, "cannot be asked");
    check(with(Err("429".to_owned())), Level::Warning, "could not be sent");
}

#[test]
fn an_old_gitlab_cannot_make_a_runner_for_each_job() {
    let facts = GitlabFacts {
        host: "gitlab.example.com".to_owned(),
        about: Err("nobody".to_owned()),
        token: OwnToken::Unknown,
        webhook_url: None,
        hooks: Vec::new(),
    };
    for (version, mode, level) in [
        (Some("15.11.0"), "per-job", Level::Failure),
        (Some("15.11.0"), "shared", Level::Ok),
        (Some("16.0.0-ee"), "per-job", Level::Ok),
        (Some("unknown"), "per-job", Level::Ok),
        (None, "per-job", Level::Ok),
    ] {
        assert_eq!(reached(&facts, version, &TokenNeeds::of_mode(mode, false)).level, level, "{version:?}");
    }
    let lines = judge(&facts, &TokenNeeds::of_mode("shared", false), NOW.parse().unwrap());
    assert_eq!(lines.len(), 1, "of a GitLab that does not answer nothing more is said: {lines:?}");
    assert_eq!(lines[0].level, Level::Failure);
}
