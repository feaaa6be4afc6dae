//! What can go wrong with a call, and whether it may pass by itself.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use mayfly_core::error::{PortError, Retry};
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// How much of GitLab's own words is kept, in characters.
const LONGEST_MESSAGE: usize = 300;

/// Whatever GitLab says, nobody waits longer for it.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

const RATE_LIMIT_RESET: &str = "ratelimit-reset";

/// The cause of a failed call.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("no API token is configured; the call needs one with the scope {scope}")]
    NoApiToken { scope: &'static str },
    #[error("GitLab did not answer in time")]
    Timeout(#[source] reqwest::Error),
    #[error("there is no connection to GitLab")]
    Connection(#[source] reqwest::Error),
    #[error("the request or its answer was broken")]
    Transport(#[source] reqwest::Error),
    #[error("GitLab answered {status}: {message}")]
    Refused { status: StatusCode, message: String },
    #[error("GitLab answered {status} with {bytes} bytes that are not the JSON expected")]
    Undecodable { status: StatusCode, bytes: usize },
    #[error("GitLab answered {status} with more than {limit} bytes")]
    TooLong { status: StatusCode, limit: usize },
    #[error("the list has more than {limit} pages")]
    TooManyPages { limit: usize },
    #[error("the job is `{status}` still")]
    NotOver { status: String },
}

impl Failure {
    /// The cause as the error of an operation.
    pub(super) fn of(self, operation: &str, retry: Retry) -> PortError {
        PortError { operation: operation.to_owned(), retry, source: Box::new(self) }
    }

    /// Sorts an error of the connection.
    pub(super) fn transport(error: reqwest::Error) -> (Self, Retry) {
        let error = error.without_url();
        if error.is_builder() {
            (Self::Transport(error), Retry::Never)
        } else if error.is_timeout() {
            (Self::Timeout(error), Retry::Later(None))
        } else if error.is_connect() {
            (Self::Connection(error), Retry::Later(None))
        } else {
            (Self::Transport(error), Retry::Later(None))
        }
    }
}

/// The status code with which GitLab refused a call; `None` if the call failed in another way.
pub fn refused_with(error: &PortError) -> Option<u16> {
    match error.source.downcast_ref() {
        Some(Failure::Refused { status, .. }) => Some(status.as_u16()),
        _ => None,
    }
}

/// Whether a refusal may pass, and when.
pub(super) fn retry_of(status: StatusCode, headers: &HeaderMap) -> Retry {
    let passes = status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    if passes { Retry::Later(wait_of(headers)) } else { Retry::Never }
}

/// How long GitLab asks us to wait: `Retry-After` in seconds, else the moment in `RateLimit-Reset`, seen from GitLab's
/// own clock.
fn wait_of(headers: &HeaderMap) -> Option<Duration> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    let number = |name: &str| header(name)?.trim().parse::<i64>().ok();
    let seconds = number(RETRY_AFTER.as_str()).or_else(|| {
        let answered_at = DateTimeParser::new().parse_timestamp(header(DATE.as_str())?).ok()?;
        let reset = Timestamp::from_second(number(RATE_LIMIT_RESET)?).ok()?;
        Some(reset.as_second() - answered_at.as_second())
    })?;
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).min(LONGEST_WAIT))
}

/// GitLab's own words about a refusal, shortened, on one line, and without any of the secrets.
pub(super) fn message_of(body: &[u8], secrets: &[&SecretString]) -> String {
    let text = match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => ["message", "error", "error_description"]
            .into_iter()
            .filter_map(|name| fields.get(name))
            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            .collect::<Vec<_>>()
            .join("; "),
        // Pages of proxies and the like help nobody.
        _ => String::new(),
    };
    let text = secrets
        .iter()
        .map(|secret| secret.expose_secret())
        .filter(|secret| !secret.is_empty())
        .fold(text, |text, secret| text.replace(secret, "[secret]"));
    let text = text.split_whitespace().map(without_token).collect::<Vec<_>>().join(" ");
    let short: String =
        text.chars().filter(|character| !character.is_control()).take(LONGEST_MESSAGE).collect();
    if short.is_empty() { "it gave no reason".to_owned() } else { short }
}

/// A token that we did not send, such as one that GitLab made: known by its prefix.
fn without_token(word: &str) -> &str {
    const PREFIXES: [&str; 6] = ["glrt-", "glrtr-", "glpat-", "gldt-", "GR1348941", "whsec_"];
    if PREFIXES.iter().any(|prefix| word.contains(prefix)) { "[secret]" } else { word }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_throttling_timeouts_and_broken_servers_pass() {
        for (status, passes) in [
            (302, false),
            (400, false),
            (401, false),
            (403, false),
            (404, false),
            (408, true),
            (410, false),
            (422, false),
            (429, true),
            (500, true),
            (502, true),
            (503, true),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let expected = if passes { Retry::Later(None) } else { Retry::Never };
            assert_eq!(retry_of(status, &HeaderMap::new()), expected, "{status}");
        }
    }

    #[test]
    fn the_wait_is_what_gitlab_asks_for_and_an_hour_at_most() {
        let check = |pairs: &[(&'static str, &str)], seconds: Option<u64>| {
            assert_eq!(wait_of(&headers(pairs)), seconds.map(Duration::from_secs), "{pairs:?}");
        };
        let date = ("date", "Sat, 01 Aug 2026 10:00:00 GMT");
        check(&[("retry-after", "7")], Some(7));
        check(&[("retry-after", "7"), date, ("ratelimit-reset", "1785578460")], Some(7));
        check(&[("retry-after", "-7")], Some(0));
        check(&[("retry-after", "99999999")], Some(3600));
        check(&[("retry-after", "soon")], None);
        check(&[date, ("ratelimit-reset", "1785578460")], Some(60));
        check(&[date, ("ratelimit-reset", "1785578399")], Some(0));
        check(&[("ratelimit-reset", "1785578460")], None);
        check(&[date], None);
    }

    #[test]
    fn the_message_is_gitlabs_shortened_and_without_secrets() {
        let secret = SecretString::from("hunter2");
        let check = |body: &str, expected: &str| {
            assert_eq!(message_of(body.as_bytes(), &[&secret, &SecretString::from("")]), expected);
        };
        check(r#"{"message": "404 Project Not Found"}"#, "404 Project Not Found");
        check(r#"{"error": "invalid_token", "error_description": "Revoked."}"#, "invalid_token; Revoked.");
        check(r#"{"message": {"tag_list": ["is too long"]}}"#, r#"{"tag_list":["is too long"]}"#);
        check(r#"{"message": "no\nsuch\u0000 hunter2, sorry"}"#, "no such [secret], sorry");
        check(r#"{"message": "made glrt-abc_DEF and kept \"glpat-x\""}"#, "made [secret] and kept [secret]");
        check("<html>", "it gave no reason");
        check("{}", "it gave no reason");
        let long = format!(r#"{{"message": "{}"}}"#, "ü".repeat(1000));
        check(&long, &"ü".repeat(300));
    }
}
