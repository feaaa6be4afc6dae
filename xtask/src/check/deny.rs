//! Check `deny`: licences, banned crates and sources of dependencies, with cargo-deny and deny.toml.

use std::process::Command;

use anyhow::{Result, bail};
use cargo_metadata::Metadata;
use cargo_metadata::camino::Utf8Path;

use super::problems_of;
use crate::process::{cargo, has_cargo_subcommand, output_of, run as run_command};

/// The version that is installed where there is none.
const VERSION: &str = "0.20.2";

/// Runs cargo-deny; builds it first if need be.
pub(super) fn problems(workspace: &Metadata, advisories: bool) -> Result<Vec<String>> {
    let root = &workspace.workspace_root;
    let mut command = if has_cargo_subcommand("deny") {
        cargo(root, &["deny"])
    } else {
        let mut command = own_copy(workspace)?;
        command.current_dir(root);
        command
    };
    command.args(["--all-features", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"]);
    if advisories {
        command.arg("advisories");
    }
    problems_of(&mut command)
}

/// The copy in the target folder. It stays there, so that it is built once for each version.
fn own_copy(workspace: &Metadata) -> Result<Command> {
    let tools = workspace.target_directory.join("tools");
    let program = tools.join("bin/cargo-deny");
    if !is_this_version(&program) {
        println!("cargo-deny is not installed: building it once, which takes some minutes");
        let arguments = ["install", "cargo-deny", "--locked", "--version", VERSION, "--root", tools.as_str()];
        let mut install = cargo(&workspace.workspace_root, &arguments);
        // With this set, the objects of the build would stay for ever; without it they are removed.
        install.env_remove("CARGO_TARGET_DIR");
        if !run_command(&mut install)? {
            bail!("cargo-deny {VERSION} cannot be installed");
        }
    }
    Ok(Command::new(program))
}

fn is_this_version(program: &Utf8Path) -> bool {
    let version = output_of(Command::new(program).arg("--version"));
    version.is_ok_and(|version| version.trim() == format!("cargo-deny {VERSION}"))
}
