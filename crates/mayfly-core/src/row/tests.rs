use super::*;
use crate::machine::{MachineSpec, Purchase};

const ARN: &str = "arn:aws:lambda:eu-central-1:123456789012:function:shell";

fn row(partition_key: &str, sort_key: &str, attributes: Attributes) -> MappingRow {
    MappingRow { partition_key: partition_key.to_owned(), sort_key: sort_key.to_owned(), attributes }
}

/// Reads a row for job `build` with these attributes besides its key.
fn read_with(attributes: &[(&str, Attribute)]) -> Result<Mapping, String> {
    let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    match row("job#build", "tags#", attributes).read() {
        StoredMapping::Readable(mapping) => Ok(mapping),
        StoredMapping::Pause { reason } => Err(reason),
        StoredMapping::Unreadable { key, row, reason } => {
            assert_eq!(row, "job#build tags#");
            assert_eq!(key.unwrap().to_string(), row, "what is wrong is not the key");
            Err(reason)
        }
    }
}

fn number(digits: &str) -> Attribute {
    Attribute::Number(digits.to_owned())
}

/// A mapping that leaves all at its default, and one that leaves nothing.
fn plain_and_special() -> [Mapping; 2] {
    let key = MappingKey::parse("project#g/a#job#deploy-*", "tags#c%23#linux").unwrap();
    let settings = RunnerSettings {
        executor: Executor::Docker,
        wait_timeout_seconds: 60,
        max_life_seconds: u32::MAX,
        runner_token: Some("tokens/Docker".parse().unwrap()),
        keep_aws_credentials: true,
        retries_after_loss: 3,
        pass_env: vec!["Z_LAST".to_owned(), "A_FIRST".to_owned()],
    };
    let plain = Mapping {
        key: key.clone(),
        target: Target::Ec2(MachineSpec::default()),
        settings: RunnerSettings::default(),
        paused: None,
    };
    let paused = Some("its image is broken".to_owned());
    [plain, Mapping { key, target: Target::Lambda { arn: ARN.to_owned() }, settings, paused }]
}

#[test]
fn any_mapping_is_read_back() {
    for mapping in plain_and_special() {
        assert_eq!(MappingRow::from(&mapping).read(), StoredMapping::Readable(mapping));
    }
}

#[test]
fn a_written_row_says_only_what_is_special() {
    let [plain, special] = plain_and_special();
    let names = |mapping| MappingRow::from(mapping).attributes.into_keys().collect::<Vec<_>>().join(" ");
    assert_eq!(names(&plain), "type");
    assert_eq!(
        names(&special),
        "arn executor keep_aws_credentials max_life_seconds pass_env paused retries_after_loss runner_token type wait_timeout_seconds"
    );
}

#[test]
fn every_attribute_that_is_read_is_known() {
    let mut written: Vec<String> = Vec::new();
    for mapping in plain_and_special() {
        written.extend(MappingRow::from(&mapping).attributes.into_keys());
    }
    written.extend(
        machine::attributes_of(&machine::full_machine_spec()).into_iter().map(|(name, _)| name.to_owned()),
    );
    written.sort_unstable();
    written.dedup();
    let mut known = KNOWN_ATTRIBUTES.map(str::to_owned).to_vec();
    known.sort_unstable();
    assert_eq!(written, known);
}

#[test]
fn settings_are_read_in_every_form_a_console_writes() {
    let list = |values: &[&str]| Attribute::List(values.iter().copied().map(Attribute::text).collect());
    let set = Attribute::TextSet(["A".to_owned()].into());
    let check = |attribute, value, expected: fn(&mut RunnerSettings)| {
        let mut settings = RunnerSettings::default();
        expected(&mut settings);
        let mapping = read_with(&[("type", Attribute::text("EC2")), (attribute, value)]).unwrap();
        assert_eq!(mapping.settings, settings, "{attribute}");
    };
    check("executor", Attribute::text("docker"), |settings| settings.executor = Executor::Docker);
    check("wait_timeout_seconds", number("60"), |settings| settings.wait_timeout_seconds = 60);
    check("wait_timeout_seconds", Attribute::text(" 60 "), |settings| settings.wait_timeout_seconds = 60);
    check("max_life_seconds", Attribute::text("7200"), |settings| settings.max_life_seconds = 7200);
    check("runner_token", Attribute::text("team/Token"), |settings| {
        settings.runner_token = Some("team/Token".parse().unwrap());
    });
    check("keep_aws_credentials", Attribute::Bool(true), |settings| {
        settings.keep_aws_credentials = true;
    });
    check("keep_aws_credentials", Attribute::text("true"), |settings| settings.keep_aws_credentials = true);
    check("keep_aws_credentials", Attribute::text("false"), |_| {});
    check("retries_after_loss", number("0"), |_| {});
    check("retries_after_loss", number("3"), |settings| settings.retries_after_loss = 3);
    check("retries_after_loss", Attribute::text(" 1 "), |settings| settings.retries_after_loss = 1);
    check("pass_env", set, |settings| settings.pass_env = vec!["A".to_owned()]);
    check("pass_env", list(&["B", "A"]), |settings| {
        settings.pass_env = vec!["B".to_owned(), "A".to_owned()];
    });
    check("pass_env", Attribute::Null, |_| {});
    check("owner", Attribute::text("the build team"), |_| {});
}

#[test]
fn a_pause_is_read_in_every_form_a_console_writes() {
    let check = |value, expected: Option<&str>| {
        let mapping = read_with(&[("type", Attribute::text("EC2")), ("paused", value)]).unwrap();
        assert_eq!(mapping.paused.as_deref(), expected);
    };
    check(Attribute::text("the image is broken"), Some("the image is broken"));
    check(Attribute::Bool(true), Some(NO_REASON));
    check(Attribute::text("true"), Some(NO_REASON));
    for not_paused in [Attribute::Bool(false), Attribute::text("false"), Attribute::text(""), Attribute::Null]
    {
        check(not_paused, None);
    }
    let wrong = read_with(&[("type", Attribute::text("EC2")), ("paused", number("1"))]);
    assert!(wrong.unwrap_err().starts_with("attribute `paused` is not why its jobs are to wait"));
    let all = MappingRow::pause_of_all("GitLab is upgraded");
    assert_eq!(all.read(), StoredMapping::Pause { reason: "GitLab is upgraded".to_owned() });
}

#[test]
fn targets_are_read() {
    let lambda = [("type", Attribute::text("LAMBDA")), ("arn", Attribute::text(ARN))];
    assert_eq!(read_with(&lambda).unwrap().target, Target::Lambda { arn: ARN.to_owned() });
    assert_eq!(read_with(&[("type", Attribute::text("LOCAL"))]).unwrap().target, Target::Local);
    let ec2 = [("type", Attribute::text("EC2")), ("arn", number("1"))];
    let plain = Target::Ec2(MachineSpec::default());
    assert_eq!(read_with(&ec2).unwrap().target, plain, "EC2 needs no ARN, whatever is there");
    let special = [("type", Attribute::text("EC2")), ("purchase", Attribute::text("spot"))];
    let spec = MachineSpec { purchase: Purchase::Spot, ..MachineSpec::default() };
    assert_eq!(read_with(&special).unwrap().target, Target::Ec2(spec));
    let wrong = ("purchase", Attribute::text("at night"));
    let reason = read_with(&[("type", Attribute::text("EC2")), wrong.clone()]).unwrap_err();
    assert_eq!(reason, "attribute `purchase` is not `spot`, `on-demand` or `spot-first`");
    let local = read_with(&[("type", Attribute::text("LOCAL")), wrong]).unwrap();
    assert_eq!(local.target, Target::Local, "attributes that only EC2 has are passed over elsewhere");
}

#[test]
fn what_cannot_be_read_is_named_without_its_value() {
    let type_words = "attribute `type` is not `LAMBDA`, `EC2` or `LOCAL`";
    let seconds = "attribute `max_life_seconds` is not a whole number of seconds";
    let retries = "attribute `retries_after_loss` is not a whole number from 0 to 3";
    let env = "attribute `pass_env` is not a set or list of texts";
    for (attribute, value, reason) in [
        ("type", Attribute::Null, "attribute `type` is missing"),
        ("type", Attribute::text("FARGATE"), type_words),
        ("type", Attribute::text("ec2"), type_words),
        ("type", number("1"), type_words),
        ("executor", Attribute::text("ssh"), "attribute `executor` is not `shell` or `docker`"),
        ("max_life_seconds", Attribute::text("1h"), seconds),
        ("max_life_seconds", number("-1"), seconds),
        ("max_life_seconds", number("1.5"), seconds),
        ("max_life_seconds", number("4294967296"), seconds),
        ("max_life_seconds", Attribute::Bool(true), seconds),
        (
            "runner_token",
            Attribute::text("two words"),
            "attribute `runner_token` is not the name of a secret",
        ),
        (
            "keep_aws_credentials",
            Attribute::text("yes"),
            "attribute `keep_aws_credentials` is not `true` or `false`",
        ),
        ("retries_after_loss", number("4"), retries),
        ("retries_after_loss", number("-1"), retries),
        ("retries_after_loss", number("0.5"), retries),
        ("retries_after_loss", Attribute::text("always"), retries),
        ("retries_after_loss", Attribute::Bool(true), retries),
        ("pass_env", Attribute::text("PATH"), env),
        ("pass_env", Attribute::List(vec![number("1")]), env),
    ] {
        let read = read_with(&[("type", Attribute::text("EC2")), (attribute, value)]);
        assert_eq!(read, Err(reason.to_owned()));
    }
    for (arn, reason) in [
        (None, "attribute `arn` is missing, which `LAMBDA` needs"),
        (Some(Attribute::text("")), "attribute `arn` is not the ARN of a Lambda function"),
        (Some(number("1")), "attribute `arn` is not the ARN of a Lambda function"),
    ] {
        let mut row = vec![("type", Attribute::text("LAMBDA"))];
        row.extend(arn.map(|arn| ("arn", arn)));
        assert_eq!(read_with(&row).unwrap_err(), reason);
    }
}

#[test]
fn what_invoke_takes_as_an_arn_is_one() {
    for (arn, is_one) in [
        (ARN, true),
        ("arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:a_b-C9", true),
        ("arn:aws:lambda:eu-central-1:123456789012:function:shell:live", true),
        ("arn:aws:lambda:eu-central-1:123456789012:function:shell:12", true),
        ("arn:aws:lambda:eu-central-1:123456789012:function:shell:$LATEST", true),
        ("shell", false),
        ("arn:aws:lambda:eu-central-1:123456789012:function", false),
        ("arn:aws:lambda:eu-central-1:123456789012:function:", false),
        ("arn:aws:lambda:eu-central-1:123456789012:function:shell:", false),
        ("arn:aws:lambda:eu-central-1:123456789012:function:shell:live:2", false),
        ("arn:aws:lambda:eu-central-1:123456789012:function:shell runner", false),
        ("arn:aws:lambda:eu-central-1:123456789012:layer:shell", false),
        ("arn:aws:lambda:eu-central-1:12345678901:function:shell", false),
        ("arn:aws:lambda:eu-central-1:12345678901x:function:shell", false),
        ("arn:aws:lambda::123456789012:function:shell", false),
        ("arn:aws:states:eu-central-1:123456789012:function:shell", false),
        (" arn:aws:lambda:eu-central-1:123456789012:function:shell", false),
    ] {
        assert_eq!(is_function_arn(arn), is_one, "{arn}");
    }
}
