//! `mayfly events list`.

use libtest_mimic::Trial;
use mayfly_standins::aws::Reply;
use serde_json::{Value, json};

use crate::command::trial;
use crate::installation::{
    DEAD_LETTERS, REPLAY_QUEUE, REPLAY_RULE, complaint, event, hours_ago, installation, json_after, letter,
    mayfly, mayfly_with,
};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("dead_letters_are_listed_with_their_reason_and_stay", dead_letters()),
        trial("what_cannot_be_read_is_named_and_hides_nothing", unreadable()),
        trial("a_file_is_listed_without_an_account", a_file()),
        trial("webhooks_as_gitlab_sends_them_are_events", webhooks()),
        trial("what_a_local_server_gave_up_is_listed", local()),
        trial("an_event_that_cannot_be_queued_again_keeps_none_from_being_told", local_failed()),
        trial("the_archive_is_listed_by_a_replay_that_no_machine_hears", archive()),
        trial("of_the_archive_what_is_read_goes_at_once_and_what_is_not_meant_is_not_kept", large_archive()),
        trial("a_replay_that_fails_is_told", archive_failed()),
        trial("a_source_that_is_not_there_is_named", not_there()),
    ]
}

fn jobs(listed: &Value) -> Vec<&str> {
    listed["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|listed| listed["event"]["key"].as_str().unwrap())
        .collect()
}

async fn dead_letters() {
    let aws = installation().await;
    for (job, hours) in [(1, 2), (2, 3)] {
        let body = letter(&event(job, "pending", &hours_ago(hours)));
        aws.put_message(DEAD_LETTERS, &format!("m-{job}"), &body);
    }
    let news =
        json!({ "machine": "watch", "event": { "id": "i-1", "state": "running", "at": hours_ago(1) } });
    aws.put_message(DEAD_LETTERS, "m-3", &news);
    let output = mayfly(&aws, &["events", "list", "--from", "dead-letters", "--output", "json"]).await;
    let listed = json_after(&output, 0);
    assert_eq!(jobs(&listed), ["gitlab.example.com/380/2", "gitlab.example.com/380/1"], "the oldest first");
    assert_eq!(listed["events"][0]["failure"]["cause"], "ledger: get failed: throttled");
    assert_eq!(listed["events"][0]["failure"]["at"], "2026-08-01T10:00:00Z");
    assert_eq!(listed["for_nobody"][0]["place"], "message m-3");
    let visible = |id: &str| (id.to_owned(), false);
    assert_eq!(aws.kept(DEAD_LETTERS), [visible("m-1"), visible("m-2"), visible("m-3")]);

    let output = mayfly(&aws, &["events", "list", "--from", "dead-letters", "--since", "150m"]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("380/1 ") && text.contains("2 h") && text.contains("Later: ledger: get failed"),
        "{text}"
    );
    assert!(!text.contains("380/2 ") && !text.contains("i-1"), "{text}");
    assert!(!aws.calls().iter().any(|call| call == "DeleteMessage"), "{:?}", aws.calls());
}

async fn unreadable() {
    let aws = installation().await;
    aws.put_message(DEAD_LETTERS, "m-1", &json!("{broken"));
    aws.put_message(DEAD_LETTERS, "m-2", &event(2, "running", &hours_ago(1)));
    let output = mayfly(
        &aws,
        &["events", "list", "--from", "dead-letters", "--job", "gitlab.example.com/380/2", "-o", "json"],
    )
    .await;
    let listed = json_after(&output, 1);
    assert_eq!(jobs(&listed), ["gitlab.example.com/380/2"]);
    assert_eq!(listed["unreadable"][0]["place"], "message m-1");
}

async fn a_file() {
    let input =
        format!("{}\n{{\n{}\n", event(1, "pending", &hours_ago(1)), event(2, "success", &hours_ago(1)));
    let output = mayfly_with(None, &["events", "list", "--from", "-", "--output", "json"], &input).await;
    let listed = json_after(&output, 1);
    assert_eq!(jobs(&listed), ["gitlab.example.com/380/1", "gitlab.example.com/380/2"]);
    assert_eq!(listed["unreadable"][0]["place"], "line 2");
    assert!(listed["unreadable"][0]["reason"].as_str().unwrap().starts_with("it is not JSON"), "{listed}");

    let output =
        mayfly_with(None, &["events", "list", "--from", "-", "-o", "json"], &listed.to_string()).await;
    assert_eq!(jobs(&json_after(&output, 0)), jobs(&listed), "what was listed can be listed");
}

async fn webhooks() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/gitlab");
    let bodies = ["job-pending", "job-success", "job-created-documented", "push"].map(|name| {
        let text = std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    });
    let input = bodies.map(|body| body.to_string() + "\n").concat();
    let output = mayfly_with(None, &["events", "list", "--from", "-", "--output", "json"], &input).await;
    let listed = json_after(&output, 0);
    let statuses: Vec<&Value> =
        listed["events"].as_array().unwrap().iter().map(|listed| &listed["event"]["status"]).collect();
    assert_eq!(statuses.len(), 2, "{listed}");
    assert!(statuses.contains(&&json!("pending")) && statuses.contains(&&json!("success")), "{listed}");
    assert_eq!(listed["for_nobody"].as_array().unwrap().len(), 2, "{listed}");
}

/// A data folder of a server that gave up so many events.
fn data_folder(jobs: u64) -> (tempfile::TempDir, String) {
    let temp = tempfile::tempdir().unwrap();
    let database = rusqlite::Connection::open(temp.path().join("mayfly.db")).unwrap();
    let table =
        "CREATE TABLE mayfly_dead_letters (seq INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL,
        reason TEXT NOT NULL, at TEXT NOT NULL)";
    database.execute_batch(table).unwrap();
    for job in 1..=jobs {
        let pending = event(job, "pending", &hours_ago(1)).to_string();
        let values = [pending.as_str(), "no such mapping", "2026-08-01T10:00:00Z"];
        database
            .execute("INSERT INTO mayfly_dead_letters (event, reason, at) VALUES (?1, ?2, ?3)", values)
            .unwrap();
    }
    let folder = temp.path().display().to_string();
    (temp, folder)
}

/// How many events are given up, and how many wait.
fn counts(folder: &tempfile::TempDir) -> (u64, u64) {
    let database = rusqlite::Connection::open(folder.path().join("mayfly.db")).unwrap();
    let count = |table: &str| {
        let question = format!("SELECT COUNT(*) FROM {table}");
        database.query_row(&question, [], |row| row.get::<_, u64>(0)).unwrap()
    };
    (count("mayfly_dead_letters"), count("mayfly_queue"))
}

async fn local() {
    let (temp, folder) = data_folder(1);
    let arguments = ["events", "list", "--from", "dead-letters", "--data-dir", &folder, "--output", "json"];
    let listed = json_after(&mayfly_with(None, &arguments, "").await, 0);
    assert_eq!(jobs(&listed), ["gitlab.example.com/380/1"]);
    assert_eq!(listed["events"][0]["failure"]["cause"], "no such mapping");

    let arguments = ["events", "replay", "--from", "dead-letters", "--data-dir", &folder, "--output", "json"];
    let replayed = json_after(&mayfly_with(None, &arguments, "").await, 0);
    assert_eq!(replayed["events"][0]["outcome"], "queued");
    assert_eq!(counts(&temp), (0, 1));
}

async fn local_failed() {
    let (temp, folder) = data_folder(3);
    let refusal = "CREATE TRIGGER refuse BEFORE DELETE ON mayfly_dead_letters WHEN OLD.seq = 2
        BEGIN SELECT RAISE(ABORT, 'full'); END";
    rusqlite::Connection::open(temp.path().join("mayfly.db")).unwrap().execute_batch(refusal).unwrap();
    let arguments = ["events", "replay", "--from", "dead-letters", "--data-dir", &folder, "--output", "json"];
    let replayed = json_after(&mayfly_with(None, &arguments, "").await, 1);
    let mut told: Vec<_> = replayed["events"].as_array().unwrap().iter().map(|one| &one["outcome"]).collect();
    told.sort_by_key(ToString::to_string);
    assert_eq!(told, ["failed", "queued", "queued"], "{replayed}");
    assert_eq!(counts(&temp), (1, 2));
}

async fn archive() {
    let aws = installation().await;
    for job in [1, 2] {
        let detail = event(job, "success", &hours_ago(1));
        let envelope = json!({ "id": format!("e-{job}"), "detail-type": "GitLab job", "source": "mayfly.webhook", "detail": detail });
        aws.archive(REPLAY_RULE, REPLAY_QUEUE, envelope.clone());
        if job == 1 {
            // Delivered twice.
            aws.archive(REPLAY_RULE, REPLAY_QUEUE, envelope);
        }
    }
    let of_another = json!({ "replay-name": "mayfly-list-1", "detail": event(3, "success", &hours_ago(1)) });
    aws.put_message(REPLAY_QUEUE, "m-other", &of_another);
    let arguments = ["--from", "archive", "--since", "2h", "--output", "json"];
    let listed = json_after(&mayfly(&aws, &[&["events", "list"][..], &arguments].concat()).await, 0);
    assert_eq!(jobs(&listed), ["gitlab.example.com/380/1", "gitlab.example.com/380/2"]);
    let started = aws.bodies().into_iter().find(|body| body.contains("EventStartTime")).unwrap();
    let started: Value = serde_json::from_str(&started).unwrap();
    assert_eq!(started["Destination"]["FilterArns"], json!([REPLAY_RULE]));
    assert_eq!(started["EventSourceArn"], "arn:aws:events:eu-central-1:123456789012:archive/mayfly-events");
    assert!(started["ReplayName"].as_str().unwrap().starts_with("mayfly-list-"), "{started}");
    assert_eq!(aws.kept(REPLAY_QUEUE), [("m-other".to_owned(), false)], "its own are taken out");
    assert!(aws.executions().is_empty());

    let replayed = json_after(&mayfly(&aws, &[&["events", "replay"][..], &arguments].concat()).await, 0);
    assert_eq!(replayed["events"].as_array().unwrap().len(), 2, "{replayed}");
    assert_eq!(aws.executions().len(), 2);
}

async fn large_archive() {
    let aws = installation().await;
    for job in 1..=100 {
        let status = if job == 50 { "failed" } else { "success" };
        let detail = event(job, status, &hours_ago(1));
        let envelope = json!({ "id": format!("e-{job}"), "detail-type": "GitLab job", "source": "mayfly.webhook", "detail": detail });
        aws.archive(REPLAY_RULE, REPLAY_QUEUE, envelope);
    }
    let arguments =
        ["events", "list", "--from", "archive", "--since", "2h", "--status", "failed", "--output", "json"];
    assert_eq!(jobs(&json_after(&mayfly(&aws, &arguments).await, 0)), ["gitlab.example.com/380/50"]);
    assert_eq!(aws.kept(REPLAY_QUEUE), []);
    let calls = aws.calls();
    let reads = calls.iter().take_while(|call| *call != "DeleteMessageBatch");
    let reads = reads.filter(|call| *call == "ReceiveMessage").count();
    assert!(reads <= 4, "{reads} calls have read before the first has deleted");
}

async fn archive_failed() {
    let aws = installation().await;
    let body = json!({ "State": "FAILED", "StateReason": "the rule is gone" });
    aws.answer_next("DescribeReplay", Reply { status: 200, body });
    let arguments = ["events", "list", "--from", "archive", "--since", "2h"];
    let said = complaint(&mayfly(&aws, &arguments).await, 1);
    assert!(said.contains("is FAILED: the rule is gone"), "{said}");
    aws.answer_next("StartReplay", Reply::error(400, "AccessDeniedException"));
    let said = complaint(&mayfly(&aws, &arguments).await, 1);
    assert!(
        said.contains("cannot replay the archive arn:aws:events") && said.contains("lack the right"),
        "{said}"
    );
}

async fn not_there() {
    let aws = installation().await;
    for (arguments, code, said) in [
        (&["events", "list"][..], 2, "--from"),
        (&["events", "list", "--from", "/nonexistent"], 1, "cannot open /nonexistent"),
        (&["events", "list", "--from", "archive"], 1, "give --since"),
        (
            &["events", "list", "--from", "archive", "--data-dir", "/nonexistent"],
            1,
            "a `mayfly local` has no archive",
        ),
        (
            &["events", "list", "--from", "dead-letters", "--data-dir", "/nonexistent"],
            1,
            "is this the data folder",
        ),
        (&["events", "list", "--from", "-", "--since", "soon"], 2, "how long ago"),
        (&["events", "list", "--from", "-", "--status", "paused"], 2, "it is none of created, pending"),
        (
            &["events", "list", "--from", "dead-letters", "--infrastructure-stack", "x"],
            1,
            "there is no stack x",
        ),
    ] {
        let complaint = complaint(&mayfly(&aws, arguments).await, code);
        assert!(complaint.contains(said), "{arguments:?}: {complaint}");
    }
    assert_eq!(aws.kept(REPLAY_QUEUE), []);
    for action in ["list", "replay"] {
        let output = mayfly(&aws, &["events", action, "--help"]).await;
        let help = String::from_utf8_lossy(&output.stdout).into_owned();
        for part in ["--from", "--since", "--data-dir", "--output", "Exit codes:", "Rights:"] {
            assert!(help.contains(part), "{part} is not in:\n{help}");
        }
    }
}
