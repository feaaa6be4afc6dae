//! Jobs of `.gitlab-ci.yml` files against the table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::index::RowIndex;
use super::{
    CiFacts, CiJob, CiTags, DefaultFact, Finding, FunctionFact, JobTags, LintInput, LintRule, Place, Severity,
};
use crate::ids::{JobName, ProjectPath};
use crate::mapping::{Executor, RunnerSettings, Target};
use crate::resolve::{Choice, DefaultTarget, Look, Resolution, ResolveInput, resolve};
use crate::tags::TagSet;

pub(super) fn check(index: &RowIndex<'_>, input: &LintInput<'_>, ci: &CiFacts, findings: &mut Vec<Finding>) {
    let mut use_of_rows = UseOfRows::default();
    for job in &ci.jobs {
        // The names of one job mostly have the same said of them.
        let mut said: BTreeMap<(LintRule, String), (Finding, usize)> = BTreeMap::new();
        for name in &job.names {
            let visit = Visit { index, input, job, name };
            for finding in visit.findings(&mut use_of_rows) {
                let key = (finding.rule, finding.message.replace(name.as_str(), ""));
                said.entry(key).or_insert((finding, 0)).1 += 1;
            }
        }
        findings.extend(said.into_values().map(|(mut finding, count)| {
            if count > 1 {
                // Writing to a String cannot fail.
                let _ = write!(finding.message, " (the same for {} more of its names)", count - 1);
            }
            finding
        }));
    }
    use_of_rows.check(input, ci, findings);
    findings.extend(ci.unread.iter().map(|unread| {
        let place = Place::File { file: unread.file.clone(), line: unread.line, job: None };
        let advice = if unread.may_have_jobs {
            "jobs in it are not known here: give the file itself with --ci, if it is at hand"
        } else {
            "look at it yourself"
        };
        Finding::new(LintRule::NotRead, place, unread.what.clone(), advice)
    }));
}

/// One name of one job, on its way through the table.
struct Visit<'a> {
    index: &'a RowIndex<'a>,
    input: &'a LintInput<'a>,
    job: &'a CiJob,
    name: &'a JobName,
}

impl Visit<'_> {
    fn findings(&self, use_of_rows: &mut UseOfRows) -> Vec<Finding> {
        let resolution = self.resolve(self.job.project.as_ref(), use_of_rows);
        if self.job.project.is_none() {
            // It may be of any project.
            use_of_rows.used.extend(self.rows_of_projects());
        }
        let mut findings = Vec::new();
        self.check_passed_over(&resolution, use_of_rows);
        match &resolution.choice {
            Choice::Broken { row, reason } => findings.push(self.finding(
                LintRule::JobOnBrokenRow,
                format!("job `{}` goes to the row `{row}`, which cannot be used: {reason}", self.name),
                "mend the row",
            )),
            Choice::Mapping(mapping) => {
                let row = format!("row `{}`", mapping.key);
                self.check_fate(&mapping.target, &mapping.settings, &row, &mut findings);
            }
            Choice::Default(default) => {
                findings.push(self.without_mapping(&resolution, Some(default)));
                self.check_fate(&default.target, &default.settings, "the default target", &mut findings);
            }
            Choice::NotOurs => findings.push(self.without_mapping(&resolution, None)),
        }
        findings
    }

    fn resolve(&self, project: Option<&ProjectPath>, use_of_rows: &mut UseOfRows) -> Resolution {
        let numbers = self.index.for_job(project, self.name);
        let rows = self.index.mappings(&numbers);
        let tags = self.known_tags();
        let default = match &self.input.installation.default {
            DefaultFact::Known(default) => default.as_ref(),
            DefaultFact::NotKnown => None,
        };
        let resolution = resolve(&ResolveInput { project, job: self.name, tags, rows: &rows, default });
        use_of_rows.learn(self, &numbers, tags, &resolution);
        resolution
    }

    /// The job's tags, if the installation knows them when it chooses a row.
    fn known_tags(&self) -> Option<&TagSet> {
        match (&self.job.tags, self.input.installation.job_tags) {
            (CiTags::Known(tags), JobTags::Asked) => Some(tags),
            _ => None,
        }
    }

    /// The rows of single projects that it may go to there.
    fn rows_of_projects(&self) -> Vec<usize> {
        let mut numbers = self.index.of_projects(self.name);
        if let Some(tags) = self.known_tags() {
            numbers.retain(|number| self.index.row(*number).key().is_some_and(|key| key.tags.covers(tags)));
        }
        numbers
    }

    fn finding(&self, rule: LintRule, message: String, advice: impl Into<String>) -> Finding {
        let place = Place::File {
            file: self.job.file.clone(),
            line: self.job.line,
            job: Some(self.name.to_string()),
        };
        Finding::new(rule, place, message, advice)
    }

    fn without_mapping(&self, resolution: &Resolution, default: Option<&DefaultTarget>) -> Finding {
        let (name, advice) = (self.name, "add a row for it, if it is to run on Mayfly's runners");
        let mut passed = resolution.explanation.looks.iter().filter_map(|look| match look {
            Look::Rows { pattern, tags: Some(tags), .. } => Some((pattern, tags)),
            _ => None,
        });
        let why = match passed.next_back() {
            Some((pattern, tags)) => format!(": the rows for `{pattern}` do not have all its tags ({tags})"),
            None => String::new(),
        };
        let other_projects = self.job.project.is_none() && !self.rows_of_projects().is_empty();
        let advice = if other_projects {
            "rows of single projects are for its name: say with --project which one the file is of".to_owned()
        } else {
            advice.to_owned()
        };
        let (severity, where_to) = match (default, &self.input.installation.default) {
            (Some(default), _) => {
                (Severity::Note, format!("it goes to the default target, {}", default.target))
            }
            (None, DefaultFact::NotKnown) => {
                (Severity::Warning, "it goes to the default target, which is not known here".to_owned())
            }
            (None, DefaultFact::Known(_)) => {
                (Severity::Warning, "there is no default target, so Mayfly leaves it alone".to_owned())
            }
        };
        let severity = if other_projects { Severity::Note } else { severity };
        self.finding(
            LintRule::JobWithoutMapping,
            format!("job `{name}` has no mapping{why}; {where_to}"),
            advice,
        )
        .with(severity)
    }

    /// A row without tags that would be for the job by its name.
    fn check_passed_over(&self, resolution: &Resolution, use_of_rows: &mut UseOfRows) {
        for look in &resolution.explanation.looks {
            let Look::Rows { tags: Some(tags), rows, .. } = look else { continue };
            if let [only] = rows.as_slice()
                && only.key.tags.is_empty()
                && !tags.is_empty()
            {
                let told =
                    format!("{}:{}: job `{}` has the tags {tags}", self.job.file, self.job.line, self.name);
                use_of_rows.passed_over.entry(only.key.to_string()).or_insert(told);
            }
        }
    }

    fn check_fate(
        &self,
        target: &Target,
        settings: &RunnerSettings,
        place: &str,
        findings: &mut Vec<Finding>,
    ) {
        let function = match target {
            Target::Lambda { arn } => self.input.functions.get(arn),
            Target::Ec2(_) | Target::Local => None,
        };
        let limit = match function {
            Some(FunctionFact::Exists { timeout_seconds }) => Some(*timeout_seconds),
            _ => None,
        };
        let life = settings.max_life_seconds;
        match (self.job.timeout_seconds, limit) {
            (Some(timeout), Some(limit)) if timeout > u64::from(limit) => findings.push(self.finding(
                LintRule::FunctionTimesOut,
                format!(
                    "job `{}` may run for {timeout} s, and the function of {place} ends after {limit} s",
                    self.name
                ),
                "give the function a longer timeout (at most 900 s), the job a shorter one, or the row the type EC2",
            )),
            (Some(timeout), _) if timeout > u64::from(life) => findings.push(self.finding(
                LintRule::JobOutlivesRunner,
                format!(
                    "job `{}` may run for {timeout} s, and runners of {place} live for {life} s at most",
                    self.name
                ),
                "give the row a longer max_life_seconds, or the job a shorter timeout",
            )),
            _ => {}
        }
        if self.job.has_image && settings.executor == Executor::Shell {
            findings.push(self.finding(
                LintRule::ImageWithoutDocker,
                format!("job `{}` asks for an image, and the executor of {place} is `shell`", self.name),
                "give the row the executor `docker` on EC2, if the image matters",
            ));
        }
    }
}

/// What the jobs of all files do with the rows.
#[derive(Default)]
struct UseOfRows {
    /// Rows that some job goes to, or may go to.
    used: BTreeSet<usize>,
    /// Rows without tags that a job with tags passes over, by their key, and which job that is.
    passed_over: BTreeMap<String, String>,
}

impl UseOfRows {
    fn learn(
        &mut self,
        visit: &Visit<'_>,
        numbers: &[usize],
        tags: Option<&TagSet>,
        resolution: &Resolution,
    ) {
        let may_be_any = tags.is_none() && visit.input.installation.job_tags == JobTags::Asked;
        if may_be_any {
            self.used.extend(numbers);
            return;
        }
        let key = match &resolution.choice {
            Choice::Mapping(mapping) => mapping.key.to_string(),
            Choice::Broken { row, .. } => row.clone(),
            Choice::Default(_) | Choice::NotOurs => return,
        };
        let is_chosen =
            |number: &&usize| visit.index.row(**number).key().is_some_and(|of_row| of_row.to_string() == key);
        self.used.extend(numbers.iter().filter(is_chosen));
    }

    fn check(&self, input: &LintInput<'_>, ci: &CiFacts, findings: &mut Vec<Finding>) {
        let projects: BTreeSet<&ProjectPath> =
            ci.jobs.iter().filter_map(|job| job.project.as_ref()).collect();
        let any_project = ci.jobs.iter().any(|job| job.project.is_none());
        let is_complete = !ci.unread.iter().any(|unread| unread.may_have_jobs);
        for (number, row) in input.rows.iter().enumerate() {
            let Some(key) = row.key() else { continue };
            if let Some(job) = self.passed_over.get(&key.to_string()) {
                let finding = Finding::of_row(
                    LintRule::UntaggedRow,
                    row,
                    format!("{job}, and passes over this row, which has none"),
                    "give the row the tags of its jobs",
                );
                findings.push(finding.with(Severity::Warning));
            }
            if self.used.contains(&number) {
                continue;
            }
            let severity = match &key.project {
                Some(project) if projects.contains(project) && is_complete => Severity::Warning,
                Some(project) if projects.contains(project) || any_project => Severity::Note,
                // Its file was not given.
                Some(_) => continue,
                None => Severity::Note,
            };
            let finding = Finding::of_row(
                LintRule::MappingWithoutJob,
                row,
                "no job of the files goes to this row",
                "remove it, if no other project has a job for it; or look for a misspelled name or tag",
            );
            findings.push(finding.with(severity));
        }
    }
}
