//! The commands of sam that a user types.

use std::env::join_paths;
use std::ffi::OsString;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, anyhow};
use cargo_metadata::camino::Utf8PathBuf;

use super::emulator::Emulator;
use super::place::Place;
use super::settings;
use super::stand_ins::StandIns;
use super::steps::logged;
use crate::process::STACKS;
use crate::python::Venv;

/// Sam, as a client of the emulator.
pub(super) struct Sam<'a> {
    place: &'a Place,
    emulator: &'a Emulator,
    program: Utf8PathBuf,
    /// With cargo-lambda and zig in front.
    path: OsString,
}

impl<'a> Sam<'a> {
    pub(super) fn new(place: &'a Place, venv: &Venv, emulator: &'a Emulator) -> Result<Self> {
        let programs = venv.programs();
        let path = own_path();
        let path = std::iter::once(programs.into_std_path_buf()).chain(std::env::split_paths(&path));
        let path = join_paths(path).context("the path of programs cannot be put together")?;
        Ok(Self { place, emulator, program: venv.program("sam"), path })
    }

    /// `sam validate --lint` of all stacks, beside each other.
    pub(super) fn validate_all(&self) -> Result<()> {
        thread::scope(|scope| {
            let running = STACKS.map(|stack| scope.spawn(move || self.validate(stack)));
            running
                .into_iter()
                .try_for_each(|stack| stack.join().map_err(|_| anyhow!("a thread panicked"))?)
        })
    }

    /// `sam build`. Cargo builds only what has changed.
    pub(super) fn build(&self, stack: &str, stand_ins: &StandIns) -> Result<()> {
        let mut command = self.command(stack);
        command.args(["build", "--build-dir", self.place.build(stack).as_str()]);
        command.args(["--cache-dir", self.place.folder().join("cache").as_str()]);
        let architecture = settings::architecture()?;
        command.args(["--parameter-overrides", &format!("Architecture={architecture}")]);
        command.env("MAYFLY_ARCHITECTURE", architecture);
        command.env("CARGO_TARGET_DIR", self.place.functions_target());
        stand_ins.name_to(&mut command);
        logged(&mut command, &self.place.log(&format!("build-{stack}")))
    }

    /// `sam deploy` of what was built, with the settings of the stack's sample and these parameters.
    pub(super) fn deploy(&self, stack: &str, overrides: &[String]) -> Result<()> {
        let mut command = self.command(stack);
        command.args(["deploy", "--no-confirm-changeset", "--no-progressbar"]);
        command.args(["--template-file", self.place.build(stack).join("template.yaml").as_str()]);
        command.args(["--config-file", self.place.root.join(stack).join("samconfig.toml").as_str()]);
        command.arg("--parameter-overrides").args(overrides);
        logged(&mut command, &self.place.log(&format!("deploy-{stack}")))
    }

    fn validate(&self, stack: &str) -> Result<()> {
        let mut command = self.command(stack);
        command.args(["validate", "--lint"]);
        logged(&mut command, &self.place.log(&format!("validate-{stack}")))
    }

    /// Sam in the folder of a stack.
    fn command(&self, stack: &str) -> Command {
        let mut command = Command::new(&self.program);
        self.emulator.as_client(&mut command);
        command
            .current_dir(self.place.root.join(stack))
            .env("PATH", &self.path)
            .env("SAM_CLI_TELEMETRY", "0")
            // Sam keeps notes in the user's home otherwise.
            .env("__SAM_CLI_APP_DIR", self.place.folder().join("sam"));
        command
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where programs are looked for")]
fn own_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}
