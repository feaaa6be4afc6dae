//! EC2 machines: what a mapping asks for, what the stack has, and what a launch freezes.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{InstanceType, MachineImage, RoleArn, SubnetId};

/// The processor of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Architecture {
    /// AWS Graviton.
    #[serde(rename = "arm64")]
    Arm64,
    /// Intel and AMD.
    #[serde(rename = "x86_64")]
    X86_64,
}

impl Architecture {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Arm64, Self::X86_64];

    /// AWS's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }

    /// Reads AWS's word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|architecture| architecture.as_str() == word)
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Which of AWS's two markets a mapping's machines are bought in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purchase {
    /// Spot only: jobs wait while there is none.
    Spot,
    /// On-demand only.
    OnDemand,
    /// Spot, and on-demand when spot has none.
    #[default]
    SpotFirst,
}

impl Purchase {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Spot, Self::OnDemand, Self::SpotFirst];

    /// The word in the mapping table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spot => "spot",
            Self::OnDemand => "on-demand",
            Self::SpotFirst => "spot-first",
        }
    }

    /// Reads the word of the mapping table.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purchase| purchase.as_str() == word)
    }
}

/// One of AWS's two markets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Market {
    /// Spare capacity, cheaper, which AWS may take back with two minutes' notice.
    Spot,
    /// The usual one.
    OnDemand,
}

/// What a mapping asks of its machines. What it leaves open, the stack decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct MachineSpec {
    /// The market.
    pub purchase: Purchase,
    /// The processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<Architecture>,
    /// Any of these will do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instance_types: Vec<InstanceType>,
    /// What they start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<MachineImage>,
    /// The size of the root volume in GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_volume_gib: Option<u32>,
    /// Any of these will do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subnets: Vec<SubnetId>,
    /// Tags for the machine and its volume besides those of Mayfly.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub instance_tags: BTreeMap<String, String>,
    /// The role that jobs act in; without one they can do nothing on AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_role_arn: Option<RoleArn>,
}

/// What the stack has for machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineDefaults {
    /// The stack's name, by which its machines are known.
    pub stack: String,
    /// The id of the launch template.
    pub launch_template: String,
    /// The version of it that was deployed with this dispatcher.
    pub launch_template_version: String,
    /// The processor of mappings that name none.
    pub architecture: Architecture,
    /// The image of mappings that name none.
    pub images: BTreeMap<Architecture, MachineImage>,
    /// The instance types of mappings that name none.
    pub instance_types: BTreeMap<Architecture, Vec<InstanceType>>,
    /// The subnets of mappings that name none.
    pub subnets: Vec<SubnetId>,
    /// The name of the images' root device, such as `/dev/xvda`.
    pub root_device: String,
    /// The ARN of the KMS key of root volumes; `None` for the account's own.
    pub root_volume_key: Option<String>,
}

/// Everything a launch asks EC2 for, frozen before the first call: what is repeated with a client token must be the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MachineRequest {
    /// The stack's name.
    pub stack: String,
    /// The id of the launch template.
    pub launch_template: String,
    /// Its version.
    pub launch_template_version: String,
    /// What the machines start from.
    pub image: MachineImage,
    /// Any of these will do.
    pub instance_types: Vec<InstanceType>,
    /// Any of these will do.
    pub subnets: Vec<SubnetId>,
    /// The name of the root device.
    pub root_device: String,
    /// The size of the root volume in GiB, if it is not the launch template's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_volume_gib: Option<u32>,
    /// The ARN of the KMS key of the root volume; `None` for the account's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_volume_key: Option<String>,
    /// Tags of the mapping.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

impl MachineDefaults {
    /// Fills in what the mapping leaves open; an error says what is missing and where to give it.
    pub fn complete(&self, spec: &MachineSpec) -> Result<MachineRequest, String> {
        let architecture = spec.architecture.unwrap_or(self.architecture);
        let image = match (&spec.image, self.images.get(&architecture)) {
            (Some(image), _) | (None, Some(image)) => image.clone(),
            (None, None) => {
                return Err(format!(
                    "there is no image for {architecture} machines: give the stack one, or the mapping an `image`"
                ));
            }
        };
        let of_stack = self.instance_types.get(&architecture).cloned().unwrap_or_default();
        let instance_types =
            if spec.instance_types.is_empty() { of_stack } else { spec.instance_types.clone() };
        if instance_types.is_empty() {
            return Err(format!(
                "there are no instance types for {architecture} machines: give the stack some, or the mapping `instance_types`"
            ));
        }
        let subnets = if spec.subnets.is_empty() { &self.subnets } else { &spec.subnets };
        Ok(MachineRequest {
            stack: self.stack.clone(),
            launch_template: self.launch_template.clone(),
            launch_template_version: self.launch_template_version.clone(),
            image,
            instance_types,
            subnets: subnets.clone(),
            root_device: self.root_device.clone(),
            root_volume_gib: spec.root_volume_gib,
            root_volume_key: self.root_volume_key.clone(),
            tags: spec.instance_tags.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults() -> MachineDefaults {
        MachineDefaults {
            stack: "mayfly-autoscaler".to_owned(),
            launch_template: "lt-0abc".to_owned(),
            launch_template_version: "3".to_owned(),
            architecture: Architecture::Arm64,
            images: BTreeMap::from([(Architecture::Arm64, "ami-0123456789abcdef0".parse().unwrap())]),
            instance_types: [(Architecture::Arm64, "m7g.large"), (Architecture::X86_64, "m7i.large")]
                .map(|(architecture, instance_type)| (architecture, vec![instance_type.parse().unwrap()]))
                .into(),
            subnets: vec!["subnet-0a".parse().unwrap(), "subnet-0b".parse().unwrap()],
            root_device: "/dev/xvda".to_owned(),
            root_volume_key: Some("arn:aws:kms:eu-central-1:123456789012:key/1".to_owned()),
        }
    }

    #[test]
    fn a_mapping_that_asks_for_nothing_gets_what_the_stack_has() {
        let request = defaults().complete(&MachineSpec::default()).unwrap();
        assert_eq!(request.image.as_str(), "ami-0123456789abcdef0");
        assert_eq!(request.instance_types, ["m7g.large".parse().unwrap()]);
        assert_eq!((request.subnets, request.root_volume_gib), (defaults().subnets, None));
    }

    #[test]
    fn what_a_mapping_asks_for_it_gets() {
        let spec = MachineSpec {
            architecture: Some(Architecture::X86_64),
            image: Some("/my/image".parse().unwrap()),
            instance_types: vec!["m7i.large".parse().unwrap()],
            subnets: vec!["subnet-0c".parse().unwrap()],
            root_volume_gib: Some(100),
            instance_tags: BTreeMap::from([("team".to_owned(), "a".to_owned())]),
            ..MachineSpec::default()
        };
        let request = defaults().complete(&spec).unwrap();
        assert_eq!(request.image.as_str(), "/my/image");
        assert_eq!((request.instance_types, request.subnets), (spec.instance_types, spec.subnets));
        assert_eq!((request.root_volume_gib, request.tags), (Some(100), spec.instance_tags));
        assert_eq!(
            request.root_volume_key,
            defaults().root_volume_key,
            "nobody but the stack chooses the key"
        );
    }

    #[test]
    fn what_neither_has_is_named() {
        let x86 = MachineSpec { architecture: Some(Architecture::X86_64), ..MachineSpec::default() };
        assert!(defaults().complete(&x86).unwrap_err().contains("no image for x86_64"));
        let without_types = MachineDefaults { instance_types: BTreeMap::new(), ..defaults() };
        assert!(
            without_types
                .complete(&MachineSpec::default())
                .unwrap_err()
                .contains("no instance types for arm64")
        );
    }
}
