//! `mayfly doctor`.

use std::time::Duration;

use libtest_mimic::Trial;
use mayfly_core::clock::{Clock, SystemClock};
use mayfly_standins::gitlab::{Delivery, JobSpec, StandinGitlab};
use serde_json::Value;

use crate::command::trial;
use crate::installation::SECRET;
use crate::scene::{Scene, mayfly};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_healthy_installation_is_all_ok", healthy()),
        trial("each_stack_that_is_wrong_has_its_line", stacks()),
        trial("each_parameter_that_is_missing_has_its_line", parameters()),
        trial("the_tokens_of_shared_runners_are_those_that_mappings_name", shared_tokens()),
        trial("a_right_that_is_missing_is_a_warning_that_names_it", rights()),
        trial("what_an_emulator_does_not_know_is_a_warning", emulator()),
        trial("images_types_functions_and_quotas_have_their_lines", machines()),
        trial("queues_and_the_reconciler_have_their_lines", queues()),
        trial("a_mapping_that_cannot_be_read_has_its_line", mappings()),
        trial("the_token_is_judged_by_scopes_and_expiry", token()),
        trial("gitlab_that_is_away_has_its_line", gitlab_away()),
        trial("webhooks_are_judged_by_settings_deliveries_and_a_test", webhooks()),
        trial("the_webhook_of_a_group_is_that_of_its_projects", group_hook()),
        trial("a_data_folder_has_a_smaller_check_up", data_dir()),
        trial("a_check_up_that_cannot_be_made_says_why", cannot_run()),
    ]
}

const PROJECT: [&str; 3] = ["doctor", "--project", "group/app"];

/// The levels of all lines whose check is this one, and what is to be done.
async fn lines(scene: &Scene, code: i32, arguments: &[&str]) -> Vec<Value> {
    let said = scene.mayfly(&[arguments, &["--output", "json"]].concat()).await.expect(code, &[]);
    said.json()["lines"].as_array().unwrap().clone()
}

/// Checks one line of a check-up, and that whatever is not ok has a next step.
fn check(lines: &[Value], name: &str, level: &str, said: &str) {
    let found: Vec<&Value> = lines.iter().filter(|line| line["check"] == name).collect();
    assert!(!found.is_empty(), "no line `{name}` in {lines:#?}");
    let is_it = |line: &&&Value| line["level"] == level && line["result"].as_str().unwrap().contains(said);
    let line = found.iter().find(is_it);
    assert!(line.is_some(), "no {level} with `{said}`: {found:#?}");
    assert_eq!(line.unwrap().get("next").is_none(), level == "ok", "{line:#?}");
}

/// A project with a webhook that has sent an event.
async fn with_webhook(scene: &Scene, secret: &str) {
    let project = scene.gitlab.create_project("group/app");
    scene.gitlab.add_hook(project, &scene.webhook(), Some(secret), None).unwrap();
    send(scene).await;
}

/// Runs a job, and waits until its events are answered.
async fn send(scene: &Scene) {
    let project = scene.gitlab.create_project("group/app");
    let before = scene.gitlab.deliveries().len();
    scene.gitlab.run_pipeline(project, vec![JobSpec::new("build")]).unwrap();
    let are_answered = |deliveries: &[Delivery]| {
        deliveries.len() > before && deliveries.iter().all(|delivery| delivery.answer.is_some())
    };
    scene.gitlab.wait_for_deliveries(are_answered, Duration::from_secs(30)).await.unwrap();
}

async fn healthy() {
    let scene = Scene::new().await;
    with_webhook(&scene, SECRET).await;
    let said = scene.mayfly(&[&PROJECT[..], &["--test-delivery"]].concat()).await;
    let said = said.expect(0, &[" 0 warnings, 0 failures", "the secret is right"]);
    for check in [
        "AWS identity",
        "AWS clock",
        "stack mayfly-infrastructure, version",
        "stack mayfly-shell-runner",
        "parameter /mayfly/ApiToken",
        "webhook secret",
        "mappings",
        "function mayfly-shell-runner",
        "image /mayfly-images/arm64",
        "Lambda concurrency",
        "queue mayfly-autoscaler-launches",
        "queue mayfly-dead-letters",
        "queue mayfly-shell-runner-failures",
        "reconciler",
        "GitLab clock",
        "GitLab token, scopes",
        "GitLab token, expiry",
        "webhook of group/app, deliveries",
    ] {
        assert!(said.text.contains(check), "{check} is not in:\n{}", said.text);
    }
    let changes = scene.gitlab.requests();
    let changes: Vec<_> = changes.iter().filter(|request| request.method != "GET").collect();
    assert!(changes.iter().all(|request| request.path.ends_with("/test/job_events")), "{changes:?}");
}

async fn stacks() {
    let scene = Scene::new().await;
    scene.aws.set_stack_status("mayfly-infrastructure", "UPDATE_ROLLBACK_FAILED");
    scene.aws.delete_stack("mayfly-shell-runner");
    scene.aws.put_stack("mayfly-autoscaler", &[("MayflyVersion", "0.0.1")]);
    let found = lines(&scene, 3, &PROJECT).await;
    check(&found, "stack mayfly-infrastructure", "failure", "UPDATE_ROLLBACK_FAILED");
    check(&found, "stack mayfly-shell-runner", "warning", "there is none");
    check(&found, "stack mayfly-autoscaler, version", "warning", "it is of version 0.0.1");
    let found = lines(&scene, 3, &["doctor", "--stack", "mine"]).await;
    check(&found, "stack mine", "failure", "there is none");
    check(&found, "AWS identity", "ok", "assumed-role/operator");
}

async fn parameters() {
    let scene = Scene::new().await;
    for name in ["/mayfly/Url", "/mayfly/ApiToken", "/mayfly-secrets/WebhookSecret", "/mayfly-images/arm64"] {
        scene.aws.delete_parameter(name);
    }
    let found = lines(&scene, 3, &PROJECT).await;
    for name in ["/mayfly/Url", "/mayfly/ApiToken"] {
        check(&found, &format!("parameter {name}"), "failure", "there is none");
    }
    check(&found, "webhook secret", "failure", "/mayfly-secrets/WebhookSecret");
    check(&found, "GitLab", "failure", "its address is not known");
    check(&found, "image /mayfly-images/arm64", "failure", "there is no such parameter");
    let calls = scene.aws.calls();
    assert!(!calls.iter().any(|call| call == "DescribeImages"), "no image is known: {calls:?}");

    scene.aws.put_parameter("/mayfly/Url", "gitlab.example.com");
    let found = lines(&scene, 3, &PROJECT).await;
    check(&found, "GitLab", "failure", "the parameter /mayfly/Url is no address");
}

async fn shared_tokens() {
    let scene = Scene::new().await;
    with_webhook(&scene, SECRET).await;
    let own = [("RegistrationMode", "shared"), ("DefaultTarget", "none")];
    scene.aws.put_stack_parameters("mayfly-autoscaler", &own);
    check(&lines(&scene, 3, &PROJECT).await, "parameter /mayfly/RunnerToken", "failure", "there is none");
    put_row(&scene, &[("type", "EC2"), ("runner_token", "teams/web")]).await;
    check(&lines(&scene, 3, &PROJECT).await, "parameter /mayfly/teams/web", "failure", "there is none");
    scene.aws.put_parameter("/mayfly/teams/web", "glrt-of-the-team");
    let found = lines(&scene, 0, &PROJECT).await;
    check(&found, "parameter /mayfly/teams/web", "ok", "there");
    assert!(!found.iter().any(|line| line["check"] == "parameter /mayfly/RunnerToken"), "{found:#?}");
}

async fn rights() {
    let scene = Scene::new().await;
    with_webhook(&scene, SECRET).await;
    for (operation, right, name) in [
        ("GetCallerIdentity", "sts:GetCallerIdentity", "AWS identity"),
        ("Scan", "dynamodb:Scan", "mappings"),
        ("GET /2016-08-19/account-settings", "lambda:GetAccountSettings", "Lambda concurrency"),
        ("GetQueueAttributes", "sqs:GetQueueAttributes", "queue mayfly-autoscaler-launches"),
    ] {
        scene.aws.refuse(operation, "AccessDeniedException");
        let found = lines(&scene, 0, &PROJECT).await;
        check(&found, name, "warning", &format!("lack the right {right}"));
    }
    scene.aws.refuse("DescribeStacks", "AccessDenied");
    let found = lines(&scene, 3, &["doctor"]).await;
    check(&found, "stack mayfly-autoscaler", "warning", "cloudformation:DescribeStacks");
    check(&found, "GitLab", "failure", "its address is not known");

    let scene = Scene::new().await;
    with_webhook(&scene, SECRET).await;
    put_ec2_row(&scene).await;
    scene.aws.refuse("DescribeImages", "UnauthorizedOperation");
    scene.aws.refuse("GetServiceQuota", "AccessDeniedException");
    let found = lines(&scene, 0, &PROJECT).await;
    check(&found, "images", "warning", "ec2:DescribeImages");
    check(&found, "spot quota", "warning", "servicequotas:GetServiceQuota");
    scene.aws.refuse("GetParameters", "AccessDeniedException");
    let arguments = [&PROJECT[..], &["--gitlab-url", scene.gitlab.url().as_str()]].concat();
    let found = lines(&scene, 0, &arguments).await;
    check(&found, "parameters", "warning", "ssm:GetParameters");
    assert!(!is_token_judged(&found), "nobody knows the installation's: {found:#?}");
    scene.aws.delete_stack("mayfly-autoscaler");
    assert!(!is_token_judged(&lines(&scene, 3, &arguments).await));
}

fn is_token_judged(lines: &[Value]) -> bool {
    lines.iter().any(|line| line["check"].as_str().unwrap().starts_with("GitLab token"))
}

async fn emulator() {
    let scene = Scene::new().await;
    with_webhook(&scene, SECRET).await;
    put_ec2_row(&scene).await;
    scene.aws.refuse("GetServiceQuota", "UnknownOperationException");
    scene.aws.refuse("DescribeInstanceTypeOfferings", "InvalidAction");
    let found = lines(&scene, 0, &PROJECT).await;
    check(&found, "instance types", "warning", "cannot be asked here");
}

/// A mapping for instances, as somebody writes it in the console.
async fn put_ec2_row(scene: &Scene) {
    put_row(scene, &[("type", "EC2")]).await;
}

async fn put_row(scene: &Scene, attributes: &[(&str, &str)]) {
    use aws_sdk_dynamodb::types::AttributeValue;
    let client = mayfly_aws::dynamodb::embedded_client(scene.tables.url().as_str());
    let row = [&[("pk", "job#build"), ("sk", "tags#")], attributes].concat();
    let row = row.into_iter().map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())));
    let put = client.put_item().table_name(crate::installation::MAPPINGS).set_item(Some(row.collect()));
    put.send().await.unwrap();
}

async fn machines() {
    let scene = Scene::new().await;
    with_webhook(&scene, SECRET).await;
    put_ec2_row(&scene).await;
    let found = lines(&scene, 0, &PROJECT).await;
    check(&found, "instance types", "ok", "all 2 are offered");
    check(&found, "on-demand quota", "ok", "32 times");
    assert!(scene.aws.bodies().iter().any(|body| body.contains("IncludeDeprecated=true")));

    scene.aws.set_image("ami-0123456789abcdef0", Some("deregistered"));
    scene.aws.withdraw_instance_type("m8g.large");
    scene.aws.delete_function("mayfly-shell-runner");
    scene.aws.set_quota("L-1216C47A", 1.0);
    scene.aws.set_quota("L-34B43A08", 5.0);
    scene.aws.set_lambda_concurrency(10);
    let found = lines(&scene, 3, &PROJECT).await;
    check(&found, "image /mayfly-images/arm64", "failure", "deregistered");
    check(&found, "instance types", "warning", "m8g.large");
    check(&found, "function mayfly-shell-runner", "failure", "there is no function");
    check(&found, "on-demand quota", "failure", "not one can start");
    check(&found, "spot quota", "warning", "2 times m7g.large");
    check(&found, "Lambda concurrency", "warning", "10 invocations");

    scene.aws.set_image("ami-0123456789abcdef0", None);
    let found = lines(&scene, 3, &PROJECT).await;
    check(&found, "image /mayfly-images/arm64", "failure", "there is no image");
}

async fn queues() {
    let scene = Scene::new().await;
    with_webhook(&scene, SECRET).await;
    scene.aws.set_queue_depth("mayfly-autoscaler-launches", 3);
    scene.aws.set_queue_depth("mayfly-dead-letters", 2);
    scene.aws.put_stack_parameters("mayfly-autoscaler", &[("ReconcileDryRun", "true")]);
    let found = lines(&scene, 0, &PROJECT).await;
    check(&found, "queue mayfly-autoscaler-launches", "warning", "3 launches wait");
    check(&found, "queue mayfly-dead-letters", "warning", "2 messages that could not be handled");
    check(&found, "reconciler", "warning", "it only tells what it would do");
}

async fn mappings() {
    let scene = Scene::new().await;
    with_webhook(&scene, SECRET).await;
    put_row(&scene, &[("type", "BALLOON")]).await;
    let found = lines(&scene, 3, &PROJECT).await;
    check(&found, "mappings", "failure", "row job#build tags# cannot be used");
}

async fn token() {
    let scene = Scene::new().await;
    with_webhook(&scene, SECRET).await;
    let put = |token: &str| scene.aws.put_parameter("/mayfly/ApiToken", token);
    put(&scene.gitlab.create_token(&["read_api"]));
    let found = lines(&scene, 3, &PROJECT).await;
    check(&found, "GitLab token, scopes", "failure", "it lacks create_runner, manage_runner");
    let today = SystemClock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let soon = today.checked_add(jiff::ToSpan::days(7)).unwrap();
    put(&scene.gitlab.create_token_until(&["api"], soon));
    let found = lines(&scene, 0, &PROJECT).await;
    check(&found, "GitLab token, expiry", "warning", "in 7 days");
    put(&scene.gitlab.create_token_until(&["api"], today));
    let found = lines(&scene, 3, &PROJECT).await;
    check(&found, "GitLab token", "failure", "GitLab refuses it");
    check(&found, "webhook of group/app", "ok", "it sends job events");

    scene.aws.delete_parameter("/mayfly/ApiToken");
    let found = lines(&scene, 3, &PROJECT).await;
    check(&found, "GitLab token", "failure", "there is none");
    scene.aws.put_stack_parameters("mayfly-autoscaler", &[("RegistrationMode", "shared")]);
    scene.aws.put_parameter("/mayfly/RunnerToken", "glrt-of-all");
    let found = lines(&scene, 0, &PROJECT).await;
    check(&found, "GitLab token", "warning", "lost webhooks are not seen");
}

async fn gitlab_away() {
    let scene = Scene::new().await;
    scene.gitlab.set_down(true);
    let found = lines(&scene, 3, &PROJECT).await;
    check(&found, "GitLab", "failure", "cannot be reached");
    check(&found, "webhook secret", "ok", "there");
}

async fn webhooks() {
    let scene = Scene::new().await;
    scene.gitlab.create_project("group/app");
    let found = lines(&scene, 0, &PROJECT).await;
    check(&found, "webhook of group/app", "warning", "the group's cannot be asked: ");
    scene.gitlab.set_premium(true);
    let found = lines(&scene, 3, &PROJECT).await;
    check(&found, "webhook of group/app", "failure", "there is none");
    check(&lines(&scene, 0, &["doctor"]).await, "webhooks", "warning", "no project is named");
    let found = lines(&scene, 3, &["doctor", "--group", "group", "--project", "group/none"]).await;
    check(&found, "webhook of group/none", "warning", "there is no project group/none");

    scene.aws.set_webhook_answer(401);
    with_webhook(&scene, "another-one").await;
    let arguments = [&PROJECT[..], &["--test-delivery"]].concat();
    let found = lines(&scene, 3, &arguments).await;
    check(&found, "webhook of group/app, deliveries", "failure", "the answer 401");
    check(&found, "webhook of group/app, test", "failure", "not answered well");
    scene.aws.set_webhook_answer(200);
    let found = lines(&scene, 0, &arguments).await;
    check(&found, "webhook of group/app, test", "ok", "the secret is right");
    check(&lines(&scene, 0, &PROJECT).await, "webhook of group/app, deliveries", "warning", "failed");

    let hook = scene.gitlab.deliveries()[0].hook;
    scene.gitlab.disable_hook(hook, true);
    let found = lines(&scene, 0, &arguments).await;
    check(&found, "webhook of group/app", "ok", "it sends job events");
    scene.gitlab.disable_hook(hook, false);
    check(&lines(&scene, 3, &PROJECT).await, "webhook of group/app", "failure", "events are lost");
    scene.gitlab.change_hook(hook, false, true);
    check(&lines(&scene, 3, &PROJECT).await, "webhook of group/app", "failure", "does not send job events");
    scene.gitlab.set_old(true);
    scene.gitlab.change_hook(hook, true, true);
    let found = lines(&scene, 3, &arguments).await;
    check(&found, "webhook of group/app, test", "warning", "cannot be asked for a test");
    check(&found, "GitLab", "failure", "cannot make a runner for each job");
}

async fn group_hook() {
    let scene = Scene::new().await;
    scene.gitlab.create_project("group/sub/app");
    scene.gitlab.set_premium(true);
    scene.mayfly(&["hooks", "install", "--group", "group", "--group-hook"]).await.expect(0, &["created"]);
    let found = lines(&scene, 0, &["doctor", "--group", "group"]).await;
    check(&found, "webhook of group/sub/app", "ok", "that of the group group");
}

async fn data_dir() {
    let gitlab = StandinGitlab::start().await.unwrap();
    gitlab.create_project("group/app");
    let variables = [("MAYFLY_GITLAB_URL", gitlab.url().as_str()), ("MAYFLY_API_TOKEN", gitlab.api_token())];
    let arguments =
        [&PROJECT[..], &["--data-dir", "/nonexistent", "--url", "http://127.0.0.1:1/webhook"]].concat();
    let said = mayfly(&arguments, &variables).await;
    let said =
        said.expect(3, &["is this the data folder", "mayfly hooks install --project group/app", "expiry"]);
    assert!(!said.text.contains("GitLab token, scopes"), "nobody knows the registration mode: {}", said.text);
    assert!(!said.text.contains(gitlab.api_token()));
    assert!(!std::path::Path::new("/nonexistent").exists(), "looking makes nothing");
    let said = mayfly(&["doctor", "--data-dir", "/nonexistent"], &[]).await;
    said.expect(3, &["its address is not known", "--gitlab-url"]);
}

async fn cannot_run() {
    let nothing = [("HOME", "/nonexistent"), ("AWS_EC2_METADATA_DISABLED", "true")];
    mayfly(&["doctor"], &nothing).await.expect(1, &["no AWS region is set"]);
    mayfly(&["doctor", "--data-dir", "x", "--stack", "y"], &nothing)
        .await
        .expect(2, &["cannot be used with"]);
    let help = mayfly(&["doctor", "--help"], &[]).await;
    help.expect(
        0,
        &["  3  at least one failure", "--test-delivery", "--infrastructure-stack", "prints no secret"],
    );
    let scene = Scene::new().await;
    let arguments = ["doctor", "--gitlab-url", "https://gitlab.example.org"];
    scene
        .mayfly_with(&arguments, &[])
        .await
        .expect(3, &["the installation's token is not for", "webhook secret"]);
}
