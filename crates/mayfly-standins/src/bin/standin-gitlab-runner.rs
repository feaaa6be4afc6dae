//! The stand-in of `gitlab-runner` as a program of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    mayfly_standins::runner::main_with_args(std::env::args_os())
}
