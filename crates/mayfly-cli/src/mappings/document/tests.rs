use std::collections::{BTreeMap, BTreeSet};

use mayfly_core::mapping::MappingKey;
use proptest::prelude::*;

use super::*;

fn row(partition_key: &str, sort_key: &str, attributes: &[(&str, Attribute)]) -> MappingRow {
    MappingRow {
        partition_key: partition_key.to_owned(),
        sort_key: sort_key.to_owned(),
        attributes: attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
    }
}

fn number(digits: &str) -> Attribute {
    Attribute::Number(digits.to_owned())
}

#[test]
fn a_document_is_pinned() {
    let rows = [
        row("job#*", "tags#", &[("type", Attribute::text("EC2"))]),
        row(
            "project#g/a#job#deploy-*",
            "tags#linux#yes",
            &[
                ("type", Attribute::text("LAMBDA")),
                ("arn", Attribute::text("arn:aws:lambda:eu-central-1:123456789012:function:shell")),
                ("max_life_seconds", number("900")),
                ("owner", Attribute::text("the team: \"größer\"\n🚀")),
                ("tags", Attribute::TextSet(["a".to_owned()].into())),
                (
                    "note",
                    Attribute::List(vec![Attribute::Map(
                        [("digits".to_owned(), number("12345678901234567890"))].into(),
                    )]),
                ),
            ],
        ),
        row("job#a-%2A", "tags#", &[("type", Attribute::text("LOCAL"))]),
        row("job#b", "tags#b#a", &[("type", Attribute::text("FARGATE"))]),
    ];
    let document = document_of(&rows);
    let expected = r#"version: 1
mappings:
  - job: "*"
    type: EC2
  - job: deploy-*
    project: g/a
    tags: [linux, "yes"]
    type: LAMBDA
    arn: arn:aws:lambda:eu-central-1:123456789012:function:shell
    max_life_seconds: 900
    note:
      - digits:
          $number: "12345678901234567890"
    owner: "the team: \"größer\"\n🚀"
    attributes:
      tags:
        $textSet: [a]
  - job: "a-\\*"
    type: LOCAL
  - pk: job#b
    sk: tags#b#a
    type: FARGATE
"#;
    assert_eq!(yaml_of(&document), expected);
    let read = Document::read(expected, Format::Yaml).unwrap();
    assert_eq!(read.rows, rows);
    let reason = "attribute `type` is not `LAMBDA`, `EC2` or `LOCAL`";
    assert_eq!(read.warnings, [Complaint::new(Position { line: 22, column: 11 }, reason)]);
}

/// What is complained of, as `line:column: reason`.
fn complaints(text: &str, format: Format) -> Vec<String> {
    let Complaints(complaints) = Document::read(text, format).unwrap_err();
    complaints.iter().map(|it| format!("{}:{}: {}", it.at.line, it.at.column, it.reason)).collect()
}

/// Each complaint begins so.
fn check(text: &str, format: Format, expected: &[&str]) {
    let found = complaints(text, format);
    let fits = found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, begin)| found.starts_with(begin));
    assert!(fits, "{text}\n{found:#?}\nand not\n{expected:#?}");
}

#[test]
fn everything_that_is_wrong_is_said_at_once_and_where_it_is() {
    let text = r#"version: 2
extra: 1
mappings:
  - job: build
    type: FARGATE
  - job: test
    tags: linux
    type: LAMBDA
  - job: test
    type: LAMBDA
  - type: EC2
  - job: 12
    type: EC2
  - job: test
    tags: [b, a]
    type: LOCAL
  - job: test
    tags: [a, b]
    type: EC2
  - pk: job#x
    job: x
  - pk: job#x
  - no map
  - job: odd
    type: EC2
    a: {$textSet: []}
    b: {$set: [1]}
    c: {$binary: "?"}
    d: 123456789012345678901234567890123456789
    e: {$numberSet: [1, 1.0]}
    project: nothing
"#;
    check(
        text,
        Format::Yaml,
        &[
            "1:10: the version is not 1",
            "2:1: `extra` does not belong here",
            "5:11: attribute `type` is not `LAMBDA`, `EC2` or `LOCAL`",
            "7:11: `tags` is a list of texts, and not a text",
            "9:5: attribute `arn` is missing, which `LAMBDA` needs",
            "11:5: `job` is missing",
            "12:10: `job` is a text, and not a number: write it in quotes",
            "17:5: this is the key of the row in line 14 again",
            "20:5: a row is given by `job`, `project` and `tags`, or by `pk` and `sk`, and not by both",
            "22:5: `sk` is missing",
            "23:5: a mapping is a map, and not a text",
            "26:19: DynamoDB has no empty sets",
            "27:9: `$set` is none of $binary",
            "28:18: this is no base64",
            "29:8: this is no number that DynamoDB can store",
            "30:25: this is in the set already",
            "31:14: ",
        ],
    );
}

#[test]
fn what_is_no_document_is_refused_where_it_ends_to_be_one() {
    for (text, expected) in [
        ("", "1:1: there is nothing in it"),
        ("- a", "1:1: a mappings document is a map"),
        ("version: 1", "1:1: `mappings` is missing"),
        ("mappings: []", "1:1: `version: 1` is missing"),
        ("version: 1\nmappings: {}", "2:11: `mappings` is not a list"),
        ("version: 1\nmappings:\n  - job: a\n    job: b\n", "4:5: this is no YAML: this name is there twice"),
        ("version: 1\nmappings: [", "3:1: this is no YAML: "),
        ("version: 1\nmappings: []\n---\nversion: 1", "4:1: a second document begins here"),
        ("version: 1\nmappings:\n  - job: a\n    x: !secret y", "4:"),
    ] {
        check(text, Format::Yaml, &[expected]);
    }
    for (text, expected) in [
        ("", "1:1: this is no JSON: it ends where a value should be"),
        ("{\n  \"version\": 1,\n}", "3:1: this is no JSON: the name of an attribute, in quotes"),
        ("{\"version\": 1 \"mappings\": []}", "1:15: this is no JSON: `,` or `}` is expected here"),
        ("{\"version\": 01}", "1:13: this is no JSON: a value is expected here"),
        ("{\"version\": 1, \"version\": 1}", "1:16: the name `version` is there twice"),
        ("{\"version\": 1, \"mappings\": []} x", "1:32: this is no JSON: the document is over"),
        ("{\"version\": \"", "1:13: this is no JSON: the text that begins here does not end"),
        (
            "{\"mappings\": [\n\t{\"job\": \"\\ud83d\"}]}",
            "2:10: this is no JSON: this text has a broken escape",
        ),
    ] {
        check(text, Format::Json, &[expected]);
    }
    let deep = format!("{{\"version\": 1, \"mappings\": {}{}}}", "[".repeat(5000), "]".repeat(5000));
    check(&deep, Format::Json, &["1:77: values lie too deep in each other"]);
}

#[test]
fn json_may_have_tabs_and_escapes() {
    let text =
        "{\n\t\"version\": 1,\n\t\"mappings\": [{\"job\": \"\\ud83d\\ude80 \\/\", \"type\": \"EC2\"}]\n}\n";
    let read = Document::read(text, Format::Json).unwrap();
    assert_eq!(read.rows, [row("job#🚀 /", "tags#", &[("type", Attribute::text("EC2"))])]);
}

#[test]
fn names_of_jobs_are_read_back() {
    for (name, key) in [
        ("build", "job#build"),
        ("*", "job#*"),
        ("deploy-*", "job#deploy-*"),
        ("deploy-\\*", "job#deploy-%2A"),
        ("a*b*", "job#a%2Ab*"),
        ("a\\\\*", "job#a\\%2A"),
    ] {
        let pattern = pattern_of(name).unwrap();
        let key_of =
            MappingKey { project: None, pattern: pattern.clone(), tags: [""; 0].into_iter().collect() };
        assert_eq!(key_of.partition_key(), key, "{name}");
        assert_eq!(name_of(&pattern), name);
    }
    let ambiguous = row("job#a\\*", "tags#", &[("type", Attribute::text("EC2"))]);
    let written = yaml_of(&entry_of(&ambiguous));
    assert!(written.starts_with("pk: "), "a beginning that ends with a backslash has no name: {written}");
}

#[test]
fn the_format_is_known_by_the_ending_and_else_by_the_content() {
    for (name, text, format) in [
        ("a.json", "", Format::Json),
        ("a.yml", "{", Format::Yaml),
        ("a.yaml", "{", Format::Yaml),
        ("-", " {\"version\": 1}", Format::Json),
        ("-", "version: 1", Format::Yaml),
        ("mappings", "# {", Format::Yaml),
    ] {
        assert_eq!(Format::of(name, text), format, "{name} {text}");
    }
}

fn any_number() -> impl Strategy<Value = String> {
    "-?[0-9]{1,20}(\\.[0-9]{1,18})?(e-?[0-9]{1,2})?"
        .prop_filter_map("a number", |text| mayfly_core::row::normal_number(&text))
}

fn set<T: Ord + std::fmt::Debug>(element: impl Strategy<Value = T>) -> impl Strategy<Value = BTreeSet<T>> {
    proptest::collection::btree_set(element, 1..4)
}

fn any_attribute() -> impl Strategy<Value = Attribute> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..9);
    let name = || prop_oneof!["\\PC{0,6}", "[$a-z]{1,4}", Just("$map".to_owned()), any::<String>()];
    let text = || {
        prop_oneof![
            any::<String>(),
            "\\PC{0,12}",
            "[0-9.eE+-]{1,6}",
            "(true|null|~|yes|0x1f|1_0|.inf|- a|a: b|a #b| a|a )"
        ]
    };
    let leaf = prop_oneof![
        text().prop_map(Attribute::Text),
        any_number().prop_map(Attribute::Number),
        any::<bool>().prop_map(Attribute::Bool),
        Just(Attribute::Null),
        bytes().prop_map(Attribute::Binary),
        set(text()).prop_map(Attribute::TextSet),
        set(any_number()).prop_map(Attribute::NumberSet),
        set(bytes()).prop_map(Attribute::BinarySet),
    ];
    leaf.prop_recursive(3, 12, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Attribute::List),
            proptest::collection::btree_map(name(), inner, 0..3).prop_map(Attribute::Map),
        ]
    })
}

fn any_attributes() -> impl Strategy<Value = BTreeMap<String, Attribute>> {
    let name = prop_oneof!["[a-z]{1,4}", "(job|project|tags|attributes)", "\\PC{1,8}", any::<String>()];
    let name = name.prop_filter("a key", |name| name != "pk" && name != "sk" && !name.is_empty());
    let name = name.prop_filter("what says the target", |name| name != "type");
    proptest::collection::btree_map(name, any_attribute(), 0..5)
}

prop_compose! {
    fn any_row()(
        partition_key in "(project#g/[a-b]#)?job#([a-c#%\\\\]{0,3}\\*?|\\PC{1,6})|[a-z]{1,5}",
        sort_key in "tags#[a-c#]{0,5}|[a-z]{1,4}",
        target in "(LAMBDA|EC2|LOCAL|FARGATE)",
        attributes in any_attributes(),
    ) -> MappingRow {
        let mut row = MappingRow { partition_key, sort_key, attributes };
        row.attributes.insert("type".to_owned(), Attribute::Text(target));
        row
    }
}

const SAMPLE: &str = include_str!("../../../../../helper-scripts/mappings.yaml");
const SCHEMA: &str = include_str!("../../../../../helper-scripts/mappings.schema.json");

fn schema() -> jsonschema::Validator {
    jsonschema::validator_for(&serde_json::from_str(SCHEMA).unwrap()).unwrap()
}

/// What the schema says against a document.
fn refused_by_schema(schema: &jsonschema::Validator, document: &Tree) -> Option<String> {
    let document = serde_json::to_value(document).unwrap();
    schema.validate(&document).err().map(|error| format!("{error} at {}", error.instance_path()))
}

#[test]
fn the_sample_is_read_as_it_is_meant() {
    let read = Document::read(SAMPLE, Format::Yaml).map_err(|told| told.told("sample").to_string()).unwrap();
    let mappings: Vec<_> = read.rows.iter().map(MappingRow::read).collect();
    insta::assert_debug_snapshot!((mappings, &read.rows.last()));
    assert_eq!(read.warnings, []);
    assert_eq!(refused_by_schema(&schema(), &document_of(&read.rows)), None);
}

#[test]
fn the_row_of_the_manual_is_read() {
    let text = "version: 1\nmappings: [{pk: job#build, sk: tags#linux, type: LAMBDA, \
                arn: 'arn:aws:lambda:eu-central-1:123456789012:function:mayfly-shell-runner'}]";
    let read = Document::read(text, Format::Yaml).unwrap();
    let entry = serde_json::to_string(&entry_of(&read.rows[0])).unwrap();
    let expected = "{\"job\":\"build\",\"tags\":[\"linux\"],\"type\":\"LAMBDA\",\
                    \"arn\":\"arn:aws:lambda:eu-central-1:123456789012:function:mayfly-shell-runner\"}";
    assert_eq!(entry, expected);
}

#[test]
fn what_the_reader_refuses_by_its_form_the_schema_refuses_too() {
    let schema = schema();
    let entries = [
        r"{}",
        r"1",
        r#"{"type": "EC2"}"#,
        r#"{"job": "a"}"#,
        r#"{"job": 1, "type": "EC2"}"#,
        r#"{"job": "", "type": "EC2"}"#,
        r#"{"job": "a", "type": "FARGATE"}"#,
        r#"{"job": "a", "type": "LAMBDA"}"#,
        r#"{"job": "a", "type": "LAMBDA", "arn": "shell"}"#,
        r#"{"job": "a", "type": "EC2", "project": "app"}"#,
        r#"{"job": "a", "type": "EC2", "tags": "linux"}"#,
        r#"{"job": "a", "type": "EC2", "tags": [1]}"#,
        r#"{"job": "a", "type": "EC2", "tags": [""]}"#,
        r#"{"job": "a", "type": "EC2", "pk": "x", "sk": "y"}"#,
        r#"{"pk": "x", "type": "EC2"}"#,
        r#"{"pk": "", "sk": "y"}"#,
        r#"{"job": "a", "type": "EC2", "attributes": []}"#,
        r#"{"job": "a", "type": "EC2", "attributes": {"pk": "x"}}"#,
        r#"{"job": "a", "type": "EC2", "executor": "ssh"}"#,
        r#"{"job": "a", "type": "EC2", "max_life_seconds": -1}"#,
        r#"{"job": "a", "type": "EC2", "max_life_seconds": "1h"}"#,
        r#"{"job": "a", "type": "EC2", "keep_aws_credentials": "yes"}"#,
        r#"{"job": "a", "type": "EC2", "retries_after_loss": 4}"#,
        r#"{"job": "a", "type": "EC2", "pass_env": "PATH"}"#,
        r#"{"job": "a", "type": "EC2", "purchase": "at night"}"#,
        r#"{"job": "a", "type": "EC2", "root_volume_gib": 0}"#,
        r#"{"job": "a", "type": "EC2", "x": {"$textSet": []}}"#,
        r#"{"job": "a", "type": "EC2", "x": {"$textSet": ["a", "a"]}}"#,
        r#"{"job": "a", "type": "EC2", "x": {"$textSet": [1]}}"#,
        r#"{"job": "a", "type": "EC2", "x": {"$numberSet": ["a"]}}"#,
        r#"{"job": "a", "type": "EC2", "x": {"$number": 1}}"#,
        r#"{"job": "a", "type": "EC2", "x": {"$number": "1x"}}"#,
        r#"{"job": "a", "type": "EC2", "x": {"$binary": "?"}}"#,
        r#"{"job": "a", "type": "EC2", "x": [{"$what": 1}]}"#,
    ];
    let documents = entries.map(|entry| format!("{{\"version\": 1, \"mappings\": [{entry}]}}"));
    let others = [
        r#"{"version": 2, "mappings": []}"#,
        r#"{"version": 1}"#,
        r#"{"version": 1, "mappings": {}}"#,
        r#"{"version": 1, "mappings": [], "more": 1}"#,
        "[]",
    ];
    for text in documents.iter().map(String::as_str).chain(others) {
        assert!(Document::read(text, Format::Json).is_err(), "the reader takes {text}");
        let document: serde_json::Value = serde_json::from_str(text).unwrap();
        assert!(!schema.is_valid(&document), "the schema takes {text}");
    }
}

proptest! {
    #[test]
    fn every_export_is_valid(row in any_row()) {
        thread_local!(static SCHEMA: jsonschema::Validator = schema());
        let document = document_of([&row]);
        prop_assert_eq!(SCHEMA.with(|schema| refused_by_schema(schema, &document)), None);
    }

    #[test]
    fn any_row_is_read_back_from_both_formats(row in any_row()) {
        let tree = document_of([&row]);
        let (yaml, json) = (yaml_of(&tree), serde_json::to_string_pretty(&tree).unwrap());
        for (text, format) in [(yaml, Format::Yaml), (json, Format::Json)] {
            let read = Document::read(&text, format).map_err(|told| TestCaseError::fail(format!("{}\n{text}", told.told("-"))))?;
            prop_assert_eq!(&read.rows, std::slice::from_ref(&row), "{}", text);
        }
    }

    #[test]
    fn a_value_of_a_flag_is_read_as_it_is_shown(value in any_attribute()) {
        let shown = yaml_line(&tree_of(&value));
        let read = read_value(&shown).map_err(|told| TestCaseError::fail(format!("{}\n{shown}", told.told("-"))))?;
        prop_assert_eq!(read, value);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "([\\[\\]{}:,\"\\\\n -]|version: 1|mappings:|\n|job|\\PC){0,30}") {
        for format in [Format::Yaml, Format::Json] {
            let _ = Document::read(&text, format);
        }
    }
}
