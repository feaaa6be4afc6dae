//! Processes that outlive their runner, and their end.
//!
//! The agent makes itself the reaper of orphans, so that whatever a runner started stays a descendant of the agent. It kills
//! descendants only; if the agent itself was killed, whoever started it looks among all processes. Among them, a runner's are those that inherited its mark in their environment or work in
//! its folder, and all below them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use tokio::time::Instant;

use crate::environment::MARK;

/// How long killed processes get to be gone before the next look.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// How long abandoned processes may take to die once they are killed.
const ABANDONED_ARE_GONE_WITHIN: Duration = Duration::from_secs(3);

/// The kernel's parent of the first processes.
const EVERY_PROCESS: i32 = 0;

/// Whose leftovers are meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Family<'a> {
    /// Those of one runner.
    OfRunner {
        /// What [`MARK`] is in its environment.
        mark: &'a OsStr,
        /// Its folder, without links.
        folder: &'a Path,
    },
    /// Every process below this one: nothing else is started by it.
    WholeProcess,
}

/// A process as the kernel tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) id: i32,
    pub(crate) parent: i32,
    is_zombie: bool,
}

/// Makes orphans below this process its children, for as long as it lives.
pub(crate) fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_child_subreaper(true) {
        tracing::warn!(%error, "processes that outlive their runner may not be found");
    }
}

/// Ends what runners left behind whose agent was killed, and with it could clean up nothing: every process that bears the
/// mark of a private folder in `work_dir` or works in one, wherever it hangs by now.
///
/// Only for a `work_dir` whose agents are all gone.
pub async fn end_abandoned(work_dir: &Path) {
    for folder in fs::read_dir(work_dir).into_iter().flatten().flatten() {
        let (mark, folder) = (folder.file_name(), folder.path());
        let folder = folder.canonicalize().unwrap_or(folder);
        let family = Family::OfRunner { mark: &mark, folder: &folder };
        Hunt { root: EVERY_PROCESS, family, spared: None }.run(ABANDONED_ARE_GONE_WITHIN).await.log();
    }
}

/// Kills every process below this one, and adopts the orphans among them first. Tells the ids of those that are still there
/// when the time is over.
///
/// Only for a process that starts nothing but runners, while none of them is supervised.
pub async fn end_descendants(within: Duration) -> Vec<i32> {
    adopt_orphans();
    let hunt = Hunt { root: Pid::this().as_raw(), family: Family::WholeProcess, spared: None };
    hunt.run(within).await.log().left
}

/// Kills the family among this process's descendants again and again until none of it is left, or the time is over. What is
/// left then is logged.
pub(crate) async fn kill_leftovers(family: Family<'_>, within: Duration) {
    Hunt { root: Pid::this().as_raw(), family, spared: None }.run(within).await.log();
}

/// Like [`kill_leftovers`], but the runner itself stays.
pub(crate) async fn kill_all_but(runner: Pid, family: Family<'_>, within: Duration) {
    let hunt = Hunt { root: Pid::this().as_raw(), family, spared: Some(runner.as_raw()) };
    let bag = hunt.run(within).await;
    if bag.killed > 0 {
        tracing::info!(
            count = bag.killed,
            "the job did not end when it was told to: its processes were killed"
        );
    }
}

/// Which processes are killed.
#[derive(Debug, Clone, Copy)]
struct Hunt<'a> {
    /// Only those below this one.
    root: i32,
    family: Family<'a>,
    /// This one is not.
    spared: Option<i32>,
}

/// What became of them.
#[derive(Debug)]
struct Bag {
    killed: usize,
    left: Vec<i32>,
}

impl Hunt<'_> {
    async fn run(self, within: Duration) -> Bag {
        let this_process = Pid::this().as_raw();
        let give_up_at = Instant::now() + within;
        let mut known = BTreeSet::new();
        let mut killed = BTreeSet::new();
        let left = loop {
            let processes = all_processes();
            // A dead process tells neither its environment nor its folder, so those seen alive are remembered.
            let belongs = |id| known.contains(&id) || self.family.includes(id);
            let mut prey = select(&processes, self.root, belongs);
            prey.retain(|process| Some(process.id) != self.spared);
            if prey.is_empty() || Instant::now() >= give_up_at {
                break prey;
            }
            for process in prey {
                known.insert(process.id);
                if end_process(process, this_process) {
                    killed.insert(process.id);
                }
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        };
        Bag { killed: killed.len(), left: left.iter().map(|process| process.id).collect() }
    }
}

impl Bag {
    fn log(self) -> Self {
        if !self.left.is_empty() {
            tracing::warn!(ids = ?self.left, "processes outlive their runner and cannot be ended");
        }
        if self.killed > 0 {
            tracing::info!(count = self.killed, "processes that outlived their runner were killed");
        }
        self
    }
}

impl Family<'_> {
    fn includes(&self, id: i32) -> bool {
        match self {
            Self::WholeProcess => true,
            Self::OfRunner { mark, folder } => {
                let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
                let marked = [MARK.as_bytes(), b"=", mark.as_bytes()].concat();
                environment.split(|byte| *byte == 0).any(|variable| variable == marked)
                    || fs::read_link(format!("/proc/{id}/cwd")).is_ok_and(|cwd| cwd.starts_with(folder))
            }
        }
    }
}

/// Of all processes, those below the root that belong to the family, and all below those.
fn select(processes: &[Process], root: i32, belongs: impl Fn(i32) -> bool) -> Vec<Process> {
    let mut children: BTreeMap<i32, Vec<Process>> = BTreeMap::new();
    for process in processes {
        children.entry(process.parent).or_default().push(*process);
    }
    let mut selected = Vec::new();
    let mut seen = BTreeSet::from([root]);
    let mut parents = vec![(root, false)];
    while let Some((parent, is_selected)) = parents.pop() {
        for child in children.get(&parent).into_iter().flatten() {
            if !seen.insert(child.id) {
                continue;
            }
            let is_selected = is_selected || belongs(child.id);
            if is_selected {
                selected.push(*child);
            }
            parents.push((child.id, is_selected));
        }
    }
    selected
}

/// Kills a process, or takes note of its death if that is what it waits for. True if it was alive and is being killed.
fn end_process(process: Process, this_process: i32) -> bool {
    let id = Pid::from_raw(process.id);
    if process.is_zombie {
        // One whose parent is another process comes to us when that one is dead.
        if process.parent == this_process {
            let _ = waitpid(id, Some(WaitPidFlag::WNOHANG));
        }
        return false;
    }
    match kill(id, Signal::SIGKILL) {
        Ok(()) => true,
        Err(Errno::ESRCH) => false,
        Err(error) => {
            tracing::debug!(id = process.id, %error, "a process that outlives its runner cannot be killed");
            false
        }
    }
}

pub(crate) fn all_processes() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        tracing::debug!("there is no /proc: processes that outlive their runner are not looked for");
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(|id| parse_stat(id, &fs::read_to_string(format!("/proc/{id}/stat")).ok()?))
        .collect()
}

/// Reads `/proc/<id>/stat`: `id (name) state parent …`. The name may contain anything.
fn parse_stat(id: i32, stat: &str) -> Option<Process> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    Some(Process { id, parent, is_zombie: matches!(state, "Z" | "X") })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Processes are `(id, parent)`; the root is 1.
    #[track_caller]
    fn check(processes: &[(i32, i32)], family: &[i32], expected: &[i32]) {
        let processes: Vec<Process> =
            processes.iter().map(|&(id, parent)| Process { id, parent, is_zombie: false }).collect();
        let selected = select(&processes, 1, |id| family.contains(&id));
        let selected: BTreeSet<i32> = selected.into_iter().map(|process| process.id).collect();
        assert_eq!(selected, expected.iter().copied().collect());
    }

    #[test]
    fn only_the_familys_descendants_are_selected() {
        check(&[(2, 1), (3, 2), (4, 3)], &[2], &[2, 3, 4]);
        check(&[(2, 1), (3, 2), (4, 3)], &[3], &[3, 4]);
        check(&[(2, 1), (3, 1), (4, 3)], &[4], &[4]);
        check(&[(2, 1), (3, 2)], &[], &[]);
    }

    #[test]
    fn processes_that_are_not_below_the_root_are_never_selected() {
        check(&[(1, 0), (2, 0), (3, 2)], &[1, 2, 3], &[]);
    }

    #[test]
    fn listings_made_while_ids_are_used_again_do_no_harm() {
        check(&[(2, 3), (3, 2), (4, 1), (4, 4), (1, 4)], &[1, 2, 3, 4], &[4]);
    }

    #[test]
    fn names_of_processes_may_contain_anything() {
        for (stat, expected) in [
            ("7 (bash) S 3 7 7 0", Some((3, false))),
            ("7 (a) Z 9 (b) Z 3 7 7", Some((3, true))),
            ("7 (new\nline) R 3 7", Some((3, false))),
            ("7 (bash) S", None),
            ("", None),
        ] {
            let parsed = parse_stat(7, stat).map(|process| (process.parent, process.is_zombie));
            assert_eq!(parsed, expected, "{stat}");
        }
    }
}
