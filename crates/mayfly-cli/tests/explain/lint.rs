//! `mayfly mappings lint`.

use libtest_mimic::Trial;
use mayfly_standins::aws::Reply;
use serde_json::{Value, json};

use crate::command::trial;
use crate::sarif;
use crate::world::{ARN, World};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_table_in_order_has_no_findings", in_order()),
        trial("findings_name_rule_row_and_what_to_do", findings()),
        trial("the_exit_code_tells_of_what_it_is_asked_to", exit_codes()),
        trial("functions_are_asked_for_once_each", functions()),
        trial("a_refused_right_is_a_note", refused()),
        trial("jobs_of_files_are_compared_with_the_table", files()),
        trial("files_of_several_projects_are_told_apart", several_projects()),
        trial("sarif_has_the_shape_of_the_standard", as_sarif()),
        trial("a_file_that_cannot_be_read_is_an_error_with_its_place", broken_files()),
        trial("without_job_tags_only_first_rows_are_reached", without_job_tags()),
    ]
}

/// Rules and places of a report, each as `severity rule place`.
fn found(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let place = |finding: &Value| match (&finding["row"], &finding["job"]) {
        (Value::String(row), _) => row.clone(),
        (_, Value::String(job)) => format!("{}:{job}", finding["line"]),
        _ => format!("{}{}", text(&finding["setting"]), finding["line"]),
    };
    findings
        .iter()
        .map(|finding| {
            format!("{} {} {}", text(&finding["severity"]), text(&finding["rule"]), place(finding))
        })
        .collect()
}

async fn in_order() {
    let world = World::new().await;
    world.aws.put_function(ARN, 900);
    let empty = world.mayfly(&["mappings", "lint"]).await.ends(0);
    assert_eq!(empty.out, "0 errors, 0 warnings and 0 notes in 0 rows\n");
    world.put(&["job#build tags#linux LAMBDA", "job#deploy-* tags#aws EC2"]).await;
    world.mayfly(&["mappings", "lint"]).await.ends(0).says(&["0 errors, 0 warnings and 0 notes in 2 rows\n"]);
}

async fn findings() {
    let world = World::new().await;
    world
        .put(&[
            "job#build tags#linux#docker LAMBDA",
            "job#test tags#linux FARGATE",
            "deploy tags#linux EC2",
            "job#local tags#linux LOCAL",
            "job#docker tags#linux LAMBDA executor=docker",
        ])
        .await;
    let text = world.mayfly(&["mappings", "lint", "--offline"]).await.ends(3);
    text.says(&[
        "job#build tags#linux#docker\n  warning: the key is read as `job#build tags#docker#linux`, and not written so (unsorted-key)\n    → write a row",
        "job#test tags#linux\n  error: the row cannot be used: attribute `type` is not `LAMBDA`, `EC2` or `LOCAL` (unreadable-row)\n",
        "deploy tags#linux\n  error: the key cannot be read",
        "4 errors, 1 warning and 0 notes in 5 rows\n",
    ]);
    let report = world.mayfly(&["mappings", "lint", "--offline", "--output", "json"]).await.ends(3).json();
    assert_eq!(
        found(&report),
        [
            "error unreadable-key deploy tags#linux",
            "warning unsorted-key job#build tags#linux#docker",
            "error lambda-executor job#docker tags#linux",
            "error local-on-aws job#local tags#linux",
            "error unreadable-row job#test tags#linux",
        ]
    );
    let of_folder = world.local(&["mappings", "lint", "--output", "json"]).await.ends(3).json();
    assert!(
        found(&of_folder).contains(&"error aws-on-local job#build tags#linux#docker".to_owned()),
        "{of_folder}"
    );
    assert!(!of_folder.to_string().contains("local-on-aws"), "{of_folder}");
}

async fn exit_codes() {
    let world = World::new().await;
    world.put(&["job#build tags#b#a EC2"]).await;
    for (fail_on, code) in [("note", 3), ("warning", 3), ("error", 0), ("never", 0)] {
        world.mayfly(&["mappings", "lint", "--fail-on", fail_on]).await.ends(code);
    }
    world.mayfly(&["mappings", "lint", "--fail-on", "nothing"]).await.ends(2);
    world.mayfly(&["mappings", "lint", "--project", "group/app"]).await.ends(2).complains(&["--ci"]);
    world
        .mayfly(&["mappings", "lint", "--stack", "mine"])
        .await
        .ends(1)
        .complains(&["there is no stack mine"]);
}

async fn functions() {
    let world = World::new().await;
    let big = format!("{ARN}-big");
    let gone = format!("{ARN}-gone");
    world.aws.put_function(ARN, 300);
    world.aws.put_function(&big, 900);
    world.set_parameters(&[("DefaultTarget", ARN)]);
    world
        .put(&[
            "job#a tags#x LAMBDA max_life_seconds=600",
            "job#b tags#x LAMBDA",
            &format!("job#c tags#x LAMBDA arn={big} max_life_seconds=600"),
            &format!("job#d tags#x LAMBDA arn={gone}"),
            "job#e tags#x LAMBDA arn=arn:aws:lambda:eu-central-1:123456789012:function:other",
        ])
        .await;
    let report = world.mayfly(&["mappings", "lint", "--output", "json"]).await.ends(3).json();
    assert_eq!(
        found(&report),
        [
            "warning function-times-out job#a tags#x",
            "error missing-function job#d tags#x",
            "error missing-function job#e tags#x",
            "error function-not-allowed job#e tags#x",
        ]
    );
    let asked =
        |world: &World| world.aws.calls().iter().filter(|call| *call == "GetFunctionConfiguration").count();
    assert_eq!(asked(&world), 4);
    world.aws.forget_calls();
    let report = world.mayfly(&["mappings", "lint", "--offline", "--output", "json"]).await.ends(3).json();
    assert_eq!(found(&report), ["error function-not-allowed job#e tags#x"]);
    assert_eq!(asked(&world), 0);
}

async fn refused() {
    let world = World::new().await;
    world.put(&["job#a tags#x LAMBDA", "job#b tags#x LAMBDA"]).await;
    world.aws.answer_next("GetFunctionConfiguration", Reply::error(403, "AccessDeniedException"));
    let report = world.mayfly(&["mappings", "lint", "--output", "json"]).await.ends(0).json();
    assert_eq!(found(&report), ["note function-not-checked job#a tags#x"]);
    let message = report["findings"][0]["message"].as_str().unwrap();
    assert!(message.contains("(1 more rows name it)") && message.contains("AccessDenied"), "{message}");
}

async fn files() {
    let world = World::new().await;
    world.aws.put_function(ARN, 600);
    world
        .put(&[
            "job#build tags#linux LAMBDA",
            "job#old tags#linux LAMBDA",
            "project#group/app#job#gone tags#linux LAMBDA",
            "project#group/other#job#build tags#linux LAMBDA",
            "job#plain tags# LAMBDA",
        ])
        .await;
    let file = world.write_file(
        "repo/.gitlab-ci.yml",
        "include:\n  - template: x.yml\n.base:\n  tags: [linux]\nbuild:\n  extends: .base\n  timeout: 1h\n\
         plain:\n  extends: .base\ntest:\n  parallel: 2\n",
    );
    let lint = ["mappings", "lint", "--ci", &file, "--project", "group/app"];
    let report = world.mayfly(&[&lint[..], &["--output", "json"]].concat()).await.ends(3).json();
    assert_eq!(
        found(&report),
        [
            "note mapping-without-job job#old tags#linux",
            "warning untagged-row-never-fits job#plain tags#",
            "note mapping-without-job job#plain tags#",
            "note mapping-without-job project#group/app#job#gone tags#linux",
            "note file-not-read 2",
            "warning function-times-out 5:build",
            "warning job-without-mapping 8:plain",
            "warning job-without-mapping 10:test 1/2",
        ]
    );
    world.mayfly(&lint).await.ends(3).says(&[
        &format!("{file}\n  {file}:2: note: the template x.yml was not read (file-not-read)\n"),
        "job `build` may run for 3600 s, and the function of row `job#build tags#linux` ends after 600 s",
        "job `test 1/2` has no mapping; there is no default target, so Mayfly leaves it alone (the same for 1 more of its names)",
        "in 5 rows and 3 jobs\n",
    ]);
}

async fn several_projects() {
    let world = World::new().await;
    world.put(&["project#g/a#job#build tags#x EC2", "project#g/b#job#build tags#x EC2"]).await;
    let a = world.write_file("a/ci.yml", "build: {tags: [x]}\n");
    let b = world.write_file("b/ci.yml", "test: {tags: [x]}\n");
    let lint = [
        "mappings",
        "lint",
        "--ci",
        &a,
        "--ci",
        &b,
        "--project",
        "g/a",
        "--project",
        "g/b",
        "--output",
        "json",
    ];
    let report = world.mayfly(&lint).await.ends(3).json();
    let expected =
        ["warning mapping-without-job project#g/b#job#build tags#x", "warning job-without-mapping 1:test"];
    assert_eq!(found(&report), expected);
    let three = ["mappings", "lint", "--ci", &a, "--project", "g/a", "--project", "g/b"];
    world.mayfly(&three).await.ends(2).complains(&["once for each --ci"]);
}

async fn as_sarif() {
    let world = World::new().await;
    world.put(&["job#build tags#b#a LAMBDA executor=docker", "build tags#b EC2"]).await;
    let file = world.write_file("ci.yml", "include: x.yml\ntest: {tags: [x]}\n");
    let output =
        world.mayfly(&["mappings", "lint", "--offline", "--ci", &file, "--output", "sarif"]).await.ends(3);
    let log = output.json();
    sarif::check(&log);
    let results = log["runs"][0]["results"].as_array().unwrap();
    let rules: Vec<&str> = results.iter().map(|result| result["ruleId"].as_str().unwrap()).collect();
    assert!(rules.contains(&"unreadable-key") && rules.contains(&"job-without-mapping"), "{rules:?}");
    let of_file = results.iter().find(|result| result["ruleId"] == "job-without-mapping").unwrap();
    let place = &of_file["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], json!(format!("file://{file}")));
    assert_eq!(place["region"]["startLine"], 2);
}

async fn broken_files() {
    let world = World::new().await;
    let file = world.write_file("ci.yml", "build:\n  tags: [a\ntest: b\n");
    world.mayfly(&["mappings", "lint", "--ci", &file]).await.ends(1).complains(&[&format!("{file}:3:")]);
    world
        .mayfly(&["mappings", "lint", "--ci", "/nonexistent.yml"])
        .await
        .ends(1)
        .complains(&["cannot read /nonexistent.yml"]);
}

async fn without_job_tags() {
    let world = World::new().await;
    world.put(&["job#build tags#linux LAMBDA", "job#build tags#windows EC2"]).await;
    let report = world
        .mayfly(&["mappings", "lint", "--offline", "--without-job-tags", "--output", "json"])
        .await
        .ends(3)
        .json();
    assert_eq!(
        found(&report),
        ["warning ambiguous-tags job#build tags#linux", "warning unreachable-row job#build tags#windows"]
    );
}
