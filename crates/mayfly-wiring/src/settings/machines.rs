//! What the stack tells its functions of its machines.

use std::collections::BTreeMap;

use mayfly_aws::function::{InvalidVariable, Variables};
use mayfly_core::machine::{Architecture, MachineDefaults};

/// What it takes to start machines. A stack without subnets has none.
#[derive(Debug, Clone, PartialEq)]
pub struct MachineSettings {
    /// The name of the table where each machine finds its assignment.
    pub assignment_table: String,
    /// The id of the role that machines have: the first half of what IAM calls their user id.
    pub role_id: String,
    /// What machines are started with that no mapping says.
    pub defaults: MachineDefaults,
}

impl MachineSettings {
    pub(super) fn read<F>(variables: &Variables<F>, stack: &str) -> Result<Option<Self>, InvalidVariable>
    where
        F: Fn(&str) -> Option<String>,
    {
        let subnets = variables.list("MAYFLY_RUNNER_SUBNETS", "ids of subnets with commas between them")?;
        if subnets.is_empty() {
            return Ok(None);
        }
        let image = "the id of an image, or the name of a parameter that holds one";
        let images = [
            (Architecture::Arm64, variables.optional("MAYFLY_RUNNER_IMAGE_ARM64", image)?),
            (Architecture::X86_64, variables.optional("MAYFLY_RUNNER_IMAGE_X86_64", image)?),
        ];
        let types = "instance types with commas between them";
        let instance_types = BTreeMap::from([
            (Architecture::Arm64, variables.list("MAYFLY_RUNNER_TYPES_ARM64", types)?),
            (Architecture::X86_64, variables.list("MAYFLY_RUNNER_TYPES_X86_64", types)?),
        ]);
        let Word(architecture) = variables.required("MAYFLY_RUNNER_ARCHITECTURE", "`arm64` or `x86_64`")?;
        Ok(Some(Self {
            assignment_table: variables
                .required("MAYFLY_ASSIGNMENT_TABLE", "the name of the assignment table")?,
            role_id: variables.required("MAYFLY_RUNNER_ROLE_ID", "the id of the machines' role")?,
            defaults: MachineDefaults {
                stack: stack.to_owned(),
                launch_template: variables
                    .required("MAYFLY_LAUNCH_TEMPLATE", "the id of a launch template")?,
                launch_template_version: variables
                    .required("MAYFLY_LAUNCH_TEMPLATE_VERSION", "a version of the launch template")?,
                architecture,
                images: images
                    .into_iter()
                    .filter_map(|(architecture, image)| Some((architecture, image?)))
                    .collect(),
                instance_types,
                subnets,
                root_volume_key: variables.optional("MAYFLY_RUNNER_VOLUME_KEY", "the ARN of a KMS key")?,
                root_device: variables.required(
                    "MAYFLY_RUNNER_ROOT_DEVICE",
                    "the name of the root device, such as /dev/xvda",
                )?,
            },
        }))
    }
}

struct Word(Architecture);

impl std::str::FromStr for Word {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Architecture::parse(word).map(Self).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 9] = [
        ("MAYFLY_ASSIGNMENT_TABLE", "assignments"),
        ("MAYFLY_LAUNCH_TEMPLATE", "lt-0abc"),
        ("MAYFLY_LAUNCH_TEMPLATE_VERSION", "3"),
        ("MAYFLY_RUNNER_ARCHITECTURE", "arm64"),
        ("MAYFLY_RUNNER_IMAGE_ARM64", "ami-0123456789abcdef0"),
        ("MAYFLY_RUNNER_ROLE_ID", "AROAEXAMPLE"),
        ("MAYFLY_RUNNER_ROOT_DEVICE", "/dev/xvda"),
        ("MAYFLY_RUNNER_SUBNETS", "subnet-0a,subnet-0b"),
        ("MAYFLY_RUNNER_TYPES_ARM64", "m7g.large, c7g.large"),
    ];

    fn read(name: &str, value: Option<&str>) -> Result<Option<MachineSettings>, String> {
        let variables = Variables::new(|asked: &str| {
            let good = GOOD.iter().find(|(known, _)| *known == asked).map(|(_, value)| *value);
            if asked == name { value } else { good }.map(str::to_owned)
        });
        MachineSettings::read(&variables, "mayfly").map_err(|error| error.to_string())
    }

    #[test]
    fn a_stack_without_subnets_has_no_machines() {
        for empty in [None, Some(""), Some(" , ")] {
            assert_eq!(read("MAYFLY_RUNNER_SUBNETS", empty), Ok(None));
        }
    }

    #[test]
    fn images_and_types_may_be_given_for_one_architecture_only() {
        let settings = read("", None).unwrap().unwrap();
        assert_eq!(settings.defaults.images.keys().collect::<Vec<_>>(), [&Architecture::Arm64]);
        assert_eq!(settings.defaults.instance_types[&Architecture::Arm64].len(), 2);
        assert_eq!(settings.defaults.subnets.len(), 2);
    }

    #[test]
    fn what_machines_need_is_asked_for_and_what_is_wrong_is_named() {
        let needed = [
            "MAYFLY_ASSIGNMENT_TABLE",
            "MAYFLY_LAUNCH_TEMPLATE",
            "MAYFLY_LAUNCH_TEMPLATE_VERSION",
            "MAYFLY_RUNNER_ARCHITECTURE",
            "MAYFLY_RUNNER_ROLE_ID",
            "MAYFLY_RUNNER_ROOT_DEVICE",
        ];
        let wrong = [
            ("MAYFLY_RUNNER_SUBNETS", "vpc-1"),
            ("MAYFLY_RUNNER_IMAGE_ARM64", "ubuntu"),
            ("MAYFLY_RUNNER_TYPES_ARM64", "large"),
            ("MAYFLY_RUNNER_ARCHITECTURE", "arm"),
        ];
        let cases =
            needed.map(|name| (name, None)).into_iter().chain(wrong.map(|(name, value)| (name, Some(value))));
        for (name, value) in cases {
            let message = read(name, value).unwrap_err();
            assert!(message.contains(name), "{message}");
        }
    }
}
