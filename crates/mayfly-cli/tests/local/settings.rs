//! What a person does wrong when starting it, and what the command says then.

use libtest_mimic::Trial;

use crate::command::{run, trial};
use crate::mayfly::{Mayfly, Scene};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("missing_and_wrong_settings_are_named_with_what_to_do", wrong_settings()),
        trial("flags_come_before_variables_and_variables_before_the_file", precedence()),
        trial("the_mappings_of_the_settings_file_are_a_change_like_any_other", mappings_of_the_file()),
        trial("the_help_explains_each_flag_and_secret", help()),
    ]
}

async fn check_refused(scene: Scene, named: &[&str]) {
    let mut mayfly = Mayfly::spawn(&scene.settings);
    assert!(!mayfly.exit().await.success(), "{named:?}");
    for part in named {
        mayfly.log_line(part).await;
    }
}

async fn wrong_settings() {
    let scene = || Scene::new();
    check_refused(scene().await.without("MAYFLY_GITLAB_URL"), &["--gitlab-url", "MAYFLY_GITLAB_URL"]).await;
    check_refused(scene().await.with("MAYFLY_GITLAB_URL", "ftp://gitlab"), &["must begin with http"]).await;
    check_refused(scene().await.without("MAYFLY_API_TOKEN"), &["MAYFLY_API_TOKEN_FILE"]).await;
    check_refused(
        scene().await.without("MAYFLY_WEBHOOK_TOKEN"),
        &["MAYFLY_WEBHOOK_TOKEN", "MAYFLY_SIGNING_TOKEN"],
    )
    .await;
    check_refused(scene().await.with("MAYFLY_WEBHOOK_TOKEN", ""), &["`webhook-token` is empty"]).await;
    check_refused(scene().await.with("MAYFLY_SIGNING_TOKEN", "whsec_short"), &["signing token"]).await;
    check_refused(scene().await.with("MAYFLY_API_TOKEN_FILE", "/nowhere"), &["`api-token` is given twice"])
        .await;
    check_refused(scene().await.with("MAYFLY_MAX_RUNNERS", "0"), &["`max-runners` must be at least 1"]).await;
    check_refused(
        scene().await.without("MAYFLY_RUNNER"),
        &["cannot find the program `gitlab-runner`", "--runner"],
    )
    .await;
    check_refused(
        scene().await.with("MAYFLY_CONFIG", "/nowhere.toml"),
        &["cannot read the settings file /nowhere.toml"],
    )
    .await;
    check_refused(scene().await.with_file("listn = \"x\""), &["unknown field `listn`"]).await;
    check_refused(scene().await.with_file("[secrets]\napi-tokn = \"x\""), &["there is no secret `api-tokn`"])
        .await;
    check_refused(scene().await.with_file("\n[secrets]\napi-token = \"hush"), &["line 3"]).await;
    check_refused(
        scene().await.with_file("[reconcile]\nevery = 1"),
        &["[reconcile]", "unknown field `every`"],
    )
    .await;
    check_refused(scene().await.with_file("[[mappings]]\njob = \"x\"\ntype = \"EC3\""), &["[[mappings]]"])
        .await;
    check_refused(scene().await.with_file("[[mappings]]\njob = \"x\"\ntype = \"EC2\""), &["has only LOCAL"])
        .await;
}

async fn precedence() {
    let scene =
        Scene::new().await.with_file("max-runners = 2\ndrain-timeout = 3\n").with("MAYFLY_MAX_RUNNERS", "5");
    let mayfly = scene.start_without_hook().await;
    assert_eq!(mayfly.health().await["runners"]["max"], 5);
    mayfly.stop().await;
    let mayfly = scene.without("MAYFLY_MAX_RUNNERS").start_without_hook().await;
    assert_eq!(mayfly.health().await["runners"]["max"], 2);
    mayfly.stop().await;
}

async fn mappings_of_the_file() {
    let scene = Scene::new().await.with_file(
        "[[mappings]]\njob = \"build\"\ntype = \"LOCAL\"\n[[mappings]]\njob = \"test\"\ntype = \"LOCAL\"\n",
    );
    let folder = scene.data_dir().display().to_string();
    let edit = async |arguments: &[&str]| {
        let output = run(&[arguments, &["--data-dir", &folder]].concat(), &[], "").await;
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let restarted = async || scene.start_without_hook().await.stop().await;
    let changes = async || edit(&["mappings", "history"]).await.matches("the settings file").count();
    restarted().await;
    assert_eq!(changes().await, 1);
    edit(&["pause", "build", "--reason", "the image is broken", "--yes"]).await;
    restarted().await;
    assert_eq!(changes().await, 1, "nothing was to be changed");
    edit(&["mappings", "put", "--job", "test", "--set", "owner=qa", "--yes"]).await;
    edit(&["mappings", "rm", "--job", "build", "--yes"]).await;
    restarted().await;
    assert_eq!(changes().await, 2, "what was edited is changed back, and that is told");
    let exported = edit(&["mappings", "export"]).await;
    assert!(!exported.contains("owner") && exported.contains("build"), "{exported}");
}

async fn help() {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_mayfly"))
        .args(["local", "--help"])
        .output()
        .await
        .unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for word in [
        "--listen",
        "127.0.0.1:8080",
        "--data-dir",
        "--drain-timeout",
        "--max-runners",
        "MAYFLY_SIGNING_TOKEN_PREVIOUS",
    ] {
        assert!(text.contains(word), "{word} is not in:\n{text}");
    }
    assert!(!text.contains("--api-token"), "secrets are never flags");
}
