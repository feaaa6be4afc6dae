//! Lists: their pages, and their rows.

use super::*;

/// A row as GitLab gives it, of a job that waits.
fn row(id: u64) -> Value {
    json!({
        "id": id, "name": format!("job {id}"), "status": "pending", "tag_list": ["t"], "queued_duration": 0.5,
        "pipeline": {"id": 6, "status": "pending"}, "runner": null, "stage": "test", "user": {"id": 1},
    })
}

fn waiting(id: u64) -> LiveJob {
    LiveJob {
        id: JobId(id),
        name: format!("job {id}").parse().unwrap(),
        status: JobStatus::Pending,
        tags: ["t"].into_iter().collect(),
        pipeline: Some(PipelineId(6)),
        queued_seconds: Some(0.5),
        runner: None,
    }
}

/// The ids of the live jobs, if there is a project.
async fn ids_of(client: &GitlabClient) -> Option<Vec<u64>> {
    let jobs = client.live_jobs(PROJECT).await.unwrap();
    jobs.map(|jobs| jobs.iter().map(|job| job.id.0).collect())
}

#[tokio::test]
async fn the_query_of_the_next_link_is_followed_but_not_its_address() {
    let next = "<https://elsewhere.example/api/v4/projects/380/jobs?cursor=a%2Bb&per_page=100>; rel=\"next\"";
    let (server, client) = scripted([
        Reply::json(200, &json!([row(3), row(2)]))
            .with("link", "<https://elsewhere.example/?page=1>; rel=\"first\"")
            .with("link", next),
        Reply::json(200, &json!([row(1)])).with("link", "<https://x/?page=1>; rel=\"first\""),
    ])
    .await;
    assert_eq!(client.live_jobs(PROJECT).await.unwrap(), Some([3, 2, 1].map(waiting).to_vec()));
    assert_eq!(
        server.lines(),
        [
            "GET /api/v4/projects/380/jobs?scope%5B%5D=pending&scope%5B%5D=running&scope%5B%5D=canceling&order_by=id&sort=desc\
             &pagination=keyset&per_page=100",
            "GET /api/v4/projects/380/jobs?cursor=a%2Bb&per_page=100",
        ]
    );
}

#[tokio::test]
async fn the_number_of_the_next_page_is_followed_where_there_is_no_link() {
    let hook = |id: u64| json!({"id": id, "url": "https://x.example/", "job_events": id == 2});
    let (server, client) = scripted([
        Reply::json(200, &json!([hook(1)])).with("x-next-page", "2"),
        Reply::json(200, &json!([hook(2)])).with("x-next-page", "3"),
        Reply::json(200, &json!([])).with("x-next-page", ""),
    ])
    .await;
    let hooks = client.list_hooks(PROJECT).await.unwrap();
    assert_eq!(
        hooks.iter().map(|hook| (hook.id, hook.job_events)).collect::<Vec<_>>(),
        [(1, false), (2, true)]
    );
    assert_eq!(
        server.lines(),
        [
            "GET /api/v4/projects/380/hooks?per_page=100",
            "GET /api/v4/projects/380/hooks?per_page=100&page=2",
            "GET /api/v4/projects/380/hooks?per_page=100&page=3",
        ]
    );
}

#[tokio::test]
async fn a_job_that_runs_names_its_runner() {
    let running = json!({
        "id": 8, "name": "build", "status": "running", "runner": {"id": 32, "description": "mayfly-ec2-i-0abc"},
    });
    let (_server, client) = scripted([Reply::json(200, &json!([running]))]).await;
    let expected = LiveJob {
        id: JobId(8),
        name: "build".parse().unwrap(),
        status: JobStatus::Running,
        tags: TagSet::default(),
        pipeline: None,
        queued_seconds: None,
        runner: Some(EventRunner { id: RunnerId(32), description: Some("mayfly-ec2-i-0abc".to_owned()) }),
    };
    assert_eq!(client.live_jobs(PROJECT).await.unwrap(), Some(vec![expected]));
}

#[tokio::test]
async fn a_runner_has_the_jobs_that_run_or_are_being_canceled_on_it() {
    let row =
        |id: u64, status: &str| json!({"id": id, "status": status, "project": {"id": 380}, "name": "build"});
    let rows = json!([row(9, "running"), row(8, "success"), row(7, "canceling"), row(6, "canceled")]);
    let (server, client) = scripted([Reply::json(200, &rows), Reply::empty(404)]).await;
    let has = [9, 7].map(|job| RunnerJob { project: PROJECT, job: JobId(job) });
    assert_eq!(client.jobs_on_runner(RunnerId(32)).await.unwrap(), has);
    assert_eq!(client.jobs_on_runner(RunnerId(33)).await.unwrap(), [], "it is gone");
    assert_eq!(
        server.lines(),
        [32, 33].map(|id| format!("GET /api/v4/runners/{id}/jobs?order_by=id&sort=desc&per_page=100"))
    );
}

#[tokio::test]
async fn a_job_of_a_runner_that_cannot_be_read_is_not_passed_over() {
    let rows = json!([{"id": 9, "status": "running"}]);
    let (_server, client) = scripted([Reply::json(200, &rows)]).await;
    assert_eq!(client.jobs_on_runner(RunnerId(32)).await.unwrap_err().retry, Retry::Never);
}

#[tokio::test]
async fn a_row_that_is_no_live_job_does_not_hide_the_others() {
    let with = |id: u64, field: &str, value: Value| {
        let mut row = row(id);
        row[field] = value;
        row
    };
    let rows = json!([
        with(9, "id", json!("x")),
        row(8),
        with(7, "name", json!("")),
        with(6, "status", json!("success")),
        with(5, "status", json!("canceling")),
        with(4, "runner", json!("a text")),
        with(3, "tag_list", json!({})),
        null,
        ["a list"],
        row(1),
    ]);
    let (_server, client) = scripted([Reply::json(200, &rows)]).await;
    assert_eq!(ids_of(&client).await, Some(vec![8, 5, 1]));
}

#[tokio::test]
async fn a_project_without_live_jobs_is_not_a_project_that_is_not_there() {
    let gone = Reply::json(404, &json!({"message": "404 Project Not Found"}));
    let half = Reply::json(200, &json!([row(1)])).with("x-next-page", "2");
    for (replies, expected) in [
        (vec![Reply::json(200, &json!([]))], Some(vec![])),
        (vec![gone.clone()], None),
        (vec![half, gone], None),
    ] {
        let (_server, client) = scripted(replies).await;
        assert_eq!(ids_of(&client).await, expected);
    }
}

#[tokio::test]
async fn a_project_whose_jobs_the_token_may_not_list_is_an_error() {
    let refusal = Reply::json(403, &json!({"message": "403 Forbidden"}));
    let (_server, client) = scripted([refusal]).await;
    let error = client.live_jobs(PROJECT).await.unwrap_err();
    assert_eq!(
        (error.retry, chain(&error).as_str()),
        (
            Retry::Never,
            "GitLab: list the live jobs of project 380 failed: GitLab answered 403 Forbidden: 403 Forbidden (the API \
             token may not do this; the call needs the scope read_api and the role for it)"
        )
    );
}

#[tokio::test]
async fn a_list_of_jobs_without_an_end_is_an_error_because_the_jobs_left_out_would_count_as_over() {
    let page = Reply::json(200, &json!([row(1)])).with("link", "<https://x/?cursor=same>; rel=\"next\"");
    let (server, client) = scripted(vec![page; 200]).await;
    let error = client.live_jobs(PROJECT).await.unwrap_err();
    assert_eq!(
        (error.retry, chain(&error).as_str()),
        (Retry::Never, "GitLab: list the live jobs of project 380 failed: the list has more than 100 pages")
    );
    assert_eq!(server.lines().len(), 100);
}

#[tokio::test]
async fn a_failure_on_a_later_page_fails_the_list() {
    let replies = [
        Reply::json(200, &json!([row(1)])).with("x-next-page", "2"),
        Reply::json(401, &json!({"message": "401 Unauthorized"})),
    ];
    let (_server, client) = scripted(replies).await;
    assert_eq!(client.live_jobs(PROJECT).await.unwrap_err().retry, Retry::Never);
}

#[tokio::test]
async fn an_answer_that_is_no_list_fails_the_list() {
    for body in [json!({"message": "maintenance"}), json!("x"), json!(null)] {
        let (_server, client) = scripted(vec![Reply::json(200, &body); 2]).await;
        assert_eq!(client.live_jobs(PROJECT).await.unwrap_err().retry, Retry::Never, "{body}");
        assert_eq!(client.our_runners().await.unwrap_err().retry, Retry::Never, "{body}");
    }
}

#[tokio::test]
async fn our_runners_are_those_with_a_name_of_ours_on_all_pages() {
    let runner = |id: u64, description: Value| json!({"id": id, "description": description, "paused": false});
    let (server, client) = scripted([
        Reply::json(
            200,
            &json!([
                runner(1, json!("mayfly-ec2-i-0abc")),
                runner(2, json!("shared-runners-manager-6.gitlab.com")),
                runner(3, json!(null)),
                runner(4, json!("mayfly-k8s-pod")),
                {"id": "x", "description": "mayfly-ec2-i-0unreadable"},
                null,
            ]),
        )
        .with("x-next-page", "2"),
        // A row that has moved to the next page is there twice.
        Reply::json(
            200,
            &json!([runner(7, json!("mayfly-local-0a1b")), runner(1, json!("mayfly-ec2-i-0abc"))]),
        ),
    ])
    .await;
    let ours = |id: u64, name: &str| OurRunner { id: RunnerId(id), name: name.parse().unwrap() };
    assert_eq!(
        client.our_runners().await.unwrap(),
        [ours(1, "mayfly-ec2-i-0abc"), ours(7, "mayfly-local-0a1b")]
    );
    assert_eq!(
        server.lines(),
        ["GET /api/v4/runners?per_page=100", "GET /api/v4/runners?per_page=100&page=2"]
    );
}

#[tokio::test]
async fn a_list_of_runners_without_an_end_is_cut_off() {
    let rows = json!([{"id": 1, "description": "mayfly-ec2-i-0abc"}]);
    let page = Reply::json(200, &rows).with("x-next-page", "2");
    let (server, client) = scripted(vec![page; 200]).await;
    assert_eq!(client.our_runners().await.unwrap().len(), 1);
    assert_eq!(server.lines().len(), 100);
}

#[tokio::test]
async fn runners_that_the_token_may_not_list_are_an_error() {
    let refusal = Reply::json(403, &json!({"error": "insufficient_scope", "scope": "api read_api"}));
    let (_server, client) = scripted([refusal]).await;
    assert_eq!(
        chain(&client.our_runners().await.unwrap_err()),
        "GitLab: list runners failed: GitLab answered 403 Forbidden: insufficient_scope (the API token may not do this; \
         the call needs the scope read_api and the role for it)"
    );
}
