//! What every machine backend must do.
#![expect(clippy::expect_used, clippy::panic, reason = "a contract suite is a test")]

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use mayfly_core::assignment::{Assignment, RegistrationEnd};
use mayfly_core::fleet::FleetOrder;
use mayfly_core::ids::{JobKey, ResourceId};
use mayfly_core::launch::ClientToken;
use mayfly_core::machine::{Architecture, MachineDefaults, MachineRequest, Market};
use mayfly_core::mapping::{RunnerSettings, TargetType};
use mayfly_core::ports::{FleetOutcome, HandOver, MachineBackend};
use mayfly_core::runner_name::RunnerName;

use super::samples::NOW;
use crate::ec2::{Ec2Model, SharedEc2};

/// An order for a spot machine for each of these jobs of project 1 of `contract.example.com`.
///
/// # Panics
///
/// Never: its texts are constants.
pub fn fleet_order(jobs: impl IntoIterator<Item = u64>) -> FleetOrder {
    let id = "an id";
    FleetOrder {
        members: jobs.into_iter().map(job).collect(),
        machine: MachineRequest {
            stack: "mayfly-autoscaler".to_owned(),
            launch_template: "lt-0abc".to_owned(),
            launch_template_version: "3".to_owned(),
            image: "ami-0123456789abcdef0".parse().expect(id),
            instance_types: ["m7g.large", "m6g.large"].map(|name| name.parse().expect(id)).to_vec(),
            subnets: ["subnet-0a", "subnet-0b"].map(|name| name.parse().expect(id)).to_vec(),
            root_device: "/dev/xvda".to_owned(),
            root_volume_gib: None,
            root_volume_key: None,
            tags: BTreeMap::from([("team".to_owned(), "a".to_owned())]),
        },
        market: Market::Spot,
        mapping: "job#build tags#".to_owned(),
        asked_at: NOW,
        deadline: NOW + SignedDuration::from_hours(1),
    }
}

/// What a stack has for machines.
pub fn machine_defaults() -> MachineDefaults {
    let id = "an id";
    MachineDefaults {
        stack: "mayfly-autoscaler".to_owned(),
        launch_template: "lt-0abc".to_owned(),
        launch_template_version: "3".to_owned(),
        architecture: Architecture::Arm64,
        images: BTreeMap::from([(Architecture::Arm64, "ami-0123456789abcdef0".parse().expect(id))]),
        instance_types: BTreeMap::from([(
            Architecture::Arm64,
            ["m7g.large", "c7g.large"].map(|name| name.parse().expect(id)).to_vec(),
        )]),
        subnets: ["subnet-0a", "subnet-0b"].map(|name| name.parse().expect(id)).to_vec(),
        root_device: "/dev/xvda".to_owned(),
        root_volume_key: None,
    }
}

/// An assignment for this machine, with this runner token.
pub fn machine_assignment(machine: &ResourceId, token: &str) -> Assignment {
    Assignment {
        runner: RunnerName { target: TargetType::Ec2, resource: machine.clone() },
        gitlab_url: url::Url::parse("https://gitlab.example.com/").expect("a URL"),
        ca_file: None,
        token: token.into(),
        at_end: RegistrationEnd::DeleteRunner,
        settings: RunnerSettings::default(),
        deadline: NOW + SignedDuration::from_hours(1),
        job_credentials: None,
    }
}

/// Asserts what [`MachineBackend`] promises, for a backend over this EC2, which has started nothing yet. `read` reads a
/// machine's assignment as its agent does.
///
/// # Panics
///
/// Where the backend does something else.
pub async fn machine_backend(
    backend: &dyn MachineBackend,
    ec2: &SharedEc2,
    read: impl AsyncFn(&ResourceId) -> Option<Assignment>,
) {
    // The suite makes more calls than AWS allows at once, and waits for nobody.
    ec2.with(|model, _| model.forget_limits());
    a_token_starts_once(backend, ec2).await;
    fewer_than_asked_for_is_a_shortage(backend, ec2).await;
    no_capacity_is_a_refusal(backend, ec2).await;
    a_machine_is_there_until_it_ends(backend, ec2).await;
    an_assignment_is_read_once(backend, &read).await;
    a_machine_has_an_assignment_for_one_job(backend, &read).await;
    stopping_ends_and_withdraws(backend, ec2, &read).await;
    a_stranger_is_not_stopped(backend, ec2).await;
    those_that_live_are_listed(backend, ec2).await;
}

fn job(number: u64) -> JobKey {
    format!("contract.example.com/1/{number}").parse().expect("a job key")
}

/// A token of its own for each part of the suite.
fn token(part: u64) -> ClientToken {
    ClientToken::new(&job(part), 0, 0)
}

fn live(ec2: &SharedEc2) -> usize {
    ec2.with(|model, _| model.live().count())
}

async fn launched(
    backend: &dyn MachineBackend,
    token: &ClientToken,
    order: &FleetOrder,
) -> (Vec<ResourceId>, bool) {
    match backend.launch(token, order).await {
        FleetOutcome::Launched { machines, shortage } => (machines, shortage.is_some()),
        other => panic!("not launched: {other:?}"),
    }
}

async fn one(backend: &dyn MachineBackend, part: u64) -> ResourceId {
    let (machines, _) = launched(backend, &token(part), &fleet_order([part])).await;
    machines.into_iter().next().expect("a machine")
}

async fn a_token_starts_once(backend: &dyn MachineBackend, ec2: &SharedEc2) {
    let order = fleet_order([11, 12, 13]);
    let (machines, is_short) = launched(backend, &token(1), &order).await;
    assert_eq!((machines.len(), is_short), (3, false));
    assert!(machines.is_sorted(), "their order is fixed");
    assert_eq!(
        launched(backend, &token(1), &order).await,
        (machines.clone(), false),
        "the same call, the same answer"
    );
    assert_eq!(live(ec2), 3, "a repeated call starts nothing");
    let other = FleetOrder { market: Market::OnDemand, ..order };
    let outcome = backend.launch(&token(1), &other).await;
    assert!(
        matches!(outcome, FleetOutcome::Busy { .. }),
        "one token, two calls: a new one will do: {outcome:?}"
    );
    ec2.with(|model, _| {
        for instance in model.instances() {
            assert_eq!(instance.tags, fleet_order([11, 12, 13]).tags(&token(1)));
            assert_eq!(instance.volume_tags, instance.tags);
        }
    });
}

async fn fewer_than_asked_for_is_a_shortage(backend: &dyn MachineBackend, ec2: &SharedEc2) {
    ec2.with(|model, _| model.set_market_capacity(Market::Spot, Some(2)));
    let order = fleet_order([21, 22, 23]);
    let (machines, is_short) = launched(backend, &token(2), &order).await;
    assert_eq!((machines.len(), is_short), (2, true));
    ec2.with(|model, _| model.set_market_capacity(Market::Spot, None));
    assert_eq!(launched(backend, &token(2), &order).await, (machines, true), "what was not started never is");
}

async fn no_capacity_is_a_refusal(backend: &dyn MachineBackend, ec2: &SharedEc2) {
    ec2.with(|model, _| model.set_market_capacity(Market::Spot, Some(0)));
    let before = live(ec2);
    let outcome = backend.launch(&token(3), &fleet_order([31])).await;
    assert!(matches!(outcome, FleetOutcome::Refused { .. }), "no capacity: {outcome:?}");
    assert_eq!(live(ec2), before);
    ec2.with(|model, _| model.set_market_capacity(Market::Spot, None));
}

async fn a_machine_is_there_until_it_ends(backend: &dyn MachineBackend, ec2: &SharedEc2) {
    let machine = one(backend, 4).await;
    assert!(backend.is_there(&machine).await.expect("an answer"));
    ec2.with(|model, now| model.end(machine.as_str(), now));
    assert!(!backend.is_there(&machine).await.expect("an answer"));
    let unknown = ResourceId::new("i-0ffffffffffffffff").expect("a resource id");
    assert!(backend.is_there(&unknown).await.expect("an answer"), "one that EC2 does not know yet");
}

async fn an_assignment_is_read_once(
    backend: &dyn MachineBackend,
    read: &impl AsyncFn(&ResourceId) -> Option<Assignment>,
) {
    let machine = one(backend, 5).await;
    let assignment = machine_assignment(&machine, "glrt-first");
    assert!(read(&machine).await.is_none(), "nothing was handed over yet");
    let handed_over = backend.hand_over(&machine, &job(5), &assignment).await.expect("an answer");
    assert_eq!(handed_over, HandOver::Waits);
    assert!(is_same(read(&machine).await.as_ref(), &assignment));
    assert!(read(&machine).await.is_none(), "it was read");
    assert!(!backend.withdraw(&machine).await.expect("an answer"), "what was read is not there any more");
}

async fn a_machine_has_an_assignment_for_one_job(
    backend: &dyn MachineBackend,
    read: &impl AsyncFn(&ResourceId) -> Option<Assignment>,
) {
    let [machine, other] = [one(backend, 6).await, one(backend, 7).await];
    let [first, second] = ["glrt-first", "glrt-second"].map(|token| machine_assignment(&machine, token));
    let hand_over = async |job: u64, machine, assignment| {
        backend.hand_over(machine, &self::job(job), assignment).await.expect("an answer")
    };
    assert_eq!(hand_over(6, &machine, &first).await, HandOver::Waits);
    assert_eq!(hand_over(7, &machine, &first).await, HandOver::Taken, "it is another job's");
    assert_eq!(hand_over(7, &other, &first).await, HandOver::Waits, "another machine is free");
    assert_eq!(hand_over(6, &machine, &second).await, HandOver::Waits, "the same job may be told again");
    assert!(is_same(read(&machine).await.as_ref(), &second), "the later one counts");

    assert_eq!(hand_over(6, &machine, &first).await, HandOver::Waits);
    assert!(backend.withdraw(&machine).await.expect("an answer"), "nobody has read it");
    assert!(!backend.withdraw(&machine).await.expect("an answer"), "withdrawing twice is fine");
    assert!(read(&machine).await.is_none(), "it was withdrawn");
    assert!(read(&other).await.is_some(), "another machine keeps its own");
}

async fn stopping_ends_and_withdraws(
    backend: &dyn MachineBackend,
    ec2: &SharedEc2,
    read: &impl AsyncFn(&ResourceId) -> Option<Assignment>,
) {
    let machine = one(backend, 8).await;
    let assignment = machine_assignment(&machine, "glrt-stop");
    assert_eq!(backend.hand_over(&machine, &job(8), &assignment).await.expect("an answer"), HandOver::Waits);
    let before = live(ec2);
    for _ in 0..2 {
        backend.stop(&machine, false).await.expect("one that is gone can be stopped");
    }
    assert_eq!(live(ec2), before - 1);
    assert!(read(&machine).await.is_none(), "its assignment goes with it");

    let unknown = ResourceId::new("i-0ffffffffffffffff").expect("a resource id");
    backend.stop(&unknown, false).await.expect("an old one that EC2 does not know is gone");
    let error = backend.stop(&unknown, true).await.expect_err("a fresh one may come yet");
    assert!(error.is_transient(), "{error:?}");
}

async fn a_stranger_is_not_stopped(backend: &dyn MachineBackend, ec2: &SharedEc2) {
    let stranger = ec2.with(Ec2Model::add_stranger);
    let before = live(ec2);
    let id = ResourceId::new(stranger).expect("a resource id");
    let error = backend.stop(&id, false).await.expect_err("it is not ours");
    assert!(!error.is_transient(), "{error:?}");
    assert_eq!(live(ec2), before);
}

async fn those_that_live_are_listed(backend: &dyn MachineBackend, ec2: &SharedEc2) {
    let order = fleet_order(0..70);
    let (machines, _) = launched(backend, &token(9), &order).await;
    let [ended, listed @ ..] = &machines[..] else { panic!("no machines") };
    ec2.with(|model, now| {
        model.end(ended.as_str(), now);
        model.add_stranger(now);
    });
    let found = backend.list().await.expect("an answer");
    let of_this_call: BTreeSet<&ResourceId> = found
        .iter()
        .filter(|machine| machine.launch.as_ref() == Some(&token(9)))
        .map(|machine| {
            assert_eq!(machine.deadline, Some(order.deadline));
            &machine.id
        })
        .collect();
    assert_eq!(of_this_call, listed.iter().collect(), "of all pages");
    let ours: BTreeSet<String> = ec2.with(|model, _| {
        let live = model.live().filter(|instance| instance.tags.contains_key("mayfly:stack"));
        live.map(|instance| instance.id.clone()).collect()
    });
    assert_eq!(found.len(), ours.len(), "each is listed once");
    assert_eq!(found.iter().map(|machine| machine.id.to_string()).collect::<BTreeSet<_>>(), ours);
}

fn is_same(read: Option<&Assignment>, expected: &Assignment) -> bool {
    use secrecy::ExposeSecret;
    let text = |assignment: &Assignment| assignment.to_secret_json().expose_secret().to_owned();
    read.map(text) == Some(text(expected))
}
