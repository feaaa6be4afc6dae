//! `mayfly timeline`, `mayfly runners` and `mayfly reconcile`, as the person runs them who looks after an installation.

use std::process::Output;

use libtest_mimic::Trial;
use mayfly_aws::dynamodb::{DynamoLedger, create_tables, embedded_client};
use mayfly_core::ports::Ledger;
use mayfly_standins::aws::{Reply, StandinAws};
use mayfly_standins::contracts::{NOW, full_record};
use mayfly_standins::gitlab::{JobSpec, Status};
use mayfly_standins::tables::EmbeddedTables;
use serde_json::{Value, json};

use crate::command::{run, trial};
use crate::jobs::until_released;
use crate::mayfly::{LONG, Scene};

const KEY: &str = "gitlab.example.com/380/1977";
const TABLE: &str = "mayfly-autoscaler-LedgerTable-1A2B3C";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_running_servers_jobs_and_runners_can_be_looked_at", beside_a_server()),
        trial("a_job_can_be_named_by_its_page", by_page()),
        trial("what_is_not_there_has_an_exit_code_of_its_own", not_there()),
        trial("an_installation_on_aws_is_found_by_its_stack_or_its_table", on_aws()),
        trial("a_named_profile_outweighs_keys_in_the_environment", a_profile()),
        trial("a_pass_is_ordered_and_its_outcome_told", order_a_pass()),
        trial("the_help_of_each_command_tells_its_exit_codes", help()),
    ]
}

fn json_of(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The story of a job in the ledger of a scene.
pub(crate) async fn timeline(scene: &Scene, job: &str) -> Value {
    let folder = scene.data_dir().display().to_string();
    json_of(&run(&["timeline", job, "--data-dir", &folder, "--output", "json"], &[], "").await)
}

async fn runners(scene: &Scene) -> Value {
    let folder = scene.data_dir().display().to_string();
    json_of(&run(&["runners", "--data-dir", &folder, "--output", "json"], &[], "").await)
}

fn key_of(scene: &Scene, job: impl std::fmt::Display) -> String {
    format!("{}/{}/{job}", scene.gitlab.url().authority(), scene.project)
}

async fn beside_a_server() {
    let scene = Scene::new().await;
    let mut server = scene.start().await;
    let release = scene.data_dir().join("release");
    let jobs = scene.gitlab.run_pipeline(scene.project, vec![until_released("long", &release)]).unwrap();
    scene.gitlab.wait_for(jobs[0], Status::Running, LONG).await.unwrap();
    let key = key_of(&scene, jobs[0]);
    server.log_line(&format!("Job {key} is running")).await;

    let lives = runners(&scene).await;
    let life = &lives["runners"][0];
    assert_eq!(life["job"], json!(key), "{lives}");
    assert_eq!((&life["state"], &life["why"]), (&json!("running"), &json!("runs its job")), "{lives}");
    let story = timeline(&scene, &key).await;
    assert_eq!((&story["state"], &story["name"]), (&json!("running"), &json!("long")), "{story}");

    std::fs::write(&release, "").unwrap();
    scene.gitlab.wait_for(jobs[0], Status::Success, LONG).await.unwrap();
    server.log_line("left: its job is over").await;
    server.log_line("is over: success").await;
    server.stop().await;
    assert_eq!(runners(&scene).await["runners"], json!([]));
    let story = timeline(&scene, &key).await;
    assert_eq!(story["state"], "finished", "{story}");
    assert!(story["waited"]["known_until_taken_seconds"].is_number(), "{story}");
}

async fn by_page() {
    let scene = Scene::new().await;
    let mut server = scene.start().await;
    let jobs = scene.gitlab.run_pipeline(scene.project, vec![JobSpec::new("build")]).unwrap();
    scene.gitlab.wait_for(jobs[0], Status::Success, LONG).await.unwrap();
    server.log_line("left: its job is over").await;
    server.log_line("is over: success").await;
    server.stop().await;

    let folder = scene.data_dir().display().to_string();
    let page = format!("{}group/app/-/jobs/{}", scene.gitlab.url(), jobs[0]);
    let arguments = ["timeline", &page, "--data-dir", &folder, "--output", "json"];
    let gitlab = ("MAYFLY_GITLAB_URL", scene.gitlab.url().as_str());
    let token = ("MAYFLY_API_TOKEN", scene.gitlab.api_token());
    let story = json_of(&run(&arguments, &[gitlab, token], "").await);
    assert_eq!(story["job"], json!(key_of(&scene, jobs[0])), "{story}");

    // The token is for another GitLab than the page is of.
    let refused = run(&arguments, &[("MAYFLY_GITLAB_URL", "https://gitlab.example.com"), token], "").await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    let key_form = format!("{}/<project id>/{}", scene.gitlab.url().authority(), jobs[0]);
    assert!(said.contains(&key_form) && said.contains("MAYFLY_API_TOKEN"), "{said}");
}

/// Runs the command, and checks its exit code and a part of what it says is wrong.
async fn check_code(arguments: &[&str], code: i32, said: &str) {
    let output = run(arguments, &[("HOME", "/nonexistent"), ("AWS_EC2_METADATA_DISABLED", "true")], "").await;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
    assert!(stderr.contains(said), "{arguments:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
}

async fn not_there() {
    let scene = Scene::new().await;
    scene.start_without_hook().await.stop().await;
    let folder = scene.data_dir().display().to_string();
    let unknown = "the ledger does not know job gitlab.com/1/2";
    check_code(&["timeline", "gitlab.com/1/2", "--data-dir", &folder], 3, unknown).await;
    check_code(&["timeline", "gitlab.com/1/2", "--data-dir", "/nonexistent"], 1, "is this the data folder")
        .await;
    check_code(&["timeline", "1977", "--data-dir", &folder], 2, "host/project id/job id").await;
    check_code(&["runners", "--data-dir", "/nonexistent"], 1, "is this the data folder").await;
    check_code(&["runners", "--data-dir", &folder, "--stack", "x"], 2, "cannot be used with").await;
    check_code(&["runners"], 1, "give --region, AWS_REGION").await;
    assert!(!std::path::Path::new("/nonexistent").exists(), "looking makes nothing");
}

/// A ledger in a table, with one record, at AWS.
struct Account {
    aws: StandinAws,
    _tables: EmbeddedTables,
}

impl Account {
    async fn open() -> Self {
        let tables = EmbeddedTables::in_memory().await.unwrap();
        let client = embedded_client(tables.url().as_str());
        create_tables(&client, "mappings", TABLE).await.unwrap();
        let mut record = full_record(KEY, "mayfly-lambda-0a1b");
        record.runner.as_mut().unwrap().ended = None;
        DynamoLedger::new(client, TABLE).put(&record, NOW).await.unwrap();
        let aws = StandinAws::start(Some(tables.url().clone())).await.unwrap();
        Self { aws, _tables: tables }
    }

    async fn mayfly(&self, arguments: &[&str]) -> Output {
        run(arguments, &self.aws.variables(), "").await
    }
}

async fn on_aws() {
    let account = Account::open().await;
    let story = account.mayfly(&["timeline", KEY, "--table", TABLE, "--output", "json"]).await;
    assert_eq!(json_of(&story)["state"], "running");

    account.aws.put_stack("mayfly-autoscaler", &[("LedgerTable", TABLE)]);
    let lives = account.mayfly(&["runners"]).await;
    let text = String::from_utf8_lossy(&lives.stdout).into_owned();
    assert!(lives.status.success() && text.contains("mayfly-lambda-0a1b"), "{lives:?}");

    for (stack, said) in [
        ("mine", "there is no stack mine in eu-central-1: give the autoscaler's stack with --stack"),
        ("other", "the stack other (CREATE_COMPLETE) has no output LedgerTable"),
    ] {
        account.aws.put_stack("other", &[]);
        let missing = account.mayfly(&["runners", "--stack", stack]).await;
        let stderr = String::from_utf8_lossy(&missing.stderr).into_owned();
        assert_eq!(missing.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
    }
}

async fn a_profile() {
    let account = Account::open().await;
    account.aws.put_stack("mayfly-autoscaler", &[("LedgerTable", TABLE)]);
    let refused = account.mayfly(&["runners", "--profile", "nobody"]).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("there are no credentials for AWS: check --profile"), "{said}");
    assert_eq!(account.aws.calls(), Vec::<String>::new(), "nobody is asked with the keys of another");
}

async fn order_a_pass() {
    let account = Account::open().await;
    let repair =
        json!({ "act": "start", "reason": "nobody-at-it", "text": "start a runner for job x: it waits" });
    let mut body = json!({ "dry_run": true, "open": 1, "repairs": [repair], "held_back": [], "unseen": [] });
    account.aws.answer_next("Invoke", Reply { status: 200, body: body.clone() });
    let output = account.mayfly(&["reconcile", "--dry-run"]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    assert!(text.contains("1 repair to make") && text.contains("start a runner for job x"), "{text}");
    let sent = account.aws.bodies();
    assert_eq!(sent.last().map(String::as_str), Some(r#"{"dry_run":true}"#));

    body["dry_run"] = json!(false);
    body["unseen"] = json!(["GitLab: jobs of project 1 failed: 502"]);
    account.aws.answer_next("Invoke", Reply { status: 200, body: body.clone() });
    let arguments = ["reconcile", "--stack", "mine", "--max-ends", "5", "--output", "json"];
    let output = account.mayfly(&arguments).await;
    assert_eq!(output.status.code(), Some(1), "a pass that failed: {output:?}");
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), body);
    assert_eq!(account.aws.bodies().last().map(String::as_str), Some(r#"{"max_ends":5}"#));

    account.aws.answer_next("Invoke", Reply::error(404, "ResourceNotFoundException"));
    let output = account.mayfly(&["reconcile"]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("there is no function mayfly-autoscaler-reconciler"), "{said}");
}

async fn help() {
    for (command, named) in [
        ("timeline", ["--data-dir", "--output", "/-/jobs/1977", "  3  the ledger does not know"]),
        ("runners", ["--stack", "--table", "--profile", "  overdue "]),
        ("reconcile", ["--dry-run", "--region", "lambda:InvokeFunction", "  1  the pass failed"]),
    ] {
        let output = run(&[command, "--help"], &[], "").await;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        for part in named {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
        assert!(!text.contains("--api-token"), "secrets are never flags");
    }
}
