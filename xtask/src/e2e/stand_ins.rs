//! What is in the layers here instead of downloads: a stand-in for gitlab-runner. Git is this machine's own.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use cargo_metadata::Metadata;
use cargo_metadata::camino::Utf8PathBuf;

use super::place::{Place, make_folder};
use super::steps::logged;
use crate::process::cargo;

const STAND_IN: &str = "standin-gitlab-runner";

/// What the Makefiles of layers take instead of what they would fetch.
#[derive(Debug)]
pub(super) struct StandIns {
    /// The stand-in for `gitlab-runner`.
    pub(super) runner: Utf8PathBuf,
    git: Utf8PathBuf,
}

impl StandIns {
    /// Builds the stand-in, and makes a layer that has no git.
    pub(super) fn build(workspace: &Metadata, place: &Place) -> Result<Self> {
        let arguments = ["build", "--package", "mayfly-standins", "--bin", STAND_IN];
        let mut command = cargo(&workspace.workspace_root, &arguments);
        command.env("CARGO_TARGET_DIR", &place.target);
        logged(&mut command, &place.log("stand-ins"))?;

        let git = place.folder().join("layers/git");
        make_folder(&git)?;
        let note = git.join("README");
        fs::write(&note, "Functions use the git of this machine.\n")
            .with_context(|| format!("cannot write {note}"))?;
        Ok(Self { runner: place.target.join("debug").join(STAND_IN), git })
    }

    /// Tells the Makefiles of layers of them.
    pub(super) fn name_to(&self, command: &mut Command) {
        command.env("GITLAB_RUNNER_FILE", &self.runner).env("GIT_LAYER_DIR", &self.git);
    }
}
