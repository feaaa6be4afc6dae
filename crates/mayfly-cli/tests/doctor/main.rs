//! `mayfly hooks` and `mayfly doctor` as the person runs them who looks after an installation: the real command, a stand-in GitLab, a
//! stand-in AWS in front of embedded tables.
#![expect(clippy::unwrap_used, reason = "all of it is tests")]

mod checks;
#[path = "../shared/command.rs"]
mod command;
mod hooks;
#[path = "../shared/installation.rs"]
mod installation;
mod scene;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let trials = checks::trials().into_iter().chain(hooks::trials()).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
