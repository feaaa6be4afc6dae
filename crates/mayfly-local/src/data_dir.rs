//! The data folder: who may use it, and what lies where.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use mayfly_core::ids::Installation;

/// The SQLite file in it.
pub(crate) const DATABASE: &str = "mayfly.db";

/// A data folder that this process alone uses, for as long as the value lives.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    /// Holds the lock.
    _lock: File,
}

impl DataDir {
    /// Makes the folder (readable by its owner alone) if there is none, and locks it.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        make_private_dir(path).with_context(|| format!("cannot make the data folder {}", path.display()))?;
        let lock_path = path.join("lock");
        let mut lock = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(&lock_path)
            .with_context(|| format!("cannot open {}", lock_path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&lock_path).unwrap_or_default();
                bail!(
                    "the data folder {} is in use by another `mayfly local` (process {}); \
                     stop that one, or choose another folder with --data-dir",
                    path.display(),
                    holder.trim()
                );
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", lock_path.display()));
            }
        }
        lock.set_len(0)?;
        writeln!(lock, "{}", std::process::id())?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The name by which this folder's registrations are told apart from those of others; made with the folder.
    pub(crate) fn installation(&self) -> anyhow::Result<Installation> {
        let path = self.path.join("installation");
        if let Ok(text) = fs::read_to_string(&path) {
            return text
                .trim()
                .parse()
                .with_context(|| format!("{} is not what was written", path.display()));
        }
        #[expect(clippy::disallowed_methods, reason = "one random name a data folder")]
        let name = format!("local-{}", uuid::Uuid::new_v4().simple());
        fs::write(&path, &name).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(name.parse()?)
    }

    /// The SQLite file with the tables and the queue.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// One folder a runner.
    pub(crate) fn runners(&self) -> PathBuf {
        self.path.join("runners")
    }
}

/// Makes a folder, and its parents, that only its owner may enter. One that exists stays as it is.
pub(crate) fn make_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_use_is_refused_with_the_process_that_uses_it() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("data");
        let first = DataDir::open(&path).unwrap();
        let message = DataDir::open(&path).unwrap_err().to_string();
        assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
        drop(first);
        DataDir::open(&path).unwrap();
    }
}
