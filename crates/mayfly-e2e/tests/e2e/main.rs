//! A deployed installation as its users use it.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is tests")]

mod faults;
mod installation;
mod jobs;
mod machine_room;
mod machine_rights;
mod machines;
mod processes;
mod reconciler;
mod scenarios;
mod secrets;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use tokio::runtime::Runtime;

use crate::installation::{Installation, Test};

fn main() -> ExitCode {
    // They share one installation, and some of them change it for a moment.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    let runtime = Arc::new(Runtime::new().expect("a runtime"));
    let installation = Arc::new(runtime.block_on(Installation::find()));
    let trials = jobs::trials(&installation).into_iter().chain(faults::trials(&installation));
    let trials = trials.chain(machines::trials(&installation)).chain(machine_rights::trials(&installation));
    let trials = trials.chain(reconciler::trials(&installation));
    let named = |(name, test): Test| (name.to_owned(), test);
    let trials = trials.map(named).chain(scenarios::trials(&installation));
    // Last, when there is much to look at.
    let trials = trials.chain(secrets::trials(&installation).into_iter().map(named));
    let trials = trials.map(|(name, test)| {
        let runtime = Arc::clone(&runtime);
        Trial::test(name, move || {
            runtime.block_on(test);
            Ok(())
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
