#![doc = include_str!("../README.md")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what this program is for")]

mod bench;
mod check;
mod e2e;
mod process;
mod python;
mod sim;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::check::Check;

/// The tasks of this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Runs all tests of the workspace, with cargo-nextest if it is installed, then the end-to-end tests
    Test {
        /// Passed on to the test runner, such as a part of a test's name; doc tests and end-to-end tests are then left out
        #[arg(last = true, value_name = "ARGS")]
        runner_arguments: Vec<String>,
    },
    /// Runs the checks, all of them, and ends with a table of the results
    Check {
        /// Only these checks
        #[arg(value_name = "CHECK")]
        only: Vec<Check>,
        /// Lets cargo-deny look for known vulnerabilities too. Fetches the advisory database: needs the network, and
        /// can fail for reasons outside of this checkout, so CI leaves it out
        #[arg(long)]
        advisories: bool,
        /// Plants deliberate faults in a copy of the workspace, and sees that each is caught. Takes some minutes
        #[arg(long)]
        mutants: bool,
    },
    /// Deploys the stacks into an emulator of AWS and runs the tests there. Needs Linux, Python 3.11 or later and make
    E2e {
        /// Runs no tests, but keeps what is deployed until Enter is pressed
        #[arg(long)]
        keep: bool,
        /// Passed on to the tests, such as a part of a test's name
        #[arg(last = true, value_name = "ARGS")]
        test_arguments: Vec<String>,
    },
    /// Runs one benchmark
    Bench {
        /// Its name; an unknown one lists the known ones
        name: String,
    },
    /// Runs the seeded simulation: no job is lost, no runner leaks, whatever goes wrong
    Sim {
        /// Passed on to it, such as `--jobs 100000 --seed 7`; `--help` tells of them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Test { runner_arguments } => test::run(&runner_arguments),
        Task::Check { only, advisories, mutants } => check::run(&only, advisories, mutants),
        Task::E2e { keep, test_arguments } => e2e::run(keep, &test_arguments),
        Task::Bench { name } => bench::run(&name),
        Task::Sim { arguments } => sim::run(&arguments),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }
}
