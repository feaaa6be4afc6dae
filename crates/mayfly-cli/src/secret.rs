//! Secrets: from the environment, files or a prompt, and never from the command line, which others on the machine can read.

use std::ffi::OsString;
use std::io::{IsTerminal, stdin};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use secrecy::SecretString;

/// The secret in the variable of this name, or in the file that the variable with `_FILE` added names. A variable with nothing in it
/// is none.
#[expect(clippy::disallowed_methods, reason = "a secret is never a flag; it is read here and used at once")]
pub(crate) fn from_environment(name: &str) -> anyhow::Result<Option<SecretString>> {
    from_variables(std::env::var(name).ok().as_deref(), std::env::var_os(format!("{name}_FILE")))
}

fn from_variables(secret: Option<&str>, file: Option<OsString>) -> anyhow::Result<Option<SecretString>> {
    if let Some(secret) = secret.map(str::trim).filter(|secret| !secret.is_empty()) {
        return Ok(Some(secret.into()));
    }
    let file = file.filter(|file| !file.is_empty()).map(PathBuf::from);
    file.map(|file| from_file(&file)).transpose()
}

/// The secret in a file; blanks and the end of the line around it do not count.
pub(crate) fn from_file(file: &Path) -> anyhow::Result<SecretString> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    if text.trim().is_empty() {
        bail!("the file {} is empty", file.display());
    }
    Ok(text.trim().into())
}

/// Asks the person at the terminal; `None` if there is none.
pub(crate) fn from_prompt(what: &str) -> anyhow::Result<Option<SecretString>> {
    if !stdin().is_terminal() {
        return Ok(None);
    }
    let secret = dialoguer::Password::new().with_prompt(what).interact()?;
    Ok(Some(secret.trim().into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn a_variable_with_nothing_in_it_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "filed\n").unwrap();
        let path = file.display().to_string();
        for (secret, file, expected) in [
            (None, None, None),
            (Some(" given\n"), None, Some("given")),
            (Some("given"), Some(path.as_str()), Some("given")),
            (Some(" "), None, None),
            (Some(""), Some(path.as_str()), Some("filed")),
            (None, Some(path.as_str()), Some("filed")),
            (Some(""), Some(""), None),
        ] {
            let read = from_variables(secret, file.map(Into::into)).unwrap();
            assert_eq!(read.as_ref().map(ExposeSecret::expose_secret), expected, "{secret:?} {file:?}");
        }
    }

    #[test]
    fn a_file_with_nothing_in_it_is_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, " \n").unwrap();
        assert!(from_file(&file).unwrap_err().to_string().contains("is empty"));
        std::fs::write(&file, "word\n").unwrap();
        assert_eq!(from_file(&file).unwrap().expose_secret(), "word");
    }
}
