//! Deliberate faults in what Mayfly decides and does. The simulation or the model check must catch each of them: a check that
//! lets a fault pass checks nothing.

mod table;

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use cargo_metadata::Metadata;
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};

use crate::process::{output_of, timed};
use table::{MUTANTS, Mutant};

/// How many jobs the simulation has to find a fault, and from which seeds.
const JOBS: &str = "20000";
const SEEDS: [&str; 2] = ["1", "2"];

/// What can catch a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Catcher {
    /// `mayfly-sim`, or the tests of the simulation
    Simulation,
    /// The test `protocol` of mayfly-core
    ModelCheck,
}

/// Plants each fault in a copy of the workspace, one at a time, and says what caught it.
pub(super) fn problems(workspace: &Metadata) -> Result<Vec<String>> {
    let lab = Laboratory::open(workspace)?;
    if let Some(catcher) = lab.catcher()? {
        return Ok(vec![format!("{catcher:?} finds a fault where none was planted")]);
    }
    let mut problems = Vec::new();
    for mutant in MUTANTS {
        let (caught, took) = timed(|| lab.try_one(mutant));
        let caught = caught.with_context(|| mutant.name.to_owned())?;
        let word = caught.map_or_else(|| "NOTHING".to_owned(), |catcher| format!("{catcher:?}"));
        println!("{:<64} caught by {word:<11} {:>5.1} s", mutant.name, took.as_secs_f64());
        if caught.is_none() {
            problems.push(format!("nothing catches: {}", mutant.name));
        }
    }
    Ok(problems)
}

/// A copy of the workspace, with a build folder of its own.
struct Laboratory {
    tree: Utf8PathBuf,
    build: Utf8PathBuf,
}

impl Laboratory {
    fn open(workspace: &Metadata) -> Result<Self> {
        let folder = workspace.target_directory.join("mutants");
        let lab = Self { tree: folder.join("tree"), build: folder.join("build") };
        if lab.tree.exists() {
            fs::remove_dir_all(&lab.tree).with_context(|| format!("cannot remove {}", lab.tree))?;
        }
        let mut list = Command::new("git");
        list.args(["ls-files", "--cached", "--others", "--exclude-standard"]);
        for file in output_of(list.current_dir(&workspace.workspace_root))?.lines() {
            lab.copy(&workspace.workspace_root, file)?;
        }
        Ok(lab)
    }

    fn copy(&self, root: &Utf8Path, file: &str) -> Result<()> {
        let (from, to) = (root.join(file), self.tree.join(file));
        if !from.is_file() {
            return Ok(());
        }
        let folder = to.parent().context("a file without a folder")?;
        fs::create_dir_all(folder).with_context(|| format!("cannot make {folder}"))?;
        fs::copy(&from, &to).with_context(|| format!("cannot copy {from}"))?;
        Ok(())
    }

    fn try_one(&self, mutant: &Mutant) -> Result<Option<Catcher>> {
        let file = self.tree.join(mutant.file);
        let whole = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
        let planted = mutant.plant(&whole)?;
        fs::write(&file, planted).with_context(|| format!("cannot write {file}"))?;
        let caught = self.catcher();
        fs::write(&file, whole).with_context(|| format!("cannot write {file}"))?;
        caught
    }

    /// A fault that does not compile is caught by nobody: it is a mistake in the table.
    fn build(&self, arguments: &[&str]) -> Result<()> {
        if !self.succeeds("cargo", arguments)? {
            bail!("cargo {}: does not build", arguments.join(" "));
        }
        Ok(())
    }

    /// The simulation is asked first: it takes seconds.
    fn catcher(&self) -> Result<Option<Catcher>> {
        self.build(&["build", "--quiet", "-p", "mayfly-standins", "--bin", "mayfly-sim"])?;
        let simulation = self.build.join("debug/mayfly-sim");
        for seed in SEEDS {
            if !self.succeeds(simulation.as_str(), &["--jobs", JOBS, "--seed", seed])? {
                return Ok(Some(Catcher::Simulation));
            }
        }
        // Among them are those of how long a repair may take.
        let probes = ["test", "--quiet", "-p", "mayfly-standins", "--test", "simulation"];
        self.build(&[&probes[..], &["--no-run"]].concat())?;
        if !self.succeeds("cargo", &probes)? {
            return Ok(Some(Catcher::Simulation));
        }
        self.build(&["test", "--quiet", "-p", "mayfly-core", "--test", "protocol", "--no-run"])?;
        let model = ["test", "--quiet", "-p", "mayfly-core", "--test", "protocol"];
        Ok((!self.succeeds("cargo", &model)?).then_some(Catcher::ModelCheck))
    }

    fn succeeds(&self, program: &str, arguments: &[&str]) -> Result<bool> {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.tree).env("CARGO_TARGET_DIR", &self.build);
        // Most faults are found late or by the model check: running takes longer than building.
        command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "1");
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        Ok(status.with_context(|| format!("{program}: cannot be started"))?.success())
    }
}

impl Mutant {
    /// The file with the fault. Its place must be there just once: code that has changed needs a fault that has changed.
    fn plant(&self, whole: &str) -> Result<String> {
        match whole.matches(self.find).count() {
            1 => Ok(whole.replacen(self.find, self.replace, 1)),
            places => bail!("{}: {places} places for the fault `{}`", self.file, self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_place() {
        let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for mutant in MUTANTS {
            let whole = fs::read_to_string(root.join(mutant.file)).unwrap();
            assert_ne!(mutant.plant(&whole).unwrap(), whole, "{}", mutant.name);
        }
        assert!(MUTANTS.len() >= 10);
    }
}
