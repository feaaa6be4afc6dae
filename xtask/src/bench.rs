//! `cargo xtask bench`: one benchmark.

use anyhow::{Result, bail};

use crate::process::{cargo, run as run_command, workspace};

/// The benchmarks, each with its package.
const BENCHMARKS: [(&str, &str); 1] = [("intake", "mayfly-local")];

/// Runs the benchmark of this name; true if it succeeded.
pub(crate) fn run(name: &str) -> Result<bool> {
    let package = package_of(name)?;
    let root = workspace()?.workspace_root;
    run_command(&mut cargo(&root, &["bench", "--package", package, "--bench", name]))
}

fn package_of(name: &str) -> Result<&'static str> {
    if let Some((_, package)) = BENCHMARKS.iter().find(|(known, _)| *known == name) {
        return Ok(package);
    }
    let known: Vec<&str> = BENCHMARKS.iter().map(|(known, _)| *known).collect();
    bail!("no benchmark is called {name:?}; known: {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_name_has_a_package() {
        assert_eq!(package_of("intake").unwrap(), "mayfly-local");
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let message = package_of("outtake").unwrap_err().to_string();
        assert_eq!(message, "no benchmark is called \"outtake\"; known: intake");
    }
}
