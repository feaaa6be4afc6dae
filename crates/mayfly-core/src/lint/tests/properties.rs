//! Whatever the table, lint says of rows and tags what `resolve` does.

use proptest::prelude::*;

use super::*;
use crate::ids::{JobName, ProjectPath};
use crate::mapping::NamePattern;
use crate::resolve::{Choice, ResolveInput, resolve};
use crate::tags::TagSet;

/// As long as a name may be.
fn long() -> String {
    "n".repeat(JobName::LONGEST)
}

fn keys() -> impl Strategy<Value = Vec<String>> {
    let name = prop_oneof![
        "a|ab|a\\*|ab\\*|\\*",
        Just(long()),
        Just(format!("{}*", long())),
        Just(format!("{}n*", long())),
        Just("%61".to_owned()),
    ];
    let key = ("(project#g/a#)?", name, "(x|y|x#y|y#x|x#y#z)?");
    let key = key.prop_map(|(project, name, tags)| format!("{project}job#{name} tags#{tags}"));
    proptest::collection::btree_set(key, 0..9).prop_map(|keys| keys.into_iter().collect())
}

fn job_tags() -> impl Strategy<Value = JobTags> {
    prop_oneof![Just(JobTags::Asked), Just(JobTags::NeverKnown)]
}

fn chosen(
    rows: &[TableRow],
    project: Option<&ProjectPath>,
    job: &JobName,
    tags: Option<&TagSet>,
) -> Option<String> {
    let mappings: Vec<StoredMapping> = rows.iter().map(|row| row.mapping.clone()).collect();
    // The rows have targets of their own, so that the one that is taken is known even where keys are read alike.
    match resolve(&ResolveInput { project, job, tags, rows: &mappings, default: None }).choice {
        Choice::Mapping(mapping) => rows
            .iter()
            .find(|row| row.mapping == StoredMapping::Readable(mapping.clone()))
            .map(TableRow::name),
        _ => None,
    }
}

/// Rows with targets of their own.
fn table(keys: &[String]) -> Vec<TableRow> {
    let row = |(number, keys): (usize, &String)| {
        with(keys, |mapping| mapping.target = Target::Lambda { arn: format!("{ARN}-{number}") })
    };
    keys.iter().enumerate().map(row).collect()
}

/// Jobs enough to get to every row of [`keys`] that any job can get to.
fn jobs(job_tags: JobTags) -> Vec<(Option<ProjectPath>, JobName, Option<TagSet>)> {
    let mut jobs = Vec::new();
    for project in [None, Some("g/a".parse().unwrap())] {
        for name in ["a", "ab", "ac", "abc", "b", &long()] {
            let mut tags = vec![None];
            if job_tags == JobTags::Asked {
                let sets = ["", "x", "y", "z", "x#y", "x#z", "y#z", "x#y#z"];
                tags.extend(sets.map(|set| TagSet::from_sort_key(&format!("tags#{set}")).ok()));
            }
            jobs.extend(tags.into_iter().map(|tags| (project.clone(), name.parse().unwrap(), tags)));
        }
    }
    jobs
}

fn places(findings: &[Finding], rule: LintRule) -> Vec<String> {
    findings.iter().filter(|finding| finding.rule == rule).map(|finding| finding.place.to_string()).collect()
}

proptest! {
    #[test]
    fn a_row_is_called_unreachable_if_and_only_if_no_job_gets_to_it(keys in keys(), job_tags in job_tags()) {
        let rows = table(&keys);
        let findings = lint_rows(&rows, &InstallationFacts { job_tags, ..installation() });
        let unreachable = places(&findings, LintRule::UnreachableRow);
        let left_to_chance = places(&findings, LintRule::DuplicateKey);
        let reached: Vec<String> = jobs(job_tags)
            .iter()
            .filter_map(|(project, name, tags)| chosen(&rows, project.as_ref(), name, tags.as_ref()))
            .collect();
        for row in &rows {
            let name = row.name();
            prop_assert!(
                !(unreachable.contains(&name) && reached.contains(&name)),
                "{name} is called unreachable, and a job gets to it: {findings:#?}"
            );
            prop_assert!(
                unreachable.contains(&name) || left_to_chance.contains(&name) || reached.contains(&name),
                "no job gets to {name}, and nobody says so: {findings:#?}"
            );
        }
    }

    #[test]
    fn a_tie_is_one_and_its_advice_ends_it(keys in keys()) {
        let rows = table(&keys);
        for finding in lint_rows(&rows, &installation()) {
            let Some((_, sort_key)) = finding.advice.split_once("with the sort key `") else { continue };
            prop_assert_eq!(finding.rule, LintRule::AmbiguousTags);
            let tags = TagSet::from_sort_key(sort_key.trim_end_matches('`')).unwrap();
            let winner = rows.iter().find(|row| row.name() == finding.place.to_string()).unwrap();
            let rival = rows.iter().find(|row| finding.message.contains(&format!("`{}`", row.name()))).unwrap();
            let (winner, rival) = (winner.key().unwrap(), rival.key().unwrap());
            prop_assert!(winner.tags.covers(&tags) && rival.tags.covers(&tags));
            prop_assert_eq!(winner.tags.len(), rival.tags.len());
            let mended = with(&format!("{} {}", winner.partition_key(), tags.sort_key()), |_| {});
            let all: Vec<TableRow> = rows.iter().cloned().chain([mended]).collect();
            let still = lint_rows(&all, &installation());
            prop_assert!(
                !still.iter().any(|other| other.place == finding.place && other.message == finding.message),
                "{still:#?}"
            );
        }
    }

    #[test]
    fn every_row_of_a_random_table_is_looked_at_without_a_panic(keys in proptest::collection::vec(".{0,20} tags#.{0,20}", 0..6)) {
        let rows: Vec<TableRow> = keys.iter().map(|keys| row(keys)).collect();
        let unreadable = rows.iter().filter(|row| row.key().is_none()).count();
        let found = places(&lint_rows(&rows, &installation()), LintRule::UnreadableKey).len();
        prop_assert_eq!(found, unreadable);
    }

    #[test]
    fn the_index_finds_the_rows_that_are_for_a_job(keys in keys(), job in "a|ab|abc|b", narrowed: bool) {
        let rows = table(&keys);
        let project: Option<ProjectPath> = narrowed.then(|| "g/a".parse().unwrap());
        let job: JobName = job.parse().unwrap();
        let mut found = crate::lint::index::RowIndex::new(&rows).for_job(project.as_ref(), &job);
        found.sort_unstable();
        let is_for = |key: &MappingKey| {
            let is_of_project = key.project.is_none() || key.project == project;
            is_of_project && key.pattern.matches(&job)
        };
        let expected: Vec<usize> =
            (0..rows.len()).filter(|number| rows[*number].key().is_some_and(is_for)).collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn a_prefix_as_long_as_a_name_is_looked_at() {
    let name = long();
    assert!(matches!(row(&format!("job#{name}* tags#")).key().unwrap().pattern, NamePattern::Prefix(_)));
    let rows = [row(&format!("job#{name} tags#x")), row(&format!("job#{name}* tags#"))];
    let findings = lint_rows(&rows, &installation());
    assert_eq!(places(&findings, LintRule::UnreachableRow), [rows[1].name()]);
}
