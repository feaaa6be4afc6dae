//! What is asked of the emulator besides sam: parameters in Parameter Store, outputs of stacks.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::emulator::Emulator;
use super::place::Place;
use crate::process::output_of;
use crate::python::Venv;

/// The account, as its root.
pub(super) struct Account<'a> {
    place: &'a Place,
    venv: &'a Venv,
    emulator: &'a Emulator,
}

impl<'a> Account<'a> {
    pub(super) fn new(place: &'a Place, venv: &'a Venv, emulator: &'a Emulator) -> Self {
        Self { place, venv, emulator }
    }

    /// Puts secrets, by their names, into Parameter Store.
    pub(super) fn put_parameters(&self, secrets: &BTreeMap<String, String>) -> Result<()> {
        let mut child = self
            .command(&["put-parameters"])
            .stdin(Stdio::piped())
            .spawn()
            .context("cannot ask the emulator")?;
        let mut input = child.stdin.take().context("the command has no input")?;
        input.write_all(&serde_json::to_vec(secrets)?).context("cannot hand over the parameters")?;
        drop(input);
        let status = child.wait().context("cannot wait for the command")?;
        if !status.success() {
            bail!("the parameters cannot be put: {status}; see {}", self.emulator.log);
        }
        Ok(())
    }

    /// The outputs of a stack.
    pub(super) fn outputs(&self, stack: &str) -> Result<BTreeMap<String, String>> {
        let name = stack_name(stack);
        let answer = output_of(&mut self.command(&["outputs", &name]))?;
        serde_json::from_str(&answer).with_context(|| format!("the outputs of {name} cannot be read"))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.venv.program("python"));
        command.arg(self.place.root.join("xtask/e2e/account.py")).args(arguments);
        self.emulator.as_client(&mut command);
        command
    }
}

/// The name that the sample of a stack gives it.
pub(super) fn stack_name(stack: &str) -> String {
    format!("mayfly-{stack}")
}
