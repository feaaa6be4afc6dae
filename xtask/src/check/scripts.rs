//! Check `scripts`: the shell scripts, with shellcheck, and the tests of how images are made.

use std::fs::File;
use std::io::Read;
use std::process::Command;

use anyhow::{Context, Result};
use cargo_metadata::Metadata;
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};

use super::problems_of;
use crate::python::Venv;

/// The shells whose scripts shellcheck knows.
const SHELLS: [&str; 4] = ["sh", "bash", "dash", "ksh"];

/// Folders with files that are not ours, as in `.gitignore`.
const NOT_OURS: [&str; 4] = [".git", ".aws-sam", "target", "mayfly-data"];

/// How much of a file is looked at: more than the longest first line of a script.
const BEGINNING: u64 = 100;

/// The tests, which are written in Python.
const TESTS: &str = "helper-scripts/ami-preparation/tests";

/// Runs both.
pub(super) fn problems(workspace: &Metadata) -> Result<Vec<String>> {
    let root = &workspace.workspace_root;
    let venv = Venv::prepare(workspace, "scripts")?;

    let mut shellcheck = Command::new(venv.program("shellcheck"));
    // Files that a script reads are looked for beside it.
    shellcheck.args(["--external-sources", "--source-path=SCRIPTDIR"]).args(scripts_below(root)?);
    let mut problems = problems_of(shellcheck.current_dir(root))?;

    let mut tests = Command::new(venv.program("python"));
    tests.args(["-m", "unittest", "discover", "--start-directory", TESTS]);
    problems.extend(problems_of(tests.current_dir(root).env("PYTHONDONTWRITEBYTECODE", "1"))?);
    Ok(problems)
}

/// Every shell script below a folder, by its path from there, in order.
fn scripts_below(root: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let mut scripts = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir_utf8().with_context(|| format!("cannot read {folder}"))? {
            let entry = entry.with_context(|| format!("cannot read {folder}"))?;
            let kind = entry.file_type().with_context(|| format!("cannot read {}", entry.path()))?;
            if kind.is_dir() && !NOT_OURS.contains(&entry.file_name()) {
                folders.push(entry.path().to_owned());
            } else if kind.is_file() && is_shell_script(&beginning_of(entry.path())?) {
                scripts.push(entry.path().strip_prefix(root).unwrap_or(entry.path()).to_owned());
            }
        }
    }
    scripts.sort();
    Ok(scripts)
}

fn beginning_of(path: &Utf8Path) -> Result<Vec<u8>> {
    let mut beginning = Vec::new();
    let file = File::open(path).with_context(|| format!("cannot read {path}"))?;
    file.take(BEGINNING).read_to_end(&mut beginning).with_context(|| format!("cannot read {path}"))?;
    Ok(beginning)
}

/// True if the first line names a shell, directly or by way of `env`.
fn is_shell_script(beginning: &[u8]) -> bool {
    let Some(line) = beginning.strip_prefix(b"#!").and_then(|rest| rest.split(|byte| *byte == b'\n').next())
    else {
        return false;
    };
    let line = String::from_utf8_lossy(line);
    let mut programs = line.split_whitespace().filter(|word| !word.starts_with('-')).map(last_part);
    match programs.next() {
        Some("env") => programs.next().is_some_and(|program| SHELLS.contains(&program)),
        program => program.is_some_and(|program| SHELLS.contains(&program)),
    }
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn check(beginning: &str, expected: bool) {
        assert_eq!(is_shell_script(beginning.as_bytes()), expected, "{beginning}");
    }

    #[test]
    fn a_script_is_known_by_the_shell_in_its_first_line() {
        check("#!/bin/bash\nset -e\n", true);
        check("#!/bin/sh -eu", true);
        check("#!/usr/bin/env bash\n", true);
        check("#!/usr/bin/env -S bash -e\n", true);
        check("#! /bin/dash\n", true);
    }

    #[test]
    fn other_files_are_no_shell_scripts() {
        check("", false);
        check("#!\n/bin/bash", false);
        check("#!/usr/bin/env python3\n# bash\n", false);
        check("#!/usr/bin/env\nbash", false);
        check("#!/usr/bin/fish\n", false);
        check("#![doc = include_str!(\"bash\")]", false);
        check("/bin/bash\n", false);
    }

    #[test]
    fn scripts_are_found_wherever_they_are_but_not_among_what_is_built() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        for file in [".ci/run", "a/b/script", "target/debug/script", "a/.aws-sam/script"] {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), "#!/bin/sh\n").unwrap();
        }
        fs::write(root.join("notes"), "not one\n").unwrap();
        std::os::unix::fs::symlink("script", root.join("a/b/link")).unwrap();
        assert_eq!(scripts_below(root).unwrap(), [".ci/run", "a/b/script"]);
    }

    #[test]
    fn a_folder_that_cannot_be_read_is_an_error() {
        assert!(scripts_below(Utf8Path::new("/does/not/exist")).is_err());
    }
}
