//! What systemd hears of the agent.

use std::ffi::OsStr;

use tokio::net::UnixDatagram;
use tokio::process::Command;
use tokio::time::timeout;

use super::{InstanceWorld, ended};
use crate::support::PATIENCE;

/// systemd names the process whose pings it wants.
fn watched_agent() -> Command {
    let mut command = Command::new("bash");
    command.args(["-c", r#"WATCHDOG_PID=$$ exec "$@""#, "bash", env!("CARGO_BIN_EXE_mayfly-agent")]);
    command
}

async fn heard(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 100];
    let length = timeout(PATIENCE, socket.recv(&mut bytes)).await.unwrap().unwrap();
    String::from_utf8_lossy(&bytes[..length]).trim_end().to_owned()
}

#[tokio::test]
async fn systemd_hears_that_the_agent_is_up_and_then_again_and_again() {
    let instance = InstanceWorld::new("started; received 7; meet; log 'Job succeeded'").await;
    let path = instance.world.file("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let mut command = instance.command(watched_agent(), &[]);
    let agent =
        command.env("NOTIFY_SOCKET", OsStr::new(&path)).env("WATCHDOG_USEC", "60000").spawn().unwrap();
    assert_eq!(heard(&socket).await, "READY=1");
    for _ in 0..5 {
        assert_eq!(heard(&socket).await, "WATCHDOG=1");
    }
    timeout(PATIENCE, instance.world.meet(|| {})).await.unwrap();
    ended(agent).await.check(r#"{"outcome":"job-done","job":7}"#, 0);
}

#[tokio::test]
async fn no_ping_comes_from_an_agent_that_nobody_watches() {
    let instance = InstanceWorld::new("started; received 7").await;
    let path = instance.world.file("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let mut command = instance.command(super::agent(), &[]);
    let agent = command.env("NOTIFY_SOCKET", OsStr::new(&path)).spawn().unwrap();
    ended(agent).await.check(r#"{"outcome":"job-done","job":7}"#, 0);
    assert_eq!(heard(&socket).await, "READY=1");
    assert!(socket.try_recv(&mut [0; 100]).is_err());
}
