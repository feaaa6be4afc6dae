use proptest::prelude::*;

use super::*;

fn attributes(pairs: &[(&str, Attribute)]) -> Attributes {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn written(spec: &MachineSpec) -> Attributes {
    attributes(&attributes_of(spec))
}

fn number(digits: &str) -> Attribute {
    Attribute::Number(digits.to_owned())
}

fn texts(words: &[&str]) -> Attribute {
    Attribute::List(words.iter().copied().map(Attribute::text).collect())
}

fn tags<'a>(tags: impl IntoIterator<Item = (&'a str, Attribute)>) -> Attribute {
    Attribute::Map(tags.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

pub(in crate::row) fn full_machine_spec() -> MachineSpec {
    let tags = [("team", "build"), ("cost center", "4711"), ("empty", "")];
    MachineSpec {
        purchase: Purchase::OnDemand,
        architecture: Some(Architecture::X86_64),
        instance_types: ["m7i.large", "c7i-flex.2xlarge"].map(|name| name.parse().unwrap()).into(),
        image: Some("/mayfly/images/x86".parse().unwrap()),
        root_volume_gib: Some(100),
        subnets: ["subnet-0b", "subnet-0a"].map(|subnet| subnet.parse().unwrap()).into(),
        instance_tags: tags.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        job_role_arn: Some("arn:aws:iam::123456789012:role/ci/deploy".parse().unwrap()),
    }
}

#[test]
fn a_mapping_that_asks_for_nothing_says_nothing() {
    assert_eq!(written(&MachineSpec::default()), Attributes::new());
    assert_eq!(read_spec(&Attributes::new()).unwrap(), MachineSpec::default());
}

#[test]
fn the_attributes_are_pinned() {
    let full = attributes(&[
        ("purchase", Attribute::text("on-demand")),
        ("architecture", Attribute::text("x86_64")),
        ("instance_types", texts(&["m7i.large", "c7i-flex.2xlarge"])),
        ("image", Attribute::text("/mayfly/images/x86")),
        ("root_volume_gib", number("100")),
        ("subnets", texts(&["subnet-0b", "subnet-0a"])),
        (
            "instance_tags",
            tags([
                ("team", Attribute::text("build")),
                ("cost center", Attribute::text("4711")),
                ("empty", Attribute::text("")),
            ]),
        ),
        ("job_role_arn", Attribute::text("arn:aws:iam::123456789012:role/ci/deploy")),
    ]);
    assert_eq!(written(&full_machine_spec()), full);
    assert_eq!(read_spec(&full).unwrap(), full_machine_spec());
}

#[test]
fn attributes_are_read_in_every_form_a_console_writes() {
    let check = |attribute, value, expected: fn(&mut MachineSpec)| {
        let mut spec = MachineSpec::default();
        expected(&mut spec);
        assert_eq!(read_spec(&attributes(&[(attribute, value)])).unwrap(), spec, "{attribute}");
    };
    check("purchase", Attribute::text("spot"), |spec| spec.purchase = Purchase::Spot);
    check("purchase", Attribute::text("spot-first"), |_| {});
    check("architecture", Attribute::text("arm64"), |spec| spec.architecture = Some(Architecture::Arm64));
    check("instance_types", Attribute::TextSet(["m7g.large".to_owned()].into()), |spec| {
        spec.instance_types = vec!["m7g.large".parse().unwrap()];
    });
    check("subnets", Attribute::TextSet(["subnet-0a".to_owned()].into()), |spec| {
        spec.subnets = vec!["subnet-0a".parse().unwrap()];
    });
    check("subnets", texts(&[]), |_| {});
    check("image", Attribute::text("ami-0123456789abcdef0"), |spec| {
        spec.image = Some("ami-0123456789abcdef0".parse().unwrap());
    });
    check("root_volume_gib", Attribute::text(" 50 "), |spec| spec.root_volume_gib = Some(50));
    check("instance_tags", tags([]), |_| {});
    check("job_role_arn", Attribute::Null, |_| {});
}

#[test]
fn what_cannot_be_read_is_named_without_its_value() {
    let many = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"];
    let (long_name, long_value) = ("n".repeat(129), "v".repeat(257));
    for (attribute, value) in [
        ("purchase", Attribute::text("SPOT")),
        ("purchase", number("1")),
        ("architecture", Attribute::text("amd64")),
        ("instance_types", Attribute::text("c7i.metal")),
        ("instance_types", texts(&["m7g.large", "large"])),
        ("instance_types", Attribute::List(vec![number("1")])),
        ("image", Attribute::text("mayfly/images/x86")),
        ("image", Attribute::text("/")),
        ("root_volume_gib", number("0")),
        ("root_volume_gib", number("65537")),
        ("root_volume_gib", Attribute::text("50 GiB")),
        ("subnets", texts(&["vpc-0a"])),
        ("instance_tags", texts(&["team"])),
        ("instance_tags", tags([("team", number("1"))])),
        ("instance_tags", tags([("mayfly:stack", Attribute::text("x"))])),
        ("instance_tags", tags([("Mayfly:stack", Attribute::text("x"))])),
        ("instance_tags", tags([("aws:x", Attribute::text("x"))])),
        ("instance_tags", tags([("Name", Attribute::text("x"))])),
        ("instance_tags", tags([("", Attribute::text("x"))])),
        ("instance_tags", tags([(long_name.as_str(), Attribute::text("x"))])),
        ("instance_tags", tags([("team", Attribute::text(&long_value))])),
        ("instance_tags", tags(many.map(|name| (name, Attribute::text("x"))))),
        ("job_role_arn", Attribute::text("arn:aws:iam::123456789012:user/x")),
    ] {
        let reason = read_spec(&attributes(&[(attribute, value.clone())])).unwrap_err();
        assert!(reason.starts_with(&format!("attribute `{attribute}` is not ")), "{reason}");
        if let Attribute::Text(words) = value {
            assert!(!reason.contains(&words) || words == "/", "{reason}");
        }
    }
    let reason = |attribute| read_spec(&attributes(&[(attribute, Attribute::text("?"))])).unwrap_err();
    assert_eq!(reason("purchase"), "attribute `purchase` is not `spot`, `on-demand` or `spot-first`");
    assert_eq!(reason("architecture"), "attribute `architecture` is not `arm64` or `x86_64`");
    assert_eq!(
        reason("root_volume_gib"),
        "attribute `root_volume_gib` is not a whole number of GiB from 1 to 65536"
    );
    assert!(reason("instance_tags").ends_with(TAGS));
}

prop_compose! {
    fn any_spec()(
        purchase in proptest::sample::select(Purchase::ALL.to_vec()),
        architecture in proptest::option::of(proptest::sample::select(Architecture::ALL.to_vec())),
        types in proptest::collection::vec("[a-z][a-z0-9-]{1,8}\\.[0-9]{0,2}[a-z]{3,6}", 0..5),
        image in proptest::option::of("ami-[0-9a-f]{17}|/[a-z/]{1,20}"),
        root_volume_gib in proptest::option::of(VOLUME_SIZES),
        subnets in proptest::collection::vec("subnet-[0-9a-f]{17}", 0..5),
        instance_tags in proptest::collection::btree_map("[b-lo-z].{0,127}", ".{0,256}", 0..=MOST_TAGS),
        role in proptest::option::of("arn:aws:iam::[0-9]{12}:role/[a-z/]{1,20}"),
    ) -> MachineSpec {
        MachineSpec {
            purchase,
            architecture,
            instance_types: types.iter().map(|name| name.parse().unwrap()).collect(),
            image: image.map(|image| image.parse().unwrap()),
            root_volume_gib,
            subnets: subnets.iter().map(|subnet| subnet.parse().unwrap()).collect(),
            instance_tags,
            job_role_arn: role.map(|role| role.parse().unwrap()),
        }
    }
}

proptest! {
    #[test]
    fn any_spec_is_read_back(spec in any_spec()) {
        prop_assert_eq!(read_spec(&written(&spec)).unwrap(), spec);
    }
}
