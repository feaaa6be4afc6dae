//! From facts to lines: pure.

pub(super) mod gitlab;
mod limits;
mod stacks;

use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::asked::Asked;
use super::facts::AwsFacts;
use super::report::Line;
use crate::output::length;

/// AWS refuses a request that was signed five minutes before or after its own time.
const LARGEST_SKEW: SignedDuration = SignedDuration::from_mins(5);
const NOTABLE_SKEW: SignedDuration = SignedDuration::from_mins(1);

/// All there is to say of an installation on AWS, but for GitLab.
pub(super) fn judge(facts: &AwsFacts, now: Timestamp) -> Vec<Line> {
    let mut lines =
        judged("AWS identity", &facts.identity, |arn| vec![Line::ok("AWS identity", arn.clone())]);
    lines.extend(judged("AWS clock", &facts.clock, |skew| vec![clock("AWS clock", *skew)]));
    lines.extend(stacks::judge(facts));
    lines.extend(limits::judge(facts));
    lines.extend(stacks::reconciler(facts, now));
    lines
}

/// The store of a `mayfly local`.
pub(super) fn store(data_dir: &Path, store: &Result<usize, String>) -> Line {
    let check = "store";
    match store {
        Ok(open) => Line::ok(check, format!("{} opens; {open} jobs are under way", data_dir.display())),
        Err(why) => {
            Line::failure(check, why.clone(), "give the data folder of the `mayfly local`, with --data-dir")
        }
    }
}

/// The lines of an answer; of a question without one, why.
fn judged<T>(check: &str, asked: &Asked<T>, lines: impl FnOnce(&T) -> Vec<Line>) -> Vec<Line> {
    match asked {
        Asked::Known(value) => lines(value),
        Asked::Denied { right, why } => vec![Line::warning(
            check,
            format!("cannot be asked: these credentials lack the right {right} ({why})"),
            format!("have {right} granted, or use another --profile"),
        )],
        Asked::NotOffered { why } => vec![Line::warning(
            check,
            format!("cannot be asked here ({why})"),
            "nothing, if this is no real AWS",
        )],
        Asked::Failed { why } => vec![Line::failure(
            check,
            format!("no answer: {why}"),
            "check credentials, region and network; `aws sts get-caller-identity` tells",
        )],
        Asked::Skipped => Vec::new(),
    }
}

fn clock(check: &str, skew: SignedDuration) -> Line {
    let result = match skew.abs() < NOTABLE_SKEW {
        true => return Line::ok(check, "agrees with this machine's"),
        false if skew.is_positive() => format!("this machine's clock is {} behind", length(skew.abs())),
        false => format!("this machine's clock is {} ahead", length(skew.abs())),
    };
    let next = "set the clock of this machine, such as with NTP: signatures are good for five minutes";
    if skew.abs() < LARGEST_SKEW {
        Line::warning(check, result, next)
    } else {
        Line::failure(check, result, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Level;

    #[test]
    fn a_clock_may_be_off_by_a_minute() {
        for (seconds, level, said) in [
            (0, Level::Ok, "agrees"),
            (-59, Level::Ok, "agrees"),
            (60, Level::Warning, "1 min behind"),
            (-299, Level::Warning, "4 min 59 s ahead"),
            (300, Level::Failure, "5 min behind"),
            (-90_000, Level::Failure, "1 d 1 h ahead"),
        ] {
            let line = clock("clock", SignedDuration::from_secs(seconds));
            assert_eq!(line.level, level, "{line:?}");
            assert!(line.result.contains(said), "{line:?}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_a_warning_and_no_answer_is_a_failure() {
        let check = |asked: Asked<()>, level: Option<Level>, said: &str| {
            let lines = judged("thing", &asked, |()| vec![Line::ok("thing", "known")]);
            assert_eq!(lines.first().map(|line| line.level), level, "{lines:?}");
            let next = lines.first().and_then(|line| line.next.clone()).unwrap_or_default();
            assert!(next.contains(said), "{lines:?}");
        };
        let why = || "why".to_owned();
        check(Asked::Known(()), Some(Level::Ok), "");
        check(Asked::Denied { right: "x:Y", why: why() }, Some(Level::Warning), "have x:Y granted");
        check(Asked::NotOffered { why: why() }, Some(Level::Warning), "no real AWS");
        check(Asked::Failed { why: why() }, Some(Level::Failure), "credentials");
        check(Asked::Skipped, None, "");
    }
}
