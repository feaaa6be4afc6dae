//! The scripted sessions in `scenarios/`, with the real command: tables in an embedded store, a stand-in for AWS and for GitLab, and a
//! `mayfly local` where a session wants one.
//!
//! The program is also the stand-in for `gitlab-runner` that `mayfly local` is given, as in the tests of that.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is tests")]

mod aws;
#[path = "../shared/installation.rs"]
mod installation;
#[path = "../local/mayfly.rs"]
#[expect(dead_code, reason = "the tests of `mayfly local` do more with it")]
mod mayfly;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use mayfly_standins::scenario::{EMBEDDED, Scenario, compare, play, sessions};

use crate::world::EmbeddedWorld;

/// The argument that makes this program the stand-in runner.
const STANDIN_RUNNER: &str = "as-standin-runner";

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|first| first == STANDIN_RUNNER) {
        return mayfly_standins::runner::main_with_args(std::env::args_os().skip(1));
    }
    let sessions = sessions(&root().join("scenarios")).unwrap();
    let trials = sessions.into_iter().filter_map(|(name, file)| {
        let scenario = Scenario::read(&file).unwrap();
        scenario
            .is_for(EMBEDDED)
            .then(|| Trial::test(format!("session_{name}"), move || session(&scenario, &file)))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn session(scenario: &Scenario, file: &Path) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let mut world = EmbeddedWorld::new(&root(), scenario.worlds.len() > 1).await;
        let played = play(scenario, &mut world).await;
        world.end().await;
        compare(&played?, file)?;
        Ok(())
    })
}
