//! The parameters that the stacks are deployed with: those of each stack's `samconfig.toml`, and what a test must have otherwise.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use super::emulator::{ACCOUNT, REGION};
use super::environment::Deployed;
use super::place::Place;

/// What GitLab would be told as the webhook's secret. The stack reads it from Parameter Store.
pub(super) const WEBHOOK_SECRET: &str = "the-webhook-secret-of-the-tests";
/// Another one that is valid too. The stack keeps it itself.
pub(super) const SECOND_WEBHOOK_SECRET: &str = "the-second-webhook-secret-of-the-tests";
/// The webhook's signing token: 32 bytes. The stack keeps it itself.
pub(super) const SIGNING_TOKEN: &str = "whsec_c2lnbmluZy10b2tlbi1vZi10aGUtZTJlLXRlc3RzISE=";

/// The parameter that names the image of EC2 runners. The tests put it.
pub(super) const IMAGE_PARAMETER: &str = "/mayfly/images/runner";

/// The secrets that a user puts into Parameter Store before deploying, by the names that the samples have for them.
pub(super) fn secrets(place: &Place) -> Result<BTreeMap<String, String>> {
    let name = parameter(place, "infrastructure", "WebhookSecretParameter")?;
    Ok(BTreeMap::from([(name, WEBHOOK_SECRET.to_owned())]))
}

/// The parameters of a stack, each as `Name=value`.
pub(super) fn overrides(place: &Place, stack: &str, deployed: &Deployed) -> Result<Vec<String>> {
    let mut parameters = sample(place, stack)?;
    let mut set = |name: &str, value: &str| parameters.insert(name.to_owned(), value.to_owned());
    set("Architecture", architecture()?);
    match stack {
        "infrastructure" => {
            set("SecondWebhookSecret", SECOND_WEBHOOK_SECRET);
            set("SigningToken", SIGNING_TOKEN);
            // All that the stack can have is to be made once.
            set("CreateNetwork", "true");
            set("AvailabilityZones", "3");
            set("PrivateSubnets", "true");
        }
        "autoscaler" => {
            set("DefaultTarget", deployed.output("shell-runner", "FunctionArn")?);
            set("RunnerSubnetIds", deployed.output("infrastructure", "PublicSubnetIds")?);
            set("RunnerSecurityGroupIds", deployed.output("infrastructure", "RunnerSecurityGroupId")?);
            set("RunnerImageArm64", IMAGE_PARAMETER);
            set("RunnerImageX86", IMAGE_PARAMETER);
            // Mappings name others below the same path.
            let images = format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/mayfly/images/*");
            set("RunnerImageParameterArns", &images);
            // Tests wait for nothing: what is out of place is repaired by the first pass that sees it.
            set("ReconcileGraceSeconds", "0");
        }
        _ => {}
    }
    Ok(parameters.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
}

/// One parameter of a stack's sample.
pub(super) fn parameter(place: &Place, stack: &str, name: &str) -> Result<String> {
    let value = sample(place, stack)?.remove(name);
    value.with_context(|| format!("{stack}/samconfig.toml has no parameter {name}"))
}

/// The processor of this machine, as the parameter `Architecture` has it.
pub(super) fn architecture() -> Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("x86_64"),
        "aarch64" => Ok("arm64"),
        other => bail!("Lambda has no processors of type {other}"),
    }
}

fn sample(place: &Place, stack: &str) -> Result<BTreeMap<String, String>> {
    let file = place.root.join(stack).join("samconfig.toml");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    parameters(&text).with_context(|| format!("{file}"))
}

/// The parameters that a `samconfig.toml` has for `sam deploy`.
fn parameters(text: &str) -> Result<BTreeMap<String, String>> {
    let config: Table = toml::from_str(text)?;
    let deploy = ["default", "deploy", "parameters", "parameter_overrides"];
    let mut value = Some(&Value::Table(config)).cloned();
    for key in deploy {
        value = value.and_then(|value| value.get(key).cloned());
    }
    let overrides = value.as_ref().and_then(Value::as_array).context("parameter_overrides is not a list")?;
    overrides
        .iter()
        .map(|entry| {
            let pair = entry.as_str().and_then(|entry| entry.split_once('='));
            let (name, value) =
                pair.with_context(|| format!("{entry} is not a text of the form Name=value"))?;
            Ok((name.to_owned(), value.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_from_a_sample() {
        let text = "version = 0.1\n[default.deploy.parameters]\nresolve_s3 = true\n\
                    parameter_overrides = [\"A=1\", \"Arn=arn:aws:x=y\", \"Empty=\"]";
        let expected = [("A", "1"), ("Arn", "arn:aws:x=y"), ("Empty", "")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(parameters(text).unwrap(), BTreeMap::from(expected));
    }

    #[test]
    fn another_form_is_an_error() {
        for text in [
            "version = 0.1",
            "[default.deploy.parameters]\nparameter_overrides = \"A=1\"",
            "[default.deploy.parameters]\nparameter_overrides = [\"A\"]",
        ] {
            assert!(parameters(text).is_err(), "{text}");
        }
    }
}
