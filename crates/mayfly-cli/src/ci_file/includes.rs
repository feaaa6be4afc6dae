//! The files that make up one configuration.

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::Context;
use mayfly_core::lint::Unread;

use super::node::{Map, Node, Value, parse};

/// GitLab's limit is 150 (docs, CI/CD YAML, `include`).
const MOST_FILES: usize = 150;

/// What was read so far.
pub(super) struct Files {
    root: PathBuf,
    /// The files that are being read, each included by the one before.
    open: Vec<PathBuf>,
    count: usize,
    pub(super) unread: Vec<Unread>,
}

impl Files {
    pub(super) fn new(path: &Path) -> Self {
        let root = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let root = root.unwrap_or(Path::new(".")).to_owned();
        Self { root, open: Vec::new(), count: 0, unread: Vec::new() }
    }

    /// A file with all that it includes, and itself over that.
    pub(super) fn read_with_includes(&mut self, path: &Path) -> anyhow::Result<Map> {
        let name = path.display().to_string();
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
        let mut own = parse(&name, &text)?;
        self.open.push(path.to_owned());
        self.count += 1;
        let mut whole = Map::default();
        if let Some(include) = own.remove("include") {
            for member in include.members() {
                if let Some(path) = self.local_file(member) {
                    whole.lay_over(self.read_with_includes(&path)?);
                }
            }
        }
        self.open.pop();
        whole.lay_over(own);
        Ok(whole)
    }

    /// The file that an `include` means, if it is one in this repository.
    fn local_file(&mut self, include: &Node) -> Option<PathBuf> {
        match self.find(include) {
            Ok(path) => Some(path),
            Err(what) => {
                let (file, line) = (include.file.to_string(), include.line);
                self.unread.push(Unread { file, line, what, may_have_jobs: true });
                None
            }
        }
    }

    fn find(&self, include: &Node) -> Result<PathBuf, String> {
        let local = match &include.value {
            Value::Text(text) if !text.contains("://") => text.as_str(),
            Value::Text(address) => return Err(format!("the file at {address} was not read")),
            Value::Map(map) => match map.some("local").and_then(Node::text) {
                Some(local) => local,
                None => return Err(elsewhere(map)),
            },
            _ => return Err("an include was not understood".to_owned()),
        };
        if local.contains(['*', '$']) {
            return Err(format!("the files `{local}` were not read: which they are is not looked for"));
        }
        let relative = Path::new(local.trim_start_matches('/'));
        if !relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(format!("the file `{local}` was not read: it is not in the repository"));
        }
        let path = self.root.join(relative);
        if self.open.contains(&path) || self.count >= MOST_FILES {
            return Err(format!("the file `{local}` was not read again: files include each other"));
        }
        let is_inside = path.canonicalize().ok().zip(self.root.canonicalize().ok());
        match is_inside {
            None => Err(format!("the file `{local}` was not read: it is not there")),
            Some((file, root)) if !file.starts_with(&root) => {
                Err(format!("the file `{local}` was not read: it is not in the repository"))
            }
            Some(_) => Ok(path),
        }
    }
}

/// What is included that is not in this repository.
fn elsewhere(include: &Map) -> String {
    let kinds = ["template", "remote", "component", "project", "artifact"];
    let found = kinds.into_iter().find_map(|kind| Some((kind, include.some(kind)?.text()?)));
    match found {
        Some((kind, value)) => format!("the {kind} {value} was not read"),
        None => "an include was not understood".to_owned(),
    }
}
