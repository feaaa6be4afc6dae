//! Processes of this system.

use std::collections::HashMap;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Kills a process and everything below it, as when a machine loses its power.
pub(crate) fn kill_tree(root: u32) {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        if let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok())
            && let Some(parent) = parent_of(process)
        {
            children.entry(parent).or_default().push(process);
        }
    }
    let mut unseen = vec![root];
    while let Some(process) = unseen.pop() {
        // One that has ended meanwhile is as good.
        let _ = kill(Pid::from_raw(process.try_into().unwrap()), Signal::SIGKILL);
        unseen.extend(children.remove(&process).unwrap_or_default());
    }
}

/// `None` for a process that has ended.
fn parent_of(process: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program, in parentheses, can be anything.
    let (_, behind) = stat.rsplit_once(')')?;
    behind.split_whitespace().nth(1)?.parse().ok()
}
