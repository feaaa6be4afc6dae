//! Check `docs`: the code map names every crate, and the README every parameter of the stacks.

use std::fs;

use anyhow::{Context, Result};
use cargo_metadata::Metadata;
use cargo_metadata::camino::Utf8Path;

/// The folders with a template each.
const STACKS: [&str; 3] = ["infrastructure", "shell-runner", "autoscaler"];

/// Reads the folders and the documents, and compares them.
pub(super) fn problems(workspace: &Metadata) -> Result<Vec<String>> {
    let root = &workspace.workspace_root;
    let mut folders = folders_of(&root.join("crates"))?;
    folders.push("xtask".to_owned());
    let architecture =
        fs::read_to_string(root.join("ARCHITECTURE.md")).context("cannot read ARCHITECTURE.md")?;
    let mut problems = missing(&architecture, &folders);
    let readme = fs::read_to_string(root.join("README.md")).context("cannot read README.md")?;
    for stack in STACKS {
        let template = format!("{stack}/template.yaml");
        let text =
            fs::read_to_string(root.join(&template)).with_context(|| format!("cannot read {template}"))?;
        let undocumented =
            parameters_of(&text).into_iter().filter(|name| !readme.contains(&format!("`{name}`")));
        problems.extend(
            undocumented.map(|name| format!("README.md: does not name parameter {name} of {template}")),
        );
    }
    Ok(problems)
}

/// The names in the section `Parameters` of a template.
fn parameters_of(template: &str) -> Vec<&str> {
    let section = template.lines().skip_while(|line| *line != "Parameters:").skip(1);
    let section = section.take_while(|line| line.is_empty() || line.starts_with(' '));
    let names = section.filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'));
    names.filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric())).collect()
}

fn folders_of(parent: &Utf8Path) -> Result<Vec<String>> {
    let mut folders = Vec::new();
    for entry in parent.read_dir_utf8().with_context(|| format!("cannot read {parent}"))? {
        let entry = entry.with_context(|| format!("cannot read {parent}"))?;
        if entry.path().is_dir() {
            folders.push(entry.file_name().to_owned());
        }
    }
    folders.sort();
    Ok(folders)
}

/// The folders that the code map does not name.
fn missing(architecture: &str, folders: &[String]) -> Vec<String> {
    let Some(map) = code_map(architecture) else {
        return vec!["ARCHITECTURE.md: has no section whose heading says \"code map\"".to_owned()];
    };
    let names: Vec<&str> =
        map.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-').collect();
    let unnamed = folders.iter().filter(|folder| !names.contains(&folder.as_str()));
    unnamed.map(|folder| format!("ARCHITECTURE.md: the code map does not name {folder}")).collect()
}

/// The section whose heading says "code map", with the sections inside of it.
fn code_map(document: &str) -> Option<String> {
    let mut lines = document.lines();
    let heading = lines
        .by_ref()
        .find(|line| heading_level(line).is_some() && line.to_ascii_lowercase().contains("code map"))?;
    let level = heading_level(heading)?;
    let mut in_code_block = false;
    let section: Vec<&str> = lines
        .take_while(|line| {
            in_code_block ^= line.starts_with("```");
            in_code_block || heading_level(line).is_none_or(|found| found > level)
        })
        .collect();
    Some(section.join("\n"))
}

fn heading_level(line: &str) -> Option<usize> {
    let level = line.len() - line.trim_start_matches('#').len();
    (level > 0 && line[level..].starts_with(' ')).then_some(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_by_their_section() {
        let template = "Transform: x\nParameters:\n  First:\n    Type: String\n\n  Second:\n    Type: Number\nResources:\n  Third:\n";
        assert_eq!(parameters_of(template), ["First", "Second"]);
    }

    const ARCHITECTURE: &str = "\
# Architecture
xtask and mayfly-app are spoken of here.
## The code map
```text
# crates/
mayfly-core   decides
```
### Tasks
`mayfly-app-extra`
## Invariants
mayfly-aws
";

    fn check(document: &str, folders: &[&str], expected: &[&str]) {
        let folders: Vec<String> = folders.iter().map(|folder| (*folder).to_owned()).collect();
        assert_eq!(missing(document, &folders), expected);
    }

    #[test]
    fn a_crate_in_the_code_map_is_found_also_below_a_smaller_heading() {
        check(ARCHITECTURE, &["mayfly-core", "mayfly-app-extra"], &[]);
    }

    #[test]
    fn a_crate_outside_of_the_code_map_is_missing() {
        check(ARCHITECTURE, &["mayfly-aws"], &["ARCHITECTURE.md: the code map does not name mayfly-aws"]);
        check(ARCHITECTURE, &["xtask"], &["ARCHITECTURE.md: the code map does not name xtask"]);
    }

    #[test]
    fn a_part_of_a_longer_name_does_not_count() {
        check(ARCHITECTURE, &["mayfly-app"], &["ARCHITECTURE.md: the code map does not name mayfly-app"]);
    }

    #[test]
    fn a_document_without_a_code_map_is_a_problem() {
        check("# Architecture", &[], &["ARCHITECTURE.md: has no section whose heading says \"code map\""]);
    }
}
