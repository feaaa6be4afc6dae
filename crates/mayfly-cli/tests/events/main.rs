//! `mayfly events` and `mayfly runners end` as the person runs them who looks after an installation: the real command, a stand-in
//! for AWS.
#![expect(clippy::unwrap_used, clippy::panic, reason = "all of it is tests")]

#[path = "../shared/command.rs"]
mod command;
mod end;
mod installation;
mod list;
mod replay;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let trials = [list::trials(), replay::trials(), end::trials()].into_iter().flatten().collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
