//! The backend `LOCAL` with real agents keeps the contract of every backend.

use libtest_mimic::Trial;
use mayfly_core::mapping::Target;
use mayfly_local::backend::{LocalBackend, LocalBackendConfig};
use mayfly_standins::contracts;
use mayfly_standins::gitlab::StandinGitlab;
use tokio::time::timeout;

use crate::STANDIN_RUNNER;
use crate::command::trial;
use crate::mayfly::LONG;

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("the_local_backend_keeps_the_contract", contract())]
}

async fn contract() {
    let gitlab = StandinGitlab::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (backend, mut left) = LocalBackend::new(LocalBackendConfig {
        runners_dir: folder.path().join("runners"),
        agent_command: vec![env!("CARGO_BIN_EXE_mayfly").into(), "agent".into()],
        runner_command: vec![std::env::current_exe().unwrap().into(), STANDIN_RUNNER.into()],
        environment: [("PATH".into(), "/usr/bin:/bin".into())].into(),
        max_runners: 2,
    });
    contracts::backend(&backend, &Target::Local, gitlab.url()).await;
    // Both agents are gone, and with them everything they started.
    for _ in 0..2 {
        timeout(LONG, left.recv()).await.unwrap().unwrap();
    }
}
