//! How often the mapping table is asked.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use mayfly_aws::dynamodb::DynamoMappingStore;
use mayfly_core::ids::JobName;
use mayfly_core::ports::MappingStore;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::HandClock;
use crate::assert_error;
use crate::server::{Answer, Scripted};

const KEEP_FOR: Duration = Duration::from_secs(30);

fn key(partition_key: &str) -> Value {
    json!({ "pk": { "S": partition_key }, "sk": { "S": "tags#" } })
}

fn page(partition_keys: &[&str], is_last: bool) -> Answer {
    let items: Vec<Value> = partition_keys
        .iter()
        .map(|partition_key| {
            let mut item = key(partition_key);
            item["type"] = json!({ "S": "EC2" });
            item
        })
        .collect();
    let mut body = json!({ "Count": items.len(), "ScannedCount": items.len(), "Items": items });
    if !is_last {
        body["LastEvaluatedKey"] = key(partition_keys.last().unwrap());
    }
    Answer::ok(body)
}

fn store(server: &Scripted, clock: &Arc<HandClock>) -> DynamoMappingStore {
    DynamoMappingStore::new(server.connection().dynamodb(), "mappings", KEEP_FOR, clock.clone())
}

fn build() -> JobName {
    "build".parse().unwrap()
}

#[tokio::test]
async fn all_pages_are_read_when_cold_and_nothing_when_warm() {
    let server = Scripted::start([
        page(&["job#build", "job#test"], false),
        page(&["job#b*", "project#g/a#job#build"], true),
    ])
    .await;
    let clock = Arc::new(HandClock::new());
    let store = store(&server, &clock);
    let project = "g/a".parse().unwrap();
    for (project, job, found) in
        [(None, build(), 2), (Some(&project), build(), 3), (None, "test".parse().unwrap(), 1)]
    {
        assert_eq!(store.candidates(project, &job).await.unwrap().len(), found);
    }
    let asked = server.asked();
    let lines: Vec<String> = asked.iter().map(crate::server::Asked::line).collect();
    assert_eq!(lines, ["POST / DynamoDB_20120810.Scan"; 2]);
    assert_eq!(asked[0].json(), json!({ "TableName": "mappings", "ConsistentRead": true }));
    assert_eq!(asked[1].json()["ExclusiveStartKey"], key("job#test"));

    clock.go_on(30);
    store.candidates(None, &build()).await.unwrap();
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn one_scan_serves_everyone_who_asks_meanwhile() {
    let gate = Arc::new(Notify::new());
    let server = Scripted::start([page(&["job#build"], true).behind(&gate)]).await;
    let store = store(&server, &Arc::new(HandClock::new()));
    let job = build();
    let asks = join_all((0..10).map(|_| store.candidates(None, &job)));
    let open = async {
        server.was_asked(1).await;
        gate.notify_one();
    };
    let (answers, ()) = tokio::join!(asks, open);
    for answer in answers {
        assert_eq!(answer.unwrap().len(), 1);
    }
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_scan_that_fails_is_told_to_everyone_who_waited_and_made_again() {
    let gate = Arc::new(Notify::new());
    let denied = Answer::error(400, "AccessDeniedException", "no");
    let server = Scripted::start([denied.behind(&gate), page(&["job#build"], true)]).await;
    let store = store(&server, &Arc::new(HandClock::new()));
    let job = build();
    let asks = join_all((0..3).map(|_| store.candidates(None, &job)));
    let open = async {
        server.was_asked(1).await;
        gate.notify_one();
    };
    let (answers, ()) = tokio::join!(asks, open);
    for answer in answers {
        assert_error(
            &answer.unwrap_err(),
            false,
            "DynamoDB: scan for all mappings failed: access is denied, check the rights of the role \
             (AccessDeniedException: no)",
        );
    }
    assert_eq!(server.asked().len(), 1);
    assert_eq!(store.candidates(None, &job).await.unwrap().len(), 1);
}
