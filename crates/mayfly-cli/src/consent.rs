//! A question before what cannot be taken back.

use std::io::{IsTerminal, stdin};

use anyhow::{Context, bail};
use dialoguer::Confirm;

/// Returns if it is agreed on the command line, or by the person at the terminal. Where nobody can be asked it is refused:
/// `unasked` says what comes of that, and names the flag.
pub(crate) fn consent(question: &str, unasked: &str, is_agreed: bool) -> anyhow::Result<()> {
    if is_agreed {
        return Ok(());
    }
    if !stdin().is_terminal() {
        bail!("{unasked}");
    }
    if Confirm::new()
        .with_prompt(question)
        .default(false)
        .interact()
        .context("cannot ask on this terminal")?
    {
        return Ok(());
    }
    bail!("nothing is done: it was not confirmed")
}
