//! `cargo xtask sim`: the seeded simulation.

use anyhow::Result;

use crate::process::{cargo, run as run_command, workspace};

/// Runs the simulation with these arguments, optimised for speed; true if all held.
pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let root = workspace()?.workspace_root;
    let program =
        ["run", "--quiet", "--profile", "bench", "--package", "mayfly-standins", "--bin", "mayfly-sim"];
    run_command(cargo(&root, &program).arg("--").args(arguments))
}
