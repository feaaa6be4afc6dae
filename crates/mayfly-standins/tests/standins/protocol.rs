//! The runner protocol, request by request.

use std::time::Duration;

use mayfly_core::ids::{JobId, ProjectId};
use mayfly_standins::gitlab::{JobSpec, StandinGitlab, Status};
use serde_json::{Value, json};

use crate::support::{Http, SOON, send};

async fn gitlab_with_jobs(names: &[&str]) -> (StandinGitlab, ProjectId, String, Vec<JobId>) {
    let gitlab = StandinGitlab::start().await.unwrap();
    gitlab.set_long_poll(Duration::ZERO);
    let project = gitlab.create_project("group/app");
    let (_, token) = gitlab.create_shared_runner(project, ["linux"]);
    let specs = names.iter().map(|name| JobSpec::new(*name).tags(["linux"])).collect();
    let jobs = gitlab.run_pipeline(project, specs).unwrap();
    (gitlab, project, token, jobs)
}

async fn ask(http: &Http<'_>, token: &str, two_phase: bool) -> (u16, Value) {
    let features = json!({"two_phase_job_commit": two_phase, "cancel_gracefully": two_phase});
    let body = json!({"token": token, "system_id": "s_0123456789ab", "info": {"features": features}});
    send(http.request("POST", "jobs/request").json(&body)).await
}

async fn tell(http: &Http<'_>, job: &Value, state: &str) -> (u16, String) {
    let body = json!({"token": job["token"], "state": state});
    let response = http.request("PUT", &format!("jobs/{}", job["id"])).json(&body).send().await.unwrap();
    let told = response.headers().get("job-status").map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), told.unwrap_or_default())
}

#[tokio::test]
async fn a_taken_job_stays_pending_until_its_runner_says_that_it_runs() {
    let (gitlab, _, token, jobs) = gitlab_with_jobs(&["build"]).await;
    let http = Http::new(&gitlab);
    let (status, job) = ask(&http, &token, true).await;
    assert_eq!(status, 201);
    let before = gitlab.job(jobs[0]).unwrap();
    assert!(before.status == Status::Pending && before.waits_for_runner_ack);
    assert_eq!(ask(&http, &token, true).await.0, 204, "nobody else gets it meanwhile");
    assert_eq!(tell(&http, &job, "pending").await, (200, "pending".to_owned()));
    assert_eq!(tell(&http, &job, "running").await, (200, "running".to_owned()));
    assert_eq!(tell(&http, &job, "success").await, (200, "success".to_owned()));
    assert_eq!(tell(&http, &job, "success").await, (403, "success".to_owned()));
}

#[tokio::test]
async fn a_runner_without_two_phase_commit_runs_its_job_at_once() {
    let (gitlab, _, token, jobs) = gitlab_with_jobs(&["build"]).await;
    ask(&Http::new(&gitlab), &token, false).await;
    assert_eq!(gitlab.job(jobs[0]).unwrap().status, Status::Running);
}

#[tokio::test]
async fn a_job_whose_runner_keeps_silent_goes_back_to_the_queue_without_an_event() {
    let (gitlab, _, token, jobs) = gitlab_with_jobs(&["build"]).await;
    gitlab.set_ack_timeout(Duration::from_millis(20));
    let http = Http::new(&gitlab);
    let (_, lost) = ask(&http, &token, true).await;
    gitlab.wait_for_job(jobs[0], |job| !job.waits_for_runner_ack, SOON).await.unwrap();
    assert_eq!(tell(&http, &lost, "running").await.0, 403);
    gitlab.set_ack_timeout(SOON);
    let (status, again) = ask(&http, &token, true).await;
    assert_eq!((status, &again["id"]), (201, &lost["id"]));
    assert_eq!(tell(&http, &again, "running").await.0, 200);
}

#[tokio::test]
async fn a_canceled_job_is_told_to_the_runner_that_has_it() {
    let (gitlab, _, token, jobs) = gitlab_with_jobs(&["graceful", "unconfirmed", "abrupt"]).await;
    let http = Http::new(&gitlab);
    let (_, graceful) = ask(&http, &token, true).await;
    tell(&http, &graceful, "running").await;
    let (_, unconfirmed) = ask(&http, &token, true).await;
    let (_, abrupt) = ask(&http, &token, false).await;
    for job in jobs {
        gitlab.cancel(job).unwrap();
    }
    assert_eq!(tell(&http, &graceful, "running").await, (200, "canceling".to_owned()));
    assert_eq!(tell(&http, &graceful, "failed").await, (200, "canceled".to_owned()));
    assert_eq!(tell(&http, &unconfirmed, "running").await, (403, "canceled".to_owned()));
    assert_eq!(tell(&http, &abrupt, "running").await, (403, "canceled".to_owned()));
}

#[tokio::test]
async fn a_held_request_gets_the_job_that_comes() {
    let (gitlab, project, token, _) = gitlab_with_jobs(&[]).await;
    let http = Http::new(&gitlab);
    let empty = http.request("POST", "jobs/request").json(&json!({"token": token})).send().await.unwrap();
    assert_eq!(empty.status(), 204);
    let last_update = empty.headers()["x-gitlab-last-update"].to_str().unwrap().to_owned();
    gitlab.set_long_poll(SOON);
    let body = json!({"token": token, "last_update": last_update});
    let held = send(http.request("POST", "jobs/request").json(&body));
    let come = async { gitlab.run_pipeline(project, vec![JobSpec::new("build").tags(["linux"])]).unwrap() };
    let ((status, job), jobs) = tokio::join!(held, come);
    assert_eq!((status, job["id"].as_u64()), (201, Some(jobs[0].0)));
}

#[tokio::test]
async fn a_request_is_answered_at_once_unless_it_tells_the_present_state_of_the_queue() {
    let (gitlab, _, token, _) = gitlab_with_jobs(&[]).await;
    gitlab.set_long_poll(SOON * 10);
    let http = Http::new(&gitlab);
    assert_eq!(send(http.request("POST", "jobs/request").json(&json!({"token": token}))).await.0, 204);
    let stale = json!({"token": token, "last_update": "0"});
    assert_eq!(send(http.request("POST", "jobs/request").json(&stale)).await.0, 204);
}

#[tokio::test]
async fn a_runner_gets_only_jobs_it_may_take() {
    let gitlab = StandinGitlab::start().await.unwrap();
    gitlab.set_long_poll(Duration::ZERO);
    let (ours, other) = (gitlab.create_project("group/app"), gitlab.create_project("group/other"));
    let (_, tagged) = gitlab.create_shared_runner(ours, ["linux", "docker"]);
    let (_, untagged) = gitlab.create_shared_runner(ours, [""; 0]);
    let (_, elsewhere) = gitlab.create_shared_runner(other, ["linux"]);
    let http = Http::new(&gitlab);
    let check = async |job_tags: &[&str], token: &str, expected: u16| {
        let spec = JobSpec::new("build").tags(job_tags.iter().copied());
        let job = gitlab.run_pipeline(ours, vec![spec]).unwrap()[0];
        assert_eq!(ask(&http, token, false).await.0, expected, "{job_tags:?}");
        gitlab.drop_job(job, "test_over").unwrap();
    };
    check(&["linux"], &tagged, 201).await;
    check(&["linux", "docker"], &tagged, 201).await;
    check(&["linux", "windows"], &tagged, 204).await;
    check(&[], &tagged, 204).await;
    check(&[], &untagged, 201).await;
    check(&["linux"], &untagged, 204).await;
    check(&["linux"], &elsewhere, 204).await;
}

#[tokio::test]
async fn the_oldest_job_comes_first_and_paused_or_deleted_runners_get_none() {
    let (gitlab, _, token, jobs) = gitlab_with_jobs(&["first", "second"]).await;
    let http = Http::new(&gitlab);
    let runner = gitlab.runners()[0].id;
    let paused = http.api("PUT", &format!("runners/{runner}")).json(&json!({"paused": true}));
    assert_eq!(send(paused).await.0, 200);
    assert_eq!(ask(&http, &token, true).await.0, 204);
    send(http.api("PUT", &format!("runners/{runner}")).json(&json!({"paused": false}))).await;
    assert_eq!(ask(&http, &token, true).await.1["id"], jobs[0].0);
    gitlab.delete_runner(runner).unwrap();
    assert_eq!(ask(&http, &token, true).await.0, 403);
}

#[tokio::test]
async fn the_log_grows_only_at_its_end() {
    let (gitlab, _, token, jobs) = gitlab_with_jobs(&["build"]).await;
    let http = Http::new(&gitlab);
    let (_, job) = ask(&http, &token, false).await;
    let patch = async |range: &str, body: &str| {
        let request = http
            .request("PATCH", &format!("jobs/{}/trace", job["id"]))
            .header("JOB-TOKEN", job["token"].as_str().unwrap())
            .header("Content-Range", range)
            .body(body.to_owned());
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.headers()["range"].to_str().unwrap().to_owned())
    };
    assert_eq!(patch("0-4", "hello").await, (202, "0-5".to_owned()));
    assert_eq!(patch("0-4", "hello").await, (416, "0-5".to_owned()));
    assert_eq!(patch("9-9", "!").await, (416, "0-5".to_owned()));
    assert_eq!(patch("5-9", "!").await, (416, "0-5".to_owned()));
    assert_eq!(patch("5-5", "!").await, (202, "0-6".to_owned()));
    assert_eq!(gitlab.job(jobs[0]).unwrap().log, "hello!");
    let short = json!({"token": job["token"], "state": "success", "output": {"bytesize": 7}});
    assert_eq!(send(http.request("PUT", &format!("jobs/{}", job["id"])).json(&short)).await.0, 412);
}

#[tokio::test]
async fn artifacts_come_back_as_they_were_sent() {
    let (gitlab, _, token, _) = gitlab_with_jobs(&["build"]).await;
    let http = Http::new(&gitlab);
    let (_, job) = ask(&http, &token, false).await;
    let (path, token) = (format!("jobs/{}/artifacts", job["id"]), job["token"].as_str().unwrap());
    let form =
        "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.zip\"\r\n\r\nPK\r\n--x--\r\n";
    let upload = http
        .request("POST", &path)
        .header("JOB-TOKEN", token)
        .header("Content-Type", "multipart/form-data; boundary=x")
        .body(form);
    assert_eq!(send(upload).await.0, 201);
    let download = http.request("GET", &path).header("JOB-TOKEN", token).send().await.unwrap();
    assert_eq!(download.bytes().await.unwrap(), "PK");
    assert_eq!(send(http.request("GET", &path)).await.0, 403);
}

#[tokio::test]
async fn a_wrong_job_token_is_refused() {
    let (gitlab, _, token, jobs) = gitlab_with_jobs(&["build"]).await;
    let http = Http::new(&gitlab);
    ask(&http, &token, false).await;
    let body = json!({"token": "wrong", "state": "success"});
    assert_eq!(send(http.request("PUT", &format!("jobs/{}", jobs[0])).json(&body)).await.0, 403);
    assert_eq!(send(http.request("PUT", "jobs/1").json(&body)).await.0, 404);
    assert_eq!(gitlab.job(jobs[0]).unwrap().status, Status::Running);
}

#[tokio::test]
async fn a_runner_verifies_itself_and_removes_its_machine_and_its_registration() {
    let (gitlab, _, token, _) = gitlab_with_jobs(&[]).await;
    let http = Http::new(&gitlab);
    let machine = json!({"token": token, "system_id": "s_0123456789ab"});
    let (status, body) = send(http.request("POST", "runners/verify").json(&machine)).await;
    assert_eq!((status, body["id"].as_u64()), (200, Some(gitlab.runners()[0].id.0)));
    assert_eq!(gitlab.runners()[0].managers[0].system_id, "s_0123456789ab");
    assert_eq!(send(http.request("DELETE", "runners/managers").json(&machine)).await.0, 204);
    assert_eq!(send(http.request("DELETE", "runners/managers").json(&machine)).await.0, 404);
    assert!(gitlab.runners()[0].managers.is_empty());
    assert_eq!(send(http.request("DELETE", "runners").form(&[("token", &token)])).await.0, 204);
    assert_eq!(send(http.request("POST", "runners/verify").json(&machine)).await.0, 403);
    assert!(gitlab.runners().is_empty());
}

#[tokio::test]
async fn registration_tokens_work_until_they_are_switched_off() {
    let (gitlab, ..) = gitlab_with_jobs(&[]).await;
    let http = Http::new(&gitlab);
    let body = |token: &str| json!({"token": token, "description": "mayfly-local-1", "tag_list": "a,b", "run_untagged": false});
    let (status, answer) =
        send(http.request("POST", "runners").json(&body(gitlab.registration_token()))).await;
    assert_eq!(status, 201);
    let made = gitlab.runners().into_iter().find(|runner| answer["id"] == runner.id.0).unwrap();
    assert_eq!(made.description.as_deref(), Some("mayfly-local-1"));
    assert_eq!(made.tags.iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(send(http.request("POST", "runners").json(&body("wrong"))).await.0, 403);
    gitlab.set_registration_tokens_allowed(false);
    assert_eq!(send(http.request("POST", "runners").json(&body(gitlab.registration_token()))).await.0, 410);
}
