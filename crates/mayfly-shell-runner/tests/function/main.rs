//! The function as Lambda runs it: the real program, a stand-in Runtime API, a stand-in GitLab, real processes.
//!
//! The program is also the stand-in for `gitlab-runner` that the function is given: nothing else need be built or installed.
#![expect(clippy::unwrap_used, clippy::panic, reason = "all of it is tests")]

mod ends;
mod jobs;
mod leftovers;
mod packaging;
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// The argument that makes this program the stand-in runner.
const STANDIN_RUNNER: &str = "as-standin-runner";

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|first| first == STANDIN_RUNNER) {
        return mayfly_standins::runner::main_with_args(std::env::args_os().skip(1));
    }
    let trials = [jobs::trials(), leftovers::trials(), ends::trials(), packaging::trials()]
        .into_iter()
        .flatten()
        .collect();
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
