//! `mayfly hooks`.

use std::time::Duration;

use libtest_mimic::Trial;
use mayfly_core::ids::ProjectId;
use mayfly_standins::gitlab::{Delivery, JobSpec, StandinGitlab};
use serde_json::{Value, json};

use crate::command::trial;
use crate::installation::SECRET;
use crate::scene::{Scene, mayfly};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("hooks_are_installed_once_with_the_secret_of_the_installation", install_twice()),
        trial("hooks_are_put_right_and_duplicates_named_or_removed", put_right()),
        trial("hooks_of_a_group_are_those_of_its_projects_without_a_subscription", group()),
        trial("hooks_of_a_group_itself_need_a_subscription", group_hook()),
        trial("hooks_that_fail_in_one_project_are_installed_in_the_others", one_fails()),
        trial("hooks_that_are_disabled_are_enabled_by_a_test_delivery", disabled()),
        trial("hooks_are_removed_only_if_somebody_says_so", remove()),
        trial("hooks_need_neither_account_nor_stack_if_all_is_given", without_aws()),
        trial("hooks_say_what_is_missing", missing()),
        trial("hooks_tell_their_exit_codes_and_take_no_secret_as_a_flag", help()),
    ]
}

async fn results(scene: &Scene, arguments: &[&str]) -> Vec<(String, String)> {
    let said = scene.mayfly(&[arguments, &["--output", "json"]].concat()).await.expect(0, &[]);
    results_of(&said.json())
}

fn results_of(report: &Value) -> Vec<(String, String)> {
    let word = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
    let lines = report["hooks"].as_array().unwrap().iter();
    lines.map(|line| (word(line, "place"), word(line, "result"))).collect()
}

fn expected(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(place, result)| ((*place).to_owned(), (*result).to_owned())).collect()
}

fn changes(gitlab: &StandinGitlab) -> usize {
    gitlab.requests().iter().filter(|request| request.method != "GET").count()
}

/// The secret that the project's webhook shows with the events of a job.
async fn shown_secret(scene: &Scene, project: ProjectId) -> Option<String> {
    let before = scene.aws.webhook_secrets().len();
    scene.gitlab.run_pipeline(project, vec![JobSpec::new("build")]).unwrap();
    let all_are_answered = |deliveries: &[Delivery]| {
        deliveries.len() >= before + 2 && deliveries.iter().all(|delivery| delivery.answer.is_some())
    };
    scene.gitlab.wait_for_deliveries(all_are_answered, Duration::from_secs(30)).await.unwrap();
    scene.aws.webhook_secrets().last().cloned().flatten()
}

async fn install_twice() {
    let scene = Scene::new().await;
    let project = scene.gitlab.create_project("group/app");
    let install = ["hooks", "install", "--project", "group/app"];
    let planned = results(&scene, &[&install[..], &["--dry-run"]].concat()).await;
    assert_eq!(planned, expected(&[("group/app", "to create")]));
    assert_eq!(changes(&scene.gitlab), 0, "a dry run changes nothing");

    scene.mayfly(&install).await.expect(0, &["group/app", "created"]);
    assert_eq!(shown_secret(&scene, project).await.as_deref(), Some(SECRET));
    let before = changes(&scene.gitlab);
    assert_eq!(results(&scene, &install).await, expected(&[("group/app", "unchanged")]));
    assert_eq!(changes(&scene.gitlab), before, "a second time changes nothing");

    scene.aws.put_parameter("/mayfly-secrets/WebhookSecret", "another-secret-of-it");
    let rotated = results(&scene, &[&install[..], &["--rotate"]].concat()).await;
    assert_eq!(rotated, expected(&[("group/app", "updated")]));
    assert_eq!(shown_secret(&scene, project).await.as_deref(), Some("another-secret-of-it"));
    scene.mayfly(&["hooks", "list", "--project", "group/app"]).await.expect(0, &["executable", "yes"]);
}

async fn put_right() {
    let scene = Scene::new().await;
    let project = scene.gitlab.create_project("group/app");
    let hook = scene.gitlab.add_hook(project, &scene.webhook(), Some("old"), None).unwrap();
    scene.gitlab.change_hook(hook, false, false);
    scene.gitlab.add_hook(project, "https://other.example.com/hook", None, None).unwrap();
    let install = ["hooks", "install", "--project", "group/app"];
    let said = scene.mayfly(&[&install[..], &["-o", "json"]].concat()).await.expect(0, &[]).json();
    assert_eq!(said["hooks"][0]["changes"], json!(["job-events", "ssl-verification"]));

    scene.gitlab.add_hook(project, &scene.webhook(), Some("old"), None).unwrap();
    scene.mayfly(&install).await.expect(0, &["unchanged", "duplicate", "--remove-duplicates keeps one"]);
    let removed = results(&scene, &[&install[..], &["--remove-duplicates"]].concat()).await;
    assert_eq!(removed, expected(&[("group/app", "unchanged"), ("group/app", "removed")]));
    assert_eq!(results(&scene, &install).await, expected(&[("group/app", "unchanged")]));
}

async fn group() {
    let scene = Scene::new().await;
    for path in ["group/one", "group/sub/two", "group/sub/deep/three", "other/four"] {
        scene.gitlab.create_project(path);
    }
    scene.gitlab.archive_project(scene.gitlab.create_project("group/old"));
    let installed =
        results(&scene, &["hooks", "install", "--group", "group", "--project", "group/one"]).await;
    let paths = ["group/one", "group/sub/two", "group/sub/deep/three"];
    assert_eq!(installed, expected(&paths.map(|path| (path, "created"))));
    let listed =
        scene.mayfly(&["hooks", "list", "--group", "group", "-o", "json"]).await.expect(0, &[]).json();
    assert_eq!(listed["hooks"].as_array().unwrap().len(), 3);
}

async fn group_hook() {
    let scene = Scene::new().await;
    scene.gitlab.create_project("group/one");
    let install = ["hooks", "install", "--group", "group", "--group-hook"];
    scene.mayfly(&install).await.expect(1, &["needs GitLab Premium or Ultimate", "leave --group-hook out"]);
    scene.gitlab.set_premium(true);
    assert_eq!(results(&scene, &install).await, expected(&[("group", "created")]));
    assert_eq!(results(&scene, &install).await, expected(&[("group", "unchanged")]));
    let none = results(&scene, &["hooks", "install", "--project", "group/one", "--dry-run"]).await;
    assert_eq!(none, expected(&[("group/one", "to create")]));
}

async fn one_fails() {
    let scene = Scene::new().await;
    scene.gitlab.create_project("group/app");
    let arguments = ["hooks", "install", "--project", "group/none", "--project", "group/app"];
    let said = scene.mayfly(&arguments).await;
    said.expect(1, &["there is no project group/none", "group/app", "created", "1 of 2 failed"]);
    let weak = scene.gitlab.create_token(&["read_api"]);
    scene.gitlab.create_project("group/second");
    let arguments = ["hooks", "install", "--group", "group"];
    let said = scene.mayfly_with(&arguments, &[("MAYFLY_API_TOKEN", &weak)]).await;
    said.expect(1, &["unchanged", "the call needs the scope api", "MAYFLY_API_TOKEN", "1 of 2 failed"]);
}

async fn disabled() {
    let scene = Scene::new().await;
    let project = scene.gitlab.create_project("group/app");
    let hook = scene.gitlab.add_hook(project, &scene.webhook(), Some(SECRET), None).unwrap();
    scene.gitlab.disable_hook(hook, true);
    let install = ["hooks", "install", "--project", "group/app"];
    let said = scene.mayfly(&install).await.expect(1, &["no job has run there yet; run a pipeline"]);
    assert!(!said.text.contains("--rotate"), "{}", said.text);
    scene.gitlab.run_pipeline(project, vec![JobSpec::new("build")]).unwrap();
    scene.mayfly(&["hooks", "list", "--project", "group/app"]).await.expect(0, &["disabled"]);
    scene.aws.set_webhook_answer(401);
    scene.mayfly(&install).await.expect(1, &["has disabled webhook", "say --rotate"]);
    scene.aws.set_webhook_answer(200);
    assert_eq!(results(&scene, &install).await, expected(&[("group/app", "enabled")]));
    assert_eq!(results(&scene, &install).await, expected(&[("group/app", "unchanged")]));
}

async fn remove() {
    let scene = Scene::new().await;
    let project = scene.gitlab.create_project("group/app");
    for url in [&scene.webhook(), &scene.webhook(), "https://other.example.com/hook"] {
        scene.gitlab.add_hook(project, url, None, None).unwrap();
    }
    let remove = ["hooks", "remove", "--project", "group/app"];
    scene.mayfly(&remove).await.expect(1, &["2 webhooks would be removed", "--yes", "--dry-run"]);
    let planned = results(&scene, &[&remove[..], &["--dry-run"]].concat()).await;
    assert_eq!(planned, expected(&[("group/app", "to remove"), ("group/app", "to remove")]));
    assert_eq!(changes(&scene.gitlab), 0);
    let removed = results(&scene, &[&remove[..], &["--yes"]].concat()).await;
    assert_eq!(removed, expected(&[("group/app", "removed"), ("group/app", "removed")]));
    scene.mayfly(&remove).await.expect(0, &["No webhook sends to"]);
}

async fn without_aws() {
    let gitlab = StandinGitlab::start().await.unwrap();
    gitlab.create_project("group/app");
    let url = "https://mayfly.example.com/webhook";
    let arguments = ["hooks", "install", "--project", "group/app", "--url", url];
    let variables = [
        ("MAYFLY_GITLAB_URL", gitlab.url().as_str()),
        ("MAYFLY_API_TOKEN", gitlab.api_token()),
        ("MAYFLY_WEBHOOK_SECRET", SECRET),
    ];
    let said = mayfly(&arguments, &variables).await.expect(0, &["created"]);
    assert!(!said.text.contains(SECRET));
    let unset = mayfly(&arguments, &variables[..2]).await;
    unset.expect(0, &["unchanged"]);
    gitlab.create_project("group/second");
    let unset = mayfly(&["hooks", "install", "--group", "group", "--url", url], &variables[..2]).await;
    unset.expect(1, &["no secret for the webhook is known", "MAYFLY_WEBHOOK_SECRET", "--secret-file"]);
    let strange = [&variables[..2], &[("MAYFLY_SIGNING_TOKEN", "strange")]].concat();
    let strange = mayfly(&["hooks", "install", "--group", "group", "--url", url], &strange).await;
    strange.expect(1, &["does not begin with whsec_"]);
}

async fn missing() {
    let scene = Scene::new().await;
    scene.gitlab.create_project("group/app");
    for (arguments, code, said) in [
        (&["hooks", "install"][..], 2, "--project"),
        (&["hooks", "install", "--project", "group/app", "--group-hook"], 2, "--group"),
        (&["hooks", "install", "--group", "nobody"], 1, "there is no group nobody"),
        (
            &["hooks", "list", "--group", "group", "--infrastructure-stack", "mine"],
            1,
            "there is no stack mine",
        ),
    ] {
        scene.mayfly(arguments).await.expect(code, &[said]);
    }
    let arguments = ["hooks", "list", "--project", "group/app", "--gitlab-url", "https://gitlab.example.org"];
    scene
        .mayfly_with(&arguments, &[])
        .await
        .expect(1, &["the installation's token is not for gitlab.example.org"]);
    scene.aws.delete_parameter("/mayfly/ApiToken");
    let said = scene.mayfly_with(&["hooks", "list", "--project", "group/app"], &[]).await;
    said.expect(1, &["no token for GitLab is known", "MAYFLY_API_TOKEN"]);
}

async fn help() {
    for (action, named) in [
        ("install", "GitLab never tells which secret it has"),
        ("list", "--infrastructure-stack"),
        ("remove", "--yes"),
    ] {
        let said = mayfly(&["hooks", action, "--help"], &[]).await;
        let said = said.expect(0, &["Exit codes:", "maybe only for some of the projects", named]);
        for flag in ["--secret ", "--token ", "--signing-token "] {
            assert!(!said.text.contains(flag), "{flag}");
        }
    }
}
