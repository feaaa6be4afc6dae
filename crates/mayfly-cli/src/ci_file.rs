//! The jobs of a `.gitlab-ci.yml` file, as far as the file and the local files that it includes tell them.
//!
//! GitLab knows more: other projects, components, variables, inputs. What is not known here is said, and never guessed.

mod duration;
mod includes;
mod job;
mod node;
mod parallel;

use std::path::Path;

use mayfly_core::ids::ProjectPath;
use mayfly_core::lint::CiFacts;

use self::includes::Files;
use self::job::Config;

/// Adds what a file says to the facts. Files that it includes are looked for in its folder, which is taken for the root of the
/// repository.
pub(crate) fn read(path: &Path, project: Option<&ProjectPath>, facts: &mut CiFacts) -> anyhow::Result<()> {
    let mut files = Files::new(path);
    let map = files.read_with_includes(path)?;
    facts.unread.append(&mut files.unread);
    Config::new(map).read_jobs(project, facts);
    Ok(())
}

#[cfg(test)]
mod tests;
