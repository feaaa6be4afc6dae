//! One job's story, made of its record.

use std::fmt::Write;

use jiff::{SignedDuration, Timestamp};
use mayfly_core::launch::Claim;
use mayfly_core::ledger::{LedgerRecord, Retry, RunnerRecord};
use mayfly_core::mapping::Target;
use mayfly_core::ports::Queueing;
use serde::Serialize;

use crate::output::{Report, after, moment, printable, table};

/// What the ledger knows of one job. Times of JSON are in UTC, lengths in seconds.
#[derive(Debug, Serialize)]
pub(super) struct Story {
    job: String,
    name: String,
    project: Option<String>,
    state: &'static str,
    known_since: Timestamp,
    /// The mapping chosen, and why.
    explanation: Option<String>,
    claim: Option<ClaimView>,
    waited: WaitView,
    /// The one started last comes first.
    runners: Vec<RunnerView>,
    /// How many jobs were given up for it because their machine died.
    retries: u32,
    retry: Option<Retry>,
    transitions: Vec<Step>,
}

/// The last try to start a runner.
#[derive(Debug, Serialize)]
struct ClaimView {
    mapping: String,
    target: &'static str,
    /// The Lambda function, for target `LAMBDA`.
    function: Option<String>,
    /// The first is 1.
    attempt: u32,
    /// The first is 1.
    step: u32,
    steps: Vec<String>,
    holder: String,
    lease_until: Timestamp,
    lost_runners: u32,
    refusals: u32,
}

/// What the job waited for, one after the other; what is not known is left out.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "whoever reads JSON must see the unit")]
struct WaitView {
    known_until_asked_seconds: Option<f64>,
    asked_until_up_seconds: Option<f64>,
    up_until_taken_seconds: Option<f64>,
    known_until_taken_seconds: Option<f64>,
}

#[derive(Debug, Serialize)]
struct RunnerView {
    name: String,
    registration: Option<u64>,
    asked_for_at: Timestamp,
    machine_up_at: Option<Timestamp>,
    agent_up_at: Option<Timestamp>,
    job_picked_up_at: Option<Timestamp>,
    /// The job it took, which may be another one.
    took: Option<String>,
    stopped_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    end: Option<String>,
}

#[derive(Debug, Serialize)]
struct Step {
    at: Timestamp,
    /// Since the first.
    after_seconds: f64,
    state: &'static str,
    reason: String,
}

impl Story {
    pub(super) fn of(record: &LedgerRecord) -> Self {
        let first = record.transitions.first().map_or(record.known_since, |first| first.at);
        let step = |transition: &mayfly_core::ledger::Transition| Step {
            at: transition.at,
            after_seconds: seconds(transition.at.duration_since(first)),
            state: transition.to.as_str(),
            reason: transition.reason.clone(),
        };
        Self {
            job: record.key.to_string(),
            name: record.name.to_string(),
            project: record.project.as_ref().map(ToString::to_string),
            state: record.state.as_str(),
            known_since: record.known_since,
            explanation: record.explanation.clone(),
            claim: record.claim.as_ref().map(ClaimView::of),
            waited: WaitView::of(record),
            runners: record.runner.iter().chain(&record.former).map(RunnerView::of).collect(),
            retries: record.retries,
            retry: record.retry,
            transitions: record.transitions.iter().map(step).collect(),
        }
    }

    fn head(&self) -> String {
        let mut text = format!("Job {}  {}\n", self.job, printable(&self.name));
        let mut line = |label: &str, value: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{label:<9}{}", printable(value));
        };
        if let Some(project) = &self.project {
            line("project", project);
        }
        line("state", self.state);
        if let Some(explanation) = &self.explanation {
            line("mapping", explanation);
        }
        if let Some(claim) = &self.claim {
            line("claim", &claim.to_line());
        }
        line("waited", &self.waited.to_line());
        if self.retries > 0 {
            line(
                "retries",
                &format!("{} before it, each because a machine died under its job", self.retries),
            );
        }
        match self.retry {
            Some(Retry::Owed) => line("retry", "GitLab is to be asked for one: its machine died under it"),
            Some(Retry::Done) => line("retry", "GitLab was asked for one: its machine died under it"),
            None => {}
        }
        text
    }
}

impl ClaimView {
    fn of(claim: &Claim) -> Self {
        let request = &claim.request;
        let function = match &request.target {
            Target::Lambda { arn } => Some(arn.clone()),
            _ => None,
        };
        let word = |step| serde_json::to_value(step).ok()?.as_str().map(str::to_owned);
        Self {
            mapping: request.mapping.clone(),
            target: request.target.target_type().as_str(),
            function,
            attempt: claim.attempt + 1,
            step: claim.step + 1,
            steps: request.steps.iter().filter_map(word).collect(),
            holder: claim.holder.0.clone(),
            lease_until: claim.lease_until,
            lost_runners: claim.lost_runners,
            refusals: claim.refusals,
        }
    }

    fn to_line(&self) -> String {
        let index = usize::try_from(self.step).unwrap_or(usize::MAX).saturating_sub(1);
        let step = self.steps.get(index).map_or("none left", String::as_str);
        let mut line = format!(
            "{} by {}: attempt {}, step {} of {} ({step})",
            self.target,
            self.mapping,
            self.attempt,
            self.step,
            self.steps.len()
        );
        for (count, what) in
            [(self.lost_runners, "runners left without it"), (self.refusals, "refusals in a row")]
        {
            if count > 0 {
                let _ = write!(line, ", {count} {what}");
            }
        }
        let _ = write!(line, "; {}, until {}", self.holder, moment(self.lease_until));
        line
    }
}

impl WaitView {
    /// From the last runner's moments. One that took another job says nothing of how long this one waited for a runner.
    fn of(record: &LedgerRecord) -> Self {
        let stages =
            record.runner.as_ref().map(|runner| Queueing::of(record, runner, None)).unwrap_or_default();
        let own = record.runner.as_ref().filter(|runner| runner.took.as_ref() == Some(&record.key));
        let taken_at = own.and_then(|runner| runner.moments.job_picked_up);
        Self {
            known_until_asked_seconds: stages.until_asked.map(seconds),
            asked_until_up_seconds: stages.until_up.map(seconds),
            up_until_taken_seconds: own.and(stages.until_taken).map(seconds),
            known_until_taken_seconds: taken_at.map(|at| seconds(at.duration_since(record.known_since))),
        }
    }

    fn to_line(&self) -> String {
        let stages = [
            (self.known_until_asked_seconds, "until its runner was asked for"),
            (self.asked_until_up_seconds, "until that was up"),
            (self.up_until_taken_seconds, "until it had the job"),
            (self.known_until_taken_seconds, "in all"),
        ];
        let known = stages.iter().filter_map(|(time, what)| time.map(|time| format!("{time:.3} s {what}")));
        let known: Vec<String> = known.collect();
        if known.is_empty() { "nothing is known of that".to_owned() } else { known.join(", ") }
    }
}

impl RunnerView {
    fn of(runner: &RunnerRecord) -> Self {
        Self {
            name: runner.name.to_string(),
            registration: runner.registered.map(|id| id.0),
            asked_for_at: runner.launched_at,
            machine_up_at: runner.moments.running,
            agent_up_at: runner.moments.assignment_read,
            job_picked_up_at: runner.moments.job_picked_up,
            took: runner.took.as_ref().map(ToString::to_string),
            stopped_at: runner.stopped_at,
            ended_at: runner.ended.as_ref().map(|ended| ended.at),
            end: runner.ended.as_ref().map(|ended| ended.reason.clone()),
        }
    }

    /// Its moments, each after it was asked for.
    fn to_text(&self, job: &str, width: Option<u16>) -> String {
        let registration = self.registration.map(|id| format!(" (registration {id})")).unwrap_or_default();
        let took = match &self.took {
            Some(took) if took == job => "it has the job".to_owned(),
            Some(other) => format!("it has another job: {other}"),
            None => "it has a job".to_owned(),
        };
        // Somebody may have said that it has a job, and not when it got it.
        let state = if self.took.is_some() && self.job_picked_up_at.is_none() {
            format!(": {took}")
        } else {
            String::new()
        };
        let mut moments = vec![(Some(self.asked_for_at), "it was asked for".to_owned())];
        moments.push((self.machine_up_at, "its machine runs".to_owned()));
        moments.push((self.agent_up_at, "its agent is up".to_owned()));
        moments.push((self.job_picked_up_at, took));
        moments.push((self.stopped_at, "it was told to end".to_owned()));
        moments.push((self.ended_at, format!("gone: {}", self.end.as_deref().unwrap_or_default())));
        let row = |(at, what): (Option<Timestamp>, String)| {
            let at = at?;
            Some([moment(at), after(at.duration_since(self.asked_for_at)), what])
        };
        let rows = moments.into_iter().filter_map(row);
        let table = table(width, ["TIME (UTC)", "AFTER", "WHAT"], rows);
        format!("\nRunner {}{registration}{state}\n{table}", self.name)
    }
}

impl Report for Story {
    fn to_text(&self, width: Option<u16>) -> String {
        let steps = self.transitions.iter().map(|step| {
            let since_first = format!("{:+.3} s", step.after_seconds);
            [moment(step.at), since_first, step.state.to_owned(), step.reason.clone()]
        });
        let mut text = self.head() + "\n";
        text += &table(width, ["TIME (UTC)", "AFTER", "STATE", "WHY"], steps);
        for runner in &self.runners {
            text += &runner.to_text(&self.job, width);
        }
        text
    }
}

fn seconds(time: SignedDuration) -> f64 {
    // To the millisecond: more digits are noise.
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use mayfly_core::ledger::LedgerState;
    use mayfly_standins::contracts::{NOW, full_record, new_record};

    const KEY: &str = "gitlab.example.com/380/1977";

    #[test]
    fn a_whole_story_is_told() {
        let story = Story::of(&full_record(KEY, "mayfly-lambda-0a1b"));
        insta::assert_snapshot!("whole_text", story.to_text(None));
        insta::assert_snapshot!("whole_json", serde_json::to_string_pretty(&story).unwrap());
    }

    #[test]
    fn a_job_that_has_its_own_runner_waited_in_stages() {
        let mut record = full_record(KEY, "mayfly-local-0a1b");
        record.runner.as_mut().unwrap().took = Some(KEY.parse().unwrap());
        let line = Story::of(&record).waited.to_line();
        let expected = "0.123 s until its runner was asked for, 21.000 s until that was up, \
                        4.000 s until it had the job, 25.123 s in all";
        assert_eq!(line, expected);
    }

    #[test]
    fn a_job_of_which_little_is_known_has_a_story_too() {
        let mut record = new_record(KEY, "tab\tand\nnewline");
        record.enter(LedgerState::Ignored, "no mapping, and no default target", NOW);
        insta::assert_snapshot!("little_text", Story::of(&record).to_text(Some(100)));
    }
}
