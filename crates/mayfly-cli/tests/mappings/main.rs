//! `mayfly mappings` as its users run it: the real command, an embedded DynamoDB, and a stand-in for the rest of AWS.
#![expect(clippy::unwrap_used, reason = "all of it is tests")]

#[path = "../shared/command.rs"]
mod command;
mod documents;
mod edits;
mod failures;
mod pauses;
mod script;
mod terminal;
mod world;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let trials = [
        edits::trials(),
        documents::trials(),
        failures::trials(),
        pauses::trials(),
        script::trials(),
        terminal::trials(),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials.into_iter().flatten().collect()).exit_code()
}
