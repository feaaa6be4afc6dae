//! `mayfly events` and `mayfly runners end` as the person runs them who looks after an installation: the real command, a stand-in
//! for AWS.
#![expect(clippy::unwrap_used, clippy::panic, reason = "all of it is tests")]

mod end;
mod installation;
mod list;
mod replay;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let trials = [list::trials(), replay::trials(), end::trials()].into_iter().flatten().collect();
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
