use mayfly_core::machine::{MachineSpec, Purchase};
use mayfly_standins::contracts::mapping_rows;

use super::*;

const ARN: &str = "arn:aws:lambda:eu-central-1:123456789012:function:shell";

/// Reads a row for job `build` with these attributes besides its key.
fn read_with(attributes: &[(&str, AttributeValue)]) -> Result<Mapping, String> {
    let mut item = key_of(&MappingKey::parse("job#build", "tags#").unwrap());
    item.extend(attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    match read_row(&item) {
        StoredMapping::Readable(mapping) => Ok(mapping),
        StoredMapping::Unreadable { key, row, reason } => {
            assert_eq!(row, "job#build tags#");
            assert_eq!(key.unwrap().to_string(), row, "what is wrong is not the key");
            Err(reason)
        }
    }
}

fn number(digits: &str) -> AttributeValue {
    AttributeValue::N(digits.to_owned())
}

#[test]
fn any_mapping_is_read_back() {
    for mapping in mapping_rows() {
        let read = read_row(&to_item(&mapping));
        assert_eq!(read, StoredMapping::Readable(mapping));
    }
}

#[test]
fn a_written_row_says_only_what_is_special() {
    let rows = mapping_rows();
    let (plain, special) = (&rows[0], &rows[1]);
    let attributes = |mapping| {
        let mut names: Vec<String> = to_item(mapping).into_keys().collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(attributes(plain), "pk sk type");
    assert_eq!(
        attributes(special),
        "arn executor keep_aws_credentials max_life_seconds pass_env pk retries_after_loss runner_token sk type wait_timeout_seconds"
    );
}

#[test]
fn settings_are_read_in_every_form_a_console_writes() {
    let list = |values: &[&str]| AttributeValue::L(values.iter().copied().map(text).collect());
    let set = AttributeValue::Ss(vec!["A".to_owned()]);
    let check = |attribute, value, expected: fn(&mut RunnerSettings)| {
        let mut settings = RunnerSettings::default();
        expected(&mut settings);
        let mapping = read_with(&[("type", text("EC2")), (attribute, value)]).unwrap();
        assert_eq!(mapping.settings, settings, "{attribute}");
    };
    check("executor", text("docker"), |settings| settings.executor = Executor::Docker);
    check("wait_timeout_seconds", number("60"), |settings| settings.wait_timeout_seconds = 60);
    check("wait_timeout_seconds", text(" 60 "), |settings| settings.wait_timeout_seconds = 60);
    check("max_life_seconds", text("7200"), |settings| settings.max_life_seconds = 7200);
    check("runner_token", text("team/Token"), |settings| {
        settings.runner_token = Some("team/Token".parse().unwrap());
    });
    check("keep_aws_credentials", AttributeValue::Bool(true), |settings| {
        settings.keep_aws_credentials = true;
    });
    check("keep_aws_credentials", text("true"), |settings| settings.keep_aws_credentials = true);
    check("keep_aws_credentials", text("false"), |_| {});
    check("retries_after_loss", number("0"), |_| {});
    check("retries_after_loss", number("3"), |settings| settings.retries_after_loss = 3);
    check("retries_after_loss", text(" 1 "), |settings| settings.retries_after_loss = 1);
    check("pass_env", set, |settings| settings.pass_env = vec!["A".to_owned()]);
    check("pass_env", list(&["B", "A"]), |settings| {
        settings.pass_env = vec!["B".to_owned(), "A".to_owned()];
    });
    check("pass_env", AttributeValue::Null(true), |_| {});
    check("owner", text("the build team"), |_| {});
}

#[test]
fn targets_are_read() {
    let lambda = [("type", text("LAMBDA")), ("arn", text(ARN))];
    assert_eq!(read_with(&lambda).unwrap().target, Target::Lambda { arn: ARN.to_owned() });
    assert_eq!(read_with(&[("type", text("LOCAL"))]).unwrap().target, Target::Local);
    let ec2 = [("type", text("EC2")), ("arn", number("1"))];
    let plain = Target::Ec2(MachineSpec::default());
    assert_eq!(read_with(&ec2).unwrap().target, plain, "EC2 needs no ARN, whatever is there");
    let special = [("type", text("EC2")), ("purchase", text("spot"))];
    let spec = MachineSpec { purchase: Purchase::Spot, ..MachineSpec::default() };
    assert_eq!(read_with(&special).unwrap().target, Target::Ec2(spec));
    let wrong = ("purchase", text("at night"));
    let reason = read_with(&[("type", text("EC2")), wrong.clone()]).unwrap_err();
    assert_eq!(reason, "attribute `purchase` is not `spot`, `on-demand` or `spot-first`");
    let local = read_with(&[("type", text("LOCAL")), wrong]).unwrap();
    assert_eq!(local.target, Target::Local, "attributes that only EC2 has are passed over elsewhere");
}

#[test]
fn what_cannot_be_read_is_named_without_its_value() {
    let type_words = "attribute `type` is not `LAMBDA`, `EC2` or `LOCAL`";
    let seconds = "attribute `max_life_seconds` is not a whole number of seconds";
    let retries = "attribute `retries_after_loss` is not a whole number from 0 to 3";
    let env = "attribute `pass_env` is not a set or list of texts";
    for (attribute, value, reason) in [
        ("type", AttributeValue::Null(true), "attribute `type` is missing"),
        ("type", text("FARGATE"), type_words),
        ("type", text("ec2"), type_words),
        ("type", number("1"), type_words),
        ("executor", text("ssh"), "attribute `executor` is not `shell` or `docker`"),
        ("max_life_seconds", text("1h"), seconds),
        ("max_life_seconds", number("-1"), seconds),
        ("max_life_seconds", number("1.5"), seconds),
        ("max_life_seconds", number("4294967296"), seconds),
        ("max_life_seconds", AttributeValue::Bool(true), seconds),
        ("runner_token", text("two words"), "attribute `runner_token` is not the name of a secret"),
        ("keep_aws_credentials", text("yes"), "attribute `keep_aws_credentials` is not `true` or `false`"),
        ("retries_after_loss", number("4"), retries),
        ("retries_after_loss", number("-1"), retries),
        ("retries_after_loss", number("0.5"), retries),
        ("retries_after_loss", text("always"), retries),
        ("retries_after_loss", AttributeValue::Bool(true), retries),
        ("pass_env", text("PATH"), env),
        ("pass_env", AttributeValue::L(vec![number("1")]), env),
    ] {
        let read = read_with(&[("type", text("EC2")), (attribute, value)]);
        assert_eq!(read, Err(reason.to_owned()));
    }
    for (arn, reason) in [
        (None, "attribute `arn` is missing, which `LAMBDA` needs"),
        (Some(text("")), "attribute `arn` is not the ARN of a Lambda function"),
        (Some(number("1")), "attribute `arn` is not the ARN of a Lambda function"),
    ] {
        let mut row = vec![("type", text("LAMBDA"))];
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

#[test]
fn a_row_without_a_readable_key_may_be_for_any_job() {
    let job = "build".parse().unwrap();
    let row = |pk: &str, sk: &str| {
        read_row(&Item::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))]))
    };
    assert!(may_be_for(&row("job#b*", "tags#"), None, &job));
    assert!(!may_be_for(&row("job#c*", "tags#"), None, &job));
    assert!(!may_be_for(&row("project#g/a#job#b*", "tags#"), None, &job));
    assert!(may_be_for(&row("project#g/a#job#b*", "tags#"), Some(&"g/a".parse().unwrap()), &job));
    assert!(may_be_for(&row("jobs/b*", "tags#"), None, &job));
}
