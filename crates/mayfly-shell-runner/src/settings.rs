//! What the function's environment says.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, Uid, User, access};

/// The runner program: a path, or a name that is found in `PATH`.
const RUNNER_COMMAND: &str = "MAYFLY_RUNNER_COMMAND";

/// The only folder that jobs can write to.
const SCRATCH: &str = "MAYFLY_SCRATCH_DIR";

/// Lambda keeps a function's code here, as a zip or as an image.
const CODE: [&str; 2] = ["/var/task", "/var/runtime"];

/// What layers bring, and the variables without which it would not be found.
const LAYERS: [(&str, &str); 3] = [
    ("GIT_EXEC_PATH", "/opt/libexec/git-core"),
    ("GIT_TEMPLATE_DIR", "/opt/share/git-core/templates"),
    ("LD_LIBRARY_PATH", "/opt/lib"),
];

/// Memory that looks like files.
const SHARED_MEMORY: &str = "/dev/shm";

/// The function cannot start as its environment is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidSettings {
    #[error("the path of this program is not known")]
    Program(#[source] io::Error),
    #[error("{SCRATCH} is not an absolute path")]
    ScratchNotAbsolute,
    #[error("the scratch folder {} cannot be used", path.display())]
    Scratch { path: PathBuf, source: io::Error },
}

/// What the function needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The runner program.
    pub(crate) runner_command: OsString,
    /// The folder in which jobs work. It is this process's alone, and everything in it is removed before and after each job.
    pub(crate) scratch: PathBuf,
    /// Other folders that jobs could write to. They are emptied too.
    pub(crate) more_to_empty: Vec<PathBuf>,
    /// The variables that a job may get a part of.
    pub(crate) environment: BTreeMap<OsString, OsString>,
    /// Names of variables that every job gets.
    pub(crate) passed: Vec<String>,
    /// This program.
    pub(crate) program: PathBuf,
}

impl Settings {
    /// Reads the settings of this process, and makes its scratch folder if need be.
    pub(crate) fn from_process() -> Result<Self, InvalidSettings> {
        #[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
        let variables: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
        let program = std::env::current_exe().map_err(InvalidSettings::Program)?;
        let user = User::from_uid(Uid::current()).ok().flatten().map(|user| user.name);
        let is_there = |path: &str| Path::new(path).exists();
        let mut settings = Self::new(variables, program, std::process::id(), user, is_there)?;
        let unusable = |source| InvalidSettings::Scratch { path: settings.scratch.clone(), source };
        std::fs::create_dir_all(&settings.scratch).map_err(unusable)?;
        settings.scratch = settings.scratch.canonicalize().map_err(unusable)?;
        settings.more_to_empty.retain(|folder| access(folder, AccessFlags::W_OK).is_ok());
        Ok(settings)
    }

    fn new(
        mut variables: BTreeMap<OsString, OsString>,
        program: PathBuf,
        process: u32,
        user: Option<String>,
        is_there: impl Fn(&str) -> bool,
    ) -> Result<Self, InvalidSettings> {
        let text = |name: &str| variables.get(OsStr::new(name)).filter(|value| !value.is_empty()).cloned();
        let mut scratch = PathBuf::from(text(SCRATCH).unwrap_or_else(|| "/tmp".into()));
        if !scratch.is_absolute() {
            return Err(InvalidSettings::ScratchNotAbsolute);
        }
        let mut more_to_empty = Vec::new();
        let mut layers = Vec::new();
        if is_in_lambda(text("LAMBDA_TASK_ROOT").as_deref(), &program) {
            more_to_empty.push(SHARED_MEMORY.into());
            layers.extend(LAYERS.into_iter().filter(|(_, path)| is_there(path)));
        } else {
            // A machine with other work on it, and maybe other environments of this function: what is in the folder is not
            // ours to remove.
            scratch.push(format!("mayfly-environment-{process}"));
        }
        let runner_command = text(RUNNER_COMMAND).unwrap_or_else(|| "gitlab-runner".into());
        // A job's home is in its private folder. What `/etc/profile` would set is set here, because it is not read.
        variables.remove(OsStr::new("HOME"));
        if let Some(user) = user {
            for name in ["LOGNAME", "USER"] {
                variables.entry(name.into()).or_insert_with(|| user.clone().into());
            }
        }
        variables.extend(layers.iter().map(|(name, path)| (name.into(), path.into())));
        let passed = layers.iter().map(|(name, _)| (*name).to_owned()).collect();
        Ok(Self { runner_command, scratch, more_to_empty, environment: variables, passed, program })
    }
}

/// True if this is an environment of AWS Lambda, with nothing in it but this function. Emulators that run functions as plain
/// processes of a machine set other paths.
fn is_in_lambda(task_root: Option<&OsStr>, program: &Path) -> bool {
    task_root == Some(OsStr::new(CODE[0])) && CODE.iter().any(|folder| program.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN_CODE: (&str, &str) = ("LAMBDA_TASK_ROOT", "/var/task");

    fn settings(variables: &[(&str, &str)], program: &str) -> Result<Settings, InvalidSettings> {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        Settings::new(variables, program.into(), 7, Some("sandbox".to_owned()), |path| path != "/opt/lib")
    }

    #[test]
    fn in_lambda_the_whole_of_tmp_is_the_functions() {
        for program in ["/var/task/bootstrap", "/var/runtime/bootstrap"] {
            let settings = settings(&[OWN_CODE], program).unwrap();
            assert_eq!(settings.scratch, Path::new("/tmp"));
            assert_eq!(settings.more_to_empty, [Path::new("/dev/shm")]);
            assert_eq!(settings.runner_command, "gitlab-runner");
        }
    }

    #[test]
    fn in_lambda_jobs_find_what_layers_bring() {
        let theirs = ("LD_LIBRARY_PATH", "/var/task/lib:/opt/lib");
        let settings = settings(&[OWN_CODE, theirs], "/var/task/bootstrap").unwrap();
        assert_eq!(settings.passed, ["GIT_EXEC_PATH", "GIT_TEMPLATE_DIR"]);
        assert_eq!(settings.environment[OsStr::new("GIT_EXEC_PATH")], "/opt/libexec/git-core");
    }

    #[test]
    fn elsewhere_nothing_is_removed_but_what_is_in_a_folder_of_its_own() {
        let scratch = (SCRATCH, "/work/scratch");
        for (variables, program, expected) in [
            (vec![], "/var/task/bootstrap", "/tmp/mayfly-environment-7"),
            (vec![OWN_CODE], "/home/me/target/debug/bootstrap", "/tmp/mayfly-environment-7"),
            (vec![("LAMBDA_TASK_ROOT", "/home/me")], "/home/me/bootstrap", "/tmp/mayfly-environment-7"),
            (vec![OWN_CODE, scratch], "/elsewhere/bootstrap", "/work/scratch/mayfly-environment-7"),
        ] {
            let settings = settings(&variables, program).unwrap();
            assert_eq!(settings.scratch, Path::new(expected), "{variables:?} {program}");
            assert!(settings.more_to_empty.is_empty() && settings.passed.is_empty());
        }
    }

    #[test]
    fn a_relative_scratch_folder_is_refused() {
        let refused = settings(&[(SCRATCH, "scratch")], "/var/task/bootstrap").unwrap_err();
        assert_eq!(refused.to_string(), "MAYFLY_SCRATCH_DIR is not an absolute path");
    }

    #[test]
    fn a_job_has_a_user_and_no_home_of_the_machine() {
        let settings =
            settings(&[("HOME", "/home/sandbox"), ("USER", "me"), ("PATH", "/bin")], "/bootstrap").unwrap();
        let expected = [("LOGNAME", "sandbox"), ("PATH", "/bin"), ("USER", "me")];
        assert_eq!(settings.environment, expected.map(|(name, value)| (name.into(), value.into())).into());
    }
}
