//! What every backend must do.
#![expect(clippy::expect_used, clippy::panic, reason = "a contract suite is a test")]

use mayfly_core::assignment::{Assignment, RegistrationEnd};
use mayfly_core::ids::{JobKey, ProjectId};
use mayfly_core::launch::{ClientToken, LaunchRequest, LaunchStep, RefProtection};
use mayfly_core::mapping::{RunnerSettings, Target};
use mayfly_core::ports::{Backend, LaunchOrder, LaunchOutcome};
use mayfly_core::runner_name::RunnerName;
use mayfly_core::tags::TagSet;
use url::Url;

use super::samples::NOW;

/// Asserts what [`Backend`] promises, for a backend with room for two runners whose GitLab has the given address. The runners
/// find nothing to do there.
///
/// # Panics
///
/// Where the backend does something else.
pub async fn backend(backend: &dyn Backend, target: &Target, gitlab_url: &Url) {
    assert_eq!(backend.target_type(), target.target_type());
    assert_eq!(backend.room().await.expect("room has an answer"), 2);
    let orders = [1, 2, 3].map(|job| order(job, target, gitlab_url));

    let is_told = backend.live().await.expect("live has an answer").map(|live| live.len());
    assert_eq!(is_told.unwrap_or(0), 0, "nothing was started yet");

    let token = &orders[0].token;
    assert_eq!(backend.find(token).await.expect("find has an answer"), None, "nothing was started yet");
    let first = started(backend, &orders[0]).await;
    assert_eq!(backend.room().await.expect("room has an answer"), 1);
    let again = started(backend, &orders[0]).await;
    assert_eq!(again, first, "a repeated launch is the same runner");
    assert_eq!(backend.room().await.expect("room has an answer"), 1, "a repeated launch takes no more room");

    let second = started(backend, &orders[1]).await;
    assert_ne!(second, first, "another token is another runner");
    assert_eq!(backend.room().await.expect("room has an answer"), 0);
    let refused = backend.launch(&orders[2]).await;
    assert!(matches!(refused, LaunchOutcome::Refused { .. }), "no room is a definite refusal: {refused:?}");
    assert_eq!(
        backend.find(&orders[2].token).await.expect("find has an answer"),
        None,
        "a refusal starts nothing"
    );

    if is_told.is_some() {
        let live = backend.live().await.expect("live has an answer").expect("it told before");
        assert_eq!(live.len(), 2, "a refusal lives nowhere");
        assert!(live.contains(&first) && live.contains(&second), "{live:?}");
    }

    for runner in [&first, &second] {
        backend.stop(runner, "the contract ends").await.expect("a runner that lives can be stopped");
        backend.stop(runner, "the contract ends").await.expect("a runner that was stopped can be stopped");
    }
    let nobody = RunnerName { target: target.target_type(), resource: orders[2].token.to_resource() };
    backend.stop(&nobody, "it never was").await.expect("a runner that is not there can be stopped");
}

async fn started(backend: &dyn Backend, order: &LaunchOrder) -> RunnerName {
    match backend.launch(order).await {
        LaunchOutcome::Started { resource } => RunnerName { target: backend.target_type(), resource },
        other => panic!("not started: {other:?}"),
    }
}

fn order(job: u64, target: &Target, gitlab_url: &Url) -> LaunchOrder {
    let key: JobKey = format!("contract.example.com/1/{job}").parse().expect("a job key");
    let token = ClientToken::new(&key, 0, 0);
    let settings = RunnerSettings::default();
    let request = LaunchRequest {
        target: target.clone(),
        settings: settings.clone(),
        mapping: "default".to_owned(),
        tags: TagSet::default(),
        project: ProjectId(1),
        protection: RefProtection::Unknown,
        machine: None,
        steps: LaunchStep::plan_for(target),
    };
    let assignment = Assignment {
        runner: RunnerName { target: target.target_type(), resource: token.to_resource() },
        gitlab_url: gitlab_url.clone(),
        ca_file: None,
        token: "glrt-of-the-contract".into(),
        at_end: RegistrationEnd::DeleteManager,
        settings,
        deadline: NOW + jiff::SignedDuration::from_hours(100 * 365 * 24),
        job_credentials: None,
    };
    LaunchOrder { token, request: request.into(), assignment }
}
