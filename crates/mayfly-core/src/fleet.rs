//! One call that starts machines for several jobs, frozen before it is made.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::JobKey;
use crate::launch::{ClientToken, Holder};
use crate::machine::{MachineRequest, Market};

/// The most machines that are asked for in one call. EC2 allows more; what one dispatcher can register and equip while its
/// machines boot is less.
pub const MAX_FLEET: usize = 100;

/// What the tags of Mayfly begin with.
const PREFIX: &str = "mayfly:";

/// The longest value of a tag (EC2 User Guide, "Tag restrictions").
const LONGEST_VALUE: usize = 256;

/// How many tags a list may fill. EC2 allows 50 on a machine (EC2 User Guide, "Tag restrictions").
const LONGEST_LIST: usize = 15;

/// One call that starts a machine for each member. It is written down before it is made; whoever repeats it, for whichever
/// member, repeats exactly this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fleet {
    /// The call's idempotency token.
    pub token: ClientToken,
    /// What is asked for. `None`: the call was given up before it was made, and must never be made.
    pub order: Option<FleetOrder>,
}

/// What one call asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetOrder {
    /// The jobs that get a machine each. The position of a job is the position of its machine.
    pub members: Vec<JobKey>,
    /// What the machines are.
    pub machine: MachineRequest,
    /// Where they are bought.
    pub market: Market,
    /// The mapping's key, or `default`.
    pub mapping: String,
    /// When they were asked for first. Machines that nobody tells what they are for end some minutes later.
    pub asked_at: Timestamp,
    /// When they must be gone.
    pub deadline: Timestamp,
}

impl Fleet {
    /// A call that was given up before it was made.
    pub fn given_up(token: ClientToken) -> Self {
        Self { token, order: None }
    }

    /// The token of a call that this holder is about to make for the launch steps with these tokens.
    pub fn token_for(
        holder: &Holder,
        now: Timestamp,
        steps: impl IntoIterator<Item = ClientToken>,
    ) -> ClientToken {
        let steps: Vec<String> = steps.into_iter().map(|step| step.to_string()).collect();
        ClientToken::from_text(&format!("{}|{now}|{}", holder.0, steps.join("|")))
    }

    /// The position of a job's machine.
    pub fn position(&self, key: &JobKey) -> Option<usize> {
        self.order.as_ref()?.members.iter().position(|member| member == key)
    }
}

impl FleetOrder {
    /// The tags of every machine of this call and of its volume. A machine of a call for several jobs names them all:
    /// which one it gets is known later, and whichever it was started for, it may take another of the same tags.
    pub fn tags(&self, token: &ClientToken) -> BTreeMap<String, String> {
        let mut tags = self.machine.tags.clone();
        tags.insert("Name".to_owned(), shortened(&format!("mayfly {}", self.mapping)));
        let mut set = |name: &str, value: &str| tags.insert(format!("{PREFIX}{name}"), shortened(value));
        set("stack", &self.machine.stack);
        set("mapping", &self.mapping);
        set("deadline", &self.deadline.to_string());
        set("launch", token.as_str());
        let mut projects: Vec<String> = self.members.iter().map(|key| key.project.to_string()).collect();
        projects.sort_unstable();
        projects.dedup();
        tags.extend(list("project", projects));
        tags.extend(list("job", self.members.iter().map(ToString::to_string)));
        tags
    }
}

/// A list in as many tags as it takes: `mayfly:job`, `mayfly:job-2`, … What is too much is left out: tags are for people.
fn list(name: &str, words: impl IntoIterator<Item = String>) -> BTreeMap<String, String> {
    let mut values = vec![String::new()];
    for word in words {
        let is_full = values.last().is_some_and(|value| value.len() + 1 + word.len() > LONGEST_VALUE);
        if is_full {
            values.push(String::new());
        }
        if let Some(value) = values.last_mut() {
            if !value.is_empty() {
                value.push(' ');
            }
            value.push_str(&word);
        }
    }
    let numbered = values.into_iter().take(LONGEST_LIST).enumerate();
    numbered
        .map(|(index, value)| {
            let name =
                if index == 0 { format!("{PREFIX}{name}") } else { format!("{PREFIX}{name}-{}", index + 1) };
            (name, shortened(&value))
        })
        .collect()
}

fn shortened(value: &str) -> String {
    value.chars().take(LONGEST_VALUE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(jobs: u64) -> FleetOrder {
        FleetOrder {
            members: (1..=jobs)
                .map(|job| format!("gitlab.example.com/{}/{job}", 380 + job % 2).parse().unwrap())
                .collect(),
            machine: MachineRequest {
                stack: "mayfly-autoscaler".to_owned(),
                launch_template: "lt-0abc".to_owned(),
                launch_template_version: "3".to_owned(),
                image: "ami-0123456789abcdef0".parse().unwrap(),
                instance_types: vec!["m7g.large".parse().unwrap()],
                subnets: vec!["subnet-0a".parse().unwrap()],
                root_device: "/dev/xvda".to_owned(),
                root_volume_gib: None,
                root_volume_key: None,
                tags: BTreeMap::from([("team".to_owned(), "a".to_owned())]),
            },
            market: Market::Spot,
            mapping: "job#build tags#".to_owned(),
            asked_at: "2026-08-01T10:00:00Z".parse().unwrap(),
            deadline: "2026-08-01T11:00:00Z".parse().unwrap(),
        }
    }

    fn token() -> ClientToken {
        ClientToken::from_text("x")
    }

    #[test]
    fn the_tags_of_one_job_are_pinned() {
        let written: Vec<String> =
            order(1).tags(&token()).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        insta::assert_snapshot!(written.join("\n"), @r"
        Name=mayfly job#build tags#
        mayfly:deadline=2026-08-01T11:00:00Z
        mayfly:job=gitlab.example.com/381/1
        mayfly:launch=2d711642b726b04401627ca9fbac32f5
        mayfly:mapping=job#build tags#
        mayfly:project=381
        mayfly:stack=mayfly-autoscaler
        team=a
        ");
    }

    #[test]
    fn every_job_of_a_full_fleet_is_named_within_what_ec2_allows() {
        let order = order(u64::try_from(MAX_FLEET).unwrap());
        let tags = order.tags(&token());
        assert!(tags.len() <= 50, "{}", tags.len());
        assert!(tags.values().all(|value| value.chars().count() <= LONGEST_VALUE));
        let named: Vec<&str> = tags
            .iter()
            .filter(|(name, _)| name.starts_with("mayfly:job"))
            .flat_map(|(_, value)| value.split(' '))
            .collect();
        assert_eq!(named.len(), MAX_FLEET);
        assert!(order.members.iter().all(|key| named.contains(&key.to_string().as_str())));
        assert_eq!(tags["mayfly:project"], "380 381");
    }

    #[test]
    fn tokens_differ_by_holder_time_and_steps() {
        let [first, later] = [Timestamp::UNIX_EPOCH, "2026-08-01T11:00:00Z".parse().unwrap()];
        let (ours, theirs) = (Holder("a".to_owned()), Holder("b".to_owned()));
        let steps = |step| order(2).members.into_iter().map(move |key| ClientToken::new(&key, 0, step));
        let tokens = [
            Fleet::token_for(&ours, first, steps(0)),
            Fleet::token_for(&ours, later, steps(0)),
            Fleet::token_for(&theirs, first, steps(0)),
            Fleet::token_for(&ours, first, steps(0).take(1)),
            Fleet::token_for(&ours, first, steps(1)),
        ];
        for (index, token) in tokens.iter().enumerate() {
            assert!(!tokens[..index].contains(token));
        }
    }
}
