//! Tells the tests where things are.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::account::stack_name;
use super::emulator::{ACCESS_KEY_ID, ACCOUNT, Emulator, REGION, SECRET_ACCESS_KEY};
use super::machine_image::MachineImage;
use super::place::Place;
use super::settings;

/// The stacks that are deployed so far, with their outputs.
#[derive(Debug, Default)]
pub(super) struct Deployed {
    outputs: BTreeMap<String, BTreeMap<String, String>>,
}

impl Deployed {
    pub(super) fn add(&mut self, stack: &str, outputs: BTreeMap<String, String>) {
        self.outputs.insert(stack.to_owned(), outputs);
    }

    /// One output of a stack.
    pub(super) fn output(&self, stack: &str, name: &str) -> Result<&str> {
        let outputs = self.outputs.get(stack).with_context(|| format!("{stack} is not deployed"))?;
        let output = outputs.get(name).with_context(|| format!("{stack} has no output {name}"))?;
        Ok(output)
    }
}

/// Writes the description for the tests.
pub(super) fn describe(
    place: &Place,
    emulator: &Emulator,
    image: &MachineImage,
    deployed: &Deployed,
) -> Result<()> {
    let api = deployed.output("infrastructure", "ApiId")?;
    let stacks: BTreeMap<&String, Value> = deployed
        .outputs
        .iter()
        .map(|(stack, outputs)| (stack, json!({ "name": stack_name(stack), "outputs": outputs })))
        .collect();
    let description = json!({
        "endpoint": emulator.endpoint(),
        "region": REGION,
        "account": ACCOUNT,
        "access_key_id": ACCESS_KEY_ID,
        "secret_access_key": SECRET_ACCESS_KEY,
        // The emulator serves APIs below this path too, so that nobody has to find a name.
        "webhook_url": format!("{}/_aws/execute-api/{api}/webhook", emulator.endpoint()),
        "webhook_secret": settings::WEBHOOK_SECRET,
        "second_webhook_secret": settings::SECOND_WEBHOOK_SECRET,
        "signing_token": settings::SIGNING_TOKEN,
        "event_bus": deployed.output("infrastructure", "EventBusName")?,
        "parameter_path": settings::parameter(place, "autoscaler", "ParameterPath")?,
        "stacks": stacks,
        "machines": emulator.machines(),
        "image_parameter": settings::IMAGE_PARAMETER,
        "machine_image": image.folder(),
        "machine_folders": place.machine_folders(),
        "folder": place.folder(),
        "mayfly": place.command(),
        "scenarios": place.root.join("scenarios"),
        "emulator_log": emulator.log,
        "function_logs": place.function_logs(),
        "function_folders": place.function_folders(),
    });
    let file = place.description();
    let text = serde_json::to_string_pretty(&description)?;
    fs::write(&file, text).with_context(|| format!("cannot write {file}"))?;
    println!("{file} says where everything is");
    Ok(())
}
