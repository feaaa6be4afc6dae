//! A line in a job's own log that says why the job is stopped. `gitlab-runner` itself writes no more than `aborted: terminated`.
//!
//! GitLab takes a job's log only from its runner. The runner reads what the job writes from a pipe, so the line is written
//! into that pipe, as if the job had said it.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use mayfly_core::assignment::Assignment;
use nix::fcntl::OFlag;
use nix::unistd::Pid;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::time::{sleep, timeout};

use crate::leftovers::{Process, all_processes};
use crate::settings::TimeLimit;
use crate::supervise::Reason;

/// How long a full pipe, or the moment between two scripts of a job, may hold up the end of the runner.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long to wait for the next script of a job.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// How far below the agent's child a script may be: a wrapper may have started the runner.
const DEEPEST: usize = 2;

/// When the runner must be gone, and what is said to a job that still runs then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LastWords {
    /// When the runner must be gone.
    pub(crate) deadline: Timestamp,
    because: String,
}

impl LastWords {
    /// The assignment's deadline counts, or the machine's if that is earlier.
    pub(crate) fn new(assignment: &Assignment, limit: Option<&TimeLimit>) -> Self {
        let because = format!(
            "its mapping lets it live for {} s (`max_life_seconds`)",
            assignment.settings.max_life_seconds
        );
        let mut words = Self { deadline: assignment.deadline, because };
        if let Some(limit) = limit {
            words.shorten(limit);
        }
        words
    }

    /// The machine ends by itself at this time; what is earlier counts.
    pub(crate) fn shorten(&mut self, limit: &TimeLimit) {
        if limit.deadline < self.deadline {
            self.deadline = limit.deadline;
            self.because.clone_from(&limit.because);
        }
    }

    /// What to say to a job that is stopped for this reason.
    pub(crate) fn on(&self, reason: Reason) -> Option<String> {
        let why = match reason {
            Reason::Deadline => {
                let time = self.deadline.strftime("%H:%M:%S UTC");
                format!("must be gone by {time}: {}", self.because)
            }
            Reason::Stopped => "was told to end. The job may be retried".to_owned(),
            Reason::NoJob | Reason::TokenRefused => return None,
        };
        // The job may be in the middle of a line.
        Some(format!("\nMayfly: this job is stopped, because its runner {why}.\n"))
    }
}

/// Writes this into the log of the job that the runner runs, as well as it can be done: without a script there is nowhere to
/// write to.
pub(crate) async fn say(runner: Pid, words: &str) {
    let written = timeout(PATIENCE, async {
        let output = loop {
            match output_of_job(runner, &all_processes()) {
                Some(output) => break output,
                None => sleep(BETWEEN_LOOKS).await,
            }
        };
        // Opened anew, so that it does not become non-blocking for the job.
        let mut log = pipe::OpenOptions::new().open_sender(output)?;
        log.write_all(words.as_bytes()).await
    });
    match written.await {
        Ok(Ok(())) => tracing::info!("the job was told why it is stopped"),
        Ok(Err(error)) => tracing::warn!(%error, "the job cannot be told why it is stopped"),
        Err(_) => tracing::warn!("no script of the job listens: it is not told why it is stopped"),
    }
}

/// The standard output of the script that a runner runs: the output of a process just below it which its parent reads through
/// a pipe.
fn output_of_job(runner: Pid, processes: &[Process]) -> Option<PathBuf> {
    let mut parents = vec![runner.as_raw()];
    for _ in 0..DEEPEST {
        let children: Vec<&Process> =
            processes.iter().filter(|process| parents.contains(&process.parent)).collect();
        let read_by_parent =
            children.iter().find(|child| is_read_by(child.parent, child.id).unwrap_or_default());
        if let Some(script) = read_by_parent {
            return Some(standard_output(script.id));
        }
        parents = children.iter().map(|child| child.id).collect();
    }
    None
}

fn standard_output(process: i32) -> PathBuf {
    format!("/proc/{process}/fd/1").into()
}

/// True if the standard output of `writer` is a pipe that `reader` has open for reading.
fn is_read_by(reader: i32, writer: i32) -> io::Result<bool> {
    let pipe = fs::read_link(standard_output(writer))?;
    if !pipe.as_os_str().as_encoded_bytes().starts_with(b"pipe:") {
        return Ok(false);
    }
    for descriptor in fs::read_dir(format!("/proc/{reader}/fd"))? {
        let descriptor = descriptor?;
        // It may be closed by now.
        if fs::read_link(descriptor.path()).is_ok_and(|other| other == pipe) {
            let name = descriptor.file_name();
            let info = fs::read_to_string(format!("/proc/{reader}/fdinfo/{}", name.display()));
            if info.is_ok_and(|info| is_for_reading(&info)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Reads `/proc/<id>/fdinfo/<descriptor>`: a line is `flags:` and the flags of `open` as an octal number.
fn is_for_reading(info: &str) -> bool {
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & OFlag::O_ACCMODE.bits() == OFlag::O_RDONLY.bits())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mayfly_core::assignment::RegistrationEnd;
    use mayfly_core::mapping::RunnerSettings;

    fn words(limit: Option<&str>, reason: Reason) -> Option<String> {
        let assignment = Assignment {
            runner: "mayfly-local-a".parse().unwrap(),
            gitlab_url: "https://gitlab.example.com/".parse().unwrap(),
            ca_file: None,
            token: "glrt-1".into(),
            at_end: RegistrationEnd::DeleteRunner,
            settings: RunnerSettings::default(),
            deadline: "2026-08-01T11:00:00Z".parse().unwrap(),
            job_credentials: None,
        };
        let limit = limit.map(|deadline| TimeLimit {
            deadline: deadline.parse().unwrap(),
            because: "the machine sleeps then".to_owned(),
        });
        LastWords::new(&assignment, limit.as_ref()).on(reason)
    }

    #[test]
    fn the_earlier_limit_is_the_one_to_blame() {
        let by_mapping = "\nMayfly: this job is stopped, because its runner must be gone by 11:00:00 UTC: its mapping lets it live for 3600 s (`max_life_seconds`).\n";
        let by_machine = "\nMayfly: this job is stopped, because its runner must be gone by 10:14:20 UTC: the machine sleeps then.\n";
        for (limit, expected) in [
            (None, by_mapping),
            (Some("2026-08-01T11:00:01Z"), by_mapping),
            (Some("2026-08-01T10:14:20.9Z"), by_machine),
        ] {
            assert_eq!(words(limit, Reason::Deadline).as_deref(), Some(expected), "{limit:?}");
        }
    }

    #[test]
    fn a_runner_without_a_job_has_nothing_to_explain() {
        assert_eq!(words(None, Reason::NoJob), None);
        assert_eq!(words(None, Reason::TokenRefused), None);
        assert!(words(None, Reason::Stopped).is_some_and(|words| words.contains("was told to end")));
    }

    #[test]
    fn descriptors_tell_whether_they_are_for_reading() {
        for (info, expected) in [
            ("pos:\t0\nflags:\t00\nmnt_id:\t15\n", true),
            ("pos:\t0\nflags:\t02004000\n", true),
            ("pos:\t0\nflags:\t01\n", false),
            ("pos:\t0\nflags:\t0100002\n", false),
            ("pos:\t0\n", false),
            ("flags:\tnine\n", false),
            ("", false),
        ] {
            assert_eq!(is_for_reading(info), expected, "{info}");
        }
    }
}
