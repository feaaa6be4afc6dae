//! The client's calls against the stand-in GitLab: what one sends, the other understands.
#![expect(clippy::unwrap_used, reason = "its helpers are tests too")]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mayfly_core::error::{Chain, PortError};
use mayfly_core::ids::{JobId, JobName, ProjectId};
use mayfly_core::ports::{Gitlab, NewRunner, RegisteredRunner};
use mayfly_core::status::JobStatus;
use mayfly_core::tags::TagSet;
use mayfly_gitlab::client::{
    GitlabClient, GitlabClientConfig, HookChange, HookPlace, NewHook, TestDelivery, http_client, refused_with,
};
use mayfly_standins::contracts::{self, GitlabUnderTest};
use mayfly_standins::gitlab::{JobSpec, StandinGitlab};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

/// The client with the stand-in behind it, and runners that speak the runner protocol.
struct World {
    gitlab: StandinGitlab,
    client: GitlabClient,
    http: reqwest::Client,
    /// By job, the token of the job that its runner was given.
    tokens: Mutex<BTreeMap<JobId, String>>,
    projects: AtomicU64,
}

impl World {
    async fn start() -> Self {
        let gitlab = StandinGitlab::start().await.unwrap();
        gitlab.set_long_poll(Duration::ZERO);
        let client = client(&gitlab, Some(gitlab.api_token().into()));
        let http = http_client(None, Duration::from_secs(10)).unwrap();
        Self { gitlab, client, http, tokens: Mutex::default(), projects: AtomicU64::default() }
    }

    async fn tell(&self, job: JobId, state: &str) {
        let token = self.tokens.lock().unwrap()[&job].clone();
        let url = self.gitlab.url().join(&format!("api/v4/jobs/{job}")).unwrap();
        let told = self.http.put(url).json(&json!({"token": token, "state": state})).send().await.unwrap();
        assert_eq!(told.status(), 200, "job {job} is {state}");
    }
}

#[async_trait]
impl GitlabUnderTest for World {
    fn gitlab(&self) -> &dyn Gitlab {
        &self.client
    }

    async fn project(&self, jobs: &[(JobName, TagSet)]) -> (ProjectId, Vec<JobId>) {
        let number = self.projects.fetch_add(1, Ordering::Relaxed);
        let project = self.gitlab.create_project(&format!("group/app{number}"));
        let spec = |(name, tags): &(JobName, TagSet)| JobSpec::new(name.as_str()).tags(tags.iter());
        let jobs = self.gitlab.run_pipeline(project, jobs.iter().map(spec).collect()).unwrap();
        (project, jobs)
    }

    async fn runner_of_others(&self, project: ProjectId, tags: &TagSet) -> RegisteredRunner {
        let (id, token) = self.gitlab.create_shared_runner(project, tags.iter());
        RegisteredRunner { id, token: token.into() }
    }

    async fn take_job(&self, runner: &RegisteredRunner) -> Option<JobId> {
        let features = json!({"two_phase_job_commit": true, "cancel_gracefully": true});
        let body = json!({"token": runner.token.expose_secret(), "info": {"features": features}});
        let url = self.gitlab.url().join("api/v4/jobs/request").unwrap();
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        if answer.status() != 201 {
            assert!([204, 403].contains(&answer.status().as_u16()), "{}", answer.status());
            return None;
        }
        let job: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        let id = JobId(job["id"].as_u64().unwrap());
        self.tokens.lock().unwrap().insert(id, job["token"].as_str().unwrap().to_owned());
        self.tell(id, "running").await;
        Some(id)
    }

    async fn succeed(&self, job: JobId) {
        self.tell(job, "success").await;
    }
}

#[tokio::test]
async fn the_client_does_what_every_gitlab_must_do() {
    contracts::gitlab(&World::start().await).await;
}

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
        installation: "test".parse().unwrap(),
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

fn new_hook(token: &str) -> NewHook {
    let url = "http://127.0.0.1:1/webhook".parse().unwrap();
    NewHook { url, token: Some(token.into()), signing_token: None }
}

#[tokio::test]
async fn a_hook_is_changed_and_removed_and_removing_it_again_is_no_error() {
    let (gitlab, project, client) = gitlab().await;
    let id = gitlab.add_hook(project, "http://127.0.0.1:1/webhook", None, None).unwrap();
    gitlab.change_hook(id, false, false);
    let before = client.list_hooks(project).await.unwrap().remove(0);
    assert!(!before.job_events && !before.enable_ssl_verification);
    assert_eq!(before.token_present, Some(false));
    let change = HookChange { url: before.url, token: Some("new secret".into()), signing_token: None };
    let after = client.update_hook(project, before.id, &change).await.unwrap();
    assert!(after.job_events && after.enable_ssl_verification && !after.push_events);
    assert_eq!(after.token_present, Some(true));
    let without_token = HookChange { token: None, ..change };
    let kept = client.update_hook(project, before.id, &without_token).await.unwrap();
    assert_eq!(kept, after, "a token that is not told stays");
    for _ in 0..2 {
        client.delete_hook(project, before.id).await.unwrap();
    }
    assert!(client.list_hooks(project).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_group_has_hooks_with_a_subscription_alone() {
    let (gitlab, _, client) = gitlab().await;
    let group = HookPlace::Group("group".to_owned());
    let refused = client.list_hooks(group.clone()).await.unwrap_err();
    assert_eq!(refused_with(&refused), Some(403));
    gitlab.set_premium(true);
    let created = client.create_hook(group.clone(), &new_hook("secret")).await.unwrap();
    assert_eq!(client.list_hooks(group).await.unwrap(), [created]);
}

#[tokio::test]
async fn a_groups_projects_are_those_of_its_subgroups_too_but_none_that_is_archived() {
    let (gitlab, _, client) = gitlab().await;
    for number in 0..120 {
        gitlab.create_project(&format!("group/sub/app{number}"));
    }
    gitlab.archive_project(gitlab.create_project("group/old"));
    gitlab.create_project("group-of-others/app");
    let projects = client.group_projects("group").await.unwrap().unwrap();
    assert_eq!(projects.len(), 121, "two pages");
    assert!(projects.iter().all(|project| project.path_with_namespace.starts_with("group/")));
    assert_eq!(client.group_projects("group/sub").await.unwrap().unwrap().len(), 120);
    assert_eq!(client.group_projects("nobody").await.unwrap(), None);
    let found = client.find_project("group/sub/app7").await.unwrap().unwrap();
    assert_eq!(found.path_with_namespace, "group/sub/app7");
    assert_eq!(client.find_project("group/sub/none").await.unwrap(), None);
}

#[tokio::test]
async fn a_test_delivery_tells_what_the_receiver_answered_and_is_among_the_deliveries() {
    let (gitlab, project, client) = gitlab().await;
    let hook = client.create_hook(project, &new_hook("secret")).await.unwrap();
    assert_eq!(client.test_hook(project, hook.id).await.unwrap(), TestDelivery::NothingToSend);
    gitlab.run_pipeline(project, vec![JobSpec::new("build")]).unwrap();
    let outcome = client.test_hook(project, hook.id).await.unwrap();
    assert!(matches!(outcome, TestDelivery::Refused(_)), "nobody listens there");
    let deliveries = client.hook_deliveries(project, hook.id).await.unwrap().unwrap();
    assert_eq!((deliveries[0].trigger.as_str(), deliveries[0].status), ("job_hooks", None));
    gitlab.set_old(true);
    assert_eq!(client.test_hook(project, hook.id).await.unwrap(), TestDelivery::NotOffered);
    assert_eq!(client.hook_deliveries(project, hook.id).await.unwrap(), None);
}

#[tokio::test]
async fn gitlab_tells_its_version_its_time_and_what_the_token_may_do() {
    let (gitlab, _, with_token) = gitlab().await;
    let about = with_token.about().await.unwrap();
    assert_eq!(about.version.as_deref(), Some("19.3.0-ee"));
    assert!(about.answered_at.is_some());
    let end = "2126-01-31".parse().unwrap();
    let token = gitlab.create_token_until(&["create_runner"], end);
    let info = client(&gitlab, Some(token.into())).own_token().await.unwrap();
    assert_eq!((info.scopes, info.active), (vec!["create_runner".to_owned()], true));
    assert_eq!(info.expires_at.as_deref(), Some("2126-01-31"));
    let over = gitlab.create_token_until(&["api"], "2020-01-31".parse().unwrap());
    let over = client(&gitlab, Some(over.into()));
    assert_eq!(refused_with(&over.own_token().await.unwrap_err()), Some(401));
    for unknown in [over, client(&gitlab, None)] {
        assert_eq!(unknown.about().await.unwrap().version, None, "it answered all the same");
    }
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
    check(with_token("wrong").live_jobs(project).await.map(drop), false);
    check(with_token("wrong").our_runners().await.map(drop), false);
    gitlab.set_down(true);
    check(with_token(&weak).job(project, JobId(1)).await.map(drop), true);
}

#[tokio::test]
async fn each_change_asks_for_the_scope_it_needs_and_a_narrower_token_changes_nothing() {
    let (gitlab, project, _) = gitlab().await;
    let job = gitlab.run_pipeline(project, vec![JobSpec::new("build")]).unwrap()[0];
    let over = gitlab.run_pipeline(project, vec![JobSpec::new("over")]).unwrap()[0];
    gitlab.cancel(over).unwrap();
    let (runner, _) = gitlab.create_shared_runner(project, ["linux"]);
    let before = (gitlab.jobs(), gitlab.runners());
    let weak = client(&gitlab, Some(gitlab.create_token(&["read_api"]).into()));
    let check = |result: Result<(), PortError>, scope: &str| {
        let error = result.unwrap_err();
        let said = Chain(&error).to_string();
        assert!(said.contains(&format!("the call needs the scope {scope} and the role for it")), "{said}");
        assert!(!error.is_transient());
    };
    check(weak.pause_runner(runner).await, "manage_runner");
    check(weak.delete_runner(runner).await, "manage_runner");
    check(weak.cancel_job(project, job).await, "api");
    check(weak.retry_job(project, over).await.map(drop), "api");
    weak.cancel_job(project, over).await.unwrap();
    assert_eq!((gitlab.jobs(), gitlab.runners()), before);
    assert_eq!(weak.live_jobs(project).await.unwrap().unwrap().len(), 1);
    assert!(weak.our_runners().await.unwrap().is_empty());
}
