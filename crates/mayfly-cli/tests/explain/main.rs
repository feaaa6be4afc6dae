//! `mayfly explain` and `mayfly mappings lint`: the real command, against an embedded store and a stand-in for AWS.
#![expect(clippy::unwrap_used, clippy::panic, reason = "all of it is tests")]

#[path = "../shared/command.rs"]
mod command;
mod explain;
mod lint;
mod sarif;
mod world;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let trials = [explain::trials(), lint::trials()].into_iter().flatten().collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
