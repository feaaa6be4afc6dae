//! Where a job goes, and why: the one function that the dispatcher and `explain` share.

mod explanation;
mod near;

use std::str::FromStr;

use crate::ids::{InvalidId, JobName, ProjectPath};
use crate::machine::MachineSpec;
use crate::mapping::{Mapping, MappingKey, NamePattern, RunnerSettings, StoredMapping, Target};
use crate::tags::TagSet;

pub use explanation::{Explanation, Look, RowLook, Verdict};
pub use near::{NearMiss, near_misses};

/// Everything the answer depends on.
#[derive(Debug, Clone, Copy)]
pub struct ResolveInput<'a> {
    /// The job's project, if the event named it.
    pub project: Option<&'a ProjectPath>,
    /// The job's name.
    pub job: &'a JobName,
    /// The job's tags, if GitLab told them. The webhook does not carry them.
    pub tags: Option<&'a TagSet>,
    /// The rows that may be for this job; others do no harm.
    pub rows: &'a [StoredMapping],
    /// Where jobs without a mapping go; `None` means they are not ours.
    pub default: Option<&'a DefaultTarget>,
}

/// Where jobs without a mapping go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultTarget {
    /// Where their runner starts.
    pub target: Target,
    /// How it is made.
    pub settings: RunnerSettings,
}

/// The default target as the parameter `DefaultTarget` of the stack has it: `none`, `EC2`, or the ARN of a Lambda function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultSetting(pub Option<DefaultTarget>);

impl FromStr for DefaultSetting {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let target = match text {
            "none" => return Ok(Self(None)),
            "EC2" => Target::Ec2(MachineSpec::default()),
            arn if arn.starts_with("arn:") && arn.contains(":lambda:") => {
                Target::Lambda { arn: arn.to_owned() }
            }
            _ => return Err(InvalidId::new(text, "`none`, `EC2`, or the ARN of a Lambda function")),
        };
        Ok(Self(Some(DefaultTarget { target, settings: RunnerSettings::default() })))
    }
}

/// The answer with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// Where the job goes.
    pub choice: Choice,
    /// Why it is kept waiting nevertheless, if it is.
    pub paused: Option<String>,
    /// Each rule looked at, in order.
    pub explanation: Explanation,
}

/// Where a job goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// To the target of this mapping.
    Mapping(Mapping),
    /// To the default target.
    Default(DefaultTarget),
    /// To a row that cannot be used.
    Broken {
        /// The row's keys.
        row: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nowhere: no mapping, and no default.
    NotOurs,
}

/// A row that is for the job.
#[derive(Debug, Clone, Copy)]
struct Candidate<'a> {
    /// Its place among the rows of the input.
    place: usize,
    key: &'a MappingKey,
    /// The mapping, or what is wrong with it.
    mapping: Result<&'a Mapping, &'a str>,
}

impl Candidate<'_> {
    fn look(&self, verdict: Verdict) -> RowLook {
        let target = self.mapping.ok().map(|mapping| mapping.target.clone());
        RowLook { place: self.place, key: self.key.clone(), target, verdict }
    }

    fn choice(&self) -> Choice {
        match self.mapping {
            Ok(mapping) => Choice::Mapping(mapping.clone()),
            Err(reason) => Choice::Broken { row: self.key.to_string(), reason: reason.to_owned() },
        }
    }
}

/// The rules in the order they are looked at. Within the prefix rules the longest prefix comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A row of the job's project, with its name.
    ProjectName,
    /// A row of the job's project, with a beginning of its name.
    ProjectPrefix,
    /// A row of all projects, with its name.
    Name,
    /// A row of all projects, with a beginning of its name.
    Prefix,
    /// The row `*` of the job's project.
    ProjectDefault,
    /// The row `*` of all projects.
    TableDefault,
}

impl Rule {
    /// All of them, in order.
    pub const ALL: [Self; 6] = [
        Self::ProjectName,
        Self::ProjectPrefix,
        Self::Name,
        Self::Prefix,
        Self::ProjectDefault,
        Self::TableDefault,
    ];

    /// The rule by which a row is found.
    pub fn of(key: &MappingKey) -> Self {
        match (&key.project, &key.pattern) {
            (Some(_), NamePattern::Exact(_)) => Self::ProjectName,
            (None, NamePattern::Exact(_)) => Self::Name,
            (Some(_), NamePattern::Prefix(prefix)) if prefix.is_empty() => Self::ProjectDefault,
            (None, NamePattern::Prefix(prefix)) if prefix.is_empty() => Self::TableDefault,
            (Some(_), NamePattern::Prefix(_)) => Self::ProjectPrefix,
            (None, NamePattern::Prefix(_)) => Self::Prefix,
        }
    }

    /// Its name, for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProjectName => "project and name",
            Self::ProjectPrefix => "project and beginning of the name",
            Self::Name => "name",
            Self::Prefix => "beginning of the name",
            Self::ProjectDefault => "project default",
            Self::TableDefault => "default of the table",
        }
    }
}

/// Says where a job goes. Looks at: project and name; project and beginning of the name; name; beginning of the name;
/// project default; default of the table; default target. Tags choose among rows of one name.
pub fn resolve(input: &ResolveInput<'_>) -> Resolution {
    let mut explanation = Explanation::default();
    let candidates = candidates(input, &mut explanation);
    if candidates.is_empty() {
        explanation.looks.push(Look::NoRowAtAll);
    }
    for rule in Rule::ALL.into_iter().filter(|_| !candidates.is_empty()) {
        let mut rows: Vec<Candidate<'_>> =
            candidates.iter().copied().filter(|row| Rule::of(row.key) == rule).collect();
        if rows.is_empty() {
            explanation.looks.push(Look::NoRow(rule));
            continue;
        }
        rows.sort_by(|a, b| prefix_length(b.key).cmp(&prefix_length(a.key)).then_with(|| a.key.cmp(b.key)));
        for same_name in rows.chunk_by(|a, b| a.key.pattern == b.key.pattern) {
            if let Some(row) = choose_by_tags(rule, same_name, input.tags, &mut explanation) {
                return Resolution::of(row.choice(), input.rows, explanation);
            }
        }
    }
    explanation.looks.push(Look::Default(input.default.map(|default| default.target.clone())));
    let choice = input.default.cloned().map_or(Choice::NotOurs, Choice::Default);
    Resolution::of(choice, input.rows, explanation)
}

impl Resolution {
    fn of(choice: Choice, rows: &[StoredMapping], mut explanation: Explanation) -> Self {
        let paused = pause_of(&choice, rows);
        if let Some(reason) = &paused {
            explanation.looks.push(Look::Paused(reason.clone()));
        }
        Self { choice, paused, explanation }
    }
}

/// Why a job that goes there is kept waiting. A job that is not ours waits for nobody.
fn pause_of(choice: &Choice, rows: &[StoredMapping]) -> Option<String> {
    let of_mapping = match choice {
        Choice::Mapping(mapping) => mapping.paused.as_deref(),
        Choice::Default(_) => None,
        Choice::Broken { .. } | Choice::NotOurs => return None,
    };
    let of_all = rows.iter().find_map(|row| match row {
        StoredMapping::Pause { reason } => Some(format!("all mappings are paused: {reason}")),
        StoredMapping::Readable(_) | StoredMapping::Unreadable { .. } => None,
    });
    of_all.or_else(|| of_mapping.map(|reason| format!("its mapping is paused: {reason}")))
}

fn candidates<'a>(input: &ResolveInput<'a>, explanation: &mut Explanation) -> Vec<Candidate<'a>> {
    let mut candidates = Vec::new();
    for (place, row) in input.rows.iter().enumerate() {
        let candidate = match row {
            StoredMapping::Readable(mapping) => Candidate { place, key: &mapping.key, mapping: Ok(mapping) },
            StoredMapping::Unreadable { key: Some(key), reason, .. } => {
                Candidate { place, key, mapping: Err(reason) }
            }
            StoredMapping::Unreadable { key: None, row, reason } => {
                explanation.warnings.push(format!("row `{row}` is passed over: {reason}"));
                continue;
            }
            StoredMapping::Pause { .. } => continue,
        };
        let project_fits = candidate.key.project.as_ref().is_none_or(|path| Some(path) == input.project);
        if project_fits && candidate.key.pattern.matches(input.job) {
            candidates.push(candidate);
        }
    }
    candidates
}

fn prefix_length(key: &MappingKey) -> usize {
    match &key.pattern {
        NamePattern::Exact(_) => 0,
        NamePattern::Prefix(prefix) => prefix.len(),
    }
}

/// Among rows of one name: known tags choose the row that covers them with the fewest extra; unknown tags the first.
fn choose_by_tags<'a>(
    rule: Rule,
    rows: &[Candidate<'a>],
    tags: Option<&TagSet>,
    explanation: &mut Explanation,
) -> Option<Candidate<'a>> {
    let first = *rows.first()?;
    let pattern = first.key.pattern.clone();
    let chosen = match tags {
        None => Some(first),
        Some(tags) => {
            let covering = rows.iter().filter(|row| row.key.tags.covers(tags));
            covering.min_by_key(|row| (row.key.tags.len() - tags.len(), row.key)).copied()
        }
    };
    if tags.is_none() && rows.len() > 1 {
        explanation.warnings.push(format!(
            "{} rows for `{pattern}` and the job's tags are not known: the first in order is taken",
            rows.len()
        ));
    }
    let looks = rows.iter().map(|row| {
        // Of two rows with one key, typed differently by hand, the first that was read is taken.
        let is_chosen = chosen.is_some_and(|chosen| chosen.place == row.place);
        row.look(if is_chosen { Verdict::Taken } else { verdict(row.key, tags, chosen) })
    });
    let rows = looks.collect();
    explanation.looks.push(Look::Rows { rule, pattern, tags: tags.cloned(), rows });
    chosen
}

/// Why a row is not taken.
fn verdict(key: &MappingKey, tags: Option<&TagSet>, chosen: Option<Candidate<'_>>) -> Verdict {
    let Some(tags) = tags else { return Verdict::LaterInOrder };
    if !key.tags.covers(tags) {
        return Verdict::LacksTags(tags.iter().filter(|tag| !key.tags.contains(tag)).collect());
    }
    match chosen {
        Some(chosen) if chosen.key.tags.len() < key.tags.len() => Verdict::MoreExtraTags,
        _ => Verdict::LaterInOrder,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(keys: &str) -> StoredMapping {
        let (pk, sk) = keys.split_once(' ').unwrap();
        StoredMapping::Readable(Mapping {
            key: MappingKey::parse(pk, sk).unwrap(),
            target: Target::Local,
            settings: RunnerSettings::default(),
            paused: None,
        })
    }

    /// Resolves job `deploy-prod` of `group/app`.
    fn resolve_with(rows: &[StoredMapping], tags: Option<&[&str]>) -> (String, Explanation) {
        let project = "group/app".parse().unwrap();
        let tags = tags.map(|tags| tags.iter().copied().collect::<TagSet>());
        let resolution = resolve(&ResolveInput {
            project: Some(&project),
            job: &"deploy-prod".parse().unwrap(),
            tags: tags.as_ref(),
            rows,
            default: None,
        });
        let choice = match resolution.choice {
            Choice::Mapping(mapping) => mapping.key.to_string(),
            Choice::Default(_) => "default".to_owned(),
            Choice::Broken { row, reason } => format!("{row} is broken: {reason}"),
            Choice::NotOurs => "not ours".to_owned(),
        };
        (choice, resolution.explanation)
    }

    fn check(rows: &[&str], tags: Option<&[&str]>, expected: &str) {
        let mut rows: Vec<StoredMapping> = rows.iter().map(|keys| row(keys)).collect();
        assert_eq!(resolve_with(&rows, tags).0, expected);
        rows.reverse();
        assert_eq!(resolve_with(&rows, tags).0, expected, "the order of rows must not matter");
    }

    #[test]
    fn the_order_of_the_rules() {
        let rules = [
            "project#group/app#job#deploy-prod tags#",
            "project#group/app#job#deploy-* tags#",
            "project#group/app#job#dep* tags#",
            "job#deploy-prod tags#",
            "job#deploy-* tags#",
            "job#d* tags#",
            "project#group/app#job#* tags#",
            "job#* tags#",
        ];
        for first in 0..rules.len() {
            check(&rules[first..], Some(&[]), rules[first]);
        }
    }

    #[test]
    fn rows_of_other_projects_and_names_match_nothing() {
        check(
            &["project#group/other#job#deploy-prod tags#", "job#build tags#", "job#deploy-prod2 tags#"],
            None,
            "not ours",
        );
    }

    #[test]
    fn known_tags_choose_the_row_with_the_fewest_extra() {
        let rows = [
            "job#deploy-prod tags#aws#docker#linux",
            "job#deploy-prod tags#docker#linux",
            "job#deploy-prod tags#",
        ];
        check(&rows, Some(&["docker"]), "job#deploy-prod tags#docker#linux");
        check(&rows, Some(&["aws"]), "job#deploy-prod tags#aws#docker#linux");
        check(&rows, Some(&[]), "job#deploy-prod tags#");
    }

    #[test]
    fn a_row_that_does_not_cover_the_tags_gives_way_to_the_next_rule() {
        check(
            &["job#deploy-prod tags#linux", "job#* tags#windows"],
            Some(&["windows"]),
            "job#* tags#windows",
        );
        check(&["job#deploy-prod tags#linux"], Some(&["windows"]), "not ours");
    }

    #[test]
    fn unknown_tags_take_the_first_row_and_warn() {
        let rows = [row("job#deploy-prod tags#linux"), row("job#deploy-prod tags#aws")];
        let (choice, explanation) = resolve_with(&rows, None);
        assert_eq!(choice, "job#deploy-prod tags#aws");
        assert_eq!(
            explanation.warnings,
            ["2 rows for `deploy-prod` and the job's tags are not known: the first in order is taken"]
        );
    }

    fn unreadable(keys: &str) -> StoredMapping {
        let key = keys.split_once(' ').and_then(|(pk, sk)| MappingKey::parse(pk, sk).ok());
        StoredMapping::Unreadable { key, row: keys.to_owned(), reason: "type is missing".to_owned() }
    }

    #[test]
    fn an_unreadable_row_is_the_answer_for_its_jobs_and_for_no_others() {
        let rows = [unreadable("job#deploy-prod tags#"), row("job#* tags#")];
        assert_eq!(resolve_with(&rows, None).0, "job#deploy-prod tags# is broken: type is missing");
        let rows = [unreadable("job#build tags#"), unreadable("job#* tags#"), row("job#deploy-prod tags#")];
        assert_eq!(resolve_with(&rows, None).0, "job#deploy-prod tags#");
    }

    #[test]
    fn a_row_without_a_readable_key_is_passed_over_and_named() {
        let (choice, explanation) = resolve_with(&[unreadable("deploy-prod"), row("job#* tags#")], None);
        assert_eq!(choice, "job#* tags#");
        assert_eq!(explanation.warnings, ["row `deploy-prod` is passed over: type is missing"]);
    }

    fn pause_with(rows: &[StoredMapping]) -> Option<String> {
        let job = "deploy-prod".parse().unwrap();
        resolve(&ResolveInput { project: None, job: &job, tags: None, rows, default: None }).paused
    }

    #[test]
    fn a_paused_mapping_keeps_its_jobs_and_no_others_waiting() {
        let mut paused = row("job#deploy-prod tags#");
        let StoredMapping::Readable(mapping) = &mut paused else { unreachable!("{paused:?}") };
        mapping.paused = Some("the image is broken".to_owned());
        let reason = "its mapping is paused: the image is broken";
        assert_eq!(pause_with(&[paused.clone(), row("job#* tags#")]).as_deref(), Some(reason));
        assert_eq!(pause_with(&[row("job#deploy-prod tags#")]), None);
        let (_, explanation) = resolve_with(&[paused], None);
        assert!(
            explanation.to_string().ends_with(&format!("; it is kept waiting: {reason}")),
            "{explanation}"
        );
    }

    #[test]
    fn a_pause_of_all_keeps_every_job_waiting_that_is_ours() {
        let pause = StoredMapping::Pause { reason: "GitLab is upgraded".to_owned() };
        let reason = "all mappings are paused: GitLab is upgraded";
        assert_eq!(pause_with(&[row("job#* tags#"), pause.clone()]).as_deref(), Some(reason));
        assert_eq!(pause_with(std::slice::from_ref(&pause)), None, "not ours");
        assert_eq!(pause_with(&[pause, unreadable("job#* tags#")]), None, "its jobs are given up");
    }

    #[test]
    fn the_explanation_names_each_rule_up_to_the_choice() {
        let (_, explanation) = resolve_with(&[row("job#deploy-* tags#linux")], Some(&["linux"]));
        assert_eq!(
            explanation.to_string(),
            "project and name: no row; project and beginning of the name: no row; name: no row; \
             beginning of the name: row `job#deploy-* tags#linux` (LOCAL) covers the job's tags (linux)"
        );
    }

    #[test]
    fn each_row_of_the_name_has_its_verdict() {
        let rows = ["tags#aws#docker", "tags#docker#linux#x", "tags#docker#linux", "tags#docker#x", "tags#"];
        let rows = rows.map(|tags| row(&format!("job#deploy-prod {tags}")));
        let (_, explanation) = resolve_with(&rows, Some(&["docker"]));
        let Some(Look::Rows { rows, .. }) = explanation.looks.last() else {
            unreachable!("{explanation:?}");
        };
        let verdicts: Vec<String> =
            rows.iter().map(|row| format!("{}: {}", row.key.sort_key(), row.verdict)).collect();
        assert_eq!(
            verdicts,
            [
                "tags#: does not have the job's tags docker",
                "tags#aws#docker: taken",
                "tags#docker#linux: fits as well, but is later in order",
                "tags#docker#linux#x: fits, but has more tags that the job does not ask for",
                "tags#docker#x: fits as well, but is later in order",
            ]
        );
        let (_, explanation) = resolve_with(&[row("job#* tags#b"), row("job#* tags#a")], None);
        let Some(Look::Rows { rows, .. }) = explanation.looks.last() else {
            unreachable!("{explanation:?}");
        };
        assert_eq!((&rows[0].verdict, &rows[1].verdict), (&Verdict::Taken, &Verdict::LaterInOrder));
        assert_eq!((rows[0].place, rows[1].place), (1, 0));
    }

    #[test]
    fn of_two_rows_with_one_key_the_first_that_was_read_is_taken() {
        let rows = [row("job#deploy-prod tags#b#a"), row("job#deploy-prod tags#a#b")];
        for tags in [None, Some(&["a"][..])] {
            let (_, explanation) = resolve_with(&rows, tags);
            let Some(Look::Rows { rows, .. }) = explanation.looks.last() else {
                unreachable!("{explanation:?}");
            };
            let found: Vec<_> = rows.iter().map(|row| (row.place, &row.verdict)).collect();
            assert_eq!(found, [(0, &Verdict::Taken), (1, &Verdict::LaterInOrder)], "{tags:?}");
        }
    }

    #[test]
    fn the_stacks_default_target_is_read() {
        let arn = "arn:aws:lambda:eu-central-1:123456789012:function:mayfly-shell-runner";
        for (text, target) in [
            ("none", None),
            ("EC2", Some(Target::Ec2(MachineSpec::default()))),
            (arn, Some(Target::Lambda { arn: arn.to_owned() })),
        ] {
            let DefaultSetting(default) = text.parse().unwrap();
            assert_eq!(default.map(|default| default.target), target, "{text}");
        }
        assert!("LAMBDA".parse::<DefaultSetting>().is_err());
    }

    #[test]
    fn without_a_mapping_the_default_target_is_taken() {
        let default = DefaultTarget {
            target: Target::Ec2(MachineSpec::default()),
            settings: RunnerSettings::default(),
        };
        let job = "build".parse().unwrap();
        let input = ResolveInput { project: None, job: &job, tags: None, rows: &[], default: Some(&default) };
        assert_eq!(resolve(&input).choice, Choice::Default(default));
    }

    proptest! {
        #[test]
        fn a_chosen_row_is_for_the_job_and_covers_its_tags(
            names in proptest::collection::vec("(project#g/a#)?job#(a|ab|a\\*|ab\\*|\\*) tags#(x|y|x#y)?", 0..8),
            job in "a|ab|abc",
            tags in proptest::option::of(proptest::collection::vec("x|y", 0..3)),
        ) {
            let rows: Vec<StoredMapping> = names.iter().map(|keys| row(keys)).collect();
            let tags: Option<TagSet> = tags.map(|tags| tags.into_iter().collect());
            let project = "g/a".parse().unwrap();
            let job = job.parse().unwrap();
            let input = ResolveInput { project: Some(&project), job: &job, tags: tags.as_ref(), rows: &rows, default: None };
            if let Choice::Mapping(mapping) = resolve(&input).choice {
                prop_assert!(mapping.key.pattern.matches(&job));
                prop_assert!(tags.is_none_or(|tags| mapping.key.tags.covers(&tags)));
            }
        }
    }
}
