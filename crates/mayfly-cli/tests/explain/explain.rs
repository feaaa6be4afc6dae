//! `mayfly explain`.

use libtest_mimic::Trial;
use mayfly_aws::dynamodb::DynamoLedger;
use mayfly_core::ports::Ledger;
use mayfly_standins::aws::Reply;
use mayfly_standins::contracts::{NOW, full_record};
use serde_json::{Value, json};

use crate::command::trial;
use crate::world::{ARN, LEDGER, World, run};

const KEY: &str = "gitlab.example.com/380/1977";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("each_rule_and_each_row_has_its_verdict", verdicts()),
        trial("rows_are_named_by_their_keys_as_they_are_written", typed_by_hand()),
        trial("the_default_target_is_that_of_the_stack", default_target()),
        trial("a_data_folder_has_the_default_of_mayfly_local", data_folder()),
        trial("a_job_that_goes_nowhere_has_an_exit_code_of_its_own", nowhere()),
        trial("an_event_is_explained_from_a_file_or_from_standard_input", events()),
        trial("a_job_that_there_was_is_explained_from_the_ledger", happened()),
        trial("a_pause_is_said", paused()),
        trial("ten_thousand_rows_take_four_calls_at_most", many_rows()),
        trial("what_a_person_does_wrong_is_said_with_the_next_step", mistakes()),
    ]
}

async fn verdicts() {
    let world = World::new().await;
    world
        .put(&[
            "job#build tags#docker#linux LAMBDA",
            "job#build tags#docker EC2 executor=docker max_life_seconds=7200 purchase=on-demand",
            "job#build tags# LAMBDA",
            "job#* tags# LAMBDA",
            "job#Build tags#docker LAMBDA",
            "project#group/other#job#build tags#docker LAMBDA",
        ])
        .await;
    let asked = ["explain", "--job", "build", "--project", "group/app", "--tags", "docker"];
    world.mayfly(&asked).await.ends(0).says(&[
        "Job build\n  project  group/app\n  tags     docker\n",
        "project and name                   ",
        "does not have the job's tags docker",
        "fits, but has more tags that the job does not ask for",
        "goes to  EC2, by row job#build tags#docker\n",
        "machine  on-demand\n",
        "runner   executor docker; waits 300 s for its job; lives 7200 s at most\n",
        "not for  row job#Build tags#docker: its name is written with other capital letters or spaces\n",
        "not for  row project#group/other#job#build tags#docker: it is for project group/other only\n",
    ]);
    let json = world.mayfly(&[&asked[..], &["--output", "json"]].concat()).await.ends(0).json();
    assert_eq!(json["outcome"], "mapping", "{json}");
    assert_eq!(
        (&json["row"], &json["tags"]),
        (&json!("job#build tags#docker"), &json!(["docker"])),
        "{json}"
    );
    assert_eq!(json["target"]["type"], "EC2", "{json}");
    assert_eq!(json["runner"]["max_life_seconds"], 7200, "{json}");
    let rules: Vec<(&str, Vec<bool>)> = json["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| {
            let rows = rule["rows"].as_array().unwrap();
            let taken = rows.iter().map(|row| row["taken"].as_bool().unwrap()).collect();
            (rule["rule"].as_str().unwrap(), taken)
        })
        .collect();
    let expected = [
        ("project and name", vec![]),
        ("project and beginning of the name", vec![]),
        ("name", vec![false, true, false]),
    ];
    assert_eq!(rules, expected, "{json}");

    let unknown = world.mayfly(&asked[..5]).await.ends(0);
    unknown.says(&[
        "tags     not known",
        "3 rows for `build` and the job's tags are not known",
        "job#build tags#\n",
    ]);
    let none = world.mayfly(&["explain", "--job", "build", "--tags", ""]).await.ends(0);
    none.says(&["tags     none", "goes to  LAMBDA", "by row job#build tags#\n"]);
}

async fn typed_by_hand() {
    let world = World::new().await;
    world
        .put(&[
            "job#hand tags#linux#arm LAMBDA",
            "job#hand tags#arm#linux EC2",
            "job#Hand tags#linux#arm LAMBDA",
            "job#broken tags#b#a -",
        ])
        .await;
    let json = world.mayfly(&["explain", "--job", "hand", "--output", "json"]).await.ends(0).json();
    let keys: Vec<&str> =
        json["rules"][2]["rows"].as_array().unwrap().iter().map(|row| row["row"].as_str().unwrap()).collect();
    assert_eq!(keys, ["job#hand tags#arm#linux", "job#hand tags#linux#arm"], "{json}");
    assert_eq!((&json["row"], &json["target"]["type"]), (&json!(keys[0]), &json!("EC2")), "{json}");
    assert_eq!(json["near_misses"][0]["row"], "job#Hand tags#linux#arm", "{json}");
    let json = world.mayfly(&["explain", "--job", "broken", "--output", "json"]).await.ends(3).json();
    assert_eq!(json["row"], "job#broken tags#b#a", "{json}");
}

async fn default_target() {
    let world = World::new().await;
    let asked = ["explain", "--job", "build"];
    world.mayfly(&asked).await.ends(3).says(&[
        "no row",
        "there is none",
        "goes to  nowhere",
        "problem  the job is not ours: no row is for it, and there is no default target",
    ]);
    world.set_parameters(&[("DefaultTarget", ARN)]);
    world.mayfly(&asked).await.ends(0).says(&[&format!("goes to  LAMBDA {ARN}, by the default target")]);
    world.set_parameters(&[("DefaultTarget", "EC2"), ("RunnerSubnetIds", "")]);
    let json = world.mayfly(&["explain", "--job", "build", "--output", "json"]).await.ends(3).json();
    assert_eq!(json["outcome"], "not-available", "{json}");
    assert!(json["problem"].as_str().unwrap().contains("RunnerSubnetIds"), "{json}");
    world.mayfly(&["explain", "--job", "build", "--default-target", ARN]).await.ends(0);

    let by_table = ["explain", "--job", "build", "--mapping-table", "mayfly-mappings"];
    world
        .mayfly(&by_table)
        .await
        .ends(3)
        .says(&["the default target is not known here: give --stack or --default-target"]);
    world.mayfly(&[&by_table[..], &["--default-target", ARN]].concat()).await.ends(0);
}

async fn data_folder() {
    let world = World::new().await;
    world.put(&["job#build tags# LAMBDA"]).await;
    world.local(&["explain", "--job", "test"]).await.ends(0).says(&[
        "goes to  LOCAL, by the default target",
        "warning  a data folder does not tell the server's default target",
    ]);
    world.local(&["explain", "--job", "test", "--default-target", "none"]).await.ends(3).says(&["not ours"]);
    world
        .local(&["explain", "--job", "build"])
        .await
        .ends(3)
        .says(&["a `mayfly local` starts processes on its own machine only"]);
}

async fn nowhere() {
    let world = World::new().await;
    world
        .put(&[
            "job#build tags# -",
            "job#local tags# LOCAL",
            "job#far tags# LAMBDA arn=arn:aws:lambda:eu-central-1:123456789012:function:other",
        ])
        .await;
    let broken = world.mayfly(&["explain", "--job", "build"]).await.ends(3);
    broken.says(&["cannot be used", "its jobs are given up: attribute `type` is missing"]);
    world
        .mayfly(&["explain", "--job", "local"])
        .await
        .ends(3)
        .says(&["an installation on AWS cannot start it"]);
    world.mayfly(&["explain", "--job", "far"]).await.ends(0).says(&["the dispatcher may not invoke"]);
}

async fn events() {
    let world = World::new().await;
    world.put(&["project#group/app#job#test tags# LAMBDA"]).await;
    let body = json!({
        "object_kind": "build", "build_id": 1977, "build_name": "test", "build_status": "pending", "project_id": 380,
        "project": { "path_with_namespace": "group/app", "web_url": "https://gitlab.com/group/app" },
    });
    let file = world.write_file("event.json", &body.to_string());
    let by_file = world.mayfly(&["explain", "--event", &file]).await.ends(0);
    by_file.says(&["Job test", "project  group/app", "by row project#group/app#job#test tags#"]);
    let folder = world.data_dir();
    let arguments = ["explain", "--event", "-", "--data-dir", &folder, "--output", "json"];
    let json = run(&arguments, &[], &body.to_string()).await.ends(3).json();
    assert_eq!((&json["job"], &json["outcome"]), (&json!("test"), &json!("not-available")), "{json}");

    let mut created = body.clone();
    created["build_status"] = json!("created");
    let file = world.write_file("created.json", &created.to_string());
    world
        .mayfly(&["explain", "--event", &file])
        .await
        .ends(3)
        .complains(&["a job that is created may never run"]);
    let file = world.write_file("broken.json", "{");
    world
        .mayfly(&["explain", "--event", &file])
        .await
        .ends(1)
        .complains(&["broken.json is no job event: the body is not JSON", "give the body of a delivery"]);
    world
        .mayfly(&["explain", "--event", "/nonexistent"])
        .await
        .ends(1)
        .complains(&["cannot read /nonexistent"]);
}

async fn happened() {
    let world = World::new().await;
    let mut record = full_record(KEY, "mayfly-lambda-0a1b");
    record.name = "build".parse().unwrap();
    DynamoLedger::new(world.store.clone(), LEDGER).put(&record, NOW).await.unwrap();
    world.put(&["job#build tags# LAMBDA", "job#build tags#docker#linux#🚀 LAMBDA"]).await;
    world.aws.forget_calls();
    let json = world.mayfly(&["explain", KEY, "--output", "json"]).await.ends(0).json();
    assert!(world.calls_of_tables() <= 4, "{:?}", world.aws.calls());
    let stacks = world.aws.calls().into_iter().filter(|call| *call == "DescribeStacks").count();
    assert_eq!(stacks, 1, "ledger and mappings are those of one installation");
    let named = ["explain", KEY, "--table", LEDGER, "--mapping-table", "mayfly-mappings"];
    world.mayfly(&named).await.ends(0).says(&["What happened to job"]);
    let happened = &json["happened"];
    assert_eq!(happened["key"], KEY, "{json}");
    assert_eq!(happened["explanation"], json!(record.explanation), "{json}");
    assert_eq!(happened["mapping"], json!(record.claim.as_ref().unwrap().request.mapping), "{json}");
    let transitions = happened["transitions"].as_array().map(Vec::len);
    assert_eq!(transitions, Some(record.transitions.len()), "{json}");
    assert_eq!(json["outcome"], "mapping", "{json}");
    world.mayfly(&["explain", KEY]).await.ends(0).says(&[
        "What happened to job",
        "What the table says now",
        "WHY",
    ]);

    world
        .mayfly(&["explain", "gitlab.com/1/2"])
        .await
        .ends(3)
        .complains(&["the ledger does not know job gitlab.com/1/2", "`mayfly explain --job NAME`"]);
}

async fn paused() {
    let world = World::new().await;
    world.put(&["job#build tags# LAMBDA paused=upgrade"]).await;
    let json = world.mayfly(&["explain", "--job", "build", "--output", "json"]).await.ends(0).json();
    assert!(json["paused"].as_str().is_some_and(|reason| reason.contains("upgrade")), "{json}");
    world.mayfly(&["explain", "--job", "build"]).await.ends(0).says(&["paused   it is kept waiting: "]);
}

async fn many_rows() {
    let world = World::in_memory().await;
    let rows: Vec<String> =
        (0..10_000).map(|number| format!("job#job-{number:05} tags#linux LAMBDA")).collect();
    world.put(&rows.iter().map(String::as_str).collect::<Vec<_>>()).await;
    world.aws.forget_calls();
    let asked = ["explain", "--job", "job-07777", "--tags", "linux", "--output", "json"];
    let json = world.mayfly(&asked).await.ends(0).json();
    assert_eq!(json["row"], "job#job-07777 tags#linux");
    assert!((1..=4).contains(&world.calls_of_tables()), "{:?}", world.aws.calls());
    let report: Value =
        world.mayfly(&["mappings", "lint", "--offline", "--output", "json"]).await.ends(0).json();
    assert_eq!((&report["summary"]["rows"], &report["findings"]), (&json!(10_000), &json!([])));
}

async fn mistakes() {
    let world = World::new().await;
    for (arguments, code, parts) in [
        (&["explain"][..], 2, &["--job <NAME>"][..]),
        (&["explain", "--project", "group/app"], 2, &["--job"]),
        (&["explain", "--job", "a", "--event", "x"], 2, &["cannot be used with"]),
        (&["explain", "1977"], 2, &["host/project id/job id"]),
        (&["explain", "--job", "a", "--default-target", "FARGATE"], 2, &["`none`, `local`, `EC2`"]),
        (
            &["explain", "--job", "a", "--stack", "mine"],
            1,
            &["there is no stack mine in eu-central-1", "--stack"],
        ),
        (
            &["explain", "--job", "a", "--mapping-table", "mine"],
            1,
            &["mine", "check the stack or the table's name"],
        ),
        (&["explain", "--job", "a", "--data-dir", "/nonexistent"], 1, &["is this the data folder"]),
    ] {
        world.mayfly(arguments).await.ends(code).complains(parts);
    }
    run(&["explain", "--job", "a"], &[("HOME", "/nonexistent"), ("AWS_EC2_METADATA_DISABLED", "true")], "")
        .await
        .ends(1)
        .complains(&["give --region, AWS_REGION"]);
    for _ in 0..3 {
        world.aws.answer_next("Scan", Reply::error(400, "ThrottlingException"));
    }
    world.mayfly(&["explain", "--job", "a"]).await.ends(1).complains(&["try again in a minute"]);
    world.aws.refuse("Scan", "ExpiredTokenException");
    let expired = "cannot read the mappings in eu-central-1: ";
    for arguments in [&["explain", "--job", "a"][..], &["mappings", "lint"]] {
        world.mayfly(arguments).await.ends(1).complains(&[expired, "have expired: sign in again"]);
    }
    for named in [["--table", LEDGER], ["--mapping-table", "mayfly-mappings"]] {
        let said = "give --table and --mapping-table together, or --stack";
        world.mayfly(&[&["explain", KEY], &named[..]].concat()).await.ends(2).complains(&[said]);
    }
}
