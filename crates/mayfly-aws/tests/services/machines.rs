//! Machines, over a stand-in EC2. What assignments need besides is tested with the embedded store.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_ec2::config::timeout::TimeoutConfig;
use mayfly_aws::ec2::Ec2Backend;
use mayfly_core::error::Chain;
use mayfly_core::ids::{JobKey, ResourceId};
use mayfly_core::launch::ClientToken;
use mayfly_core::machine::Market;
use mayfly_core::ports::{FleetOutcome, LiveMachine, MachineBackend};
use mayfly_standins::contracts::{fleet_order, full_machine_request};
use mayfly_standins::ec2::{Ec2Error, Ec2Model, Ec2Server, Fault, Operation, SharedEc2};

use crate::server::{Answer, Scripted, connection_to, connection_to_nobody};

/// The stack whose machines the orders of the tests ask for.
const STACK: &str = "mayfly-autoscaler";

/// How often the SDK sends a call that may be sent again.
const ATTEMPTS: usize = 3;

struct World {
    server: Ec2Server,
    backend: Ec2Backend,
}

impl World {
    async fn start() -> Self {
        Self::of(Ec2Model::default()).await
    }

    async fn of(mut model: Ec2Model) -> Self {
        model.forget_limits();
        let server = Ec2Server::start(SharedEc2::new(model)).await.unwrap();
        let address = server.url().authority().to_owned();
        let backend = backend_with(connection_to(address).ec2());
        Self { server, backend }
    }

    /// The same with less patience.
    fn impatient(&self) -> Ec2Backend {
        let client = connection_to(self.server.url().authority()).ec2();
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_millis(200)).build();
        let config = client.config().to_builder().timeout_config(timeouts).build();
        backend_with(aws_sdk_ec2::Client::from_conf(config))
    }

    fn fail(&self, operation: Operation, fault: &Fault, times: usize) {
        self.server.ec2().with(|model, _| {
            for _ in 0..times {
                model.fail_next(operation, fault.clone());
            }
        });
    }

    fn count(&self, operation: Operation) -> usize {
        self.server.ec2().with(|model, _| model.count(operation))
    }

    fn live(&self) -> usize {
        self.server.ec2().with(|model, _| model.live().count())
    }

    async fn launch(&self, jobs: u64) -> FleetOutcome {
        self.backend.launch(&token(), &fleet_order(0..jobs)).await
    }
}

fn backend_with(client: aws_sdk_ec2::Client) -> Ec2Backend {
    Ec2Backend::new(client, connection_to_nobody().dynamodb(), "assignments", "AROAEXAMPLE", STACK)
}

fn token() -> ClientToken {
    let key: JobKey = "gitlab.example.com/380/1977".parse().unwrap();
    ClientToken::new(&key, 0, 0)
}

fn error(status: u16, code: &str) -> Fault {
    Fault::Refused(Ec2Error::new(status, code, "words"))
}

/// The kind of an outcome, and its reason without its beginning; for a launch the number of machines, and the shortage.
fn told(outcome: FleetOutcome) -> (&'static str, usize, String) {
    let (kind, machines, reason) = match outcome {
        FleetOutcome::Launched { machines, shortage } => {
            assert!(machines.is_sorted());
            let Some(reason) = shortage else { return ("launched", machines.len(), String::new()) };
            ("launched", machines.len(), reason)
        }
        FleetOutcome::Refused { reason } => ("refused", 0, reason),
        FleetOutcome::Busy { reason } => ("busy", 0, reason),
        FleetOutcome::Unknown { reason } => ("unknown", 0, reason),
        FleetOutcome::Impossible { reason } => ("impossible", 0, reason),
    };
    let beginning = format!("EC2: create fleet {}: ", token());
    (kind, machines, reason.strip_prefix(&beginning).expect("the call is named").to_owned())
}

fn machines(outcome: FleetOutcome) -> Vec<ResourceId> {
    match outcome {
        FleetOutcome::Launched { machines, .. } => machines,
        other => unreachable!("not launched: {other:?}"),
    }
}

#[tokio::test]
async fn the_requests_are_pinned_and_sent_again_as_they_were() {
    for (name, market) in [("spot", Market::Spot), ("on_demand", Market::OnDemand)] {
        let server = Scripted::start([Answer::text(503, "")]).await;
        let mut order = fleet_order([1977]);
        order.market = market;
        if market == Market::OnDemand {
            order.machine = full_machine_request();
        }
        let outcome = backend_with(server.connection().ec2()).launch(&token(), &order).await;
        assert_eq!(told(outcome).0, "unknown");
        let asked = server.asked();
        assert_eq!(asked.len(), ATTEMPTS);
        assert!(asked.iter().all(|again| again.body == asked[0].body));
        let members: BTreeMap<_, _> = url::form_urlencoded::parse(&asked[0].body).into_owned().collect();
        let lines: Vec<String> = members.iter().map(|(name, value)| format!("{name}={value}")).collect();
        insta::assert_snapshot!(name, lines.join("\n"));
    }
}

#[tokio::test]
async fn machines_are_started_with_tags_image_and_volume() {
    let world = World::start().await;
    let mut order = fleet_order([1, 2, 3]);
    order.machine = full_machine_request();
    let started = machines(world.backend.launch(&token(), &order).await);
    world.server.ec2().with(|model, _| {
        let ids: Vec<ResourceId> = model.live().map(|instance| instance.id.parse().unwrap()).collect();
        assert_eq!(ids, started);
        for instance in model.live() {
            assert_eq!(instance.tags, order.tags(&token()));
            assert_eq!(instance.volume_tags, instance.tags);
            assert_eq!(
                (&*instance.image, instance.root_volume_gib),
                ("resolve:ssm:/mayfly/images/x86", Some(100))
            );
        }
    });
    assert_eq!(
        world.count(Operation::DescribeInstances),
        0,
        "an answer that names machines needs no other call"
    );
}

#[tokio::test]
async fn errors_say_what_may_be_asked_next() {
    for (status, code, kind, attempts) in [
        (503, "RequestLimitExceeded", "busy", ATTEMPTS),
        (400, "Throttling", "busy", ATTEMPTS),
        (500, "InsufficientInstanceCapacity", "refused", ATTEMPTS),
        (400, "MaxSpotInstanceCountExceeded", "refused", 1),
        (400, "VcpuLimitExceeded", "refused", 1),
        (400, "IdempotentParameterMismatch", "busy", 1),
        (403, "UnauthorizedOperation", "impossible", 1),
        (400, "InvalidLaunchTemplateId.NotFound", "impossible", 1),
        (401, "AuthFailure", "impossible", 1),
        (500, "InternalError", "unknown", ATTEMPTS),
        (503, "Unavailable", "unknown", ATTEMPTS),
    ] {
        let world = World::start().await;
        world.fail(Operation::CreateFleet, &error(status, code), ATTEMPTS);
        assert_eq!(told(world.launch(1).await), (kind, 0, format!("{code}: words")));
        assert_eq!(world.count(Operation::CreateFleet), attempts, "{code}");
        assert_eq!(world.live(), 0);
    }
}

#[tokio::test]
async fn a_limit_that_passes_is_not_noticed() {
    let world = World::start().await;
    world.fail(Operation::CreateFleet, &Fault::Refused(Ec2Error::throttled()), ATTEMPTS - 1);
    assert_eq!(told(world.launch(2).await), ("launched", 2, String::new()));
}

#[tokio::test]
async fn no_capacity_in_any_pool_is_a_refusal_that_names_it_once() {
    let world = World::start().await;
    world.server.ec2().with(|model, _| model.set_market_capacity(Market::Spot, Some(0)));
    let words = "UnfulfillableCapacity: Unable to fulfill capacity due to your request configuration.";
    assert_eq!(told(world.launch(2).await), ("refused", 0, words.to_owned()));
    assert_eq!(world.count(Operation::CreateFleet), 1);
}

#[tokio::test]
async fn fewer_machines_than_asked_for_are_a_shortage() {
    let world = World::start().await;
    world.fail(Operation::CreateFleet, &Fault::Fewer(2), 1);
    let words = "UnfulfillableCapacity: Unable to fulfill capacity due to your request configuration.";
    for _ in 0..2 {
        assert_eq!(
            told(world.launch(5).await),
            ("launched", 2, words.to_owned()),
            "and a repeated call changes nothing"
        );
    }
}

#[tokio::test]
async fn errors_of_every_pool_that_nobody_waits_out_are_for_good() {
    for (code, kind) in [
        ("InvalidSubnetID.NotFound", "impossible"),
        ("InvalidAMIID.NotFound", "impossible"),
        ("UnauthorizedOperation", "impossible"),
        ("InsufficientFreeAddressesInSubnet", "refused"),
        ("RequestLimitExceeded", "busy"),
    ] {
        let world = World::start().await;
        world.fail(Operation::CreateFleet, &Fault::NoneFor(code.to_owned()), 1);
        assert_eq!(told(world.launch(1).await), (kind, 0, format!("{code}: As the test wants.")));
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_is_asked_for_again_and_starts_nothing_more() {
    let world = World::start().await;
    world.fail(Operation::CreateFleet, &Fault::AnswerLost, 1);
    let started = machines(world.launch(3).await);
    assert_eq!((started.len(), world.live(), world.count(Operation::CreateFleet)), (3, 3, 2));
}

#[tokio::test]
async fn answers_that_never_come_are_unknown_and_the_same_token_finds_the_machines() {
    for (fault, is_impatient) in
        [(Fault::AnswerLost, false), (Fault::Unreadable, false), (Fault::Late(Duration::from_mins(1)), true)]
    {
        let world = World::start().await;
        world.fail(Operation::CreateFleet, &fault, ATTEMPTS);
        let backend = if is_impatient { world.impatient() } else { world.backend.clone() };
        let outcome = backend.launch(&token(), &fleet_order(0..3)).await;
        assert_eq!(told(outcome).0, "unknown", "{fault:?}");
        assert_eq!(world.live(), 3, "{fault:?}");
        world.server.ec2().with(|model, _| model.forget_faults());
        assert_eq!(told(world.launch(3).await), ("launched", 3, String::new()), "{fault:?}");
        assert_eq!(world.live(), 3, "{fault:?}");
    }
}

#[tokio::test]
async fn a_request_that_is_lost_is_unknown_too_and_may_be_made_again() {
    let world = World::start().await;
    world.fail(Operation::CreateFleet, &Fault::RequestLost, ATTEMPTS);
    assert_eq!(told(world.launch(1).await).0, "unknown");
    assert_eq!(world.live(), 0);
    assert_eq!(told(world.launch(1).await), ("launched", 1, String::new()));
    let nobody = backend_with(connection_to_nobody().ec2());
    assert_eq!(told(nobody.launch(&token(), &fleet_order([1])).await).0, "unknown");
}

#[tokio::test]
async fn an_answer_that_names_nothing_is_made_good_by_the_machines_tags() {
    let world = World::start().await;
    world.fail(Operation::CreateFleet, &Fault::Empty, 1);
    let found = machines(world.launch(70).await);
    assert_eq!(found.len(), 70, "of more pages than one");
    assert_eq!(machines(world.launch(70).await), found, "in the same order");

    world.server.ec2().with(|model, now| model.end(found[0].as_str(), now));
    world.fail(Operation::CreateFleet, &Fault::Empty, 1);
    assert_eq!(machines(world.launch(70).await), found, "one that ended keeps its place");
}

#[tokio::test]
async fn an_answer_that_names_nothing_and_machines_that_nobody_knows_yet_are_unknown() {
    let world = World::of(Ec2Model::default().with_unknown_for(Duration::from_hours(1))).await;
    world.fail(Operation::CreateFleet, &Fault::Empty, 1);
    let words = "EC2 does not say why there are not more machines";
    assert_eq!(told(world.launch(1).await), ("unknown", 0, words.to_owned()));

    let world = World::start().await;
    world.fail(Operation::CreateFleet, &Fault::Empty, 1);
    world.fail(Operation::DescribeInstances, &error(403, "UnauthorizedOperation"), 1);
    let (kind, _, reason) = told(world.launch(1).await);
    assert_eq!(kind, "unknown");
    assert!(
        reason.starts_with("no machine is named: ") && reason.contains("UnauthorizedOperation"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_machine_that_was_just_started_may_be_unknown() {
    let world = World::of(Ec2Model::default().with_unknown_for(Duration::from_hours(1))).await;
    let machine = &machines(world.launch(1).await)[0];
    assert!(world.backend.is_there(machine).await.unwrap());
    let error = world.backend.stop(machine, true).await.unwrap_err();
    assert!(error.is_transient());
    let text = format!(
        "EC2: terminate instance {machine} failed: InvalidInstanceID.NotFound: The instance ID '{machine}' does not exist"
    );
    assert_eq!(Chain(&error).to_string(), text);
    assert_eq!(world.live(), 1);
}

#[tokio::test]
async fn a_machine_that_ends_is_not_there_before_it_is_gone() {
    let world = World::of(Ec2Model::default().with_ending_for(Duration::from_hours(1))).await;
    let machine = &machines(world.launch(1).await)[0];
    assert!(world.backend.is_there(machine).await.unwrap());
    world.server.ec2().with(|model, now| model.end(machine.as_str(), now));
    assert!(!world.backend.is_there(machine).await.unwrap());
}

#[tokio::test]
async fn errors_about_one_machine_say_later_or_never() {
    let machine: ResourceId = "i-0123456789abcdef0".parse().unwrap();
    for (fault, is_transient, cause) in [
        (
            error(403, "UnauthorizedOperation"),
            false,
            "it is no machine of this stack by its tags, or the rights of the role do not allow to end machines \
             (UnauthorizedOperation: words)",
        ),
        (error(400, "InvalidInstanceID.Malformed"), false, "InvalidInstanceID.Malformed: words"),
        (error(503, "RequestLimitExceeded"), true, "RequestLimitExceeded: words"),
        (error(500, "InternalError"), true, "InternalError: words"),
        (Fault::RequestLost, true, ""),
        (Fault::Unreadable, true, ""),
    ] {
        let world = World::start().await;
        let stranger = world.server.ec2().with(Ec2Model::add_stranger);
        let known: ResourceId =
            if fault == Fault::Unreadable { stranger.parse().unwrap() } else { machine.clone() };
        world.fail(Operation::TerminateInstances, &fault, ATTEMPTS);
        let ended = world.backend.stop(&known, false).await.unwrap_err();
        assert_eq!(ended.is_transient(), is_transient, "{fault:?}: {ended:?}");
        let text = Chain(&ended).to_string();
        assert!(text.starts_with(&format!("EC2: terminate instance {known} failed: {cause}")), "{text}");

        world.fail(Operation::DescribeInstances, &fault, ATTEMPTS);
        let looked = world.backend.is_there(&known).await.unwrap_err();
        assert_eq!(looked.is_transient(), is_transient, "{fault:?}: {looked:?}");
    }
}

#[tokio::test]
async fn machines_of_this_stack_that_live_are_listed_and_their_tags_read_as_far_as_they_can_be() {
    let world = World::of(Ec2Model::default().with_ending_for(Duration::from_hours(1))).await;
    let ours = machines(world.launch(4).await);
    let mut order = fleet_order([9]);
    order.machine.stack = "another".to_owned();
    let other = ClientToken::new(&"gitlab.example.com/380/1978".parse().unwrap(), 0, 0);
    machines(world.backend.launch(&other, &order).await);
    world.server.ec2().with(|model, now| {
        model.end(ours[0].as_str(), now);
        model.tag(ours[1].as_str(), "mayfly:deadline", "soon");
        model.tag(ours[2].as_str(), "mayfly:launch", "who knows");
    });
    let deadline = Some(order.deadline);
    let mut listed = world.backend.list().await.unwrap();
    listed.sort_by(|one, other| one.id.cmp(&other.id));
    let machine = |id: &ResourceId, deadline, launch| LiveMachine { id: id.clone(), deadline, launch };
    let expected = [
        machine(&ours[1], None, Some(token())),
        machine(&ours[2], deadline, None),
        machine(&ours[3], deadline, Some(token())),
    ];
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn an_error_when_machines_are_listed_says_later_or_never() {
    for (fault, is_transient) in [
        (error(403, "UnauthorizedOperation"), false),
        (error(503, "RequestLimitExceeded"), true),
        (Fault::AnswerLost, true),
        (Fault::Unreadable, true),
    ] {
        let world = World::start().await;
        world.fail(Operation::DescribeInstances, &fault, ATTEMPTS);
        let error = world.backend.list().await.unwrap_err();
        assert_eq!(error.is_transient(), is_transient, "{fault:?}: {error:?}");
        let text = Chain(&error).to_string();
        assert!(text.starts_with("EC2: describe the machines of stack mayfly-autoscaler failed: "), "{text}");
    }
}
