//! Where a job goes, and why.

use std::fmt::Write;

use mayfly_core::lint::{DefaultFact, Site};
use mayfly_core::mapping::{RunnerSettings, Target};
use mayfly_core::resolve::{Choice, Look, NearMiss, Resolution, Verdict};
use serde::Serialize;

use super::happened::Happened;
use super::question::Question;
use crate::installation::mappings::OpenedMappings;
use crate::output::{Report, printable, table};

/// The answer. JSON keeps these names.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    job: String,
    project: Option<String>,
    /// Absent if they are not known.
    tags: Option<Vec<String>>,
    /// What happened, for a job that there was.
    #[serde(skip_serializing_if = "Option::is_none")]
    happened: Option<Happened>,
    /// Each rule that was looked at, in order, with the rows that it found.
    rules: Vec<RuleView>,
    outcome: Outcome,
    /// The row that is taken, if one is.
    row: Option<String>,
    target: Option<Target>,
    runner: Option<SettingsView>,
    /// Why it is kept waiting, if it is.
    paused: Option<String>,
    /// Why the job goes nowhere.
    problem: Option<String>,
    warnings: Vec<String>,
    /// Rows that somebody may have meant for the job.
    near_misses: Vec<NearMissView>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    /// To the target of a row.
    Mapping,
    Default,
    /// To the default target, which nobody told us.
    DefaultNotKnown,
    /// To a row that cannot be used.
    Broken,
    /// To a target that the installation cannot start.
    NotAvailable,
    NotOurs,
}

#[derive(Debug, Serialize)]
struct RuleView {
    rule: &'static str,
    rows: Vec<RowView>,
}

#[derive(Debug, Serialize)]
struct RowView {
    row: String,
    target: String,
    taken: bool,
    verdict: String,
}

/// How the runner is made.
#[derive(Debug, Serialize)]
struct SettingsView {
    executor: &'static str,
    wait_timeout_seconds: u32,
    max_life_seconds: u32,
    runner_token: Option<String>,
    keep_aws_credentials: bool,
    retries_after_loss: u32,
    pass_env: Vec<String>,
}

#[derive(Debug, Serialize)]
struct NearMissView {
    row: String,
    reason: String,
}

impl Answer {
    /// `keys` has the keys of each row as they are written, in the order in which the rows were given.
    pub(super) fn new(
        question: &Question,
        resolution: &Resolution,
        near: Vec<NearMiss>,
        keys: &[String],
        opened: &OpenedMappings,
        happened: Option<Happened>,
    ) -> Self {
        let key = |place: usize| keys.get(place).cloned().unwrap_or_default();
        let rules = rules(&resolution.explanation.looks, key);
        let taken = rules.iter().flat_map(|rule| &rule.rows).find(|row| row.taken);
        let mut answer = Self {
            job: question.job.to_string(),
            project: question.project.as_ref().map(ToString::to_string),
            tags: question.tags.as_ref().map(|tags| tags.iter().map(str::to_owned).collect()),
            happened,
            row: taken.map(|row| row.row.clone()).filter(|row| !row.is_empty()),
            rules,
            outcome: Outcome::NotOurs,
            target: None,
            runner: None,
            paused: resolution.paused.clone(),
            problem: None,
            warnings: resolution.explanation.warnings.clone(),
            near_misses: Vec::new(),
        };
        let near = near.into_iter();
        answer.near_misses =
            near.map(|miss| NearMissView { row: key(miss.place), reason: miss.reason }).collect();
        answer.decide(&resolution.choice, opened);
        answer.warnings.extend(question.remarks.iter().cloned());
        answer
    }

    fn decide(&mut self, choice: &Choice, opened: &OpenedMappings) {
        match choice {
            Choice::Mapping(mapping) => {
                self.outcome = Outcome::Mapping;
                self.start(&mapping.target, &mapping.settings, opened);
            }
            Choice::Default(default) => {
                self.outcome = Outcome::Default;
                self.start(&default.target, &default.settings, opened);
                if opened.default_is_assumed {
                    self.warnings.push(
                        "a data folder does not tell the server's default target: `local`, the usual one, is taken here; \
                         give --default-target if the server has another"
                            .to_owned(),
                    );
                }
            }
            Choice::Broken { reason, .. } => {
                self.outcome = Outcome::Broken;
                self.problem = Some(format!("the row cannot be used, and its jobs are given up: {reason}"));
            }
            Choice::NotOurs if opened.facts.default == DefaultFact::NotKnown => {
                self.outcome = Outcome::DefaultNotKnown;
                self.problem = Some(
                    "no row is for the job; the default target is not known here: give --stack or --default-target"
                        .to_owned(),
                );
            }
            Choice::NotOurs => {
                self.problem =
                    Some("the job is not ours: no row is for it, and there is no default target".to_owned());
            }
        }
    }

    fn start(&mut self, target: &Target, settings: &RunnerSettings, opened: &OpenedMappings) {
        self.target = Some(target.clone());
        self.runner = Some(SettingsView::of(settings));
        if let Some(reason) = opened.facts.cannot_start(target) {
            self.outcome = Outcome::NotAvailable;
            self.problem = Some(format!("the target is not available, and the job is given up: {reason}"));
        }
        if let (Target::Lambda { arn }, Some(invocable), Site::Aws) =
            (target, &opened.facts.invocable, opened.facts.site)
            && self.row.is_some()
            && !invocable.allows(arn)
        {
            self.warnings.push(format!(
                "the dispatcher may not invoke {arn}: neither ShellRunnerFunctions ({}) nor OtherShellRunnerArns names it",
                invocable.names
            ));
        }
    }

    pub(super) fn goes_somewhere(&self) -> bool {
        matches!(self.outcome, Outcome::Mapping | Outcome::Default)
    }

    fn head(&self) -> String {
        let project = self.project.as_deref().unwrap_or("not known: rows of single projects are not for it");
        let tags = match &self.tags {
            None => "not known".to_owned(),
            Some(tags) if tags.is_empty() => "none".to_owned(),
            Some(tags) => tags.join(", "),
        };
        format!(
            "Job {}\n  project  {}\n  tags     {}\n",
            printable(&self.job),
            printable(project),
            printable(&tags)
        )
    }

    fn outcome_text(&self) -> String {
        let mut text = String::new();
        let mut line = |label: &str, value: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {label:<8} {}", printable(value));
        };
        let by = match &self.row {
            Some(row) => format!("row {row}"),
            None => "the default target".to_owned(),
        };
        if let Some(target) = &self.target {
            line("goes to", &format!("{target}, by {by}"));
        } else {
            line("goes to", "nowhere");
        }
        if let Some(machine) = self.target.as_ref().and_then(machine) {
            line("machine", &machine);
        }
        if let Some(runner) = &self.runner {
            line("runner", &runner.to_line());
        }
        if let Some(problem) = &self.problem {
            line("problem", problem);
        }
        if let Some(reason) = &self.paused {
            line("paused", &format!("it is kept waiting: {reason}"));
        }
        for warning in &self.warnings {
            line("warning", warning);
        }
        for miss in &self.near_misses {
            line("not for", &format!("row {}: {}", miss.row, miss.reason));
        }
        text
    }
}

/// What a row asks of its EC2 machine; what it leaves open, the stack decides.
fn machine(target: &Target) -> Option<String> {
    let Target::Ec2(spec) = target else { return None };
    let mut parts = vec![spec.purchase.as_str().to_owned()];
    parts.extend(spec.architecture.map(|architecture| architecture.to_string()));
    parts.extend(spec.instance_types.iter().map(ToString::to_string));
    parts.extend(spec.image.as_ref().map(|image| format!("image {}", image.as_str())));
    parts.extend(spec.root_volume_gib.map(|size| format!("{size} GiB")));
    parts.extend(spec.subnets.iter().map(|subnet| subnet.as_str().to_owned()));
    parts.extend(spec.job_role_arn.as_ref().map(|role| format!("role {}", role.as_str())));
    Some(parts.join(", "))
}

impl SettingsView {
    fn of(settings: &RunnerSettings) -> Self {
        Self {
            executor: settings.executor.as_str(),
            wait_timeout_seconds: settings.wait_timeout_seconds,
            max_life_seconds: settings.max_life_seconds,
            runner_token: settings.runner_token.as_ref().map(|name| name.as_str().to_owned()),
            keep_aws_credentials: settings.keep_aws_credentials,
            retries_after_loss: settings.retries_after_loss,
            pass_env: settings.pass_env.clone(),
        }
    }

    fn to_line(&self) -> String {
        let mut parts = vec![
            format!("executor {}", self.executor),
            format!("waits {} s for its job", self.wait_timeout_seconds),
            format!("lives {} s at most", self.max_life_seconds),
        ];
        parts.extend(self.runner_token.as_ref().map(|name| format!("runner token {name}")));
        parts.extend(self.keep_aws_credentials.then(|| "keeps the AWS credentials".to_owned()));
        if self.retries_after_loss > 0 {
            parts.push(format!("{} retries after a loss", self.retries_after_loss));
        }
        if !self.pass_env.is_empty() {
            parts.push(format!("passes {}", self.pass_env.join(", ")));
        }
        parts.join("; ")
    }
}

fn rules(looks: &[Look], key: impl Fn(usize) -> String) -> Vec<RuleView> {
    let view = |look: &Look| match look {
        Look::NoRowAtAll => Some(RuleView { rule: "all rules", rows: Vec::new() }),
        Look::NoRow(rule) => Some(RuleView { rule: rule.as_str(), rows: Vec::new() }),
        Look::Rows { rule, rows, .. } => {
            let rows = rows.iter().map(|row| RowView {
                row: key(row.place),
                target: row.target_text(),
                taken: row.verdict == Verdict::Taken,
                verdict: row.verdict.to_string(),
            });
            Some(RuleView { rule: rule.as_str(), rows: rows.collect() })
        }
        Look::Default(target) => {
            let (taken, verdict) = if target.is_some() { (true, "taken") } else { (false, "there is none") };
            let target = target.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
            let row = RowView { row: String::new(), target, taken, verdict: verdict.to_owned() };
            Some(RuleView { rule: "default target", rows: vec![row] })
        }
        // Said with the outcome.
        Look::Paused(_) => None,
    };
    looks.iter().filter_map(view).collect()
}

impl Report for Answer {
    fn to_text(&self, width: Option<u16>) -> String {
        let mut rows = Vec::new();
        for rule in &self.rules {
            if rule.rows.is_empty() {
                rows.push([rule.rule.to_owned(), String::new(), String::new(), "no row".to_owned()]);
            }
            for row in &rule.rows {
                rows.push([rule.rule.to_owned(), row.row.clone(), row.target.clone(), row.verdict.clone()]);
            }
        }
        let mut text = String::new();
        if let Some(happened) = &self.happened {
            text += &happened.to_text(width);
            text += "\nWhat the table says now\n";
        }
        text += &self.head();
        text += "\n";
        text += &table(width, ["RULE", "ROW", "TARGET", "VERDICT"], rows);
        text += "\n";
        text + &self.outcome_text()
    }
}
