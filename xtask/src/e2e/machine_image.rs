//! What the image of the runners' machines has here: the agent, and a stand-in for `gitlab-runner`. The tests play the machines.

use std::fs;
use std::os::unix::fs::symlink;

use anyhow::{Context, Result};
use cargo_metadata::Metadata;
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};

use super::place::{Place, make_folder};
use super::stand_ins::StandIns;
use super::steps::logged;
use crate::process::cargo;

const AGENT: &str = "mayfly-agent";

/// A folder with the programs that a machine finds in its `PATH`.
#[derive(Debug)]
pub(super) struct MachineImage {
    folder: Utf8PathBuf,
}

impl MachineImage {
    /// Builds the agent with what it needs on a machine, and puts it beside the stand-in.
    pub(super) fn build(workspace: &Metadata, place: &Place, stand_ins: &StandIns) -> Result<Self> {
        let arguments = ["build", "--package", AGENT, "--bin", AGENT, "--features", "machine"];
        logged(&mut cargo(&workspace.workspace_root, &arguments), &place.log("build-machine-image"))?;
        let folder = place.folder().join("machine-image");
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {folder}"))?;
        }
        make_folder(&folder)?;
        let built = place.target.join("debug").join(AGENT);
        // A copy: other tests build the same program with other features.
        fs::copy(&built, folder.join(AGENT)).with_context(|| format!("cannot copy {built}"))?;
        let runner = folder.join("gitlab-runner");
        symlink(&stand_ins.runner, &runner).with_context(|| format!("cannot make {runner}"))?;
        Ok(Self { folder })
    }

    /// Where the programs are.
    pub(super) fn folder(&self) -> &Utf8Path {
        &self.folder
    }
}
