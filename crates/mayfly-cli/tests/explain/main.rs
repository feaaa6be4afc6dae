//! `mayfly explain` and `mayfly mappings lint`: the real command, against an embedded store and a stand-in for AWS.
#![expect(clippy::unwrap_used, clippy::panic, reason = "all of it is tests")]

mod explain;
mod lint;
mod sarif;
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let trials = [explain::trials(), lint::trials()].concat_all();
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
