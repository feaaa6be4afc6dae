//! What the function is invoked with.

use mayfly_core::decide::EndOrder;
use serde::Deserialize;

/// One invocation's payload: nothing, or what is to be otherwise this time. A word it does not know is refused, because whoever
/// misspells `dry_run` means no ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// Whether the plan is only told.
    pub(crate) dry_run: Option<bool>,
    /// How many runners may be ended.
    pub(crate) max_ends: Option<usize>,
    /// One runner that is to be ended now, instead of a pass.
    #[serde(default)]
    pub(crate) end: Option<EndOrder>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(payload: &str, expected: Option<&Request>) {
        assert_eq!(serde_json::from_str(payload).ok().as_ref(), expected, "{payload}");
    }

    #[test]
    fn what_is_not_said_is_as_the_stack_says() {
        check("{}", Some(&Request::default()));
        check(r#"{"dry_run": true}"#, Some(&Request { dry_run: Some(true), ..Request::default() }));
        check(
            r#"{"dry_run": false, "max_ends": 5}"#,
            Some(&Request { dry_run: Some(false), max_ends: Some(5), end: None }),
        );
    }

    #[test]
    fn one_runner_can_be_named() {
        let payload = r#"{"end": {"runner": "mayfly-ec2-i-1", "reason": "it hangs", "by": "jo"}}"#;
        let end = EndOrder {
            runner: "mayfly-ec2-i-1".parse().unwrap(),
            reason: "it hangs".parse().unwrap(),
            by: "jo".parse().unwrap(),
            force: false,
        };
        check(payload, Some(&Request { end: Some(end), ..Request::default() }));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for payload in [
            r#"{"end": {"runner": "mayfly-ec2-i-1", "reason": "it hangs", "by": "jo", "dry_run": true}}"#,
            r#"{"end": {"runner": "mayfly-ec2-i-1", "reason": "", "by": "jo"}}"#,
            r#"{"end": {"runner": "i-1", "reason": "it hangs", "by": "jo"}}"#,
            r#"{"dryrun": true}"#,
            r#"{"dry_run": "true"}"#,
            r#"{"max_ends": -1}"#,
            "[1, 2, 3]",
            r#""{}""#,
        ] {
            check(payload, None);
        }
    }
}
