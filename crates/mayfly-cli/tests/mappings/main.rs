//! `mayfly mappings` as its users run it: the real command, an embedded DynamoDB, and a stand-in for the rest of AWS.
#![expect(clippy::unwrap_used, reason = "all of it is tests")]

mod documents;
mod edits;
mod failures;
mod pauses;
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let trials = [edits::trials(), documents::trials(), failures::trials(), pauses::trials()];
    let trials = trials.into_iter().flatten().collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A test that is an asynchronous function.
fn trial(name: &str, test: impl Future<Output = ()> + Send + 'static) -> Trial {
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.map_err(|error| error.to_string())?.block_on(test);
        Ok(())
    })
}
