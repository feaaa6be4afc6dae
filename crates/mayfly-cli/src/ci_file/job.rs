//! Jobs of a configuration whose files are all read.

use std::cell::Cell;

use mayfly_core::ids::{JobName, ProjectPath};
use mayfly_core::lint::{CiFacts, CiJob, CiTags, Unread};
use mayfly_core::tags::TagSet;

use super::node::{Map, Node, Value};
use super::{duration, parallel};

/// Keywords at the top of a file that are no jobs (docs, CI/CD YAML, global keywords).
const GLOBAL: [&str; 12] = [
    "after_script",
    "before_script",
    "cache",
    "default",
    "image",
    "include",
    "services",
    "spec",
    "stages",
    "types",
    "variables",
    "workflow",
];

/// GitLab takes at most 11 levels of `extends`, and 10 of `!reference`.
const MOST_LEVELS: usize = 11;

/// How many parents and references of one job are followed. Each may name several others, so levels alone do not end it soon.
const MOST_STEPS: usize = 1000;

/// A whole configuration.
pub(super) struct Config {
    map: Map,
    /// Steps that are left for the job being read.
    steps: Cell<usize>,
}

/// A job with what it extends.
struct Extended {
    map: Map,
    /// True if it extends something that is not known.
    is_incomplete: bool,
}

impl Config {
    pub(super) fn new(map: Map) -> Self {
        Self { map, steps: Cell::new(0) }
    }

    pub(super) fn read_jobs(&self, project: Option<&ProjectPath>, facts: &mut CiFacts) {
        for (name, node) in self.map.iter() {
            if GLOBAL.contains(&name) || name.starts_with('.') || matches!(node.value, Value::Null) {
                continue;
            }
            let mut unread = |what: String, may_have_jobs| {
                facts.unread.push(Unread {
                    file: node.file.to_string(),
                    line: node.line,
                    what,
                    may_have_jobs,
                });
            };
            let Some(own) = node.map() else {
                unread(format!("`{name}` is neither a keyword nor a job"), false);
                continue;
            };
            self.steps.set(MOST_STEPS);
            let job = self.extended(own, MOST_LEVELS);
            if job.is_incomplete {
                unread(format!("job `{name}` extends what is not in these files"), false);
            }
            // A bridge starts a pipeline elsewhere, and takes no runner.
            if job.map.some("trigger").is_some() {
                continue;
            }
            let Some(names) = names(name, &job.map) else {
                unread(format!("the names of job `{name}` cannot be told from the file"), true);
                continue;
            };
            facts.jobs.push(CiJob {
                file: node.file.to_string(),
                line: node.line,
                project: project.cloned(),
                names,
                tags: self.tags(&job),
                timeout_seconds: self
                    .setting(&job.map, "timeout")
                    .and_then(Node::text)
                    .and_then(duration::parse),
                has_image: self.setting(&job.map, "image").or_else(|| self.map.some("image")).is_some(),
            });
        }
    }

    /// True if one more step may be made.
    fn step(&self) -> bool {
        let left = self.steps.get();
        self.steps.set(left.saturating_sub(1));
        left > 0
    }

    /// A job over what it extends. Later parents come before earlier ones.
    fn extended(&self, own: &Map, levels: usize) -> Extended {
        let mut whole = Extended { map: Map::default(), is_incomplete: false };
        for parent in own.some("extends").map(Node::members).unwrap_or_default() {
            let parent = parent.text().and_then(|name| self.map.get(name)).and_then(Node::map);
            match parent.filter(|_| levels > 0 && self.step()) {
                Some(parent) => {
                    let parent = self.extended(parent, levels - 1);
                    whole.is_incomplete |= parent.is_incomplete;
                    whole.map.lay_over(parent.map);
                }
                None => whole.is_incomplete = true,
            }
        }
        whole.map.lay_over(own.clone());
        whole
    }

    /// What the job says, or else `default`, if the job takes that from there.
    fn setting<'a>(&'a self, job: &'a Map, key: &str) -> Option<&'a Node> {
        let inherits =
            match job.some("inherit").and_then(Node::map).and_then(|inherit| inherit.some("default")) {
                None => true,
                Some(inherit) => match &inherit.value {
                    Value::List(keys) => keys.iter().any(|inherited| inherited.text() == Some(key)),
                    _ => inherit.text() != Some("false"),
                },
            };
        let default = || self.map.some("default").and_then(Node::map).filter(|_| inherits)?.some(key);
        job.some(key).or_else(default)
    }

    fn tags(&self, job: &Extended) -> CiTags {
        if job.is_incomplete && job.map.some("tags").is_none() {
            return CiTags::NotKnown;
        }
        let Some(tags) = self.setting(&job.map, "tags") else { return CiTags::Known(TagSet::default()) };
        let mut found = Vec::new();
        if self.collect_tags(tags, MOST_LEVELS, &mut found).is_none() {
            return CiTags::NotKnown;
        }
        CiTags::Known(found.into_iter().collect())
    }

    /// `None` if they depend on something that the file does not tell.
    fn collect_tags(&self, node: &Node, levels: usize, found: &mut Vec<String>) -> Option<()> {
        let levels = levels.checked_sub(1)?;
        match &node.value {
            Value::Text(tag) if !tag.contains('$') => found.push(tag.clone()),
            Value::List(members) => {
                for member in members {
                    self.collect_tags(member, levels, found)?;
                }
            }
            Value::Reference(_) if !self.step() => return None,
            Value::Reference(path) => self.collect_tags(self.referenced(path)?, levels, found)?,
            Value::Null => {}
            Value::Text(_) | Value::Map(_) | Value::Unknown => return None,
        }
        Some(())
    }

    fn referenced(&self, path: &[String]) -> Option<&Node> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.map.get(first)?, |node, key| node.map()?.get(key))
    }
}

fn names(job: &str, map: &Map) -> Option<Vec<JobName>> {
    // An input of the file (`$[[ inputs.name ]]`) is filled in by whoever includes it.
    if job.contains("$[[") {
        return None;
    }
    let names = parallel::names(job, map.some("parallel"))?;
    names.into_iter().map(|name| JobName::new(name).ok()).collect()
}
