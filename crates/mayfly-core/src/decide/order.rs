//! `decide_ordered_end`: a person orders that one runner ends. May it, and what ends with it?

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::finish::{EndRunner, FRESH};
use crate::ids::JobKey;
use crate::ledger::{LedgerRecord, RunnerRecord};
use crate::runner_name::RunnerName;
use crate::status::Rank;

/// The longest line, in bytes. It is kept in the job's record.
const LONGEST_LINE: usize = 256;

/// Words of a person, such as a reason, on one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OneLine(String);

/// A text that is no line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write one line of 1 to {LONGEST_LINE} bytes")]
pub struct NotOneLine;

impl TryFrom<String> for OneLine {
    type Error = NotOneLine;

    fn try_from(text: String) -> Result<Self, NotOneLine> {
        let is_line =
            !text.trim().is_empty() && text.len() <= LONGEST_LINE && !text.chars().any(char::is_control);
        is_line.then_some(Self(text)).ok_or(NotOneLine)
    }
}

impl FromStr for OneLine {
    type Err = NotOneLine;

    fn from_str(text: &str) -> Result<Self, NotOneLine> {
        text.to_owned().try_into()
    }
}

impl From<OneLine> for String {
    fn from(line: OneLine) -> Self {
        line.0
    }
}

impl fmt::Display for OneLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A person's order to end one runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndOrder {
    /// Which.
    pub runner: RunnerName,
    /// Why.
    pub reason: OneLine,
    /// Who says so, such as the ARN of a role's session. Nobody has checked it.
    pub by: OneLine,
    /// Whether it ends even if a job dies with it.
    #[serde(default)]
    pub force: bool,
}

impl EndOrder {
    /// The reason as it is kept.
    pub fn to_reason(&self) -> String {
        format!("ordered by {}: {}", self.by, self.reason)
    }
}

/// What GitLab shows of a runner that it gives no more jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Occupation {
    /// No job.
    Idle,
    /// This one.
    Job(JobKey),
    /// It could not be asked, or cannot tell.
    Unseen,
}

/// What comes of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderedEnd {
    /// The ledger does not know the runner.
    Unknown,
    /// It is gone.
    Gone {
        /// Since when.
        at: Timestamp,
        /// Why.
        reason: String,
    },
    /// It has a job, which would die. It is not ended.
    Busy(JobKey),
    /// Nothing tells whether it has a job. It is not ended.
    PerhapsBusy,
    /// It is to be ended.
    End {
        /// How.
        ending: EndRunner,
        /// The job it was started for.
        job: JobKey,
        /// True if that job has had another runner since.
        is_former: bool,
        /// The job that dies with it.
        dies: Option<JobKey>,
    },
}

/// Decides what comes of an order. `owner` is the record of the job that the runner was started for.
pub fn decide_ordered_end(
    owner: Option<&LedgerRecord>,
    order: &EndOrder,
    seen: &Occupation,
    now: Timestamp,
) -> OrderedEnd {
    let Some((owner, runner)) = owner.and_then(|owner| Some((owner, runner_of(owner, &order.runner)?)))
    else {
        return OrderedEnd::Unknown;
    };
    if let Some(ended) = &runner.ended {
        return OrderedEnd::Gone { at: ended.at, reason: ended.reason.clone() };
    }
    let dies = match (seen, &runner.took) {
        (Occupation::Idle, _) => None,
        (Occupation::Job(job), _) => Some(job.clone()),
        (Occupation::Unseen, Some(took)) => {
            (*took != owner.key || owner.rank < Rank::Finished).then(|| took.clone())
        }
        (Occupation::Unseen, None) if order.force => None,
        (Occupation::Unseen, None) => return OrderedEnd::PerhapsBusy,
    };
    match dies {
        Some(job) if !order.force => OrderedEnd::Busy(job),
        dies => OrderedEnd::End {
            ending: EndRunner {
                runner: runner.name.clone(),
                registered: runner.registered,
                is_stopped: runner.stopped_at.is_some(),
                is_fresh: now.duration_since(runner.launched_at) < FRESH,
                unless_busy: None,
                reason: order.to_reason(),
            },
            job: owner.key.clone(),
            is_former: owner.runner.as_ref().is_none_or(|last| last.name != runner.name),
            dies,
        },
    }
}

/// The runner of this name in a record, whether it is the last that was started for the job or one before.
pub fn runner_of<'a>(record: &'a LedgerRecord, name: &RunnerName) -> Option<&'a RunnerRecord> {
    record.runner.iter().chain(&record.former).find(|runner| runner.name == *name)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;
    use crate::event::JobEvent;
    use crate::ids::RunnerId;
    use crate::ledger::Ended;
    use crate::status::JobStatus;

    const NOW: Timestamp = Timestamp::constant(1_795_000_000, 0);
    const RUNNER: &str = "mayfly-ec2-i-1";

    fn key(job: u64) -> JobKey {
        format!("gitlab.example.com/380/{job}").parse().unwrap()
    }

    fn order(force: bool) -> EndOrder {
        EndOrder {
            runner: RUNNER.parse().unwrap(),
            reason: "it hangs".parse().unwrap(),
            by: "arn:aws:sts::123456789012:assumed-role/Admin/jo".parse().unwrap(),
            force,
        }
    }

    /// The record of job 1, with the runner that the order names.
    fn record(status: JobStatus, took: Option<u64>, is_former: bool) -> LedgerRecord {
        let event = JobEvent {
            key: key(1),
            name: "test".parse().unwrap(),
            status,
            project: None,
            pipeline: None,
            runner: None,
            queued_seconds: None,
            failure_reason: None,
            received_at: NOW,
        };
        let mut record = LedgerRecord::new(&event, NOW);
        let launched_at = NOW - SignedDuration::from_mins(10);
        let mut runner = RunnerRecord::new(RUNNER.parse().unwrap(), Some(RunnerId(7)), launched_at);
        runner.took = took.map(key);
        if is_former {
            record.former.push(runner);
        } else {
            record.runner = Some(runner);
        }
        record
    }

    /// What comes of an order: a word, and the job that dies.
    fn check(record: Option<&LedgerRecord>, force: bool, seen: &Occupation, expected: (&str, Option<u64>)) {
        let said = match decide_ordered_end(record, &order(force), seen, NOW) {
            OrderedEnd::Unknown => ("unknown", None),
            OrderedEnd::Gone { .. } => ("gone", None),
            OrderedEnd::Busy(job) => ("busy", Some(job.job.0)),
            OrderedEnd::PerhapsBusy => ("perhaps busy", None),
            OrderedEnd::End { dies, .. } => ("end", dies.map(|job| job.job.0)),
        };
        assert_eq!(said, expected, "{record:?} {force} {seen:?}");
    }

    #[test]
    fn a_busy_runner_ends_only_by_force() {
        use JobStatus::{Pending, Running, Success};
        let waits = record(Pending, None, false);
        check(Some(&waits), false, &Occupation::Idle, ("end", None));
        check(Some(&waits), false, &Occupation::Unseen, ("perhaps busy", None));
        check(Some(&waits), true, &Occupation::Unseen, ("end", None));
        check(Some(&waits), false, &Occupation::Job(key(2)), ("busy", Some(2)));
        check(Some(&waits), true, &Occupation::Job(key(2)), ("end", Some(2)));
        let runs = record(Running, Some(1), false);
        check(Some(&runs), false, &Occupation::Unseen, ("busy", Some(1)));
        check(Some(&runs), true, &Occupation::Unseen, ("end", Some(1)));
        check(Some(&runs), false, &Occupation::Idle, ("end", None));
        let over = record(Success, Some(1), false);
        check(Some(&over), false, &Occupation::Unseen, ("end", None));
        let another = record(Success, Some(2), true);
        check(Some(&another), false, &Occupation::Unseen, ("busy", Some(2)));
        check(None, true, &Occupation::Unseen, ("unknown", None));
    }

    #[test]
    fn who_ordered_it_and_why_is_kept() {
        let decided = decide_ordered_end(
            Some(&record(JobStatus::Pending, None, false)),
            &order(false),
            &Occupation::Idle,
            NOW,
        );
        let OrderedEnd::End { ending, is_former, .. } = decided else { unreachable!("{decided:?}") };
        assert_eq!(ending.reason, "ordered by arn:aws:sts::123456789012:assumed-role/Admin/jo: it hangs");
        assert_eq!((ending.registered, ending.is_fresh, is_former), (Some(RunnerId(7)), false, false));
    }

    #[test]
    fn an_order_is_read_back_and_a_line_is_a_line() {
        let written = serde_json::to_string(&order(true)).unwrap();
        assert_eq!(serde_json::from_str::<EndOrder>(&written).unwrap(), order(true));
        for text in ["", "  ", "two\nlines", "\u{1b}[2J"] {
            assert!(text.parse::<OneLine>().is_err(), "{text:?}");
        }
        assert!("x".repeat(256).parse::<OneLine>().is_ok());
        assert!("x".repeat(257).parse::<OneLine>().is_err());
    }

    fn any_seen() -> impl Strategy<Value = Occupation> {
        let jobs = prop::sample::select(vec![1_u64, 2]).prop_map(|job| Occupation::Job(key(job)));
        prop_oneof![Just(Occupation::Idle), Just(Occupation::Unseen), jobs]
    }

    fn any_record() -> impl Strategy<Value = LedgerRecord> {
        let status = prop::sample::select(vec![JobStatus::Pending, JobStatus::Running, JobStatus::Success]);
        let took = prop::option::of(1..3_u64);
        (status, took, any::<bool>(), any::<bool>()).prop_map(|(status, took, is_former, is_gone)| {
            let mut record = record(status, took, is_former);
            let ended = is_gone.then(|| Ended { at: NOW, reason: "it left".to_owned() });
            record
                .runner
                .iter_mut()
                .chain(&mut record.former)
                .for_each(|runner| runner.ended = ended.clone());
            record
        })
    }

    proptest! {
        #[test]
        fn nothing_dies_without_force_and_nothing_that_is_gone_is_ended(record in any_record(), seen in any_seen(), force: bool) {
            let is_gone = record.live_runners().next().is_none();
            let decided = decide_ordered_end(Some(&record), &order(force), &seen, NOW);
            match &decided {
                OrderedEnd::Unknown => prop_assert!(false, "the record has it"),
                OrderedEnd::Gone { .. } => prop_assert!(is_gone),
                OrderedEnd::Busy(_) | OrderedEnd::PerhapsBusy => prop_assert!(!force && !is_gone && seen != Occupation::Idle),
                OrderedEnd::End { ending, is_former, dies, .. } => {
                    prop_assert!(!is_gone && (force || dies.is_none()));
                    prop_assert_eq!(*is_former, record.runner.is_none());
                    prop_assert_eq!(&ending.runner, &order(force).runner);
                }
            }
        }

        #[test]
        fn force_ends_whatever_lives(record in any_record(), seen in any_seen()) {
            let decided = decide_ordered_end(Some(&record), &order(true), &seen, NOW);
            let is_ended = matches!(decided, OrderedEnd::End { .. } | OrderedEnd::Gone { .. });
            prop_assert!(is_ended);
        }
    }
}
