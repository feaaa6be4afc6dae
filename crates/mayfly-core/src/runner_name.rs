//! The name of a runner of ours: how an event tells which runner it is about.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{InvalidId, ResourceId};
use crate::mapping::TargetType;

/// `mayfly-<backend>-<resource>`, the description under which a runner is registered in GitLab.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunnerName {
    /// The backend that started it.
    pub target: TargetType,
    /// What that backend calls its compute: for EC2 the instance id.
    pub resource: ResourceId,
}

impl fmt::Display for RunnerName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "mayfly-{}-{}", self.target.as_str().to_ascii_lowercase(), self.resource)
    }
}

impl FromStr for RunnerName {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId::new(text, "a runner name (`mayfly-<backend>-<resource>`)");
        let (backend, resource) =
            text.strip_prefix("mayfly-").and_then(|rest| rest.split_once('-')).ok_or_else(invalid)?;
        if backend.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(invalid());
        }
        let target = TargetType::parse(&backend.to_ascii_uppercase()).ok_or_else(invalid)?;
        Ok(Self { target, resource: ResourceId::new(resource).map_err(|_| invalid())? })
    }
}

impl TryFrom<String> for RunnerName {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<RunnerName> for String {
    fn from(name: RunnerName) -> Self {
        name.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_pinned() {
        for (target, resource, name) in [
            (TargetType::Ec2, "i-0abc123", "mayfly-ec2-i-0abc123"),
            (TargetType::Lambda, "1f3a", "mayfly-lambda-1f3a"),
            (TargetType::Local, "9c_2", "mayfly-local-9c_2"),
        ] {
            let runner = RunnerName { target, resource: resource.parse().unwrap() };
            assert_eq!(runner.to_string(), name);
        }
    }

    #[test]
    fn runners_of_others_have_no_such_name() {
        for text in [
            "",
            "shared-runners-manager-6.gitlab.com",
            "mayfly-",
            "mayfly-ec2-",
            "mayfly-k8s-pod",
            "mayfly-EC2-i-0",
        ] {
            assert!(text.parse::<RunnerName>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_read_back(resource in "[a-zA-Z0-9_-]{1,30}") {
            for target in TargetType::ALL {
                let name = RunnerName { target, resource: resource.parse().unwrap() };
                prop_assert_eq!(name.to_string().parse::<RunnerName>().unwrap(), name);
            }
        }
    }
}
