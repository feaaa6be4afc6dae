//! The private folder of one runner: everything it writes, gone when it is.

use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use mayfly_core::assignment::Assignment;
use mayfly_core::error::Chain;
use secrecy::ExposeSecret;
use tempfile::TempDir;

use crate::environment::PrivatePlaces;
use crate::runner_config::runner_config;

/// How the folder's name begins.
const PREFIX: &str = "mayfly-";

/// As many random letters and digits as `gitlab-runner` wants in a system id.
const SYSTEM_ID_LENGTH: usize = 12;

/// The folder cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("the private folder below {} cannot be made", path.display())]
    Create { path: PathBuf, source: io::Error },
    #[error("{} cannot be written", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("the runner's configuration cannot be written as TOML")]
    Config(#[source] toml::ser::Error),
}

/// One runner's folder, for its user only. It is removed when it is dropped, at the latest.
#[derive(Debug)]
pub(crate) struct PrivateFolder {
    directory: TempDir,
    config_file: PathBuf,
    home: PathBuf,
    temporary: PathBuf,
    mark: OsString,
    /// What the runner calls this machine in its requests: `gitlab-runner` reads it from `.runner_system_id` beside its
    /// configuration.
    pub(crate) system_id: String,
}

impl PrivateFolder {
    /// Makes the folder with the runner's configuration in it. The region is the machine's, if it has one.
    pub(crate) fn create(
        work_dir: &Path,
        assignment: &Assignment,
        region: Option<&str>,
    ) -> Result<Self, FolderError> {
        // The kernel tells where processes are without links, and so must we.
        let directory = fs::canonicalize(work_dir)
            .and_then(|work_dir| {
                tempfile::Builder::new()
                    .prefix(PREFIX)
                    .rand_bytes(SYSTEM_ID_LENGTH)
                    .permissions(Permissions::from_mode(0o700))
                    .tempdir_in(work_dir)
            })
            .map_err(|source| FolderError::Create { path: work_dir.to_owned(), source })?;
        let [config, builds, cache, home, temporary] =
            ["config", "builds", "cache", "home", "tmp"].map(|name| directory.path().join(name));
        for path in [&config, &builds, &cache, &home, &temporary] {
            fs::create_dir(path).map_err(|source| FolderError::Create { path: path.clone(), source })?;
        }
        let mark = directory.path().file_name().unwrap_or_default().to_owned();
        let system_id = system_id(&mark);
        let config_file = config.join("config.toml");
        let document = runner_config(assignment, &builds, &cache, region).map_err(FolderError::Config)?;
        write_for_owner(&config_file, document.expose_secret())?;
        write_for_owner(&config.join(".runner_system_id"), &system_id)?;
        Ok(Self { directory, config_file, home, temporary, mark, system_id })
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The configuration file, token included.
    pub(crate) fn config_file(&self) -> &Path {
        &self.config_file
    }

    /// What marks the processes of this runner.
    pub(crate) fn mark(&self) -> &OsStr {
        &self.mark
    }

    /// What the runner's environment must know.
    pub(crate) fn places(&self) -> PrivatePlaces<'_> {
        PrivatePlaces { home: &self.home, temporary: &self.temporary, mark: &self.mark }
    }

    /// Removes the configuration file, once the runner has read it.
    pub(crate) fn remove_config(&self) {
        match fs::remove_file(&self.config_file) {
            Ok(()) => tracing::debug!("the runner's configuration is removed"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "the runner's configuration cannot be removed");
            }
        }
    }

    /// Removes the folder with everything in it. What cannot be removed, such as files of another user, is logged.
    pub(crate) fn remove(self) {
        self.remove_config();
        let path = self.directory.keep();
        if let Err(error) = remove_folder(&path) {
            tracing::warn!(folder = %path.display(), error = %Chain(&error), "something is left of the runner's folder");
        }
    }
}

/// Removes a folder in which a job worked, also what the job left read-only. One that is gone is `Ok`.
pub fn remove_folder(path: &Path) -> io::Result<()> {
    let removed = fs::remove_dir_all(path).or_else(|_| {
        open_up(path);
        fs::remove_dir_all(path)
    });
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn system_id(folder_name: &OsStr) -> String {
    let name = folder_name.to_string_lossy();
    format!("r_{}", name.strip_prefix(PREFIX).unwrap_or(&name))
}

fn write_for_owner(path: &Path, content: &str) -> Result<(), FolderError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(content.as_bytes()))
        .map_err(|source| FolderError::Write { path: path.to_owned(), source })
}

/// Makes every directory below one the owner may write and enter. Go's module cache, for one, is read-only. Links are
/// not followed.
fn open_up(folder: &Path) {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // What does not work here shows when the folder is removed.
        let _ = fs::set_permissions(&folder, Permissions::from_mode(0o700));
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        let below = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        folders.extend(below.map(|entry| entry.path()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mayfly_core::assignment::RegistrationEnd;
    use mayfly_core::mapping::RunnerSettings;

    fn folder_in(work_dir: &Path) -> PrivateFolder {
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
        PrivateFolder::create(work_dir, &assignment, None).unwrap()
    }

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_folder_and_its_secrets_are_for_the_owner_only() {
        let work_dir = tempfile::tempdir().unwrap();
        let folder = folder_in(work_dir.path());
        assert_eq!(mode_of(folder.path()), 0o700);
        assert_eq!(mode_of(folder.config_file()), 0o600);
        assert_eq!(mode_of(&folder.path().join("config/.runner_system_id")), 0o600);
    }

    #[test]
    fn the_system_id_is_one_that_the_runner_accepts() {
        let work_dir = tempfile::tempdir().unwrap();
        let folder = folder_in(work_dir.path());
        let id = fs::read_to_string(folder.path().join("config/.runner_system_id")).unwrap();
        assert_eq!(id, folder.system_id);
        let random = id.strip_prefix("r_").unwrap();
        assert_eq!(random.len(), 12);
        assert!(random.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
        assert_ne!(id, folder_in(work_dir.path()).system_id);
    }

    #[test]
    fn directories_without_rights_are_opened_up_and_links_are_not_followed() {
        let work_dir = tempfile::tempdir().unwrap();
        let elsewhere = work_dir.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::set_permissions(&elsewhere, Permissions::from_mode(0o500)).unwrap();
        let tree = work_dir.path().join("tree");
        fs::create_dir_all(tree.join("a/b")).unwrap();
        std::os::unix::fs::symlink(&elsewhere, tree.join("a/link")).unwrap();
        fs::set_permissions(tree.join("a/b"), Permissions::from_mode(0o000)).unwrap();
        fs::set_permissions(tree.join("a"), Permissions::from_mode(0o500)).unwrap();
        open_up(&tree);
        assert_eq!(mode_of(&tree.join("a")), 0o700);
        assert_eq!(mode_of(&tree.join("a/b")), 0o700);
        assert_eq!(mode_of(&elsewhere), 0o500);
    }

    #[test]
    fn a_removed_folder_leaves_nothing_and_what_links_point_to_stays() {
        let work_dir = tempfile::tempdir().unwrap();
        fs::write(work_dir.path().join("kept"), "kept").unwrap();
        let folder = folder_in(work_dir.path());
        let module = folder.path().join("home/go/pkg/module");
        fs::create_dir_all(&module).unwrap();
        fs::write(module.join("file"), "").unwrap();
        std::os::unix::fs::symlink(work_dir.path(), module.join("link")).unwrap();
        fs::set_permissions(&module, Permissions::from_mode(0o500)).unwrap();
        folder.remove();
        let left: Vec<_> =
            fs::read_dir(work_dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["kept"]);
    }
}
