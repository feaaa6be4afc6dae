//! Where everything of a run is: below `<target>/e2e`.

use std::fs::{self, File, TryLockError};

use anyhow::{Context, Result, bail};
use cargo_metadata::Metadata;
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};

/// The folders of a run.
#[derive(Debug)]
pub(super) struct Place {
    /// The root of the workspace.
    pub(super) root: Utf8PathBuf,
    /// Cargo's target folder.
    pub(super) target: Utf8PathBuf,
    /// Held as long as the run lasts.
    _lock: File,
}

impl Place {
    /// Makes the folders, and empties those that belong to one run. There is one run at a time.
    pub(super) fn new(workspace: &Metadata) -> Result<Self> {
        let target = workspace.target_directory.clone();
        let lock = lock(&target.join("e2e"))?;
        let place = Self { root: workspace.workspace_root.clone(), target, _lock: lock };
        for folder in [place.run(), place.logs()] {
            if folder.exists() {
                fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {folder}"))?;
            }
        }
        for folder in
            [place.temporary(), place.function_folders(), place.function_logs(), place.machine_folders()]
        {
            make_folder(&folder)?;
        }
        Ok(place)
    }

    /// All of ours.
    pub(super) fn folder(&self) -> Utf8PathBuf {
        self.target.join("e2e")
    }

    /// The file that tells the tests where things are.
    pub(super) fn description(&self) -> Utf8PathBuf {
        self.folder().join("environment.json")
    }

    /// The command `mayfly`.
    pub(super) fn command(&self) -> Utf8PathBuf {
        self.target.join("debug/mayfly")
    }

    /// Cargo's target folder for functions, which all of them share. Another one than usual: their long builds would lock it.
    pub(super) fn functions_target(&self) -> Utf8PathBuf {
        self.folder().join("cargo")
    }

    /// What `sam build` makes of a stack.
    pub(super) fn build(&self, stack: &str) -> Utf8PathBuf {
        self.folder().join("build").join(stack)
    }

    /// The log of a step.
    pub(super) fn log(&self, name: &str) -> Utf8PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    /// The output of functions, a file for each.
    pub(super) fn function_logs(&self) -> Utf8PathBuf {
        self.logs().join("functions")
    }

    /// The emulator's state.
    pub(super) fn state(&self) -> Utf8PathBuf {
        self.run().join("state")
    }

    /// The emulator's temporary files, unpacked functions among them.
    pub(super) fn temporary(&self) -> Utf8PathBuf {
        self.run().join("temporary")
    }

    /// What stands for the folders /opt and /tmp of functions.
    pub(super) fn function_folders(&self) -> Utf8PathBuf {
        self.run().join("functions")
    }

    /// What stands for the disks of machines, a folder for each.
    pub(super) fn machine_folders(&self) -> Utf8PathBuf {
        self.run().join("machines")
    }

    fn run(&self) -> Utf8PathBuf {
        self.folder().join("run")
    }

    fn logs(&self) -> Utf8PathBuf {
        self.folder().join("log")
    }
}

fn lock(folder: &Utf8Path) -> Result<File> {
    make_folder(folder)?;
    let path = folder.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot make {path}"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("another run is using {folder}"),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {path}")),
    }
}

/// Makes a folder and those above it.
pub(super) fn make_folder(folder: &Utf8Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {folder}"))
}
