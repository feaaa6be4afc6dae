//! Scripted sessions of the command `mayfly`, with what it says: `scenarios/*.txt`. `scenarios/README.md` tells their form.
//!
//! A session is played in a [`World`], which a test target makes: tables in an embedded store, or a deployed installation. It runs
//! the real command, and what that says makes a transcript in the form of the file it was read from.

mod golden;
mod play;
mod read;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

pub use golden::compare;
pub use play::play;
pub use read::{CommandLine, DEPLOYED, EMBEDDED, Line, Scenario};

/// What is wrong with a session, or with the world it is played in.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ScenarioError(pub String);

/// Where a session is played.
pub trait World: Send {
    /// The command.
    fn program(&self) -> &Path;

    /// The folder in which it runs, with the files of the session.
    fn folder(&self) -> &Path;

    /// Its environment. It has no other variables.
    fn variables(&self) -> BTreeMap<String, String>;

    /// What the words `$NAME` in commands and files stand for.
    fn values(&self) -> BTreeMap<String, String>;

    /// What differs each time in what commands say, behind what is written for it, such as `[GITLAB]`.
    fn redactions(&self) -> Vec<(&'static str, String)>;

    /// Does what a line `@ …` says, given as words.
    fn prepare(&mut self, directive: &[String]) -> impl Future<Output = Result<(), ScenarioError>> + Send;
}

/// The sessions below a folder, in the order of their names, by those names.
pub fn sessions(folder: &Path) -> Result<Vec<(String, PathBuf)>, ScenarioError> {
    let mut found = Vec::new();
    for path in entries(folder)? {
        if path.extension().is_some_and(|ending| ending == "txt")
            && let Some(name) = path.file_stem()
        {
            found.push((name.to_string_lossy().into_owned(), path));
        }
    }
    found.sort();
    Ok(found)
}

/// Copies the files in one folder to another, with what the words `$NAME` stand for.
pub fn copy_files(from: &Path, to: &Path, values: &BTreeMap<String, String>) -> Result<(), ScenarioError> {
    for path in entries(from)? {
        let Some(name) = path.file_name() else { continue };
        let text = fs::read_to_string(&path).map_err(|error| about(&path, &error))?;
        let meant = values.iter().fold(text, |text, (name, value)| text.replace(&format!("${name}"), value));
        fs::write(to.join(name), meant).map_err(|error| about(to, &error))?;
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, ScenarioError> {
    let entries = fs::read_dir(folder).map_err(|error| about(folder, &error))?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(|error| about(folder, &error))).collect()
}

fn about(path: &Path, error: &dyn std::fmt::Display) -> ScenarioError {
    ScenarioError(format!("{}: {error}", path.display()))
}
