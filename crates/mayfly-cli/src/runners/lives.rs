//! Which runners live, and why.

use std::fmt::Write;

use jiff::{SignedDuration, Timestamp};
use mayfly_core::ledger::{LedgerRecord, RunnerRecord};
use mayfly_core::mapping::{RunnerSettings, TargetType};
use mayfly_core::ports::Sweep;
use mayfly_core::reconcile::{ReconcilePolicy, ended_after};
use mayfly_core::status::Rank;
use serde::Serialize;

use crate::output::{Report, length, printable, table};

/// All runners that are not known to be gone.
#[derive(Debug, Serialize)]
pub(super) struct Lives {
    #[serde(skip)]
    now: Timestamp,
    /// The oldest comes first.
    runners: Vec<Life>,
    /// Records that cannot be read, and whose runners are not among these.
    unreadable: Vec<Unreadable>,
}

#[derive(Debug, Serialize)]
struct Life {
    name: String,
    target: &'static str,
    registration: Option<u64>,
    /// The job it was started for.
    job: String,
    job_name: String,
    project: Option<String>,
    state: State,
    /// When it came into this state, as far as that is known.
    since: Timestamp,
    asked_for_at: Timestamp,
    /// The job it took, which may be another one.
    took: Option<String>,
    /// When the reconciler ends it, whatever it does.
    deadline: Timestamp,
    why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Starting,
    Waiting,
    Running,
    Leaving,
    Overdue,
}

#[derive(Debug, Serialize)]
struct Unreadable {
    job: String,
    runner: Option<String>,
    reason: String,
}

impl Lives {
    pub(super) fn of(sweep: &Sweep, now: Timestamp) -> Self {
        let lives = |record| move |runner| Life::of(record, runner, now);
        let mut runners: Vec<Life> =
            sweep.records.iter().flat_map(|record| record.live_runners().map(lives(record))).collect();
        runners
            .sort_by(|left, right| (left.asked_for_at, &left.name).cmp(&(right.asked_for_at, &right.name)));
        let unreadable = |broken: &mayfly_core::ports::BrokenRecord| Unreadable {
            job: broken.key.to_string(),
            runner: broken.runner.as_ref().map(ToString::to_string),
            reason: broken.reason.clone(),
        };
        Self { now, runners, unreadable: sweep.broken.iter().map(unreadable).collect() }
    }
}

impl Life {
    fn of(record: &LedgerRecord, runner: &RunnerRecord, now: Timestamp) -> Self {
        let settings = record.claim.as_ref().map(|claim| claim.request.settings.clone()).unwrap_or_default();
        // A machine's own deadline is what its launch gives.
        let deadline = ended_after(record, runner, None, &ReconcilePolicy::default());
        let is_former = record.runner.as_ref().is_none_or(|last| last.name != runner.name);
        let (mut state, mut since, mut why) = stage(record, runner, is_former, &settings, now);
        if now > deadline {
            (state, since, why) = (State::Overdue, deadline, format!("is past its maximum life; {why}"));
        }
        Self {
            name: runner.name.to_string(),
            target: runner.name.target.as_str(),
            registration: runner.registered.map(|id| id.0),
            job: record.key.to_string(),
            job_name: record.name.to_string(),
            project: record.project.as_ref().map(ToString::to_string),
            state,
            since,
            asked_for_at: runner.launched_at,
            took: runner.took.as_ref().map(ToString::to_string),
            deadline,
            why,
        }
    }
}

/// Where a runner stands, if it is within its time: its state, since when, and why it lives.
fn stage(
    record: &LedgerRecord,
    runner: &RunnerRecord,
    is_former: bool,
    settings: &RunnerSettings,
    now: Timestamp,
) -> (State, Timestamp, String) {
    let moments = &runner.moments;
    if let Some(stopped_at) = runner.stopped_at {
        let why = "was told to end, and its registration is not gone yet".to_owned();
        return (State::Leaving, stopped_at, why);
    }
    if let Some(took) = &runner.took {
        let since = moments.job_picked_up.unwrap_or(runner.launched_at);
        return match took == &record.key {
            true if record.rank == Rank::Finished => {
                (State::Leaving, record.changed_at(), "its job is over".to_owned())
            }
            true => (State::Running, since, "runs its job".to_owned()),
            false => (State::Running, since, format!("took another's job: {took}")),
        };
    }
    let Some(up) = moments.assignment_read.or_else(|| tells_no_moments(runner).then_some(runner.launched_at))
    else {
        return match moments.running {
            Some(running) => {
                (State::Starting, running, "its machine runs, its agent is not up yet".to_owned())
            }
            None => (State::Starting, runner.launched_at, "its machine starts".to_owned()),
        };
    };
    let left = seconds(settings.wait_timeout_seconds) - now.duration_since(up);
    let leaves = if left.is_negative() {
        format!("should have left {} ago", length(-left))
    } else {
        format!("leaves in {}", length(left))
    };
    let waits_for = match record.rank {
        _ if is_former => "its job has another runner; takes any other".to_owned(),
        Rank::Created | Rank::Pending => "waits for its job".to_owned(),
        Rank::Running => "its job runs elsewhere, as far as is known; takes any other".to_owned(),
        Rank::Finished => "its job ended without it; takes any other".to_owned(),
    };
    (State::Waiting, up, format!("{waits_for}, or {leaves}"))
}

/// Only machines tell that they are up.
fn tells_no_moments(runner: &RunnerRecord) -> bool {
    runner.name.target != TargetType::Ec2
}

fn seconds(count: u32) -> SignedDuration {
    SignedDuration::from_secs(count.into())
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Leaving => "leaving",
            Self::Overdue => "overdue",
        }
    }
}

impl Report for Lives {
    fn to_text(&self, width: Option<u16>) -> String {
        let rows = self.runners.iter().map(|life| {
            let since = length(self.now.duration_since(life.since));
            let project = life.project.clone().unwrap_or_default();
            let state = life.state.as_str().to_owned();
            [
                life.name.clone(),
                life.job.clone(),
                life.job_name.clone(),
                project,
                state,
                since,
                life.why.clone(),
            ]
        });
        let mut text = if self.runners.is_empty() {
            "No runner lives.\n".to_owned()
        } else {
            table(width, ["RUNNER", "JOB", "NAME", "PROJECT", "STATE", "FOR", "WHY"], rows)
        };
        for broken in &self.unreadable {
            let runner = broken.runner.as_ref().map(|name| format!(" (runner {name})")).unwrap_or_default();
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "The record of job {}{runner} cannot be read: {}",
                broken.job,
                printable(&broken.reason)
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mayfly_core::ids::JobKey;
    use mayfly_core::ledger::{Ended, LedgerState, Moments};
    use mayfly_core::ports::{BrokenRecord, Ledger};
    use mayfly_standins::contracts::{NOW, full_record, new_record};
    use mayfly_standins::fakes::MemoryLedger;

    /// A job whose runner was asked for so many seconds before [`NOW`].
    fn launched(job: u64, runner: &str, seconds_ago: i64) -> LedgerRecord {
        let mut record = new_record(&format!("gitlab.example.com/380/{job}"), "build");
        record.project = Some("group/app".parse().unwrap());
        let at = NOW - SignedDuration::from_secs(seconds_ago);
        record.runner = Some(RunnerRecord::new(runner.parse().unwrap(), None, at));
        record.enter(LedgerState::Launched, "a runner was started", at);
        record
    }

    fn taken(job: u64, runner: &str, by: u64) -> LedgerRecord {
        let mut record = launched(job, runner, 60);
        let runner = record.runner.as_mut().unwrap();
        runner.took = Some(JobKey { job: mayfly_core::ids::JobId(by), ..record.key.clone() });
        runner.moments.job_picked_up = Some(NOW - SignedDuration::from_secs(50));
        record
    }

    /// What is said of the one runner of a record.
    fn check(record: LedgerRecord, state: State, why: &str) {
        let sweep = Sweep { records: vec![record], broken: Vec::new() };
        let lives = Lives::of(&sweep, NOW);
        let said: Vec<(State, &str)> =
            lives.runners.iter().map(|life| (life.state, life.why.as_str())).collect();
        assert_eq!(said, [(state, why)]);
    }

    #[test]
    fn every_stage_of_a_life_has_its_reason() {
        check(launched(1, "mayfly-ec2-i-1", 10), State::Starting, "its machine starts");
        let mut boots = launched(1, "mayfly-ec2-i-1", 10);
        boots.runner.as_mut().unwrap().moments = Moments { running: Some(NOW), ..Moments::default() };
        check(boots, State::Starting, "its machine runs, its agent is not up yet");
        let waits = "waits for its job, or leaves in 4 min 50 s";
        check(launched(1, "mayfly-local-1", 10), State::Waiting, waits);
        check(taken(1, "mayfly-local-1", 1), State::Running, "runs its job");
        let another = "took another's job: gitlab.example.com/380/2";
        check(taken(1, "mayfly-local-1", 2), State::Running, another);
        let mut over = taken(1, "mayfly-local-1", 1);
        over.rank = Rank::Finished;
        check(over, State::Leaving, "its job is over");
        let mut told = taken(1, "mayfly-local-1", 1);
        told.runner.as_mut().unwrap().stopped_at = Some(NOW);
        check(told, State::Leaving, "was told to end, and its registration is not gone yet");
        let late = "waits for its job, or should have left 1 min 40 s ago";
        check(launched(1, "mayfly-local-1", 400), State::Waiting, late);
    }

    /// With the reconciler's own allowance: a machine may take six minutes to start, and everything 90 s more.
    #[test]
    fn a_runner_is_overdue_when_the_reconciler_ends_it() {
        let mut runs = taken(1, "mayfly-local-1", 2);
        runs.runner.as_mut().unwrap().launched_at = NOW - SignedDuration::from_secs(3600 + 360 + 90);
        let another = "took another's job: gitlab.example.com/380/2";
        check(runs.clone(), State::Running, another);
        runs.runner.as_mut().unwrap().launched_at -= SignedDuration::from_secs(1);
        check(runs, State::Overdue, &format!("is past its maximum life; {another}"));
    }

    #[test]
    fn a_runner_whose_job_has_gone_elsewhere_is_free_for_others() {
        let leaves = "or leaves in 4 min 50 s";
        let mut elsewhere = launched(1, "mayfly-local-1", 10);
        elsewhere.rank = Rank::Running;
        let said = format!("its job runs elsewhere, as far as is known; takes any other, {leaves}");
        check(elsewhere.clone(), State::Waiting, &said);
        elsewhere.rank = Rank::Finished;
        let said = format!("its job ended without it; takes any other, {leaves}");
        check(elsewhere, State::Waiting, &said);
        let mut replaced = launched(1, "mayfly-local-1", 10);
        replaced.former.extend(replaced.runner.take());
        let said = format!("its job has another runner; takes any other, {leaves}");
        check(replaced, State::Waiting, &said);
    }

    #[tokio::test]
    async fn the_open_records_of_a_ledger_make_a_table_with_the_oldest_first() {
        let ledger = MemoryLedger::default();
        let mut gone = launched(9, "mayfly-local-gone", 900);
        gone.runner.as_mut().unwrap().ended = Some(Ended { at: NOW, reason: "it left".to_owned() });
        let mut full = full_record("gitlab.example.com/380/7", "mayfly-lambda-0a1b");
        let runner = full.runner.as_mut().unwrap();
        (runner.ended, runner.launched_at) = (None, NOW - SignedDuration::from_secs(7500));
        for record in [launched(3, "mayfly-ec2-i-3", 20), taken(2, "mayfly-local-2", 2), gone, full] {
            ledger.put(&record, NOW).await.unwrap();
        }
        let mut sweep = ledger.open().await.unwrap();
        sweep.broken.push(BrokenRecord {
            key: "gitlab.example.com/380/4".parse().unwrap(),
            version: Some(1),
            runner: Some("mayfly-ec2-i-4".parse().unwrap()),
            reason: "`state` is `of the future`".to_owned(),
        });
        let lives = Lives::of(&sweep, NOW);
        insta::assert_snapshot!("text", lives.to_text(None));
        insta::assert_snapshot!("narrow_text", lives.to_text(Some(100)));
        insta::assert_snapshot!("json", serde_json::to_string_pretty(&lives).unwrap());
    }

    #[test]
    fn no_runner_is_said_in_words() {
        assert_eq!(Lives::of(&Sweep::default(), NOW).to_text(None), "No runner lives.\n");
    }
}
