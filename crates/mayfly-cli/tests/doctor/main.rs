//! `mayfly hooks` and `mayfly doctor` as the person runs them who looks after an installation: the real command, a stand-in GitLab, a
//! stand-in AWS in front of embedded tables.
#![expect(clippy::unwrap_used, reason = "all of it is tests")]

mod checks;
mod hooks;
mod scene;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let trials = checks::trials().into_iter().chain(hooks::trials()).collect();
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
