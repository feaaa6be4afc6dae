//! `mayfly local` as its users run it: the real command, a stand-in GitLab, runners as real processes.
//!
//! The program is also the stand-in for `gitlab-runner` that the command is given: nothing else need be built or installed.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is tests")]

mod backend;
#[path = "../shared/command.rs"]
mod command;
mod crashes;
mod intake;
mod jobs;
mod look;
mod mayfly;
mod reconciler;
mod settings;

use std::process::ExitCode;

use libtest_mimic::Arguments;

/// The argument that makes this program the stand-in runner.
const STANDIN_RUNNER: &str = "as-standin-runner";

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|first| first == STANDIN_RUNNER) {
        return mayfly_standins::runner::main_with_args(std::env::args_os().skip(1));
    }
    let trials = [
        backend::trials(),
        jobs::trials(),
        intake::trials(),
        crashes::trials(),
        settings::trials(),
        reconciler::trials(),
        look::trials(),
    ]
    .into_iter()
    .flatten()
    .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
