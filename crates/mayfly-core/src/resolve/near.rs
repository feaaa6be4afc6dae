//! Rows that somebody may have meant for a job, and that are not for it.

use super::ResolveInput;
use crate::ids::{JobName, ProjectPath};
use crate::mapping::{MappingKey, NamePattern, StoredMapping};

/// A row that is nearly for a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearMiss {
    /// Its place among the rows that were given, for whoever knows how its keys are written.
    pub place: usize,
    /// The row's key.
    pub key: MappingKey,
    /// Why it is not for the job.
    pub reason: String,
}

/// Rows with the job's name that are for another project, and rows whose name or project is the job's but for capital letters or
/// spaces at an end; at most `most`, in the order of their keys. A row that is for the job is none.
pub fn near_misses(input: &ResolveInput<'_>, most: usize) -> Vec<NearMiss> {
    let rows = input.rows.iter().enumerate();
    let mut misses: Vec<NearMiss> = rows.filter_map(|(place, row)| near_miss(place, row, input)).collect();
    misses.sort_by(|a, b| a.key.cmp(&b.key));
    misses.truncate(most);
    misses
}

fn near_miss(place: usize, row: &StoredMapping, input: &ResolveInput<'_>) -> Option<NearMiss> {
    let key = match row {
        StoredMapping::Readable(mapping) => &mapping.key,
        StoredMapping::Unreadable { key, .. } => key.as_ref()?,
        StoredMapping::Pause { .. } => return None,
    };
    let reason = match (name_fits(&key.pattern, input.job), project_fits(key.project.as_ref(), input.project))
    {
        (Fit::Yes, Fit::Yes) | (Fit::No, _) | (Fit::Nearly, Fit::No) => return None,
        (Fit::Yes, Fit::No) => match (&key.project, input.project) {
            // Every job has another project than most rows: only those that name the job are worth a line.
            (Some(project), Some(_)) if matches!(key.pattern, NamePattern::Exact(_)) => {
                format!("it is for project {project} only")
            }
            (Some(project), None) => format!("it is for project {project} only, and the job's is not known"),
            _ => return None,
        },
        (Fit::Yes, Fit::Nearly) => "its project is written with other capital letters or spaces".to_owned(),
        (Fit::Nearly, Fit::Yes | Fit::Nearly) => {
            "its name is written with other capital letters or spaces".to_owned()
        }
    };
    Some(NearMiss { place, key: key.clone(), reason })
}

enum Fit {
    Yes,
    Nearly,
    No,
}

fn name_fits(pattern: &NamePattern, job: &JobName) -> Fit {
    if pattern.matches(job) {
        return Fit::Yes;
    }
    let job = folded(job.as_str());
    let is_near = match pattern {
        NamePattern::Exact(name) => folded(name.as_str()) == job,
        NamePattern::Prefix(prefix) => job.starts_with(&folded(prefix)),
    };
    if is_near { Fit::Nearly } else { Fit::No }
}

fn project_fits(row: Option<&ProjectPath>, job: Option<&ProjectPath>) -> Fit {
    match (row, job) {
        (None, _) => Fit::Yes,
        (Some(row), Some(job)) if row == job => Fit::Yes,
        (Some(row), Some(job)) if folded(row.as_str()) == folded(job.as_str()) => Fit::Nearly,
        _ => Fit::No,
    }
}

fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::{Mapping, RunnerSettings, Target};

    /// The reasons why a row is not for job `Deploy` of `group/app`.
    fn check(keys: &str, project: Option<&str>, expected: Option<&str>) {
        let (pk, sk) = keys.split_once(' ').unwrap();
        let key = MappingKey::parse(pk, sk).unwrap();
        let rows = [StoredMapping::Readable(Mapping {
            key,
            target: Target::Local,
            settings: RunnerSettings::default(),
            paused: None,
        })];
        let project = project.map(|path| path.parse().unwrap());
        let job = "Deploy".parse().unwrap();
        let input =
            ResolveInput { project: project.as_ref(), job: &job, tags: None, rows: &rows, default: None };
        let misses = near_misses(&input, 5);
        assert_eq!(misses.first().map(|miss| miss.reason.as_str()), expected, "{keys}");
        assert!(near_misses(&input, 0).is_empty());
    }

    #[test]
    fn rows_that_are_nearly_for_the_job_are_named() {
        let app = Some("group/app");
        check("job#Deploy tags#", app, None);
        check("job#build tags#", app, None);
        check("job#deploy tags#", app, Some("its name is written with other capital letters or spaces"));
        check("job#dep* tags#", app, Some("its name is written with other capital letters or spaces"));
        check("project#group/other#job#Deploy tags#", app, Some("it is for project group/other only"));
        check("project#group/other#job#* tags#", app, None);
        check("project#group/other#job#deploy tags#", app, None);
        check(
            "project#Group/App#job#* tags#",
            app,
            Some("its project is written with other capital letters or spaces"),
        );
        check(
            "project#group/app#job#* tags#",
            None,
            Some("it is for project group/app only, and the job's is not known"),
        );
    }
}
