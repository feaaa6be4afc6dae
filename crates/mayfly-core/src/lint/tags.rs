//! Rows of one name that tags do not tell apart.

use std::collections::{BTreeMap, BTreeSet};

use super::index::{Keyed, RowIndex};
use super::{Finding, JobTags, LintInput, LintRule, Severity};
use crate::mapping::{NamePattern, StoredMapping};
use crate::tags::TagSet;

pub(super) fn check(index: &RowIndex<'_>, input: &LintInput<'_>, findings: &mut Vec<Finding>) {
    for group in index.groups() {
        if input.installation.job_tags == JobTags::Asked {
            ties(&group, findings);
            if input.ci.is_none() {
                findings.extend(untagged(&group));
            }
        }
        findings.extend(unknown_tags(&group, input.installation.job_tags));
    }
}

/// Without the job's tags the first row is taken, whatever the others are for.
fn unknown_tags(group: &[Keyed<'_>], job_tags: JobTags) -> Option<Finding> {
    let (first, others) = group.split_first()?;
    let others: Vec<&Keyed<'_>> =
        others.iter().filter(|other| other.key != first.key && !first.has_effect_of(other)).collect();
    let other = others.first()?;
    let more = if others.len() > 1 { format!(" and {} more rows", others.len() - 1) } else { String::new() };
    let (severity, when, advice) = match job_tags {
        JobTags::Asked => (
            Severity::Note,
            "while GitLab does not tell a job's tags",
            "let the rows do the same, or accept it for the minutes that GitLab is away",
        ),
        JobTags::NeverKnown => (
            Severity::Warning,
            "as the tags of jobs are never known",
            "give the installation an API token, so that it can ask for tags; or let the rows do the same",
        ),
    };
    let finding = Finding::of_row(
        LintRule::AmbiguousTags,
        first.row,
        format!(
            "{when}, this row is taken for all jobs of the name: also for those of `{}`{more}",
            other.row.name()
        ),
        advice,
    );
    Some(finding.with(severity))
}

/// Jobs with these tags fit two rows equally well. Only tags of at most two are looked at: jobs hardly ever have more, and all
/// sets of them would be too many.
fn ties(group: &[Keyed<'_>], findings: &mut Vec<Finding>) {
    let mut told = BTreeSet::new();
    // Sets with fewer tags come first.
    for ((_, tags), fitting) in fitting_rows(group) {
        let [winner, rivals @ ..] = fitting.as_slice() else { continue };
        let rivals: Vec<&Keyed<'_>> =
            rivals.iter().copied().filter(|rival| !winner.has_effect_of(rival)).collect();
        let Some(rival) = rivals.first() else { continue };
        let names: Vec<String> = rivals.iter().map(|rival| rival.row.name()).collect();
        if !told.insert((winner.row.name(), names)) {
            continue;
        }
        let more =
            if rivals.len() > 1 { format!(" and {} more rows", rivals.len() - 1) } else { String::new() };
        let asked = if tags.is_empty() { "no tags".to_owned() } else { format!("just the tags {tags}") };
        findings.push(Finding::of_row(
            LintRule::AmbiguousTags,
            winner.row,
            format!(
                "a job with {asked} fits this row and `{}`{more} equally well: this one is taken, because it is first in order",
                rival.row.name()
            ),
            format!("add a row for such jobs, with the sort key `{}`", tags.sort_key()),
        ));
    }
}

/// For each set of at most two tags that some row has: the rows that fit a job with just these best, in order. Of two rows with one
/// key only the first counts.
fn fitting_rows<'g, 'a>(group: &'g [Keyed<'a>]) -> BTreeMap<(usize, TagSet), Vec<&'g Keyed<'a>>> {
    let mut fitting: BTreeMap<(usize, TagSet), Vec<&Keyed<'_>>> = BTreeMap::new();
    let mut last = None;
    for row in group {
        if last == Some(row.key) {
            continue;
        }
        last = Some(row.key);
        for tags in small_sets(&row.key.tags) {
            let rows = fitting.entry((tags.len(), tags)).or_default();
            match rows.first().map(|best| best.key.tags.len()) {
                Some(fewest) if fewest < row.key.tags.len() => {}
                Some(fewest) if fewest == row.key.tags.len() => rows.push(row),
                _ => *rows = vec![row],
            }
        }
    }
    fitting
}

fn small_sets(tags: &TagSet) -> Vec<TagSet> {
    let tags: Vec<&str> = tags.iter().collect();
    let mut sets = vec![TagSet::default()];
    for (number, tag) in tags.iter().enumerate() {
        sets.push(std::iter::once(*tag).collect());
        sets.extend(tags.iter().take(number).map(|other| [*tag, *other].into_iter().collect()));
    }
    sets
}

/// The only rows of a name have no tags.
fn untagged(group: &[Keyed<'_>]) -> Option<Finding> {
    let first = group.first()?;
    let is_usable = matches!(first.row.mapping, StoredMapping::Readable(_));
    (is_usable && group.iter().all(|row| row.key.tags.is_empty())).then(|| {
        let jobs = match &first.key.pattern {
            NamePattern::Exact(name) => format!("job `{name}`"),
            NamePattern::Prefix(prefix) if prefix.is_empty() => "any job".to_owned(),
            NamePattern::Prefix(prefix) => format!("jobs `{prefix}*`"),
        };
        Finding::of_row(
            LintRule::UntaggedRow,
            first.row,
            format!("{jobs} with tags will pass over this row, which has none, once GitLab tells them"),
            "give the row the tags of its jobs; or pass --ci, and only jobs that are concerned are named",
        )
    })
}
