//! What every mapping store must do.
#![expect(clippy::expect_used, reason = "a contract suite is a test")]

use std::collections::BTreeMap;

use mayfly_core::ids::{JobName, ProjectPath};
use mayfly_core::machine::MachineSpec;
use mayfly_core::mapping::{
    Executor, Mapping, MappingKey, NamePattern, RunnerSettings, StoredMapping, Target,
};
use mayfly_core::ports::MappingStore;
use mayfly_core::tags::TagSet;

use super::samples::{ABSURD_NAMES, full_machine_spec};

const PROJECTS: [&str; 4] = ["group/app", "group/app2", "Group/app", "a group/with spaces/and #*%"];
const PREFIXES: [&str; 7] = ["", "b", "build", "deploy-", "deploy-*", "c#", "🚀"];

/// The rows that must be in the store before [`mapping_store`] looks at it.
///
/// # Panics
///
/// Never: its texts are constants.
pub fn mapping_rows() -> Vec<Mapping> {
    let mut patterns: Vec<NamePattern> = names().into_iter().map(NamePattern::Exact).collect();
    patterns.extend(PREFIXES.map(|prefix| NamePattern::Prefix(prefix.to_owned())));
    let mut rows = Vec::new();
    for project in projects() {
        for pattern in &patterns {
            for (tags, target, settings) in variants() {
                let key = MappingKey { project: project.clone(), pattern: pattern.clone(), tags };
                rows.push(Mapping { key, target, settings, paused: None });
            }
        }
    }
    rows
}

/// Asserts what [`MappingStore`] promises, with [`mapping_rows`] in the store and nothing else that could match.
///
/// # Panics
///
/// Where the store does something else.
pub async fn mapping_store(store: &dyn MappingStore) {
    let rows = mapping_rows();
    let mut jobs = names();
    jobs.push("matched only by the default".parse().expect("a job name"));
    for project in projects() {
        for job in &jobs {
            let candidates = store.candidates(project.as_ref(), job).await.expect("an answer");
            let mut found = BTreeMap::new();
            for candidate in candidates {
                let StoredMapping::Readable(mapping) = candidate else { continue };
                if is_for(&mapping.key, project.as_ref(), job) {
                    let twice = found.insert(mapping.key.clone(), mapping);
                    assert_eq!(twice, None, "a row is listed once");
                }
            }
            let expected: BTreeMap<MappingKey, Mapping> = rows
                .iter()
                .filter(|row| is_for(&row.key, project.as_ref(), job))
                .map(|row| (row.key.clone(), row.clone()))
                .collect();
            assert_eq!(found, expected, "job `{job}` of project {project:?}");
        }
    }
}

fn is_for(key: &MappingKey, project: Option<&ProjectPath>, job: &JobName) -> bool {
    key.project.as_ref().is_none_or(|path| Some(path) == project) && key.pattern.matches(job)
}

fn names() -> Vec<JobName> {
    let longest = ["ü".repeat(255), "#".repeat(255)];
    let names = ABSURD_NAMES.into_iter().map(str::to_owned).chain(longest);
    names.map(|name| name.parse().expect("a job name")).collect()
}

fn projects() -> Vec<Option<ProjectPath>> {
    let projects = PROJECTS.iter().map(|path| Some(path.parse().expect("a project path")));
    std::iter::once(None).chain(projects).collect()
}

fn variants() -> [(TagSet, Target, RunnerSettings); 3] {
    let settings = RunnerSettings {
        executor: Executor::Docker,
        wait_timeout_seconds: 60,
        max_life_seconds: u32::MAX,
        runner_token: Some("tokens/Docker".parse().expect("the name of a secret")),
        keep_aws_credentials: true,
        retries_after_loss: 3,
        pass_env: vec!["Z_LAST".to_owned(), "A_FIRST".to_owned()],
    };
    let arn = "arn:aws:lambda:eu-central-1:123456789012:function:shell".to_owned();
    [
        (TagSet::default(), Target::Ec2(MachineSpec::default()), RunnerSettings::default()),
        (["linux", "c#", "50%", "🚀"].into_iter().collect(), Target::Lambda { arn }, settings),
        (["ec2"].into_iter().collect(), Target::Ec2(full_machine_spec()), RunnerSettings::default()),
    ]
}
