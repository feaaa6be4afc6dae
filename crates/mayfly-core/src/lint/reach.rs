//! Rows that no job can get to.
//!
//! A job with exactly the row's tags gets to the row unless a row that is looked at before covers them too. Names are many: there is
//! always one that begins as the row says and that no exact name and no longer beginning takes away, and always one more project. So
//! only rows of the same project and name can be in the way, and where a beginning is as long as a name may be, the row of just
//! that name.

use super::index::{Keyed, RowIndex};
use super::{Finding, JobTags, LintRule};
use crate::ids::JobName;
use crate::mapping::NamePattern;

pub(super) fn check(index: &RowIndex<'_>, job_tags: JobTags, findings: &mut Vec<Finding>) {
    for group in index.groups() {
        for (number, row) in group.iter().enumerate() {
            if let Some(finding) = find(row, &group[..number], index, job_tags) {
                findings.push(finding);
            }
        }
    }
}

/// `before` are the rows of the same name that come before it.
fn find(row: &Keyed<'_>, before: &[Keyed<'_>], index: &RowIndex<'_>, job_tags: JobTags) -> Option<Finding> {
    if let Some(twin) = before.last().filter(|last| last.key == row.key) {
        return Some(twin_finding(row, twin));
    }
    let unreachable = |message: String, advice: &str| {
        Some(Finding::of_row(LintRule::UnreachableRow, row.row, message, advice))
    };
    if let (JobTags::NeverKnown, Some(first)) = (job_tags, before.first()) {
        return unreachable(
            format!("without the tags of jobs, `{}` is taken for every job of the name", first.row.name()),
            "give the installation an API token, or keep one row for each name",
        );
    }
    let NamePattern::Prefix(prefix) = &row.key.pattern else { return None };
    let length = prefix.chars().count();
    if length > JobName::LONGEST {
        return unreachable(
            format!(
                "it is for names that begin with {length} characters, and none has more than {}",
                JobName::LONGEST
            ),
            "shorten the name",
        );
    }
    if length < JobName::LONGEST {
        return None;
    }
    let exact = JobName::new(prefix.as_str()).map(NamePattern::Exact).ok()?;
    let in_the_way = index
        .group(row.key.project.as_ref(), &exact)
        .into_iter()
        .find(|exact| job_tags == JobTags::NeverKnown || exact.key.tags.covers(&row.key.tags))?;
    unreachable(
        format!("only one name begins so, and `{}` is taken for it", in_the_way.row.name()),
        "remove one of the two",
    )
}

fn twin_finding(row: &Keyed<'_>, twin: &Keyed<'_>) -> Finding {
    if row.row.partition_key == twin.row.partition_key {
        // The table gives the rows of one partition key in the order of their sort keys.
        return Finding::of_row(
            LintRule::UnreachableRow,
            row.row,
            format!("`{}` is read as the same key, and is always before it", twin.row.name()),
            "remove one of the two",
        );
    }
    Finding::of_row(
        LintRule::DuplicateKey,
        row.row,
        format!("`{}` is read as the same key: which of the two counts is not certain", twin.row.name()),
        "remove one of the two",
    )
}
