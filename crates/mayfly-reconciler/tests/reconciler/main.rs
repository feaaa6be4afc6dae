//! The reconciler function as Lambda runs it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "all of it is tests")]

mod world;

use mayfly_core::ledger::LedgerState;
use mayfly_standins::aws::Reply;
use mayfly_standins::gitlab::JobSpec;
use mayfly_standins::lambda_runtime::Answer;
use serde_json::{Value, json};

use crate::world::{PATIENCE, QUEUE, World};

/// What one repair of an answer is.
fn is(repair: &Value, act: &str, reason: &str) -> bool {
    (&repair["act"], &repair["reason"]) == (&act.into(), &reason.into())
}

#[tokio::test]
async fn a_pass_over_nothing_finds_nothing_and_is_counted() {
    let mut world = World::new().await;
    world.pass(&json!({})).await;
    world.aws.forget_calls();
    let answer = world.pass(&json!({})).await;
    let expected = json!({ "dry_run": false, "open": 0, "repairs": [], "held_back": [], "unseen": [] });
    assert_eq!(answer, expected);
    let calls = world.aws.calls();
    assert!(calls.len() <= 4, "an idle minute costs at most four calls: {calls:?}");
    let metrics = world.environment.log_line("ReconcilePasses", PATIENCE).await.unwrap();
    let metrics: Value = serde_json::from_str(&metrics).unwrap();
    for (name, value) in
        [("ReconcilePasses", json!(1)), ("OpenRecords", json!(0)), ("EndsHeldBack", json!(0))]
    {
        assert_eq!(metrics[name], value, "{metrics}");
    }
    assert!(metrics["PassSeconds"].as_f64().is_some(), "{metrics}");
}

/// A job whose `pending` nobody heard of, in a project that an earlier job has made known.
#[tokio::test]
async fn a_job_nobody_heard_of_goes_to_the_launch_queue() {
    let mut world = World::new().await;
    let first = world.job(JobSpec::new("build"));
    world.know(first).await;
    world.pass(&json!({})).await;
    let lost = world.job(JobSpec::new("build"));
    let answer = world.pass(&json!({})).await;
    let repairs = answer["repairs"].as_array().unwrap();
    let started = repairs.iter().find(|repair| is(repair, "start", "event-lost"));
    let started = started.unwrap_or_else(|| panic!("{answer}"));
    assert!(started["text"].as_str().unwrap().contains(&world.key(lost).to_string()), "{started}");
    assert!(started["result"].is_string(), "{started}");

    let key = world.key(lost).to_string();
    let messages = world.aws.messages();
    let message = messages.iter().find(|message| message.body.to_string().contains(&key));
    let message = message.unwrap_or_else(|| panic!("{messages:?}"));
    assert_eq!((message.queue.as_str(), message.delay_seconds), (QUEUE, 0));
    assert!(world.aws.invocations().is_empty(), "it launches nothing itself");
    let metric = world.environment.log_line("Repairs", PATIENCE).await.unwrap();
    assert!(metric.contains(r#""Act":"start""#) && metric.contains(r#""Reason":"event-lost""#), "{metric}");
}

#[tokio::test]
async fn a_dry_run_tells_the_same_and_does_nothing() {
    let mut world = World::new().await;
    let first = world.job(JobSpec::new("build"));
    world.know(first).await;
    world.pass(&json!({})).await;
    let lost = world.job(JobSpec::new("build"));
    let sent = world.aws.messages().len();
    let answer = world.pass(&json!({ "dry_run": true })).await;
    let repairs = answer["repairs"].as_array().unwrap();
    let planned = repairs.iter().find(|repair| is(repair, "start", "event-lost"));
    let planned = planned.unwrap_or_else(|| panic!("{answer}"));
    assert!(planned["text"].as_str().unwrap().contains(&world.key(lost).to_string()), "{planned}");
    assert_eq!(
        (&answer["dry_run"], &planned["result"], &planned["error"]),
        (&true.into(), &Value::Null, &Value::Null)
    );
    assert_eq!(world.aws.messages().len(), sent);
}

#[tokio::test]
async fn a_stack_may_have_dry_runs_only_and_an_invocation_may_say_otherwise() {
    let mut world = World::with(&[("MAYFLY_RECONCILE_DRY_RUN", "true")]).await;
    for (payload, is_dry) in [(json!({}), true), (json!({ "dry_run": false }), false)] {
        assert_eq!(world.pass(&payload).await["dry_run"], is_dry, "{payload}");
    }
}

#[tokio::test]
async fn what_is_broken_in_the_ledger_is_mended() {
    let mut world = World::new().await;
    let job = world.job(JobSpec::new("build"));
    world.know(job).await;
    world.pass(&json!({})).await;
    world.break_record(job).await;
    let answer = world.pass(&json!({})).await;
    assert!(is(&answer["repairs"][0], "mend", "unreadable"), "{answer}");
    assert_eq!(world.record(job).await.state, LedgerState::Seen, "GitLab shows that it waits");
}

#[tokio::test]
async fn a_pass_that_leaves_something_undone_does_all_the_rest_and_fails_with_numbers() {
    let mut world = World::new().await;
    let first = world.job(JobSpec::new("build"));
    world.know(first).await;
    world.pass(&json!({})).await;
    for _ in 0..2 {
        world.job(JobSpec::new("build"));
    }
    let before = world.aws.messages().len();
    world.aws.answer_next("SendMessage", Reply::error(403, "AccessDeniedException"));
    let Answer::Error(error) = world.invoke(&json!({})).await else { panic!("a repair failed") };
    assert_eq!(error.error_type, "Incomplete");
    assert_eq!(error.error_message, "1 of 2 repairs failed (1 × start); the log says which and why");
    assert_eq!(world.aws.messages().len() - before, 1);
    world.environment.log_line("RepairsFailed", PATIENCE).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_seen_fails_a_pass_but_not_a_dry_run() {
    let mut world = World::new().await;
    world.pass(&json!({})).await;
    world.lose_gitlab();
    let answer = world.pass(&json!({ "dry_run": true })).await;
    assert_eq!(answer["unseen"].as_array().unwrap().len(), 1, "{answer}");
    let Answer::Error(error) = world.invoke(&json!({})).await else { panic!("GitLab could not be asked") };
    assert_eq!(error.error_message, "1 of the looks failed; the log says which and why");
}

#[tokio::test]
async fn without_the_ledger_there_is_no_pass() {
    let mut world = World::new().await;
    for _ in 0..10 {
        world.aws.answer_next("Query", Reply::error(400, "ThrottlingException"));
    }
    for payload in [json!({}), json!({ "dry_run": true })] {
        let Answer::Error(error) = world.invoke(&payload).await else { panic!("nothing was read") };
        assert_eq!(error.error_type, "Later", "{error:?}");
    }
}

#[tokio::test]
async fn a_misspelt_request_is_refused() {
    let mut world = World::new().await;
    let Answer::Error(error) = world.invoke(&json!({ "dryrun": true })).await else {
        panic!("it was not refused")
    };
    assert!(error.error_message.contains("unknown field `dryrun`"), "{error:?}");
}
