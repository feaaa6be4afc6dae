//! Canceling and retrying jobs.

use super::*;

const CANCEL: &str = "POST /api/v4/projects/380/jobs/7/cancel";
const FORCE: &str = "POST /api/v4/projects/380/jobs/7/cancel?force=true";
const LOOK: &str = "GET /api/v4/projects/380/jobs/7";

/// The job as GitLab shows it, with this status.
fn job(code: u16, status: &str) -> Reply {
    Reply::json(code, &json!({"id": 7, "status": status, "tag_list": []}))
}

fn refusal(code: u16, message: &str) -> Reply {
    Reply::json(code, &json!({"message": message}))
}

#[tokio::test]
async fn a_job_is_canceled_with_as_many_calls_as_it_takes_and_one_that_is_over_is_left() {
    for (replies, calls) in [
        (vec![job(201, "canceled")], vec![CANCEL]),
        (vec![job(201, "success")], vec![CANCEL]),
        (vec![job(201, "failed")], vec![CANCEL]),
        (vec![job(201, "skipped")], vec![CANCEL]),
        (vec![job(201, "canceling"), job(201, "canceled")], vec![CANCEL, FORCE]),
        // Its runner was quicker.
        (vec![job(201, "canceling"), job(201, "failed")], vec![CANCEL, FORCE]),
        (
            vec![job(201, "canceling"), refusal(403, "403 Forbidden"), job(200, "canceled")],
            vec![CANCEL, FORCE, LOOK],
        ),
        (vec![refusal(403, "403 Forbidden"), job(200, "success")], vec![CANCEL, LOOK]),
        (vec![refusal(400, "400 Bad request"), job(200, "failed")], vec![CANCEL, LOOK]),
        (vec![refusal(422, "Unprocessable entity"), job(200, "canceled")], vec![CANCEL, LOOK]),
    ] {
        let (server, client) = scripted(replies).await;
        client.cancel_job(PROJECT, JobId(7)).await.unwrap();
        assert_eq!(server.lines(), calls);
        assert!(server.seen().iter().all(|seen| seen.header("private-token") == Some(API_TOKEN)));
    }
}

#[tokio::test]
async fn a_job_that_is_not_over_after_its_cancellation_is_an_error() {
    const REFUSED: &str = "GitLab answered 403 Forbidden: 403 Forbidden (the API token may not do this; the call needs the \
                           scope api and the role for it)";
    for (replies, retry, cause) in [
        (vec![job(201, "running")], Retry::Later(None), "the job is `running` still"),
        (
            vec![job(201, "canceling"), job(201, "canceling")],
            Retry::Later(None),
            "the job is `canceling` still",
        ),
        (vec![refusal(403, "403 Forbidden"), job(200, "running")], Retry::Never, REFUSED),
        (vec![refusal(403, "403 Forbidden"), refusal(404, "404 Not Found")], Retry::Never, REFUSED),
        (
            vec![job(201, "canceling"), refusal(403, "403 Forbidden"), job(200, "canceling")],
            Retry::Never,
            REFUSED,
        ),
        (
            vec![refusal(404, "404 Project Not Found")],
            Retry::Never,
            "GitLab answered 404 Not Found: 404 Project Not Found",
        ),
        (
            vec![Reply::json(201, &json!({"id": 7}))],
            Retry::Never,
            "GitLab answered 201 Created with 8 bytes that are not the JSON expected",
        ),
        (
            vec![Reply::empty(503); 3],
            Retry::Later(None),
            "GitLab answered 503 Service Unavailable: it gave no reason",
        ),
    ] {
        let (_server, client) = scripted(replies).await;
        let error = client.cancel_job(PROJECT, JobId(7)).await.unwrap_err();
        let expected = format!("GitLab: cancel job 7 of project 380 failed: {cause}");
        assert_eq!((chain(&error), error.retry), (expected, retry));
    }
}

#[tokio::test]
async fn a_retried_job_is_a_new_job() {
    let (server, client) = scripted([Reply::json(201, &json!({"id": 8, "status": "pending"}))]).await;
    assert_eq!(client.retry_job(PROJECT, JobId(7)).await.unwrap(), Some(JobId(8)));
    let seen = server.seen().remove(0);
    assert_eq!(seen.line, "POST /api/v4/projects/380/jobs/7/retry");
    assert_eq!(seen.header("private-token"), Some(API_TOKEN));
    assert_eq!(seen.body, Value::Null);
}

#[tokio::test]
async fn a_job_that_cannot_be_retried_is_none() {
    let (server, client) = scripted([refusal(403, "403 Forbidden - Job is not retryable")]).await;
    assert_eq!(client.retry_job(PROJECT, JobId(7)).await.unwrap(), None);
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn a_retry_that_gitlab_refuses_for_another_reason_is_an_error() {
    for (reply, retry, cause) in [
        (
            refusal(403, "403 Forbidden"),
            Retry::Never,
            "GitLab answered 403 Forbidden: 403 Forbidden (the API token may not do this; the call needs the scope api and \
             the role for it)",
        ),
        (
            Reply::json(403, &json!({"error": "insufficient_scope", "scope": "api"})),
            Retry::Never,
            "GitLab answered 403 Forbidden: insufficient_scope (the API token may not do this; the call needs the scope api \
             and the role for it)",
        ),
        (
            Reply::empty(403),
            Retry::Never,
            "GitLab answered 403 Forbidden: it gave no reason (the API token may not do \
             this; the call needs the scope api and the role for it)",
        ),
        (refusal(404, "404 Not Found"), Retry::Never, "GitLab answered 404 Not Found: 404 Not Found"),
        (
            Reply::json(201, &json!({"status": "pending"})),
            Retry::Never,
            "GitLab answered 201 Created with 20 bytes that are not the JSON expected",
        ),
        (Reply::empty(502), Retry::Later(None), "GitLab answered 502 Bad Gateway: it gave no reason"),
    ] {
        let (server, client) = scripted([reply]).await;
        let error = client.retry_job(PROJECT, JobId(7)).await.unwrap_err();
        let expected = format!("GitLab: retry job 7 of project 380 failed: {cause}");
        assert_eq!((chain(&error), error.retry), (expected, retry));
        assert_eq!(server.lines().len(), 1);
    }
}
