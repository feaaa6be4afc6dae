//! Check `manners`: what no lint knows.

mod code;
mod manifest;
mod source;

use std::fs;

use anyhow::{Context, Result};
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::{Metadata, Package};

use self::source::SourceFile;

/// The first line of every crate.
const ROOT_LINE: &str = "#![doc = include_str!(\"../README.md\")]";

/// The files of one crate, as found.
#[derive(Debug, Default)]
struct CrateFiles {
    /// The folder, from the root of the workspace.
    folder: Utf8PathBuf,
    manifest: String,
    readme: Option<String>,
    /// Every `.rs` file, by its path from the crate's folder.
    sources: Vec<SourceFile>,
}

/// Reads all crates and judges them.
pub(super) fn problems(workspace: &Metadata) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for package in workspace.workspace_packages() {
        problems.extend(judge(&gather(package, &workspace.workspace_root)?));
    }
    Ok(problems)
}

fn gather(package: &Package, root: &Utf8Path) -> Result<CrateFiles> {
    let folder = package.manifest_path.parent().context("a manifest without a folder")?;
    let readme = folder.join("README.md");
    let mut sources = Vec::new();
    gather_sources(folder, folder, &mut sources)?;
    sources.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(CrateFiles {
        folder: folder.strip_prefix(root).unwrap_or(folder).to_owned(),
        manifest: read(&package.manifest_path)?,
        readme: if readme.exists() { Some(read(&readme)?) } else { None },
        sources,
    })
}

fn gather_sources(folder: &Utf8Path, crate_folder: &Utf8Path, sources: &mut Vec<SourceFile>) -> Result<()> {
    for entry in folder.read_dir_utf8().with_context(|| format!("cannot read {folder}"))? {
        let entry = entry.with_context(|| format!("cannot read {folder}"))?;
        let path = entry.path();
        if path.is_dir() {
            gather_sources(path, crate_folder, sources)?;
        } else if path.extension() == Some("rs") {
            let relative = path.strip_prefix(crate_folder).unwrap_or(path).to_owned();
            sources.push(SourceFile { path: relative, text: read(path)? });
        }
    }
    Ok(())
}

fn read(path: &Utf8Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}

/// What breaks the rules in one crate.
fn judge(files: &CrateFiles) -> Vec<String> {
    let mut problems = manifest::problems(&files.manifest);
    match &files.readme {
        None => problems.push("README.md: missing".to_owned()),
        Some(readme) => problems.extend(source::ignored_examples("README.md", readme)),
    }
    problems.extend(root_problem(&files.sources));
    problems.extend(source::problems(&files.sources));
    problems.into_iter().map(|problem| format!("{}/{problem}", files.folder)).collect()
}

/// A crate with a library and a program is introduced by its library.
fn root_problem(sources: &[SourceFile]) -> Option<String> {
    let find = |path| sources.iter().find(|file| file.path == path);
    match find("src/lib.rs").or_else(|| find("src/main.rs")) {
        None => Some("src: has neither lib.rs nor main.rs".to_owned()),
        Some(root) if root.text.lines().next() == Some(ROOT_LINE) => None,
        Some(root) => Some(format!("{}:1: does not begin with {ROOT_LINE}", root.path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tidy() -> CrateFiles {
        CrateFiles {
            folder: "crates/mayfly-core".into(),
            manifest: "[lints]\nworkspace = true\n".to_owned(),
            readme: Some("# mayfly-core\n".to_owned()),
            sources: vec![SourceFile { path: "src/lib.rs".into(), text: format!("{ROOT_LINE}\n") }],
        }
    }

    fn check(files: &CrateFiles, expected: &[&str]) {
        assert_eq!(judge(files), expected);
    }

    #[test]
    fn a_tidy_crate_has_no_problem() {
        check(&tidy(), &[]);
    }

    #[test]
    fn every_problem_is_named_with_its_place() {
        let root =
            SourceFile { path: "src/main.rs".into(), text: "//! A program.\nfn main() {}\n".to_owned() };
        let untidy = CrateFiles { manifest: String::new(), readme: None, sources: vec![root], ..tidy() };
        check(
            &untidy,
            &[
                "crates/mayfly-core/Cargo.toml: [lints] is not `workspace = true`",
                "crates/mayfly-core/README.md: missing",
                "crates/mayfly-core/src/main.rs:1: does not begin with #![doc = include_str!(\"../README.md\")]",
            ],
        );
    }

    #[test]
    fn a_crate_without_a_root_file_is_a_problem() {
        check(
            &CrateFiles { sources: Vec::new(), ..tidy() },
            &["crates/mayfly-core/src: has neither lib.rs nor main.rs"],
        );
    }

    #[test]
    fn an_ignored_example_in_the_readme_is_a_problem() {
        check(
            &CrateFiles { readme: Some("# A\n```rust,ignore\nlet a;\n```\n".to_owned()), ..tidy() },
            &["crates/mayfly-core/README.md:2: an ignored example; use `no_run` or `text`"],
        );
    }
}
