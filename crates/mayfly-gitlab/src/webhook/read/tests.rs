//! The shapes of deliveries, real and absurd.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn received_at() -> Timestamp {
    "2026-08-01T10:00:00Z".parse().unwrap()
}

fn read_body(body: &[u8]) -> Received {
    read(&HeaderMap::new(), body, received_at())
}

fn read_value(body: &Value) -> Received {
    read_body(body.to_string().as_bytes())
}

fn fixtures() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/gitlab");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap()))
        .collect()
}

fn fixture(name: &str) -> Value {
    let (_, body) = fixtures().into_iter().find(|(found, _)| found == name).unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn pending() -> Value {
    fixture("job-pending")
}

/// `job-pending` with one field set; dots go into objects.
fn pending_with(field: &str, value: Value) -> Value {
    let mut body = pending();
    *body.pointer_mut(&format!("/{}", field.replace('.', "/"))).unwrap() = value;
    body
}

fn reason(received: Received) -> (IgnoredKind, String) {
    let Received::Ignored(ignored) = received else { unreachable!("a job: {received:?}") };
    (ignored.kind, ignored.reason)
}

fn job(received: Received) -> JobEvent {
    let Received::Job(event) = received else { unreachable!("ignored: {received:?}") };
    event
}

#[test]
fn every_fixture_reads_as_its_snapshot() {
    for (name, body) in fixtures() {
        insta::assert_debug_snapshot!(name, read_body(&body));
    }
}

#[test]
fn the_host_comes_from_the_instance_header_then_from_the_project_then_from_the_repository() {
    let check = |instance: Option<&str>, project: Value, repository: Value, host: &str| {
        let mut headers = HeaderMap::new();
        if let Some(instance) = instance {
            headers.insert(INSTANCE, instance.parse().unwrap());
        }
        let mut body = pending();
        body["project"]["web_url"] = project;
        body["repository"]["homepage"] = repository;
        let event = job(read(&headers, body.to_string().as_bytes(), received_at()));
        assert_eq!(event.key.host.as_str(), host);
    };
    let url = |text: &str| json!(text);
    check(
        Some("https://one.example"),
        url("https://two.example/g/p"),
        url("https://three/g/p"),
        "one.example",
    );
    check(Some("https://One.Example/gitlab"), url(""), url(""), "one.example");
    check(Some("http://one:8080"), url(""), url(""), "one:8080");
    check(Some("not a URL"), url("https://two.example/g/p"), url(""), "two.example");
    check(None, url("https://two.example/g/p"), url("https://three/g/p"), "two.example");
    check(None, Value::Null, url("https://three/g/p"), "three");
    check(None, url("/g/p"), url("https://three:8443/g/p"), "three:8443");
}

#[test]
fn a_delivery_with_nothing_to_do_says_why() {
    let check = |body: Value, kind: IgnoredKind, expected: &str| {
        assert_eq!(reason(read_value(&body)), (kind, expected.to_owned()));
    };
    check(json!([]), IgnoredKind::NotJson, "the body is JSON, but not an object");
    check(json!({}), IgnoredKind::OtherHook, "there is no object_kind");
    check(json!({"object_kind": 7}), IgnoredKind::OtherHook, "object_kind is a number, not \"build\"");
    check(json!({"object_kind": "push"}), IgnoredKind::OtherHook, "object_kind is \"push\", not \"build\"");
    check(
        json!({"object_kind": "<script>"}),
        IgnoredKind::OtherHook,
        "object_kind is something else, not \"build\"",
    );
    check(
        pending_with("build_status", json!("manual")),
        IgnoredKind::UnknownStatus,
        "build_status is \"manual\", which starts and ends nothing",
    );
    check(
        pending_with("build_status", json!("PENDING")),
        IgnoredKind::UnknownStatus,
        "build_status is something else, which starts and ends nothing",
    );
    check(
        pending_with("build_status", json!("created")),
        IgnoredKind::Created,
        "a job that is created may never run",
    );
}

#[test]
fn other_hooks_and_other_statuses_are_told_before_broken_fields() {
    let check = |mut body: Value, kind: IgnoredKind| {
        body["build_id"] = json!(["broken"]);
        body["project"] = json!("broken");
        assert_eq!(reason(read_value(&body)).0, kind);
    };
    check(pending_with("object_kind", json!("pipeline")), IgnoredKind::OtherHook);
    check(pending_with("build_status", json!("manual")), IgnoredKind::UnknownStatus);
    check(pending_with("build_status", json!("created")), IgnoredKind::Created);
    check(pending(), IgnoredKind::Unreadable);
}

#[test]
fn a_field_of_the_wrong_type_is_named() {
    let check = |field: &str, value: Value, expected: &str| {
        let (kind, reason) = reason(read_value(&pending_with(field, value)));
        assert_eq!((kind, reason.as_str()), (IgnoredKind::Unreadable, expected));
    };
    let number = "a number that is negative, broken or too large";
    check("build_id", json!(true), "build_id should be a whole number and is true or false");
    check("build_id", json!(-1), &format!("build_id should be a whole number and is {number}"));
    check("build_id", json!("x1"), "build_id should be a whole number and is a text");
    check("build_id", Value::Null, "build_id is missing");
    check("project_id", json!({}), "project_id should be a whole number and is an object");
    check("pipeline_id", json!([1]), "pipeline_id should be a whole number and is a list");
    check("build_name", json!(5), "build_name should be a text and is a number");
    check("build_name", json!(""), "build_name is missing");
    check(
        "build_name",
        json!("x".repeat(256)),
        "build_name should be a job name (1 to 255 characters) and is longer",
    );
    check("build_status", json!(5), "build_status should be a text and is a number");
    check("build_status", json!(""), "build_status is missing");
    check("build_queued_duration", json!("long"), "build_queued_duration should be a number and is a text");
    check("build_failure_reason", json!(["x"]), "build_failure_reason should be a text and is a list");
    check("runner", json!("mayfly"), "runner should be an object and is a text");
    check("runner", json!([7, "mayfly"]), "runner should be an object and is a list");
    check(
        "runner",
        json!({"id": 7, "description": 5}),
        "runner.description should be a text and is a number",
    );
    check("runner", json!({"description": "x"}), "runner.id is missing");
    check("project", json!([]), "project should be an object and is a list");
    check("project.web_url", json!(1), "project.web_url should be a text and is a number");
    check(
        "project.path_with_namespace",
        json!("project"),
        "project.path_with_namespace should be a project path such as `group/project` and is another text",
    );
    check(
        "project.path_with_namespace",
        json!(format!("group/{}", "x".repeat(5000))),
        "project.path_with_namespace should be a text of at most 4096 bytes and is longer",
    );
}

#[test]
fn an_event_without_any_address_of_gitlab_is_unreadable() {
    let mut body = pending();
    body["project"]["web_url"] = Value::Null;
    body["repository"] = Value::Null;
    let (kind, reason) = reason(read_value(&body));
    assert_eq!(kind, IgnoredKind::Unreadable);
    assert!(reason.starts_with("no address of GitLab"), "{reason}");
    body["repository"] = json!("x");
    let expected = "repository should be an object and is a text";
    assert_eq!(self::reason(read_value(&body)), (IgnoredKind::Unreadable, expected.to_owned()));
}

#[test]
fn a_body_in_which_a_field_is_there_twice_is_unreadable() {
    let body = pending().to_string().replacen('{', "{\"build_id\": 1978,", 1);
    assert_eq!(
        reason(read_body(body.as_bytes())),
        (IgnoredKind::Unreadable, "a field is there twice".to_owned())
    );
}

#[test]
fn fields_that_are_not_used_may_be_anything() {
    let expected = read_value(&pending());
    for field in
        ["ref", "tag", "user", "commit", "environment", "build_created_at", "project.id", "project_name"]
    {
        for value in [json!(null), json!(5), json!([{"deep": [[]]}]), json!({"id": "x"}), json!("yesterday")]
        {
            assert_eq!(read_value(&pending_with(field, value)), expected, "{field}");
        }
    }
}

#[test]
fn kinds_have_different_words() {
    let mut words = IgnoredKind::ALL.map(IgnoredKind::as_str).to_vec();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), IgnoredKind::ALL.len());
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        "[0-9]{1,25}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z_]{1,12}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

#[derive(Debug, Clone)]
enum Mutation {
    Drop(prop::sample::Index),
    Change(prop::sample::Index, Value),
    Add(String, Value),
    Nested(usize, prop::sample::Index, Value),
}

fn any_mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        any::<prop::sample::Index>().prop_map(Mutation::Drop),
        (any::<prop::sample::Index>(), any_value()).prop_map(|(field, value)| Mutation::Change(field, value)),
        ("[a-z_]{1,12}", any_value()).prop_map(|(field, value)| Mutation::Add(field, value)),
        (0..3_usize, any::<prop::sample::Index>(), any_value())
            .prop_map(|(object, field, value)| Mutation::Nested(object, field, value)),
    ]
}

fn mutate(body: &mut Value, mutation: Mutation) {
    let pick = |object: &Value, field: prop::sample::Index| {
        let keys: Vec<String> =
            object.as_object().into_iter().flat_map(|object| object.keys().cloned()).collect();
        if keys.is_empty() { None } else { Some(keys[field.index(keys.len())].clone()) }
    };
    match mutation {
        Mutation::Drop(field) => {
            let Some(field) = pick(body, field) else { return };
            body.as_object_mut().unwrap().remove(&field);
        }
        Mutation::Change(field, value) => {
            let Some(field) = pick(body, field) else { return };
            body[field] = value;
        }
        Mutation::Add(field, value) => body[field] = value,
        Mutation::Nested(object, field, value) => {
            let object = &mut body[["runner", "project", "repository"][object]];
            let Some(field) = pick(object, field) else { return };
            object[field] = value;
        }
    }
}

fn assert_fit_to_be_shown(received: &Received) {
    if let Received::Ignored(ignored) = received {
        assert!(ignored.reason.len() <= 200, "{}", ignored.reason);
        assert!(!ignored.reason.chars().any(char::is_control), "{}", ignored.reason);
    }
}

proptest! {
    #[test]
    fn bytes_are_never_a_job(body: Vec<u8>) {
        prop_assert!(matches!(read_body(&body), Received::Ignored(_)));
    }

    #[test]
    fn values_are_never_a_job(body in any_value()) {
        let received = read_value(&body);
        prop_assert!(matches!(received, Received::Ignored(_)));
        assert_fit_to_be_shown(&received);
    }

    #[test]
    fn a_job_event_that_is_cut_off_is_not_json(end: prop::sample::Index) {
        let body = pending().to_string();
        let (kind, _) = reason(read_body(&body.as_bytes()[..end.index(body.len())]));
        prop_assert_eq!(kind, IgnoredKind::NotJson);
    }

    #[test]
    fn whatever_happens_to_a_job_event_it_is_read_or_refused_with_a_reason(
        mutations in prop::collection::vec(any_mutation(), 1..6),
    ) {
        let mut body = fixture("job-running");
        for mutation in mutations {
            mutate(&mut body, mutation);
        }
        assert_fit_to_be_shown(&read_value(&body));
    }

    #[test]
    fn added_fields_change_nothing(fields in prop::collection::hash_map("x_[a-z_]{1,12}", any_value(), 0..5)) {
        let mut body = pending();
        let expected = read_value(&body);
        for (field, value) in fields {
            body[&field] = value.clone();
            body["project"][&field] = value;
        }
        prop_assert_eq!(read_value(&body), expected);
    }

    #[test]
    fn any_job_name_of_up_to_255_characters_survives(name in "\\PC{1,255}|.{1,255}|[🚀#*%\\\\\"\u{0}]{1,255}") {
        let event = job(read_value(&pending_with("build_name", json!(name))));
        prop_assert_eq!(event.name.as_str(), name);
        let travelled: JobEvent = serde_json::from_str(&serde_json::to_string(&event).unwrap()).unwrap();
        prop_assert_eq!(travelled, event);
    }

    #[test]
    fn numbers_in_quotes_are_the_same_numbers(build: u64, project: u64, pipeline: u64) {
        let mut body = pending();
        for (field, number) in [("build_id", build), ("project_id", project), ("pipeline_id", pipeline)] {
            body[field] = json!(number);
        }
        let expected = job(read_value(&body));
        prop_assert_eq!(expected.key.job, JobId(build));
        for (field, number) in [("build_id", build), ("project_id", project), ("pipeline_id", pipeline)] {
            body[field] = json!(number.to_string());
        }
        prop_assert_eq!(job(read_value(&body)), expected);
    }
}
