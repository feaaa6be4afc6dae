//! A ledger table that an older version made, without the index of open records.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use mayfly_aws::dynamodb::create_tables;
use mayfly_core::ids::JobKey;
use mayfly_core::ledger::{LedgerRecord, LedgerState};
use mayfly_core::ports::{Ledger, Written};
use mayfly_standins::contracts::{NOW, full_record, new_record};

use crate::bad_items::{store, stored, text};
use crate::ledger_of;
use crate::server::{LEDGER_TABLE, MAPPING_TABLE, Server};

async fn create_older_table(server: &Server) {
    let attribute =
        |name| AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
    let key =
        |name| KeySchemaElement::builder().attribute_name(name).key_type(KeyType::Hash).build().unwrap();
    let index = GlobalSecondaryIndex::builder()
        .index_name("by-runner")
        .key_schema(key("runner_name"))
        .projection(Projection::builder().projection_type(ProjectionType::All).build());
    server
        .client()
        .create_table()
        .table_name(LEDGER_TABLE)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("pk").build().unwrap())
        .attribute_definitions(attribute("runner_name").build().unwrap())
        .key_schema(key("pk"))
        .global_secondary_indexes(index.build().unwrap())
        .send()
        .await
        .unwrap();
}

/// Stores the record as the older version did.
async fn put_older(server: &Server, record: &LedgerRecord) {
    assert_eq!(ledger_of(server).put(record, NOW).await.unwrap(), Written::Yes);
    let mut item = stored(server, &record.key).await.unwrap();
    item.remove("open");
    store(server, item).await;
}

#[tokio::test]
async fn an_older_table_gets_the_index_and_what_is_open_is_in_it() {
    let server = Server::without_tables();
    create_older_table(&server).await;
    let open = full_record("gitlab.example.com/1/1", "mayfly-ec2-i-0a");
    let mut closed = new_record("gitlab.example.com/1/2", "build");
    closed.enter(LedgerState::Finished, "for the test", NOW);
    let broken: JobKey = "gitlab.example.com/1/3".parse().unwrap();
    put_older(&server, &open).await;
    put_older(&server, &closed).await;
    store(&server, [("pk".to_owned(), text(&format!("job#{broken}")))].into()).await;
    store(&server, [("pk".to_owned(), text("fleet#0"))].into()).await;
    let ledger = ledger_of(&server);
    assert!(!ledger.open().await.unwrap_err().is_transient(), "there is no index");

    for _ in 0..2 {
        create_tables(&server.client(), MAPPING_TABLE, LEDGER_TABLE).await.unwrap();
        let listed = ledger.open().await.unwrap();
        assert_eq!(listed.records, [LedgerRecord { version: 1, ..open.clone() }]);
        assert!(matches!(&listed.broken[..], [told] if told.key == broken), "{:?}", listed.broken);
    }
    let mut record = ledger.get(&closed.key, NOW).await.unwrap().unwrap();
    record.enter(LedgerState::Seen, "for the test", NOW);
    assert_eq!(ledger.put(&record, NOW).await.unwrap(), Written::Yes);
    assert_eq!(ledger.open().await.unwrap().records.len(), 2, "later writes are in it too");
}
