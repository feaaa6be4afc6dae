//! `cargo xtask e2e`: the stacks are built and deployed as a user would do it, into an emulator of AWS on this machine, and tested
//! there.

mod account;
mod emulator;
mod environment;
mod machine_image;
mod place;
mod sam;
mod settings;
mod stand_ins;
mod steps;

use std::io::{self, Read};
use std::process::Command;

use anyhow::{Context, Result, bail};
use cargo_metadata::Metadata;

use self::account::Account;
use self::emulator::Emulator;
use self::environment::Deployed;
use self::machine_image::MachineImage;
use self::place::Place;
use self::sam::Sam;
use self::stand_ins::StandIns;
use self::steps::{Steps, logged};
use crate::process::{STACKS, cargo, run as run_command, workspace};
use crate::python::Venv;

/// The package with the tests.
const TESTS: &str = "mayfly-e2e";

/// Runs all of it; true if the tests passed. The times are printed whatever happened.
pub(crate) fn run(keep: bool, test_arguments: &[String]) -> Result<bool> {
    if !cfg!(target_os = "linux") {
        bail!("the functions are built for Linux and run as processes of this machine: this needs Linux");
    }
    let workspace = workspace()?;
    let mut steps = Steps::default();
    let outcome = perform(&workspace, &mut steps, keep, test_arguments);
    println!("\n{}", steps.table());
    outcome
}

fn perform(workspace: &Metadata, steps: &mut Steps, keep: bool, test_arguments: &[String]) -> Result<bool> {
    let place = Place::new(workspace)?;
    let (emulator_venv, sam_venv) = steps.run("python environments", || {
        Ok((Venv::prepare(workspace, "emulator")?, Venv::prepare(workspace, "sam")?))
    })?;
    let stand_ins = steps.run("stand-ins", || StandIns::build(workspace, &place))?;
    let image = steps.run("machine image", || MachineImage::build(workspace, &place, &stand_ins))?;

    let emulator = steps.run("emulator", || Emulator::start(&place, &emulator_venv))?;
    let account = Account::new(&place, &emulator_venv, &emulator);
    let sam = Sam::new(&place, &sam_venv, &emulator)?;
    steps.run("sam validate", || sam.validate_all())?;
    for stack in STACKS {
        steps.run(&format!("sam build {stack}"), || sam.build(stack, &stand_ins))?;
    }
    steps.run("secrets", || account.put_parameters(&settings::secrets(&place)?))?;
    let mut deployed = Deployed::default();
    for stack in STACKS {
        steps.run(&format!("sam deploy {stack}"), || {
            sam.deploy(stack, &settings::overrides(&place, stack, &deployed)?)?;
            deployed.add(stack, account.outputs(stack)?);
            Ok(())
        })?;
    }
    steps.run("description", || environment::describe(&place, &emulator, &image, &deployed))?;

    steps.run("command", || build_command(workspace, &place))?;
    let outcome = if keep {
        steps.check("kept", || wait_for_enter(&place, &emulator).map(|()| true))
    } else {
        steps.check("tests", || test(workspace, &place, &emulator, test_arguments))
    };
    steps.run("end of emulator", || emulator.end())?;
    outcome
}

/// Builds the command and the tests, together: alone, each would have its dependencies built with other features.
fn build_command(workspace: &Metadata, place: &Place) -> Result<()> {
    let feature = format!("{TESTS}/deployed");
    let arguments = ["build", "--workspace", "--bin", "mayfly", "--test", "e2e", "--features", &feature];
    let mut command = cargo(&workspace.workspace_root, &arguments);
    logged(command.env("CARGO_TARGET_DIR", &place.target), &place.log("command"))
}

/// Runs the tests, with what they need in their environment.
fn test(workspace: &Metadata, place: &Place, emulator: &Emulator, test_arguments: &[String]) -> Result<bool> {
    // Not nextest: it gives every test a process of its own, and these share one installation and one GitLab.
    // Of the whole workspace: for one package alone the dependencies would be built again, with other features.
    let feature = format!("{TESTS}/deployed");
    let arguments = ["test", "--workspace", "--test", "e2e", "--features", &feature, "--"];
    let mut command = cargo(&workspace.workspace_root, &arguments);
    command.args(test_arguments).env("MAYFLY_E2E", place.description());
    run_command(emulator.as_client(&mut command))
}

fn wait_for_enter(place: &Place, emulator: &Emulator) -> Result<()> {
    let mut exports = Command::new("env");
    emulator.as_client(&mut exports);
    println!("The stacks are deployed. To work with them:\n");
    for (name, value) in exports.get_envs() {
        let name = name.to_string_lossy();
        match value {
            Some(value) => println!("export {name}={}", value.to_string_lossy()),
            None => println!("unset {name}"),
        }
    }
    println!("export MAYFLY_E2E={}\n\nPress Enter to end.", place.description());
    io::stdin().read(&mut [0]).context("cannot read standard input")?;
    Ok(())
}
