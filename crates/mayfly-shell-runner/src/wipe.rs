//! The removal of everything in a folder, whatever a job made of it.

use std::fs::{self, DirEntry, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Something is left.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be removed", path.display())]
pub(crate) struct WipeError {
    path: PathBuf,
    source: io::Error,
}

impl WipeError {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self { path, source }
    }
}

/// Removes everything in a folder, but not the folder. Nobody may write to it meanwhile.
///
/// Links are removed and not followed. A folder within is first emptied of folders: those are moved up to the top, so that
/// neither deep trees nor long paths are in the way, and only ever one folder is open.
pub(crate) fn empty(folder: &Path) -> Result<(), WipeError> {
    open_up(folder);
    let mut names = Names { folder, next: 0 };
    loop {
        let entries = list(folder)?;
        if entries.is_empty() {
            return Ok(());
        }
        for entry in entries {
            let path = entry.path();
            if is_folder(&entry)? {
                flatten(&path, &mut names)?;
                remove(&path, |path| fs::remove_dir(path))?;
            } else {
                remove(&path, |path| fs::remove_file(path))?;
            }
        }
    }
}

/// Leaves a folder empty: what is no folder is removed, and folders are moved to the top.
fn flatten(folder: &Path, names: &mut Names<'_>) -> Result<(), WipeError> {
    open_up(folder);
    for entry in list(folder)? {
        let path = entry.path();
        if is_folder(&entry)? {
            // A folder whose parent changes must itself be open for writing.
            open_up(&path);
            names.move_to_top(&path).map_err(WipeError::at(&path))?;
        } else {
            remove(&path, |path| fs::remove_file(path))?;
        }
    }
    Ok(())
}

/// Names at the top that are not taken.
struct Names<'a> {
    folder: &'a Path,
    next: u64,
}

impl Names<'_> {
    fn move_to_top(&mut self, path: &Path) -> io::Result<()> {
        loop {
            let target = self.folder.join(format!("mayfly-wipe-{}", self.next));
            self.next += 1;
            match fs::rename(path, target) {
                // The name is taken by something that is still to be removed.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::DirectoryNotEmpty | ErrorKind::NotADirectory | ErrorKind::AlreadyExists
                    ) => {}
                other => return other,
            }
        }
    }
}

fn list(folder: &Path) -> Result<Vec<DirEntry>, WipeError> {
    fs::read_dir(folder).and_then(Iterator::collect).map_err(WipeError::at(folder))
}

/// A link to a folder is none.
fn is_folder(entry: &DirEntry) -> Result<bool, WipeError> {
    entry.file_type().map(|kind| kind.is_dir()).map_err(WipeError::at(&entry.path()))
}

fn remove(path: &Path, remove: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), WipeError> {
    match remove(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other.map_err(WipeError::at(path)),
    }
}

/// Lets the owner read, write and enter a folder. What does not work here shows when it is used.
fn open_up(folder: &Path) {
    if let Ok(metadata) = fs::metadata(folder) {
        let mode = metadata.permissions().mode();
        if mode & 0o700 != 0o700 {
            let _ = fs::set_permissions(folder, Permissions::from_mode(mode | 0o700));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    #[track_caller]
    fn assert_empty(folder: &Path) {
        let left: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(left, Vec::<PathBuf>::new());
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn files_of_all_kinds_are_removed_and_links_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let (folder, elsewhere) = (root.path().join("tmp"), root.path().join("elsewhere"));
        fs::create_dir(&folder).unwrap();
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("kept"), "kept").unwrap();
        set_mode(&elsewhere, 0o500);

        fs::write(folder.join("file"), "text").unwrap();
        fs::write(folder.join(OsStr::from_bytes(b"\xff\n")), "").unwrap();
        symlink(&elsewhere, folder.join("link")).unwrap();
        symlink("/nowhere", folder.join("dangling")).unwrap();
        mkfifo(&folder.join("pipe"), Mode::S_IRWXU).unwrap();
        drop(UnixListener::bind(folder.join("socket")).unwrap());
        fs::create_dir_all(folder.join("a/b/c")).unwrap();
        symlink(&elsewhere, folder.join("a/b/c/link")).unwrap();
        fs::hard_link(elsewhere.join("kept"), folder.join("a/b/hard")).unwrap();

        empty(&folder).unwrap();
        assert_empty(&folder);
        assert_eq!(fs::read_to_string(elsewhere.join("kept")).unwrap(), "kept");
        assert_eq!(fs::metadata(&elsewhere).unwrap().permissions().mode() & 0o777, 0o500);
    }

    #[test]
    fn what_is_read_only_or_closed_is_opened() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("tmp");
        let module = folder.join("go/pkg/module");
        fs::create_dir_all(&module).unwrap();
        fs::write(module.join("file"), "").unwrap();
        set_mode(&module.join("file"), 0o000);
        for closed in [&module, &folder.join("go/pkg"), &folder.join("go"), &folder] {
            set_mode(closed, 0o000);
        }
        empty(&folder).unwrap();
        assert_empty(&folder);
    }

    #[test]
    fn names_that_the_removal_itself_uses_are_no_obstacle() {
        let root = tempfile::tempdir().unwrap();
        for name in ["mayfly-wipe-0/mayfly-wipe-0/file", "mayfly-wipe-1/a/b", "z/1/2", "z/3/4"] {
            fs::create_dir_all(root.path().join(name)).unwrap();
        }
        fs::write(root.path().join("mayfly-wipe-2"), "").unwrap();
        empty(root.path()).unwrap();
        assert_empty(root.path());
    }

    #[test]
    fn a_tree_deeper_than_any_path_may_be_long_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let name = "d".repeat(200);
        for _ in 0..100 {
            // Each round puts what is there one level deeper.
            let (outer, inner) = (root.path().join("outer"), root.path().join(&name));
            fs::create_dir(&outer).unwrap();
            if inner.exists() {
                fs::rename(&inner, outer.join(&name)).unwrap();
            }
            fs::rename(&outer, &inner).unwrap();
        }
        empty(root.path()).unwrap();
        assert_empty(root.path());
    }

    #[test]
    fn what_cannot_be_removed_is_named() {
        let missing = Path::new("/nowhere/at/all");
        assert_eq!(empty(missing).unwrap_err().to_string(), "/nowhere/at/all cannot be removed");
    }
}
