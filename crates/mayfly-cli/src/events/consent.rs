//! A question before what cannot be undone.

use std::io::{IsTerminal, stdin};

use anyhow::{Context, bail};
use dialoguer::Confirm;

/// Returns if it is agreed on the command line, or by the person at the terminal. Where nobody can be asked it is refused, and
/// `instead` names the flag.
pub(crate) fn consent(warning: &str, question: &str, instead: &str, is_agreed: bool) -> anyhow::Result<()> {
    if is_agreed {
        return Ok(());
    }
    if !stdin().is_terminal() {
        bail!("{warning}; {instead}");
    }
    let asked = Confirm::new().with_prompt(format!("{warning}.\n{question}")).default(false).interact();
    if asked.context("cannot ask")? {
        return Ok(());
    }
    bail!("nothing was done, as you said")
}
