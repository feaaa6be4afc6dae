//! Programs written in Python, in virtual environments of our own below the target folder.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use cargo_metadata::Metadata;
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};

use crate::process::run as run_command;

/// The oldest Python that all pinned packages run on.
const OLDEST: (u32, u32) = (3, 11);

/// Names that a Python may have, the preferred one first.
const NAMES: [&str; 6] = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python"];

/// Prints the version of a Python that can make environments.
const ASK_VERSION: &str =
    "import sys, venv, ensurepip; print(sys.version_info.major, sys.version_info.minor, sys.executable)";

/// One virtual environment that holds what its requirements say.
#[derive(Debug, Clone)]
pub(crate) struct Venv {
    folder: Utf8PathBuf,
}

impl Venv {
    /// The environment of this name, whose requirements are `xtask/python/<name>.txt`. It is made when it is first wanted, and
    /// again when the requirements or the Python have changed; that needs a package index.
    pub(crate) fn prepare(workspace: &Metadata, name: &str) -> Result<Self> {
        let requirements = workspace.workspace_root.join("xtask/python").join(format!("{name}.txt"));
        let environments = workspace.target_directory.join("e2e/python");
        let venv = Self { folder: environments.join(name) };
        fs::create_dir_all(&environments).with_context(|| format!("cannot make {environments}"))?;
        let lock = environments.join(format!("{name}.lock"));
        let lock = File::create(&lock).with_context(|| format!("cannot make {lock}"))?;
        // Another task may be making the same one.
        lock.lock().context("cannot lock the environment")?;
        venv.make_if_needed(&requirements)?;
        Ok(venv)
    }

    /// A program of the environment.
    pub(crate) fn program(&self, name: &str) -> Utf8PathBuf {
        self.programs().join(name)
    }

    /// Where the programs of the environment are.
    pub(crate) fn programs(&self) -> Utf8PathBuf {
        self.folder.join("bin")
    }

    fn make_if_needed(&self, requirements: &Utf8Path) -> Result<()> {
        let wanted =
            fs::read_to_string(requirements).with_context(|| format!("cannot read {requirements}"))?;
        let python = find_python()?;
        let stamp = self.folder.join("made-of");
        let wanted = format!("# {python}\n{wanted}");
        if fs::read_to_string(&stamp).is_ok_and(|made_of| made_of == wanted) {
            return Ok(());
        }
        println!("making {} of {requirements}, once", self.folder);
        self.make(&python, requirements)?;
        fs::write(&stamp, wanted).with_context(|| format!("cannot write {stamp}"))
    }

    fn make(&self, python: &str, requirements: &Utf8Path) -> Result<()> {
        let folder = &self.folder;
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("cannot remove {folder}"))?;
        }
        if !run_command(Command::new(python).args(["-m", "venv", folder.as_str()]))? {
            bail!("{python} cannot make a virtual environment");
        }
        // The file names every package: nothing else may come along.
        let mut pip = Command::new(self.program("python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
        if !run_command(pip.args(["--requirement", requirements.as_str()]))? {
            bail!("the packages of {requirements} cannot be installed");
        }
        Ok(())
    }
}

/// The full path of a Python that is new enough.
fn find_python() -> Result<String> {
    match first_fitting(NAMES.iter().filter_map(|name| ask_version(name))) {
        Some(python) => Ok(python),
        None => bail!(
            "this needs Python {}.{} or later with the modules venv and ensurepip (on Debian and Ubuntu the package \
             python3-venv); none of {} is one",
            OLDEST.0,
            OLDEST.1,
            NAMES.join(", ")
        ),
    }
}

/// What it says of itself; `None` if it is not there or lacks a module.
fn ask_version(name: &str) -> Option<String> {
    let output = Command::new(name).args(["-c", ASK_VERSION]).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn first_fitting(mut answers: impl Iterator<Item = String>) -> Option<String> {
    answers.find_map(|answer| {
        let mut words = answer.trim().splitn(3, ' ');
        let version = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let program = words.next()?;
        (version >= OLDEST).then(|| program.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(answers: &[&str], expected: Option<&str>) {
        let answers = answers.iter().map(|&answer| answer.to_owned());
        assert_eq!(first_fitting(answers).as_deref(), expected);
    }

    #[test]
    fn the_first_python_that_is_new_enough_is_taken() {
        check(
            &["3 9 /usr/bin/python3\n", "3 12 /opt/a b/python3.12\n", "3 11 /usr/bin/python3.11\n"],
            Some("/opt/a b/python3.12"),
        );
        check(&["3 11 /usr/bin/python3\n"], Some("/usr/bin/python3"));
        check(&["4 0 /usr/bin/python\n"], Some("/usr/bin/python"));
    }

    #[test]
    fn an_old_or_strange_one_is_none() {
        check(&["2 7 /usr/bin/python\n", "3 10 /usr/bin/python3\n"], None);
        check(&["", "Python 3.12\n"], None);
        check(&[], None);
    }
}
