//! Rows by what finds them, so that ten thousand rows are not compared with each other.

use std::collections::{BTreeMap, HashMap};

use super::TableRow;
use crate::ids::{JobName, ProjectPath};
use crate::mapping::{MappingKey, NamePattern, StoredMapping};

/// The rows whose key can be read, by project and name.
pub(super) struct RowIndex<'a> {
    rows: &'a [TableRow],
    /// In the order in which `resolve` looks at rows of one name: by tags, then as the table gives them.
    groups: BTreeMap<(Option<&'a ProjectPath>, &'a NamePattern), Vec<usize>>,
    exact: HashMap<(Option<&'a ProjectPath>, &'a str), &'a NamePattern>,
    prefixes: HashMap<(Option<&'a ProjectPath>, &'a str), &'a NamePattern>,
    /// Rows of single projects, whichever they are.
    narrow_names: HashMap<&'a str, Vec<usize>>,
    narrow_prefixes: HashMap<&'a str, Vec<usize>>,
}

/// A row with its key.
#[derive(Clone, Copy)]
pub(super) struct Keyed<'a> {
    pub(super) row: &'a TableRow,
    pub(super) key: &'a MappingKey,
}

impl<'a> RowIndex<'a> {
    pub(super) fn new(rows: &'a [TableRow]) -> Self {
        let mut index = Self {
            rows,
            groups: BTreeMap::new(),
            exact: HashMap::new(),
            prefixes: HashMap::new(),
            narrow_names: HashMap::new(),
            narrow_prefixes: HashMap::new(),
        };
        for (number, row) in rows.iter().enumerate() {
            let Some(key) = row.key() else { continue };
            let project = key.project.as_ref();
            index.groups.entry((project, &key.pattern)).or_default().push(number);
            let (by_name, narrow, name) = match &key.pattern {
                NamePattern::Exact(name) => (&mut index.exact, &mut index.narrow_names, name.as_str()),
                NamePattern::Prefix(name) => (&mut index.prefixes, &mut index.narrow_prefixes, name.as_str()),
            };
            by_name.insert((project, name), &key.pattern);
            if project.is_some() {
                narrow.entry(name).or_default().push(number);
            }
        }
        for group in index.groups.values_mut() {
            group.sort_by_key(|number| (rows[*number].key(), *number));
        }
        index
    }

    /// The rows of each project and name, in order.
    pub(super) fn groups(&self) -> impl Iterator<Item = Vec<Keyed<'a>>> {
        self.groups.values().map(|group| self.keyed(group))
    }

    /// The rows of one project and name, in order.
    pub(super) fn group(&self, project: Option<&ProjectPath>, pattern: &NamePattern) -> Vec<Keyed<'a>> {
        self.groups.get(&(project, pattern)).map(|group| self.keyed(group)).unwrap_or_default()
    }

    /// The numbers of all rows that are for a job of this name: of all projects, and of its own.
    pub(super) fn for_job(&self, project: Option<&ProjectPath>, job: &JobName) -> Vec<usize> {
        let name = job.as_str();
        let mut numbers = Vec::new();
        for project in std::iter::once(None).chain(project.map(Some)) {
            let prefixes = beginnings(name).filter_map(|beginning| self.prefixes.get(&(project, beginning)));
            for pattern in self.exact.get(&(project, name)).into_iter().chain(prefixes) {
                numbers.extend(self.groups.get(&(project, *pattern)).into_iter().flatten());
            }
        }
        numbers
    }

    /// The numbers of the rows of single projects that are for jobs of this name there.
    pub(super) fn of_projects(&self, job: &JobName) -> Vec<usize> {
        let beginnings = beginnings(job.as_str()).filter_map(|beginning| self.narrow_prefixes.get(beginning));
        self.narrow_names.get(job.as_str()).into_iter().chain(beginnings).flatten().copied().collect()
    }

    pub(super) fn row(&self, number: usize) -> &'a TableRow {
        &self.rows[number]
    }

    pub(super) fn mappings(&self, numbers: &[usize]) -> Vec<StoredMapping> {
        numbers.iter().map(|number| self.rows[*number].mapping.clone()).collect()
    }

    fn keyed(&self, numbers: &[usize]) -> Vec<Keyed<'a>> {
        let keyed = |number: &usize| {
            let row = &self.rows[*number];
            row.key().map(|key| Keyed { row, key })
        };
        numbers.iter().filter_map(keyed).collect()
    }
}

fn beginnings(name: &str) -> impl Iterator<Item = &str> {
    name.char_indices().map(|(end, _)| end).chain([name.len()]).map(|end| &name[..end])
}

impl Keyed<'_> {
    /// True if it is the same to a job which of the two it gets.
    pub(super) fn has_effect_of(&self, other: &Self) -> bool {
        match (&self.row.mapping, &other.row.mapping) {
            (StoredMapping::Readable(a), StoredMapping::Readable(b)) => {
                a.target == b.target && a.settings == b.settings
            }
            _ => false,
        }
    }
}
