//! The shell of jobs.
//!
//! `gitlab-runner` starts `bash -l`, once for each step of a job. A login shell reads `/etc/profile`, which on Lambda complains
//! in the job's log about a group without a name, and which sets nothing that a job here needs. So this program stands
//! before the real `bash` in the runner's `PATH`: called by that name, it becomes the real one without `-l`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use nix::sys::stat::{Mode, umask};

/// What this program is called then.
const NAME: &str = "bash";

/// Where it is found by that name, in the scratch folder.
const FOLDER: &str = "mayfly-shell";

/// What `/etc/profile` would set.
const UMASK: u32 = 0o022;

/// Puts this program in front of `bash`, and returns the `PATH` to give to the runner.
pub(crate) fn put_before(path: Option<&OsStr>, scratch: &Path, program: &Path) -> io::Result<OsString> {
    let folder = scratch.join(FOLDER);
    fs::create_dir(&folder)?;
    symlink(program, folder.join(NAME))?;
    let others = path.map(std::env::split_paths).into_iter().flatten();
    std::env::join_paths([folder].into_iter().chain(others)).map_err(io::Error::other)
}

/// True if this process was started as the shell.
pub(crate) fn is_called() -> bool {
    std::env::args_os().next().is_some_and(|called| Path::new(&called).file_name() == Some(OsStr::new(NAME)))
}

/// Becomes the real `bash`. Returns only if there is none.
pub(crate) fn become_bash() -> ExitCode {
    umask(Mode::from_bits_truncate(UMASK));
    let arguments = without_login(std::env::args_os().skip(1));
    #[expect(clippy::disallowed_methods, reason = "this process is only the way to another program")]
    let path = std::env::var_os("PATH");
    let error = real_path(path.as_deref())
        .map_or_else(|error| error, |path| Command::new(NAME).args(arguments).env("PATH", path).exec());
    let message = format!("{NAME}: {error}\n");
    // There is nothing left to do if nobody reads this.
    let _ = io::Write::write_all(&mut io::stderr(), message.as_bytes());
    // What a shell says of a command that is not there.
    ExitCode::from(127)
}

/// The arguments without a leading wish for a login shell. Anything else is a job's own business.
fn without_login(arguments: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    arguments.skip_while(|argument| argument == "-l" || argument == "--login")
}

/// The `PATH` without the folders in which `bash` is this program: a job's own calls of `bash` are not for us.
fn real_path(path: Option<&OsStr>) -> io::Result<OsString> {
    let this_program = std::env::current_exe()?.canonicalize()?;
    let is_ours =
        |folder: &PathBuf| folder.join(NAME).canonicalize().is_ok_and(|program| program == this_program);
    let folders = path.map(std::env::split_paths).into_iter().flatten();
    std::env::join_paths(folders.filter(|folder| !is_ours(folder))).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_leading_wish_for_a_login_shell_is_dropped() {
        for (arguments, expected) in [
            (vec!["-l"], vec![]),
            (vec!["--login", "script"], vec!["script"]),
            (vec!["-c", "ls -l"], vec!["-c", "ls -l"]),
            (vec!["script", "-l"], vec!["script", "-l"]),
            (vec!["-lc", "true"], vec!["-lc", "true"]),
            (vec![], vec![]),
        ] {
            let kept: Vec<OsString> = without_login(arguments.iter().map(Into::into)).collect();
            assert_eq!(kept, expected, "{arguments:?}");
        }
    }

    #[test]
    fn this_program_comes_first_and_is_left_out_again() {
        let scratch = tempfile::tempdir().unwrap();
        let program = std::env::current_exe().unwrap();
        let path = put_before(Some(OsStr::new("/usr/bin:/bin")), scratch.path(), &program).unwrap();
        let folder = scratch.path().join(FOLDER);
        assert_eq!(path, OsString::from(format!("{}:/usr/bin:/bin", folder.display())));
        assert_eq!(real_path(Some(&path)).unwrap(), "/usr/bin:/bin");
        assert_eq!(real_path(None).unwrap(), "");
    }
}
