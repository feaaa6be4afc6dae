//! The client against a scripted server: what it sends, and what it makes of the answers.

use mayfly_core::error::{Chain, Retry};
use mayfly_core::event::EventRunner;
use mayfly_core::ids::{JobId, PipelineId, ProjectId, RunnerId};
use mayfly_core::ports::{GitRef, Gitlab, LiveJob, NewRunner, OurRunner, RunnerJob};
use mayfly_core::status::JobStatus;
use mayfly_core::tags::TagSet;
use serde_json::{Value, json};

use super::scripted_server::{Reply, ScriptedServer};
use super::*;

mod job_actions;
mod lists;

const API_TOKEN: &str = "glpat-the-api-token";
const RUNNER_TOKEN: &str = "glrt-the-runner-token";
const REGISTRATION_TOKEN: &str = "the registration token";
const PROJECT: ProjectId = ProjectId(380);

fn config(url: &str) -> GitlabClientConfig {
    GitlabClientConfig {
        url: url.parse().unwrap(),
        api_token: Some(API_TOKEN.into()),
        ca_pem: None,
        timeout: Duration::from_secs(5),
    }
}

async fn scripted(replies: impl IntoIterator<Item = Reply>) -> (ScriptedServer, GitlabClient) {
    let server = ScriptedServer::start(replies).await;
    let client = GitlabClient::new(config(&server.url)).unwrap();
    (server, client)
}

fn new_runner(tags: &[&str]) -> NewRunner {
    NewRunner {
        installation: "test".parse().unwrap(),
        name: "mayfly-ec2-i-0abc".parse().unwrap(),
        project: PROJECT,
        tags: tags.iter().copied().collect(),
        maximum_timeout: Duration::from_hours(1),
    }
}

fn runner_token() -> SecretString {
    RUNNER_TOKEN.into()
}

fn chain(error: &PortError) -> String {
    Chain(error).to_string()
}

mod requests {
    use super::*;

    #[tokio::test]
    async fn a_job_is_asked_for_with_the_api_token_and_our_name() {
        let job = json!({
            "id": 7, "status": "pending", "tag_list": ["docker runner", "linux"], "runner": null, "ref": "v1", "tag": true,
        });
        let (server, client) = scripted([Reply::json(200, &job)]).await;
        let view = client.job(PROJECT, JobId(7)).await.unwrap().unwrap();
        assert_eq!(view.status, Some(JobStatus::Pending));
        assert_eq!(view.tags, ["linux", "docker runner"].into_iter().collect::<TagSet>());
        assert_eq!(view.git_ref, Some(GitRef { name: "v1".to_owned(), is_tag: true }));
        let seen = server.seen().remove(0);
        assert_eq!(seen.line, "GET /api/v4/projects/380/jobs/7");
        assert_eq!(seen.header("private-token"), Some(API_TOKEN));
        assert_eq!(seen.header("user-agent"), Some(concat!("mayfly/", env!("CARGO_PKG_VERSION"))));
        assert_eq!(seen.body, Value::Null);
    }

    #[tokio::test]
    async fn a_job_may_have_a_status_without_an_event_and_no_tags() {
        let (_server, client) = scripted([Reply::json(200, &json!({"id": 7, "status": "manual"}))]).await;
        let view = client.job(PROJECT, JobId(7)).await.unwrap().unwrap();
        assert_eq!((view.status, view.status_word.as_str(), view.tags.is_empty()), (None, "manual", true));
    }

    #[tokio::test]
    async fn a_job_names_the_runner_that_has_it() {
        for (runner, expected) in [
            (json!(null), None),
            (
                json!({"id": 32, "description": "mayfly-ec2-i-0abc", "paused": false}),
                Some("mayfly-ec2-i-0abc"),
            ),
            (json!({"id": 32, "description": ""}), Some("")),
            (json!({"id": 32, "description": null}), None),
            (json!({"id": 32}), None),
        ] {
            let job = json!({"status": "running", "runner": runner});
            let (_server, client) = scripted([Reply::json(200, &job)]).await;
            let told = client.job(PROJECT, JobId(7)).await.unwrap().unwrap().runner;
            assert_eq!(told.as_ref().map(|runner| runner.id), runner["id"].as_u64().map(RunnerId), "{job}");
            assert_eq!(told.and_then(|runner| runner.description).as_deref(), expected, "{job}");
        }
    }

    #[tokio::test]
    async fn a_job_that_is_not_there_is_none() {
        let (_server, client) = scripted([Reply::json(404, &json!({"message": "404 Not found"}))]).await;
        assert_eq!(client.job(PROJECT, JobId(7)).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_branch_or_tag_is_protected_if_gitlab_says_so_and_is_there() {
        for (name, is_tag, reply, line, expected) in [
            (
                "feature/ä",
                false,
                Reply::json(200, &json!({"protected": false})),
                "branches/feature%2F%C3%A4",
                false,
            ),
            ("main", false, Reply::json(200, &json!({"protected": true})), "branches/main", true),
            ("v1.0", true, Reply::json(200, &json!({"protected": true})), "tags/v1%2E0", true),
            (
                "gone",
                false,
                Reply::json(404, &json!({"message": "404 Branch Not Found"})),
                "branches/gone",
                false,
            ),
        ] {
            let (server, client) = scripted([reply]).await;
            let git_ref = GitRef { name: name.to_owned(), is_tag };
            assert_eq!(client.is_protected(PROJECT, &git_ref).await.unwrap(), expected, "{name}");
            assert_eq!(server.lines(), [format!("GET /api/v4/projects/380/repository/{line}")]);
        }
    }

    #[tokio::test]
    async fn a_merge_request_is_not_protected_and_gitlab_is_not_asked() {
        let (server, client) = scripted([]).await;
        let git_ref = GitRef { name: "refs/merge-requests/1/head".to_owned(), is_tag: false };
        assert!(!client.is_protected(PROJECT, &git_ref).await.unwrap());
        assert!(server.lines().is_empty());
    }

    #[tokio::test]
    async fn gitlab_may_be_installed_under_a_path() {
        for path in ["/gitlab", "/gitlab/"] {
            let server = ScriptedServer::start([Reply::empty(204)]).await;
            let client = GitlabClient::new(config(&format!("{}{path}", server.url))).unwrap();
            client.delete_runner(RunnerId(9)).await.unwrap();
            assert_eq!(server.lines(), ["DELETE /gitlab/api/v4/runners/9"]);
        }
    }

    #[tokio::test]
    async fn a_runner_is_created_for_one_project_and_locked_to_it() {
        let created = json!({"id": 9171, "token": RUNNER_TOKEN, "token_expires_at": null});
        let (server, client) = scripted([Reply::json(201, &created)]).await;
        let runner = client.create_runner(&new_runner(&["linux", "docker"])).await.unwrap();
        assert_eq!(runner.id, RunnerId(9171));
        assert_eq!(runner.token.expose_secret(), RUNNER_TOKEN);
        let seen = server.seen().remove(0);
        assert_eq!(seen.line, "POST /api/v4/user/runners");
        assert_eq!(seen.header("private-token"), Some(API_TOKEN));
        assert_eq!(
            seen.body,
            json!({
                "runner_type": "project_type",
                "project_id": 380,
                "description": "mayfly-ec2-i-0abc",
                "tag_list": ["docker", "linux"],
                "run_untagged": false,
                "locked": true,
                "maintenance_note": "Made by Mayfly, installation test",
                "maximum_timeout": 3600,
            })
        );
    }

    #[tokio::test]
    async fn a_runner_without_tags_takes_untagged_jobs_and_a_short_timeout_is_ten_minutes() {
        let (server, client) = scripted([Reply::json(201, &json!({"id": 1, "token": "t"}))]).await;
        let runner = NewRunner { maximum_timeout: Duration::from_secs(30), ..new_runner(&[]) };
        client.create_runner(&runner).await.unwrap();
        let body = server.seen().remove(0).body;
        assert_eq!((&body["run_untagged"], &body["maximum_timeout"]), (&json!(true), &json!(600)));
    }

    #[tokio::test]
    async fn a_registration_token_goes_alone() {
        let (server, client) = scripted([Reply::json(201, &json!({"id": 5, "token": "abc"}))]).await;
        let runner = client.register_runner(&REGISTRATION_TOKEN.into(), &new_runner(&["x"])).await.unwrap();
        assert_eq!((runner.id, runner.token.expose_secret()), (RunnerId(5), "abc"));
        let seen = server.seen().remove(0);
        assert_eq!(seen.line, "POST /api/v4/runners");
        assert_eq!(seen.header("private-token"), None);
        assert_eq!(
            seen.body,
            json!({
                "token": REGISTRATION_TOKEN,
                "description": "mayfly-ec2-i-0abc",
                "tag_list": ["x"],
                "run_untagged": false,
                "locked": true,
                "maintenance_note": "Made by Mayfly, installation test",
                "maximum_timeout": 3600,
            })
        );
    }

    #[tokio::test]
    async fn removing_what_is_gone_is_no_error() {
        for status in [204, 404] {
            let (server, client) = scripted([Reply::empty(status)]).await;
            client.delete_runner(RunnerId(9)).await.unwrap();
            assert_eq!(server.lines(), ["DELETE /api/v4/runners/9"]);
        }
        for status in [204, 403, 404] {
            let (server, client) = scripted([Reply::empty(status)]).await;
            client.delete_by_token(&runner_token()).await.unwrap();
            let seen = server.seen().remove(0);
            assert_eq!(seen.line, "DELETE /api/v4/runners");
            assert_eq!(seen.body, json!({"token": RUNNER_TOKEN}));
            assert_eq!(seen.header("private-token"), None);
        }
        for status in [204, 403, 404] {
            let (server, client) = scripted([Reply::empty(status)]).await;
            client.delete_manager(&runner_token(), "r_0123456789ab").await.unwrap();
            let seen = server.seen().remove(0);
            assert_eq!(seen.line, "DELETE /api/v4/runners/managers");
            assert_eq!(seen.body, json!({"token": RUNNER_TOKEN, "system_id": "r_0123456789ab"}));
        }
    }

    #[tokio::test]
    async fn a_runner_is_paused_also_if_it_is_gone() {
        for status in [200, 404] {
            let (server, client) = scripted([Reply::json(status, &json!({"id": 9, "paused": true}))]).await;
            client.pause_runner(RunnerId(9)).await.unwrap();
            let seen = server.seen().remove(0);
            assert_eq!(seen.line, "PUT /api/v4/runners/9");
            assert_eq!(seen.header("private-token"), Some(API_TOKEN));
            assert_eq!(seen.body, json!({"paused": true}));
        }
    }

    #[tokio::test]
    async fn a_runner_that_may_not_be_changed_is_an_error() {
        let refusal = Reply::json(403, &json!({"message": "403 Forbidden"}));
        let (_server, client) = scripted(vec![refusal; 2]).await;
        for (error, operation) in [
            (client.delete_runner(RunnerId(9)).await.unwrap_err(), "delete"),
            (client.pause_runner(RunnerId(9)).await.unwrap_err(), "pause"),
        ] {
            assert_eq!(error.retry, Retry::Never);
            assert_eq!(
                chain(&error),
                format!(
                    "GitLab: {operation} runner 9 failed: GitLab answered 403 Forbidden: 403 Forbidden (the API token \
                     may not do this; the call needs the scope manage_runner and the role for it)"
                )
            );
        }
    }

    #[tokio::test]
    async fn a_token_is_verified() {
        for (status, verdict) in [(200, true), (403, false), (422, false)] {
            let (server, client) = scripted([Reply::json(status, &json!({"id": 1}))]).await;
            assert_eq!(client.verify(&runner_token(), "s_0").await.unwrap(), verdict);
            let seen = server.seen().remove(0);
            assert_eq!(seen.line, "POST /api/v4/runners/verify");
            assert_eq!(seen.body, json!({"token": RUNNER_TOKEN, "system_id": "s_0"}));
        }
    }

    #[tokio::test]
    async fn a_webhook_is_made_for_job_events_only() {
        let made = json!({"id": 3, "url": "https://mayfly.example/webhook", "job_events": true,
            "alert_status": "executable", "disabled_until": null, "push_events": false});
        let (server, client) = scripted([Reply::json(201, &made)]).await;
        let hook = NewHook {
            url: "https://mayfly.example/webhook".parse().unwrap(),
            token: Some("hook token".into()),
            signing_token: Some("whsec_x".into()),
        };
        let hook = client.create_hook(PROJECT, &hook).await.unwrap();
        assert_eq!((hook.id, hook.job_events, hook.alert_status.as_deref()), (3, true, Some("executable")));
        let seen = server.seen().remove(0);
        assert_eq!(seen.line, "POST /api/v4/projects/380/hooks");
        assert_eq!(
            seen.body,
            json!({
                "url": "https://mayfly.example/webhook",
                "token": "hook token",
                "signing_token": "whsec_x",
                "job_events": true,
                "push_events": false,
                "enable_ssl_verification": true,
            })
        );
    }

    #[tokio::test]
    async fn the_use_cases_reach_it_through_the_port() {
        let job = json!({"status": "running", "tag_list": []});
        let created = json!({"id": 1, "token": "t"});
        let replies = [
            Reply::json(200, &job),
            Reply::json(201, &created),
            Reply::json(201, &created),
            Reply::empty(204),
            Reply::json(200, &json!([])),
            Reply::json(200, &json!([])),
            Reply::json(200, &json!([])),
            Reply::json(200, &json!({})),
            Reply::json(201, &json!({"status": "canceled"})),
            Reply::json(201, &json!({"id": 8})),
        ];
        let (server, client) = scripted(replies).await;
        let port: &dyn Gitlab = &client;
        port.job(PROJECT, JobId(7)).await.unwrap();
        port.create_runner(&new_runner(&[])).await.unwrap();
        port.register_runner(&REGISTRATION_TOKEN.into(), &new_runner(&[])).await.unwrap();
        port.delete_runner(RunnerId(1)).await.unwrap();
        port.live_jobs(PROJECT).await.unwrap();
        port.jobs_on_runner(RunnerId(1)).await.unwrap();
        port.our_runners().await.unwrap();
        port.pause_runner(RunnerId(1)).await.unwrap();
        port.cancel_job(PROJECT, JobId(7)).await.unwrap();
        port.retry_job(PROJECT, JobId(7)).await.unwrap();
        let paths: Vec<String> =
            server.lines().iter().map(|line| line.split('?').next().unwrap_or_default().to_owned()).collect();
        assert_eq!(
            paths,
            [
                "GET /api/v4/projects/380/jobs/7",
                "POST /api/v4/user/runners",
                "POST /api/v4/runners",
                "DELETE /api/v4/runners/1",
                "GET /api/v4/projects/380/jobs",
                "GET /api/v4/runners/1/jobs",
                "GET /api/v4/runners",
                "PUT /api/v4/runners/1",
                "POST /api/v4/projects/380/jobs/7/cancel",
                "POST /api/v4/projects/380/jobs/7/retry",
            ]
        );
    }
}

mod failures {
    use super::*;

    fn job() -> Reply {
        Reply::json(200, &json!({"status": "pending"}))
    }

    #[tokio::test]
    async fn questions_and_what_may_be_done_twice_are_repeated_twice_at_most() {
        let (server, client) = scripted([Reply::empty(500), Reply::empty(502), job()]).await;
        assert!(client.job(PROJECT, JobId(7)).await.unwrap().is_some());
        assert_eq!(server.lines().len(), 3);

        let (server, client) = scripted(vec![Reply::empty(503); 9]).await;
        assert_eq!(client.job(PROJECT, JobId(7)).await.unwrap_err().retry, Retry::Later(None));
        assert_eq!(server.lines().len(), 3);

        let (server, client) = scripted([Reply::empty(500), Reply::empty(404)]).await;
        client.delete_runner(RunnerId(9)).await.unwrap();
        assert_eq!(server.lines().len(), 2);

        let (server, client) = scripted([Reply::empty(500), Reply::json(200, &json!({}))]).await;
        client.pause_runner(RunnerId(9)).await.unwrap();
        assert_eq!(server.lines().len(), 2);

        let canceled = Reply::json(201, &json!({"status": "canceled"}));
        let (server, client) = scripted([Reply::empty(502), canceled]).await;
        client.cancel_job(PROJECT, JobId(7)).await.unwrap();
        assert_eq!(server.lines().len(), 2);

        let (server, client) = scripted([Reply::empty(500), Reply::empty(403)]).await;
        assert!(!client.verify(&runner_token(), "s_0").await.unwrap());
        assert_eq!(server.lines().len(), 2);
    }

    #[tokio::test]
    async fn what_creates_something_is_never_repeated() {
        let created = json!({"id": 1, "token": "t"});
        let hook = NewHook { url: "https://x.example/".parse().unwrap(), token: None, signing_token: None };
        for call in 0..4 {
            let (server, client) = scripted([Reply::empty(500), Reply::json(201, &created)]).await;
            let error = match call {
                0 => client.create_runner(&new_runner(&[])).await.unwrap_err(),
                1 => client.retry_job(PROJECT, JobId(7)).await.unwrap_err(),
                2 => client.register_runner(&REGISTRATION_TOKEN.into(), &new_runner(&[])).await.unwrap_err(),
                _ => client.create_hook(PROJECT, &hook).await.unwrap_err(),
            };
            assert_eq!(error.retry, Retry::Later(None));
            assert_eq!(server.lines().len(), 1);
        }
    }

    #[tokio::test]
    async fn a_short_wait_that_gitlab_asks_for_is_waited_for_inside() {
        let (server, client) = scripted([Reply::empty(429).with("retry-after", "1"), job()]).await;
        let begin = tokio::time::Instant::now();
        assert!(client.job(PROJECT, JobId(7)).await.unwrap().is_some());
        assert!(begin.elapsed() >= Duration::from_secs(1));
        assert_eq!(server.lines().len(), 2);
    }

    #[tokio::test]
    async fn a_long_wait_that_gitlab_asks_for_is_the_callers() {
        let (server, client) = scripted([Reply::empty(429).with("retry-after", "30"), job()]).await;
        let error = client.job(PROJECT, JobId(7)).await.unwrap_err();
        assert_eq!(error.retry, Retry::Later(Some(Duration::from_secs(30))));
        assert_eq!(server.lines().len(), 1);

        let reply = Reply::empty(429)
            .with("date", "Sat, 01 Aug 2026 10:00:00 GMT")
            .with("ratelimit-reset", "1785578460");
        let (_server, client) = scripted([reply]).await;
        let error = client.create_runner(&new_runner(&[])).await.unwrap_err();
        assert_eq!(error.retry, Retry::Later(Some(Duration::from_mins(1))));
    }

    #[tokio::test]
    async fn an_answer_that_does_not_come_is_later() {
        let server = ScriptedServer::start(vec![Reply::Silence; 4]).await;
        let timeout = Duration::from_millis(100);
        let client = GitlabClient::new(GitlabClientConfig { timeout, ..config(&server.url) }).unwrap();
        let error = client.create_runner(&new_runner(&[])).await.unwrap_err();
        assert_eq!(error.retry, Retry::Later(None));
        assert!(chain(&error).contains("GitLab did not answer in time"), "{}", chain(&error));
        assert_eq!(server.lines().len(), 1);
        assert!(client.job(PROJECT, JobId(7)).await.unwrap_err().is_transient());
        assert_eq!(server.lines().len(), 4);
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_later() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let client = GitlabClient::new(config(&url)).unwrap();
        let error = client.create_runner(&new_runner(&[])).await.unwrap_err();
        assert_eq!(error.retry, Retry::Later(None));
        assert!(chain(&error).contains("there is no connection to GitLab"), "{}", chain(&error));
    }

    #[tokio::test]
    async fn a_refused_token_is_named_with_the_scope_it_needs() {
        let refusal = Reply::json(401, &json!({"message": "401 Unauthorized"}));
        let (server, client) = scripted(vec![refusal; 2]).await;
        let error = client.create_runner(&new_runner(&[])).await.unwrap_err();
        assert_eq!(
            (error.retry, chain(&error).as_str()),
            (
                Retry::Never,
                "GitLab: create runner mayfly-ec2-i-0abc in project 380 failed: GitLab answered 401 Unauthorized: \
                 401 Unauthorized (the API token is refused; the call needs a valid one with the scope create_runner)"
            )
        );
        let error = client.register_runner(&REGISTRATION_TOKEN.into(), &new_runner(&[])).await.unwrap_err();
        assert!(chain(&error).ends_with("(the registration token is refused)"), "{}", chain(&error));
        assert_eq!(server.lines().len(), 2);
    }

    #[tokio::test]
    async fn without_an_api_token_only_runners_speak_for_themselves() {
        let server = ScriptedServer::start([Reply::empty(204)]).await;
        let client =
            GitlabClient::new(GitlabClientConfig { api_token: None, ..config(&server.url) }).unwrap();
        let error = client.job(PROJECT, JobId(7)).await.unwrap_err();
        assert_eq!(
            (error.retry, chain(&error).as_str()),
            (
                Retry::Never,
                "GitLab: get job 7 of project 380 failed: no API token is configured; the call needs one with the \
                 scope read_api"
            )
        );
        client.delete_by_token(&runner_token()).await.unwrap();
        assert_eq!(server.lines(), ["DELETE /api/v4/runners"]);
    }

    #[tokio::test]
    async fn an_answer_that_makes_no_sense_is_never() {
        for body in [json!({"id": RUNNER_TOKEN, "token": RUNNER_TOKEN}), json!([]), json!("x")] {
            let (server, client) = scripted([Reply::json(201, &body)]).await;
            let error = client.create_runner(&new_runner(&[])).await.unwrap_err();
            assert_eq!(error.retry, Retry::Never);
            assert!(!chain(&error).contains(RUNNER_TOKEN), "{}", chain(&error));
            assert_eq!(server.lines().len(), 1);
        }
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let (server, client) = scripted([Reply::empty(302).with("location", "/users/sign_in"), job()]).await;
        let error = client.job(PROJECT, JobId(7)).await.unwrap_err();
        assert_eq!(error.retry, Retry::Never);
        assert!(chain(&error).contains("is the configured URL the one"), "{}", chain(&error));
        assert_eq!(server.lines().len(), 1);
    }

    #[tokio::test]
    async fn errors_contain_no_secret_even_if_gitlab_repeats_it() {
        let secrets = [API_TOKEN, RUNNER_TOKEN, REGISTRATION_TOKEN, "hook token", "whsec_hook"];
        let refusal = Reply::json(400, &json!({"message": format!("no good: {}", secrets.join(", "))}));
        let (_server, client) = scripted(vec![refusal; 5]).await;
        let hook = NewHook {
            url: "https://x.example/".parse().unwrap(),
            token: Some("hook token".into()),
            signing_token: Some("whsec_hook".into()),
        };
        let check = |error: &PortError, own: &[&str]| {
            for secret in own.iter().chain(&[API_TOKEN, RUNNER_TOKEN]) {
                assert!(!chain(error).contains(secret), "{}", chain(error));
                assert!(!format!("{error:?}").contains(secret), "{error:?}");
            }
            assert!(chain(error).contains("no good: "), "{}", chain(error));
        };
        check(&client.job(PROJECT, JobId(7)).await.unwrap_err(), &[]);
        check(
            &client.register_runner(&REGISTRATION_TOKEN.into(), &new_runner(&[])).await.unwrap_err(),
            &[REGISTRATION_TOKEN],
        );
        check(&client.delete_by_token(&runner_token()).await.unwrap_err(), &[]);
        check(&client.delete_manager(&runner_token(), "s_0").await.unwrap_err(), &[]);
        check(&client.create_hook(PROJECT, &hook).await.unwrap_err(), &["hook token", "whsec_hook"]);
    }
}

mod settings {
    use super::*;

    #[test]
    fn a_url_that_is_not_gitlabs_address_is_refused() {
        for url in [
            "ftp://gitlab.example.com",
            "mailto:gitlab@example.com",
            "https://user:hunter2@gitlab.example.com",
            "https://user@gitlab.example.com",
            "https://gitlab.example.com/?private_token=hunter2",
            "https://gitlab.example.com/#hunter2",
        ] {
            let error = GitlabClient::new(config(url)).unwrap_err();
            assert_eq!(error.retry, Retry::Never);
            assert!(
                chain(&error).starts_with("GitLab: prepare the client failed: the URL"),
                "{}",
                chain(&error)
            );
            assert!(!chain(&error).contains("hunter2"), "{}", chain(&error));
        }
    }

    #[test]
    fn a_token_that_no_header_can_carry_is_refused() {
        for token in ["", " ", "hunter2\n", "hunter2\u{0}"] {
            let config = GitlabClientConfig { api_token: Some(token.into()), ..config("https://x.example") };
            let error = GitlabClient::new(config).unwrap_err();
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn neither_settings_nor_client_show_the_token() {
        let config = config("https://gitlab.example.com/gitlab/");
        let shown = format!("{config:?} {:?}", GitlabClient::new(config.clone()).unwrap());
        assert!(!shown.contains(API_TOKEN), "{shown}");
        assert!(shown.contains("https://gitlab.example.com/gitlab/api/v4"), "{shown}");
    }
}
