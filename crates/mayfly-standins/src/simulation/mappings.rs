//! The jobs of a world and the mappings for them.

use mayfly_core::ids::InvalidId;
use mayfly_core::machine::{MachineSpec, Purchase};
use mayfly_core::mapping::{Mapping, MappingKey, NamePattern, RunnerSettings, Target};
use mayfly_core::resolve::DefaultTarget;

use crate::fakes::MemoryMappingStore;

use super::agenda::{MINUTE, Moment};

/// A kind of jobs.
pub(super) struct Kind {
    /// The job's name, or what it begins with.
    pub(super) name: &'static str,
    /// True if the jobs of a stage are numbered.
    pub(super) is_numbered: bool,
    /// Its tag, in projects where every kind has its own.
    pub(super) tag: Option<&'static str>,
    /// True if every job has a tag that no other has.
    pub(super) has_tags_of_its_own: bool,
    /// How long its script takes at most.
    pub(super) longest: Moment,
}

/// All kinds. No script takes longer than the shortest life of a runner that may take it.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "build",
        is_numbered: false,
        tag: Some("linux"),
        has_tags_of_its_own: false,
        longest: 20 * MINUTE,
    },
    Kind {
        name: "test",
        is_numbered: true,
        tag: Some("spot"),
        has_tags_of_its_own: false,
        longest: 10 * MINUTE,
    },
    Kind {
        name: "deploy",
        is_numbered: false,
        tag: Some("deploy"),
        has_tags_of_its_own: false,
        longest: 6 * MINUTE,
    },
    Kind {
        name: "lint",
        is_numbered: true,
        tag: Some("small"),
        has_tags_of_its_own: false,
        longest: 5 * MINUTE,
    },
    Kind { name: "docs", is_numbered: false, tag: None, has_tags_of_its_own: false, longest: 5 * MINUTE },
    Kind {
        name: "release",
        is_numbered: false,
        tag: Some("release"),
        has_tags_of_its_own: true,
        longest: 5 * MINUTE,
    },
];

/// The tag of all kinds in projects where they share one.
pub(super) const SHARED_TAG: &str = "docker";

/// How long a script takes at most in such projects: as long as the shortest-lived runner allows.
pub(super) const LONGEST_SHARED: Moment = 5 * MINUTE;

/// The longest life of any runner, in seconds.
pub(super) const LONGEST_LIFE: u32 = 5400;

fn settings(wait_timeout_seconds: u32, max_life_seconds: u32, retries_after_loss: u32) -> RunnerSettings {
    RunnerSettings { wait_timeout_seconds, max_life_seconds, retries_after_loss, ..RunnerSettings::default() }
}

fn function() -> Target {
    Target::Lambda { arn: "arn:aws:lambda:eu-central-1:123456789012:function:shell-runner".to_owned() }
}

fn machine(purchase: Purchase) -> Target {
    Target::Ec2(MachineSpec { purchase, ..MachineSpec::default() })
}

/// The mapping table of every world.
pub(super) fn mappings() -> Result<MemoryMappingStore, InvalidId> {
    let store = MemoryMappingStore::default();
    let rows = [
        ("build", "linux", machine(Purchase::SpotFirst), settings(300, 3600, 0)),
        ("test-*", "spot", machine(Purchase::Spot), settings(120, 1800, 2)),
        ("deploy", "deploy", machine(Purchase::OnDemand), settings(300, LONGEST_LIFE, 0)),
        ("lint-*", "small", function(), settings(60, 840, 0)),
    ];
    for (name, tag, target, settings) in rows {
        let pattern = match name.strip_suffix('*') {
            Some(prefix) => NamePattern::Prefix(prefix.to_owned()),
            None => NamePattern::Exact(name.parse()?),
        };
        let key = MappingKey { project: None, pattern, tags: [tag, SHARED_TAG].into_iter().collect() };
        store.put(Mapping { key, target, settings, paused: None });
    }
    Ok(store)
}

/// Where all other jobs go; in every other world to machines.
pub(super) fn default_target(world: u64) -> DefaultTarget {
    if world.is_multiple_of(2) {
        DefaultTarget { target: function(), settings: settings(120, 840, 0) }
    } else {
        DefaultTarget { target: machine(Purchase::OnDemand), settings: settings(300, LONGEST_LIFE, 1) }
    }
}
