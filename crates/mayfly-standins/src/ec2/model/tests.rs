use super::*;

const NOW: Duration = Duration::from_secs(100);

fn call(token: &str, count: usize) -> FleetCall {
    let place = |instance_type: &str| Override {
        instance_type: instance_type.to_owned(),
        subnet: "subnet-0a".to_owned(),
        image: "ami-0123456789abcdef0".to_owned(),
        root_volume_gib: None,
    };
    let tags = BTreeMap::from([(OWNER_TAG.to_owned(), "mayfly".to_owned())]);
    FleetCall {
        token: token.to_owned(),
        launch_template: "lt-0abc".to_owned(),
        version: "1".to_owned(),
        market: Market::Spot,
        overrides: vec![place("m7g.large"), place("m6g.large")],
        count,
        volume_tags: tags.clone(),
        tags,
    }
}

fn machines(reply: Reply<FleetAnswer>) -> Vec<String> {
    reply.answer.unwrap().machines.into_iter().map(|(id, _)| id).collect()
}

fn code<T>(reply: Reply<T>) -> String {
    reply.answer.err().map(|error| error.code).unwrap_or_default()
}

#[test]
fn a_token_starts_once_and_for_one_call_only() {
    let mut model = Ec2Model::default();
    let first = machines(model.create_fleet(&call("a", 3), NOW));
    assert_eq!(first.len(), 3);
    assert_eq!(machines(model.create_fleet(&call("a", 3), NOW)), first);
    assert_eq!(code(model.create_fleet(&call("a", 4), NOW)), "IdempotentParameterMismatch");
    assert_eq!(model.live().count(), 3);
    assert_eq!(machines(model.create_fleet(&call("b", 1), NOW)).len(), 1);
    assert_eq!(model.live().count(), 4);
}

#[test]
fn capacity_is_counted_by_pool_and_by_market() {
    let mut model = Ec2Model::default();
    let call = call("a", 5);
    model.set_capacity(pool(&call, &call.overrides[0]), 2);
    model.set_market_capacity(Market::Spot, Some(3));
    let answer = model.create_fleet(&call, NOW).answer.unwrap();
    let types: Vec<&str> = answer.machines.iter().map(|(_, pool)| pool.instance_type.as_str()).collect();
    assert_eq!(types, ["m7g.large", "m7g.large", "m6g.large"]);
    assert_eq!(answer.errors.len(), 2);
    assert!(answer.errors.iter().all(FleetError::is_shortage));
}

#[test]
fn a_limit_is_met_and_passes() {
    let mut model = Ec2Model::default();
    let codes: Vec<String> =
        (0..6).map(|number| code(model.create_fleet(&call(&number.to_string(), 1), NOW))).collect();
    assert_eq!(codes, ["", "", "", "", "", "RequestLimitExceeded"]);
    assert_eq!(code(model.create_fleet(&call("5", 1), NOW + Duration::from_millis(500))), "");
    let many = call("many", 1000);
    assert_eq!(code(model.create_fleet(&many, NOW + Duration::from_millis(2500))), "RequestLimitExceeded");
    assert_eq!(code(model.create_fleet(&many, NOW + Duration::from_secs(3))), "");
}

#[test]
fn a_new_machine_is_unknown_for_a_moment() {
    let mut model = Ec2Model::default().with_unknown_for(Duration::from_secs(2));
    let ids = machines(model.create_fleet(&call("a", 1), NOW));
    let known = NOW + Duration::from_secs(2);
    let by_tag = Filter::Tag(OWNER_TAG.to_owned(), "mayfly".to_owned());
    assert_eq!(code(model.describe(&Filter::Ids(ids.clone()), 0, NOW)), "InvalidInstanceID.NotFound");
    assert_eq!(model.describe(&by_tag, 0, NOW).answer.unwrap().0, []);
    assert_eq!(code(model.terminate(&ids, NOW)), "InvalidInstanceID.NotFound");
    assert_eq!(model.describe(&by_tag, 0, known).answer.unwrap().0.len(), 1);
    assert_eq!(code(model.terminate(&ids, known)), "");
    assert_eq!(model.live().count(), 0);
}

#[test]
fn only_what_is_ours_is_ended_and_all_or_none() {
    let mut model = Ec2Model::default().with_ending_for(Duration::from_secs(1));
    let stranger = model.add_stranger(NOW);
    let mut ids = machines(model.create_fleet(&call("a", 1), NOW));
    ids.push(stranger);
    assert_eq!(code(model.terminate(&ids, NOW)), "UnauthorizedOperation");
    assert_eq!(model.live().count(), 2);
    ids.pop();
    let ended = model.terminate(&ids, NOW).answer.unwrap().remove(0);
    assert_eq!(model.state_of(&ended, NOW), InstanceState::ShuttingDown);
    assert_eq!(model.state_of(&ended, NOW + Duration::from_secs(1)), InstanceState::Terminated);
    let again = model.terminate(&ids, NOW + Duration::from_secs(9)).answer.unwrap().remove(0);
    assert_eq!(again.ended_at, Some(NOW), "it ends once");
}

#[test]
fn each_fault_does_or_does_not_happen() {
    let refusal = Ec2Error::new(400, "InvalidParameterValue", "no");
    for (fault, started, named, delivery) in [
        (Fault::Refused(refusal), 0, None, Delivery::AtOnce),
        (Fault::RequestLost, 0, None, Delivery::Lost),
        (Fault::AnswerLost, 3, Some(3), Delivery::Lost),
        (Fault::Unreadable, 3, Some(3), Delivery::Unreadable),
        (Fault::Late(NOW), 3, Some(3), Delivery::After(NOW)),
        (Fault::Fewer(1), 1, Some(1), Delivery::AtOnce),
        (Fault::NoneFor("InvalidSubnetID.NotFound".to_owned()), 0, Some(0), Delivery::AtOnce),
        (Fault::Empty, 3, Some(0), Delivery::AtOnce),
    ] {
        let mut model = Ec2Model::default();
        model.fail_next(Operation::CreateFleet, fault.clone());
        let reply = model.create_fleet(&call("a", 3), NOW);
        assert_eq!(model.live().count(), started, "{fault:?}");
        assert_eq!(reply.answer.ok().map(|answer| answer.machines.len()), named, "{fault:?}");
        assert_eq!(reply.delivery, delivery, "{fault:?}");
        assert_eq!(code(model.create_fleet(&call("b", 3), NOW)), "", "only the next call has the fault");
    }
}

#[test]
fn many_machines_come_in_pages() {
    let mut model = Ec2Model::default();
    model.create_fleet(&call("a", 70), NOW).answer.unwrap();
    let by_tag = Filter::Tag(OWNER_TAG.to_owned(), "mayfly".to_owned());
    let (first, next) = model.describe(&by_tag, 0, NOW).answer.unwrap();
    let (second, end) = model.describe(&by_tag, next.unwrap(), NOW).answer.unwrap();
    assert_eq!((first.len(), second.len(), end), (50, 20, None));
}
