//! `mayfly local` as its users run it: the real command, a stand-in GitLab, runners as real processes.
//!
//! The program is also the stand-in for `gitlab-runner` that the command is given: nothing else need be built or installed.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is tests")]

mod backend;
mod crashes;
mod intake;
mod jobs;
mod look;
mod mayfly;
mod reconciler;
mod settings;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

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
    .concat_all();
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

trait ConcatAll {
    fn concat_all(self) -> Vec<Trial>;
}

impl<const N: usize> ConcatAll for [Vec<Trial>; N] {
    fn concat_all(self) -> Vec<Trial> {
        self.into_iter().flatten().collect()
    }
}
