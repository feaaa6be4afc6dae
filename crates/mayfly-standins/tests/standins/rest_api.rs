//! The REST API, as a dispatcher uses it.

use std::time::Duration;

use mayfly_core::ids::JobId;
use mayfly_standins::gitlab::{JobSpec, StandinGitlab, Status};
use serde_json::{Value, json};

use crate::support::{Http, send};

#[tokio::test]
async fn a_job_tells_its_tags_by_number_and_by_path_of_its_project() {
    let gitlab = StandinGitlab::start().await.unwrap();
    let project = gitlab.create_project("group/app");
    let job = gitlab.run_pipeline(project, vec![JobSpec::new("build").tags(["b", "a"])]).unwrap()[0];
    let http = Http::new(&gitlab);
    for project in [project.to_string(), "group%2Fapp".to_owned()] {
        let (status, body) = send(http.api("GET", &format!("projects/{project}/jobs/{job}"))).await;
        assert_eq!(status, 200);
        assert_eq!((&body["status"], &body["tag_list"]), (&json!("pending"), &json!(["a", "b"])));
        assert!(body["runner"].is_null());
    }
    assert_eq!(send(http.api("GET", &format!("projects/{project}/jobs/1"))).await.0, 404);
    assert_eq!(send(http.api("GET", &format!("projects/1/jobs/{job}"))).await.0, 404);
}

#[tokio::test]
async fn a_job_look_up_fails_as_often_as_the_test_wants() {
    let gitlab = StandinGitlab::start().await.unwrap();
    let project = gitlab.create_project("group/app");
    let job = gitlab.run_pipeline(project, vec![JobSpec::new("build")]).unwrap()[0];
    let http = Http::new(&gitlab);
    gitlab.fail_next_job_lookup();
    let path = format!("projects/{project}/jobs/{job}");
    assert_eq!(send(http.api("GET", &path)).await.0, 500);
    assert_eq!(send(http.api("GET", &path)).await.0, 200);
    gitlab.set_down(true);
    assert_eq!(send(http.api("GET", &path)).await.0, 503);
}

/// Follows the links to the next page and collects the ids of the jobs.
async fn follow(http: &Http<'_>, first: &str) -> (Vec<u64>, usize) {
    let (mut ids, mut pages, mut path) = (Vec::new(), 0, first.to_owned());
    loop {
        let response = http.api("GET", &path).send().await.unwrap();
        let links = response.headers()["link"].to_str().unwrap().to_owned();
        let jobs: Vec<Value> = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        ids.extend(jobs.iter().map(|job| job["id"].as_u64().unwrap()));
        pages += 1;
        let next = links.split(", ").find_map(|link| link.strip_suffix(">; rel=\"next\""));
        let Some(next) = next else { return (ids, pages) };
        path = next.split_once("/api/v4/").unwrap().1.to_owned();
    }
}

#[tokio::test]
async fn pending_jobs_are_listed_page_by_page() {
    let gitlab = StandinGitlab::start().await.unwrap();
    let project = gitlab.create_project("group/app");
    let specs = (0..45).map(|number| JobSpec::new(format!("job {number}"))).collect();
    let jobs = gitlab.run_pipeline(project, specs).unwrap();
    gitlab.cancel(jobs[7]).unwrap();
    let rising: Vec<u64> = jobs.iter().filter(|job| **job != jobs[7]).map(|job| job.0).collect();
    let falling: Vec<u64> = rising.into_iter().rev().collect();
    let http = Http::new(&gitlab);
    for (query, pages) in [
        ("scope[]=pending", 3),
        ("scope[]=pending&per_page=100", 1),
        ("scope[]=pending&scope[]=running&sort=asc&per_page=11", 4),
        ("scope[]=pending&pagination=keyset&per_page=10", 5),
        ("scope[]=running&scope[]=pending&pagination=keyset&order_by=id&sort=desc&per_page=11", 4),
        ("scope=pending&pagination=keyset&order_by=id&sort=desc&per_page=44", 1),
    ] {
        let found = follow(&http, &format!("projects/{project}/jobs?{query}")).await;
        assert_eq!(found, (falling.clone(), pages), "{query}");
    }
    for query in ["pagination=keyset&sort=asc", "pagination=keyset&order_by=name&sort=desc"] {
        assert_eq!(
            send(http.api("GET", &format!("projects/{project}/jobs?{query}"))).await.0,
            405,
            "{query}"
        );
    }
    let (all, _) = follow(&http, &format!("projects/{project}/jobs?per_page=100")).await;
    assert_eq!(all.len(), 45);
}

#[tokio::test]
async fn a_token_is_needed_and_it_must_have_the_scope() {
    let gitlab = StandinGitlab::start().await.unwrap();
    let project = gitlab.create_project("group/app");
    let job = gitlab.run_pipeline(project, vec![JobSpec::new("build")]).unwrap()[0];
    let http = Http::new(&gitlab);
    let (reader, keeper) = (gitlab.create_token(&["read_api"]), gitlab.create_token(&["manage_runner"]));
    let (look, create) = (format!("projects/{project}/jobs/{job}"), "user/runners");
    for (method, path, token, expected) in [
        ("GET", look.as_str(), None, 401),
        ("GET", &look, Some("glpat-wrong"), 401),
        ("GET", &look, Some(reader.as_str()), 200),
        ("POST", create, None, 401),
        ("POST", create, Some(reader.as_str()), 403),
        ("POST", &format!("{look}/cancel"), Some(reader.as_str()), 403),
        ("POST", &format!("{look}/retry"), Some(reader.as_str()), 403),
        ("PUT", "runners/1", Some(reader.as_str()), 403),
        ("DELETE", "runners/1", Some(reader.as_str()), 403),
        ("PUT", "runners/1", Some(keeper.as_str()), 404),
        ("DELETE", "runners/1", Some(keeper.as_str()), 404),
        ("GET", "runners", Some(reader.as_str()), 200),
        ("GET", "runners", Some(keeper.as_str()), 403),
    ] {
        let request = http.request(method, path);
        let request = match token {
            Some(token) => request.header("PRIVATE-TOKEN", token),
            None => request,
        };
        assert_eq!(send(request).await.0, expected, "{method} {path} {token:?}");
    }
    let bearer = http.request("GET", &look).header("Authorization", format!("Bearer {reader}"));
    assert_eq!(send(bearer).await.0, 200);
}

#[tokio::test]
async fn a_runner_made_for_one_project_is_found_used_and_deleted() {
    let gitlab = StandinGitlab::start().await.unwrap();
    gitlab.set_long_poll(Duration::ZERO);
    let (project, other) = (gitlab.create_project("group/app"), gitlab.create_project("group/other"));
    let http = Http::new(&gitlab);
    let body = json!({
        "runner_type": "project_type", "project_id": project, "description": "mayfly-ec2-i-0", "locked": true,
        "run_untagged": false, "tag_list": ["linux", "docker"], "maximum_timeout": 600,
    });
    let (status, made) = send(http.api("POST", "user/runners").json(&body)).await;
    assert_eq!(status, 201);
    let (id, token) = (made["id"].as_u64().unwrap(), made["token"].as_str().unwrap());
    assert!(token.starts_with("glrt-"));
    let (_, listed) = send(http.api("GET", "runners")).await;
    assert_eq!(listed[0]["description"], "mayfly-ec2-i-0");
    let ask = json!({"token": token, "system_id": "s_0123456789ab"});
    assert_eq!(send(http.request("POST", "jobs/request").json(&ask)).await.0, 204);
    let (_, managers) = send(http.api("GET", &format!("runners/{id}/managers"))).await;
    assert_eq!(managers[0]["system_id"], "s_0123456789ab");
    let enable = http.api("POST", &format!("projects/{other}/runners")).json(&json!({"runner_id": id}));
    assert_eq!(send(enable).await.0, 403, "it is locked");
    assert_eq!(send(http.api("DELETE", &format!("runners/{id}"))).await.0, 204);
    assert_eq!(send(http.api("DELETE", &format!("runners/{id}"))).await.0, 404);
    assert_eq!(send(http.request("POST", "jobs/request").json(&ask)).await.0, 403);
}

#[tokio::test]
async fn a_runner_gitlab_would_not_make_is_refused() {
    let gitlab = StandinGitlab::start().await.unwrap();
    let project = gitlab.create_project("group/app");
    let http = Http::new(&gitlab);
    for (body, expected) in [
        (json!({"runner_type": "project_type"}), 400),
        (json!({"runner_type": "project_type", "project_id": 1}), 404),
        (json!({"runner_type": "project_type", "project_id": project, "maximum_timeout": 599}), 400),
        (json!({"runner_type": "project_type", "project_id": project, "run_untagged": false}), 400),
        (json!({"runner_type": "wrong"}), 400),
        (json!({"runner_type": "instance_type"}), 201),
    ] {
        assert_eq!(send(http.api("POST", "user/runners").json(&body)).await.0, expected, "{body}");
    }
}

#[tokio::test]
async fn runners_are_listed_page_by_page_without_those_of_the_whole_instance() {
    let gitlab = StandinGitlab::start().await.unwrap();
    let project = gitlab.create_project("group/app");
    let http = Http::new(&gitlab);
    send(http.api("POST", "user/runners").json(&json!({"runner_type": "instance_type"}))).await;
    let rising: Vec<u64> = (0..45).map(|_| gitlab.create_shared_runner(project, ["linux"]).0.0).collect();
    assert_eq!(follow(&http, "runners?per_page=20").await, (rising, 3));
    assert_eq!(follow(&http, "runners/all?per_page=20").await.0.len(), 46);
}

#[tokio::test]
async fn a_group_runner_takes_jobs_of_the_groups_projects() {
    let gitlab = StandinGitlab::start().await.unwrap();
    gitlab.set_long_poll(Duration::ZERO);
    let (inside, outside) = (gitlab.create_project("group/sub/app"), gitlab.create_project("groups/app"));
    let http = Http::new(&gitlab);
    let (_, project) = send(http.api("GET", &format!("projects/{inside}"))).await;
    assert_eq!(project["namespace"]["full_path"], "group/sub");
    let body = json!({"runner_type": "group_type", "group_id": project["namespace"]["id"]});
    let (_, runner) = send(http.api("POST", "user/runners").json(&body)).await;
    gitlab.run_pipeline(outside, vec![JobSpec::new("other")]).unwrap();
    let ours = gitlab.run_pipeline(inside, vec![JobSpec::new("ours")]).unwrap()[0];
    let ask = json!({"token": runner["token"]});
    let (_, job) = send(http.request("POST", "jobs/request").json(&ask)).await;
    assert_eq!(job["id"], ours.0);
    assert_eq!(send(http.request("POST", "jobs/request").json(&ask)).await.0, 204);
}

#[tokio::test]
async fn jobs_are_canceled_retried_and_played() {
    let gitlab = StandinGitlab::start().await.unwrap();
    let project = gitlab.create_project("group/app");
    let jobs =
        gitlab.run_pipeline(project, vec![JobSpec::new("build"), JobSpec::new("deploy").manual()]).unwrap();
    let http = Http::new(&gitlab);
    let act = async |job: JobId, action: &str| {
        send(http.api("POST", &format!("projects/{project}/jobs/{job}/{action}"))).await
    };
    let refusal = json!({"message": "403 Forbidden - Job is not retryable"});
    assert_eq!(act(jobs[0], "retry").await, (403, refusal.clone()), "it is not over");
    for _ in 0..2 {
        let (status, job) = act(jobs[0], "cancel").await;
        assert_eq!((status, &job["status"]), (201, &json!("canceled")));
    }
    let (status, again) = act(jobs[0], "retry").await;
    assert_eq!((status, &again["status"]), (201, &json!("pending")));
    assert_ne!(again["id"], jobs[0].0);
    assert_eq!(act(jobs[0], "retry").await, (403, refusal), "it was retried before");
    assert_eq!(act(jobs[1], "play").await.1["status"], "pending");
    assert_eq!(gitlab.job(jobs[1]).unwrap().status, Status::Pending);
}

#[tokio::test]
async fn only_a_job_that_is_canceling_is_canceled_by_force() {
    let gitlab = StandinGitlab::start().await.unwrap();
    gitlab.set_long_poll(Duration::ZERO);
    let project = gitlab.create_project("group/app");
    gitlab.add_hook(project, "http://127.0.0.1:1/", None, None).unwrap();
    let (runner, token) = gitlab.create_shared_runner(project, ["linux"]);
    let job = gitlab.run_pipeline(project, vec![JobSpec::new("build").tags(["linux"])]).unwrap()[0];
    let http = Http::new(&gitlab);
    let ask = json!({"token": token, "info": {"features": {"cancel_gracefully": true}}});
    assert_eq!(send(http.request("POST", "jobs/request").json(&ask)).await.0, 201);
    for (query, expected) in [
        ("?force=true", "running"),
        ("", "canceling"),
        ("", "canceling"),
        ("?force=true", "canceled"),
        ("?force=true", "canceled"),
    ] {
        let (status, job) =
            send(http.api("POST", &format!("projects/{project}/jobs/{job}/cancel{query}"))).await;
        assert_eq!((status, &job["status"]), (201, &json!(expected)), "{query}");
        assert_eq!(job["runner"]["id"], runner.0);
    }
    let again = gitlab.retry(job).unwrap();
    let told: Vec<_> = gitlab.deliveries().iter().map(|delivery| (delivery.job, delivery.status)).collect();
    assert_eq!(
        told,
        [
            (job, Status::Created),
            (job, Status::Pending),
            (job, Status::Running),
            (job, Status::Canceled),
            (again, Status::Created),
            (again, Status::Pending),
        ]
    );
}

#[tokio::test]
async fn hooks_are_added_and_listed_without_their_secrets() {
    let gitlab = StandinGitlab::start().await.unwrap();
    let project = gitlab.create_project("group/app");
    let http = Http::new(&gitlab);
    let path = format!("projects/{project}/hooks");
    let body = json!({"url": "http://127.0.0.1:1/", "job_events": true, "push_events": false, "token": "the secret"});
    let (status, made) = send(http.api("POST", &path).json(&body)).await;
    assert_eq!((status, &made["token_present"]), (201, &json!(true)));
    let (_, listed) = send(http.api("GET", &path)).await;
    assert_eq!(listed, json!([made]));
    assert!(!listed.to_string().contains("the secret"));
    let wrong = json!({"url": "http://127.0.0.1:1/", "signing_token": "whsec_dGVzdA=="});
    assert_eq!(send(http.api("POST", &path).json(&wrong)).await.0, 400);
    assert_eq!(send(http.api("DELETE", &format!("{path}/{}", made["id"]))).await.0, 204);
}
