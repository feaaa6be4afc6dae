//! The client's calls against the stand-in GitLab: what one sends, the other understands.
#![expect(clippy::unwrap_used, reason = "its helpers are tests too")]

use std::time::Duration;

use mayfly_core::error::PortError;
use mayfly_core::ids::{JobId, ProjectId};
use mayfly_core::ports::NewRunner;
use mayfly_core::status::JobStatus;
use mayfly_core::tags::TagSet;
use mayfly_gitlab::client::{GitlabClient, GitlabClientConfig, NewHook};
use mayfly_standins::gitlab::{JobSpec, StandinGitlab};
use secrecy::SecretString;

async fn gitlab() -> (StandinGitlab, ProjectId, GitlabClient) {
    let gitlab = StandinGitlab::start().await.unwrap();
    let project = gitlab.create_project("group/app");
    let client = client(&gitlab, Some(gitlab.api_token().into()));
    (gitlab, project, client)
}

fn client(gitlab: &StandinGitlab, api_token: Option<SecretString>) -> GitlabClient {
    let timeout = Duration::from_secs(10);
    GitlabClient::new(GitlabClientConfig { url: gitlab.url().clone(), api_token, ca_pem: None, timeout })
        .unwrap()
}

fn new_runner(project: ProjectId) -> NewRunner {
    NewRunner {
        name: "mayfly-local-0a1b".parse().unwrap(),
        project,
        tags: ["linux", "own tag"].into_iter().collect(),
        maximum_timeout: Duration::from_mins(15),
    }
}

#[tokio::test]
async fn a_job_is_looked_up_with_its_tags() {
    let (gitlab, project, client) = gitlab().await;
    let jobs = gitlab.run_pipeline(project, vec![JobSpec::new("build").tags(["linux", "a#b"])]).unwrap();
    let view = client.job(project, jobs[0]).await.unwrap().unwrap();
    assert_eq!((view.status, view.status_word.as_str()), (Some(JobStatus::Pending), "pending"));
    assert_eq!(view.tags, ["linux", "a#b"].into_iter().collect::<TagSet>());
    assert_eq!(client.job(project, JobId(404_404)).await.unwrap(), None);
}

#[tokio::test]
async fn all_pages_of_pending_jobs_are_read() {
    let (gitlab, project, client) = gitlab().await;
    let specs = (0..230).map(|number| JobSpec::new(format!("job {number}"))).collect();
    let mut jobs = gitlab.run_pipeline(project, specs).unwrap();
    gitlab.cancel(jobs.remove(7)).unwrap();
    let mut pending: Vec<JobId> =
        client.pending_jobs(project).await.unwrap().into_iter().map(|job| job.id).collect();
    pending.sort();
    jobs.sort();
    assert_eq!(pending, jobs);
}

#[tokio::test]
async fn a_runner_is_created_verified_and_deleted_by_its_id() {
    let (gitlab, project, client) = gitlab().await;
    let created = client.create_runner(&new_runner(project)).await.unwrap();
    let runner = gitlab.runners().remove(0);
    assert_eq!(runner.description.as_deref(), Some("mayfly-local-0a1b"));
    assert_eq!((runner.locked, runner.run_untagged, runner.maximum_timeout), (true, false, Some(900)));
    assert!(client.verify(&created.token, "r_0123456789ab").await.unwrap());
    assert_eq!(gitlab.runners()[0].managers.len(), 1);
    client.delete_manager(&created.token, "r_0123456789ab").await.unwrap();
    assert_eq!(gitlab.runners()[0].managers.len(), 0);
    client.delete_manager(&created.token, "r_0123456789ab").await.unwrap();

    client.delete_runner(created.id).await.unwrap();
    client.delete_runner(created.id).await.unwrap();
    assert_eq!(gitlab.runners().len(), 0);
    assert!(!client.verify(&created.token, "r_0123456789ab").await.unwrap());
}

#[tokio::test]
async fn a_runner_deletes_itself_with_its_own_token_alone() {
    let (gitlab, project, with_api_token) = gitlab().await;
    let created = with_api_token.create_runner(&new_runner(project)).await.unwrap();
    let runner = client(&gitlab, None);
    runner.delete_by_token(&created.token).await.unwrap();
    runner.delete_by_token(&created.token).await.unwrap();
    assert_eq!(gitlab.runners().len(), 0);
}

#[tokio::test]
async fn a_registration_token_works_where_it_is_allowed() {
    let (gitlab, project, client) = gitlab().await;
    let token: SecretString = gitlab.registration_token().into();
    gitlab.set_registration_tokens_allowed(false);
    let refused = client.register_runner(&token, &new_runner(project)).await.unwrap_err();
    assert!(!refused.is_transient(), "{refused:?}");
    gitlab.set_registration_tokens_allowed(true);
    let registered = client.register_runner(&token, &new_runner(project)).await.unwrap();
    assert_eq!(gitlab.runners()[0].id, registered.id);
}

#[tokio::test]
async fn hooks_are_created_for_job_events_and_listed() {
    let (_gitlab, project, client) = gitlab().await;
    let url = "https://mayfly.example.com/webhook".parse().unwrap();
    let hook = NewHook { url, token: Some("secret".into()), signing_token: None };
    let created = client.create_hook(project, &hook).await.unwrap();
    let hooks = client.list_hooks(project).await.unwrap();
    assert_eq!((hooks[0].id, hooks[0].job_events), (created.id, true));
    assert_eq!(hooks[0].url, "https://mayfly.example.com/webhook");
}

#[tokio::test]
async fn what_gitlab_refuses_is_said_without_the_token() {
    let (gitlab, project, _) = gitlab().await;
    let weak = gitlab.create_token(&["read_api"]);
    let check = |result: Result<(), PortError>, is_transient: bool| {
        let error = result.unwrap_err();
        assert_eq!(error.is_transient(), is_transient, "{error:?}");
        assert!(!format!("{error:?}").contains(&weak), "{error:?}");
    };
    let with_token = |token: &str| client(&gitlab, Some(token.into()));
    check(with_token(&weak).create_runner(&new_runner(project)).await.map(drop), false);
    check(with_token("wrong").job(project, JobId(1)).await.map(drop), false);
    gitlab.set_down(true);
    check(with_token(&weak).job(project, JobId(1)).await.map(drop), true);
}
