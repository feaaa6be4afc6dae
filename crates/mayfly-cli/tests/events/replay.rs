//! `mayfly events replay`.

use libtest_mimic::Trial;
use mayfly_standins::aws::{Reply, StandinAws};
use serde_json::{Value, json};

use crate::command::trial;
use crate::installation::{
    DEAD_LETTERS, FINISH, LAUNCH_DEAD_LETTERS, LAUNCHES, START, complaint, event, hours_ago, installation,
    json_after, letter, mayfly, mayfly_with,
};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("each_event_goes_to_its_machine_and_its_letter_goes", each_to_its_machine()),
        trial("of_one_job_its_end_is_replayed_first", end_first()),
        trial("a_letter_stays_if_its_event_could_not_be_handled", failures()),
        trial("what_cannot_be_replayed_or_read_to_its_end_is_hidden_from_nobody", hidden_from_nobody()),
        trial("a_dry_run_changes_nothing", dry_run()),
        trial("what_no_filter_takes_stays", filtered()),
        trial("launches_go_back_into_their_queue", launches()),
        trial("what_the_ledger_has_forgotten_is_not_replayed_unasked", forgotten()),
    ]
}

async fn replay(aws: &StandinAws, from: &str, more: &[&str], code: i32) -> Value {
    let arguments = [&["events", "replay", "--from", from, "--output", "json"], more].concat();
    json_after(&mayfly(aws, &arguments).await, code)
}

fn executed(aws: &StandinAws) -> Vec<(String, Value)> {
    let mut executed: Vec<_> = aws.executions().into_iter().map(|one| (one.machine, one.input)).collect();
    executed.sort_by_key(|(_, input)| input["key"].to_string());
    executed
}

async fn each_to_its_machine() {
    let aws = installation().await;
    let statuses = ["pending", "running", "success", "failed", "canceled"];
    let events: Vec<Value> =
        (1..).zip(statuses).map(|(job, status)| event(job, status, &hours_ago(1))).collect();
    for (number, event) in events.iter().enumerate() {
        aws.put_message(DEAD_LETTERS, &format!("m-{number}"), &letter(event));
    }
    aws.put_message(DEAD_LETTERS, "m-news", &json!({ "id": "i-1", "state": "running", "at": hours_ago(1) }));
    let replayed = replay(&aws, "dead-letters", &[], 0).await;
    let outcomes = replayed["events"].as_array().unwrap();
    assert_eq!(outcomes.len(), 5, "{replayed}");
    assert!(outcomes.iter().all(|one| one["outcome"] == "done"), "{replayed}");
    assert_eq!(replayed["for_nobody"][0]["place"], "message m-news");
    let expected: Vec<_> =
        [START, FINISH, FINISH, FINISH, FINISH].map(str::to_owned).into_iter().zip(events).collect();
    assert_eq!(executed(&aws), expected);
    assert_eq!(aws.kept(DEAD_LETTERS), []);

    let again = mayfly(&aws, &["events", "replay", "--from", "dead-letters"]).await;
    assert_eq!(String::from_utf8_lossy(&again.stdout), "0 events were replayed.\n");
}

async fn end_first() {
    let aws = installation().await;
    let (pending, success) = (event(1, "pending", &hours_ago(3)), event(1, "success", &hours_ago(2)));
    let input = format!("{pending}\n{success}\n{}\n", event(2, "created", &hours_ago(1)));
    let output = mayfly_with(Some(&aws), &["events", "replay", "--from", "-"], &input).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    assert!(
        text.contains("no state machine listens to `created`") && text.contains("handled `success`"),
        "{text}"
    );
    let inputs: Vec<Value> = aws.executions().into_iter().map(|execution| execution.input).collect();
    assert_eq!(inputs, [success, pending]);
}

async fn failures() {
    let aws = installation().await;
    let failed = |error: &str| {
        let body = json!({
            "executionArn": "arn", "status": "FAILED", "startDate": 1, "stopDate": 2, "error": error, "cause": "because",
        });
        Reply { status: 200, body }
    };
    for number in 1..=3 {
        let body = letter(&event(number, "pending", &hours_ago(number.cast_signed())));
        aws.put_message(DEAD_LETTERS, &format!("m-{number}"), &body);
    }
    // The oldest comes first.
    aws.answer_next("StartSyncExecution", failed("UnknownAnswer"));
    aws.answer_next("StartSyncExecution", failed("DeadLetter"));
    aws.answer_next("StartSyncExecution", Reply::error(400, "StateMachineDoesNotExist"));
    let replayed = replay(&aws, "dead-letters", &["--at-once", "1"], 1).await;
    let told: Vec<_> = replayed["events"].as_array().unwrap().iter().map(|one| &one["outcome"]).collect();
    assert_eq!(told, ["failed", "dead-letter", "failed"], "{replayed}");
    let last = replayed["events"][2]["said"].as_str().unwrap();
    assert!(last.contains(START) && last.contains("StateMachineDoesNotExist"), "{last}");
    // The second is in the queue anew; the others were given back.
    assert_eq!(aws.kept(DEAD_LETTERS), [("m-1".to_owned(), false), ("m-3".to_owned(), false)]);
}

async fn hidden_from_nobody() {
    let aws = installation().await;
    let letters: Vec<_> = (1..=11).map(|number| (format!("m-{number}"), false)).collect();
    for (id, _) in &letters {
        aws.put_message(DEAD_LETTERS, id, &letter(&event(1, "pending", &hours_ago(1))));
    }
    let replay = ["events", "replay", "--from", "dead-letters"];
    let said = complaint(&mayfly(&aws, &[&replay[..], &["--stack", "mine"]].concat()).await, 1);
    assert!(said.contains("there is no stack mine"), "{said}");
    assert_eq!(aws.kept(DEAD_LETTERS), letters);
    aws.pass_next("ReceiveMessage");
    aws.answer_next("ReceiveMessage", Reply::error(400, "AccessDeniedException"));
    let said = complaint(&mayfly(&aws, &replay).await, 1);
    assert!(said.contains("cannot read the queue"), "{said}");
    assert_eq!(aws.kept(DEAD_LETTERS), letters);
    assert!(aws.executions().is_empty());
}

async fn dry_run() {
    let aws = installation().await;
    aws.put_message(DEAD_LETTERS, "m-1", &letter(&event(1, "running", "2020-01-01T00:00:00Z")));
    let replayed = replay(&aws, "dead-letters", &["--dry-run"], 0).await;
    assert_eq!(
        (&replayed["dry_run"], &replayed["events"][0]["machine"]),
        (&json!(true), &json!("finish-runner"))
    );
    assert_eq!(replayed["events"][0]["outcome"], "planned");
    assert_eq!(aws.kept(DEAD_LETTERS), [("m-1".to_owned(), false)]);
    assert!(aws.executions().is_empty());
    // A file needs no account for it.
    let input = event(1, "pending", &hours_ago(1)).to_string();
    let output = mayfly_with(None, &["events", "replay", "--from", "-", "--dry-run"], &input).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && text.contains("1 event would be replayed; nothing was done"),
        "{output:?}"
    );
}

async fn filtered() {
    let aws = installation().await;
    for (job, status) in [(1, "pending"), (2, "success"), (3, "pending")] {
        aws.put_message(DEAD_LETTERS, &format!("m-{job}"), &letter(&event(job, status, &hours_ago(1))));
    }
    aws.put_message(DEAD_LETTERS, "m-broken", &json!("?"));
    let replayed = replay(&aws, "dead-letters", &["--status", "pending", "--limit", "1"], 1).await;
    assert_eq!(replayed["events"].as_array().unwrap().len(), 1, "{replayed}");
    assert_eq!(replayed["unreadable"][0]["place"], "message m-broken");
    let left = aws.kept(DEAD_LETTERS);
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(left.iter().all(|(_, is_hidden)| !is_hidden), "{left:?}");
}

async fn launches() {
    let aws = installation().await;
    let body = json!({ "action": "start", "event": event(1, "pending", &hours_ago(1)) });
    aws.put_message(LAUNCH_DEAD_LETTERS, "m-1", &body);
    aws.put_message(LAUNCH_DEAD_LETTERS, "m-2", &json!({ "Test": "message" }));
    let replayed = replay(&aws, "launch-dead-letters", &[], 1).await;
    assert_eq!(replayed["events"][0]["outcome"], "queued", "{replayed}");
    let sent = aws.messages();
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!((sent[0].queue.as_str(), &sent[0].body), (LAUNCHES, &body));
    assert_eq!(aws.kept(LAUNCH_DEAD_LETTERS), [("m-2".to_owned(), false)], "what is foreign stays");
}

async fn forgotten() {
    let aws = installation().await;
    let old = event(1, "pending", &hours_ago(9 * 24));
    aws.put_message(DEAD_LETTERS, "m-1", &letter(&old));
    let refused = complaint(&mayfly(&aws, &["events", "replay", "--from", "dead-letters"]).await, 1);
    assert!(
        refused.contains("1 of 1 event is older than the eight days") && refused.contains("--yes"),
        "{refused}"
    );
    assert_eq!(aws.kept(DEAD_LETTERS), [("m-1".to_owned(), false)]);
    assert!(aws.executions().is_empty());
    replay(&aws, "dead-letters", &["--yes"], 0).await;
    assert_eq!(executed(&aws), [(START.to_owned(), old)]);
}
