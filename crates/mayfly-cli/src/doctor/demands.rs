//! What the mappings and the stack's parameters ask of AWS and GitLab: pure.

use std::collections::{BTreeMap, BTreeSet};

use mayfly_core::machine::{Architecture, MachineSpec, Purchase};
use mayfly_core::mapping::{Mapping, StoredMapping, Target};

/// The secret with the token of the shared runner, unless a mapping names another.
const RUNNER_TOKEN: &str = "RunnerToken";

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Demands {
    /// ARNs of functions.
    pub(super) functions: BTreeSet<String>,
    /// Ids of images, or names of parameters.
    pub(super) images: BTreeSet<String>,
    pub(super) on_demand_types: BTreeSet<String>,
    pub(super) spot_types: BTreeSet<String>,
    /// In registration mode `shared`: the names of the secrets with the runners' tokens.
    pub(super) runner_tokens: BTreeSet<String>,
    /// True if jobs whose machine died are retried in GitLab, which takes the scope `api`.
    pub(super) retries: bool,
}

impl Demands {
    /// True if any runner is an instance.
    pub(super) fn has_instances(&self) -> bool {
        !self.on_demand_types.is_empty() || !self.spot_types.is_empty()
    }

    /// All instance types.
    pub(super) fn instance_types(&self) -> BTreeSet<String> {
        self.on_demand_types.union(&self.spot_types).cloned().collect()
    }

    /// The names of the secrets that a registration mode needs, beside GitLab's address.
    pub(super) fn secrets(&self, mode: &str) -> Vec<&str> {
        match mode {
            "shared" if self.runner_tokens.is_empty() => vec![RUNNER_TOKEN],
            "shared" => self.runner_tokens.iter().map(String::as_str).collect(),
            "registration-token" => vec!["RegistrationToken"],
            _ => vec!["ApiToken"],
        }
    }

    /// What the parameters of the autoscaler's stack and the rows of the mapping table ask for.
    pub(super) fn of(parameters: &BTreeMap<String, String>, rows: &[StoredMapping]) -> Self {
        let mut demands = Self::default();
        let parameter = |name: &str| parameters.get(name).map(String::as_str).unwrap_or_default();
        let has_instances = !parameter("RunnerSubnetIds").is_empty();
        match parameter("DefaultTarget") {
            "" | "none" => {}
            "EC2" => demands.add_machine(&MachineSpec::default(), parameters),
            arn => {
                demands.functions.insert(arn.to_owned());
            }
        }
        if !matches!(parameter("DefaultTarget"), "" | "none") {
            demands.runner_tokens.insert(RUNNER_TOKEN.to_owned());
        }
        if has_instances {
            let images = ["RunnerImageArm64", "RunnerImageX86"].map(parameter);
            demands.images.extend(images.into_iter().filter(|image| !image.is_empty()).map(str::to_owned));
        }
        for Mapping { target, settings, .. } in rows.iter().filter_map(readable) {
            demands.retries |= settings.retries_after_loss > 0;
            let runner_token = settings.runner_token.as_ref().map(ToString::to_string);
            demands.runner_tokens.insert(runner_token.unwrap_or_else(|| RUNNER_TOKEN.to_owned()));
            match target {
                Target::Lambda { arn } => {
                    demands.functions.insert(arn.clone());
                }
                Target::Ec2(machine) => demands.add_machine(machine, parameters),
                Target::Local => {}
            }
        }
        demands
    }

    /// What a mapping leaves open, the stack decides.
    fn add_machine(&mut self, machine: &MachineSpec, parameters: &BTreeMap<String, String>) {
        let parameter = |name: &str| parameters.get(name).map(String::as_str).unwrap_or_default();
        let default = Architecture::parse(parameter("RunnerArchitecture")).unwrap_or(Architecture::Arm64);
        let (image, types) = match machine.architecture.unwrap_or(default) {
            Architecture::Arm64 => ("RunnerImageArm64", "RunnerInstanceTypesArm64"),
            Architecture::X86_64 => ("RunnerImageX86", "RunnerInstanceTypesX86"),
        };
        let image = machine.image.as_ref().map_or_else(|| parameter(image), |image| image.as_str());
        if !image.is_empty() {
            self.images.insert(image.to_owned());
        }
        let types: Vec<String> = if machine.instance_types.is_empty() {
            parameter(types).split(',').map(|name| name.trim().to_owned()).collect()
        } else {
            machine.instance_types.iter().map(ToString::to_string).collect()
        };
        let types = types.into_iter().filter(|name| !name.is_empty());
        match machine.purchase {
            Purchase::Spot => self.spot_types.extend(types),
            Purchase::OnDemand => self.on_demand_types.extend(types),
            Purchase::SpotFirst => {
                let types: Vec<String> = types.collect();
                self.spot_types.extend(types.clone());
                self.on_demand_types.extend(types);
            }
        }
    }
}

fn readable(row: &StoredMapping) -> Option<&Mapping> {
    match row {
        StoredMapping::Readable(mapping) => Some(mapping),
        StoredMapping::Unreadable { .. } | StoredMapping::Pause { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mayfly_core::mapping::{MappingKey, RunnerSettings};

    fn row(job: &str, target: Target, retries_after_loss: u32) -> StoredMapping {
        let key = MappingKey::parse(&format!("job#{job}"), "tags#").unwrap();
        let settings = RunnerSettings { retries_after_loss, ..RunnerSettings::default() };
        StoredMapping::Readable(Mapping { key, target, settings, paused: None })
    }

    fn parameters(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn set(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn nothing_is_asked_for_by_an_empty_installation() {
        assert_eq!(Demands::of(&parameters(&[("DefaultTarget", "none")]), &[]), Demands::default());
    }

    #[test]
    fn what_a_mapping_leaves_open_the_stack_decides() {
        let parameters = parameters(&[
            ("DefaultTarget", "arn:default"),
            ("RunnerSubnetIds", "subnet-1"),
            ("RunnerArchitecture", "x86_64"),
            ("RunnerImageArm64", "/images/arm64"),
            ("RunnerImageX86", "ami-86"),
            ("RunnerInstanceTypesArm64", "m7g.large"),
            ("RunnerInstanceTypesX86", "m7i.large,m6i.large"),
        ]);
        let own = MachineSpec {
            purchase: Purchase::OnDemand,
            architecture: Some(Architecture::Arm64),
            instance_types: vec!["c8g.4xlarge".parse().unwrap()],
            image: Some("ami-0123456789abcdef0".parse().unwrap()),
            ..MachineSpec::default()
        };
        let rows = [
            row("a", Target::Lambda { arn: "arn:own".to_owned() }, 0),
            row("b", Target::Ec2(MachineSpec { purchase: Purchase::Spot, ..MachineSpec::default() }), 1),
            row("c", Target::Ec2(own), 0),
        ];
        let expected = Demands {
            functions: set(&["arn:default", "arn:own"]),
            images: set(&["/images/arm64", "ami-86", "ami-0123456789abcdef0"]),
            on_demand_types: set(&["c8g.4xlarge"]),
            spot_types: set(&["m7i.large", "m6i.large"]),
            runner_tokens: set(&["RunnerToken"]),
            retries: true,
        };
        assert_eq!(Demands::of(&parameters, &rows), expected);
    }

    #[test]
    fn a_shared_runners_token_is_the_one_that_the_mapping_names() {
        let own = |mut row: StoredMapping| {
            if let StoredMapping::Readable(mapping) = &mut row {
                mapping.settings.runner_token = Some("teams/web".parse().unwrap());
            }
            row
        };
        let lambda = || row("a", Target::Lambda { arn: "arn:own".to_owned() }, 0);
        for (default, rows, expected) in [
            ("none", vec![], &["RunnerToken"][..]),
            ("none", vec![own(lambda())], &["teams/web"]),
            ("none", vec![own(lambda()), lambda()], &["RunnerToken", "teams/web"]),
            ("arn:default", vec![own(lambda())], &["RunnerToken", "teams/web"]),
        ] {
            let demands = Demands::of(&parameters(&[("DefaultTarget", default)]), &rows);
            assert_eq!(demands.secrets("shared"), expected, "{default} {rows:?}");
            assert_eq!(demands.secrets("per-job"), ["ApiToken"]);
            assert_eq!(demands.secrets("registration-token"), ["RegistrationToken"]);
        }
    }

    #[test]
    fn instances_as_the_default_are_bought_in_both_markets() {
        let parameters = parameters(&[("DefaultTarget", "EC2"), ("RunnerInstanceTypesArm64", "m7g.large")]);
        let demands = Demands::of(&parameters, &[]);
        assert_eq!(
            (&demands.spot_types, &demands.on_demand_types),
            (&set(&["m7g.large"]), &set(&["m7g.large"]))
        );
    }
}
