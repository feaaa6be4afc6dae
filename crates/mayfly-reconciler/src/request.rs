//! What the function is invoked with.

use serde::Deserialize;

/// One invocation's payload: nothing, or what is to be otherwise this time. A word it does not know is refused, because whoever
/// misspells `dry_run` means no ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// Whether the plan is only told.
    pub(crate) dry_run: Option<bool>,
    /// How many runners may be ended.
    pub(crate) max_ends: Option<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(payload: &str, expected: Option<Request>) {
        assert_eq!(serde_json::from_str(payload).ok(), expected, "{payload}");
    }

    #[test]
    fn what_is_not_said_is_as_the_stack_says() {
        check("{}", Some(Request::default()));
        check(r#"{"dry_run": true}"#, Some(Request { dry_run: Some(true), max_ends: None }));
        check(
            r#"{"dry_run": false, "max_ends": 5}"#,
            Some(Request { dry_run: Some(false), max_ends: Some(5) }),
        );
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for payload in
            [r#"{"dryrun": true}"#, r#"{"dry_run": "true"}"#, r#"{"max_ends": -1}"#, "[1, 2, 3]", r#""{}""#]
        {
            check(payload, None);
        }
    }
}
