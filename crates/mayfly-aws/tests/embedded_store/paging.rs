//! A page of an answer holds at most 1 MB: what is larger comes in several.

use mayfly_core::machine::MachineSpec;
use mayfly_core::mapping::{RunnerSettings, StoredMapping, Target};
use mayfly_core::ports::MappingStore;

use crate::server::{MAPPING_TABLE, Server};
use crate::{add_mappings, job, mapping, mappings_of};

async fn assert_one_page_is_not_enough(server: &Server, table: &str) {
    let page = server.client().scan().table_name(table).send().await.unwrap();
    assert!(page.last_evaluated_key().is_some());
}

#[tokio::test]
async fn mappings_of_several_pages_are_all_found() {
    let server = Server::in_memory().await;
    let store = mappings_of(&server);
    for number in 0..8 {
        let mut row = mapping("job#build", &format!("tags#{number}"), Target::Ec2(MachineSpec::default()));
        row.settings = RunnerSettings { pass_env: vec!["x".repeat(280_000)], ..row.settings };
        add_mappings(&server, std::slice::from_ref(&row)).await;
        row.key.pattern = mapping("job#*", "tags#", Target::Ec2(MachineSpec::default())).key.pattern;
        add_mappings(&server, &[row]).await;
    }
    assert_one_page_is_not_enough(&server, MAPPING_TABLE).await;
    let all = store.list().await.unwrap();
    assert_eq!(all.len(), 16);
    assert!(all.iter().all(|row| matches!(row, StoredMapping::Readable(_))));
    assert_eq!(store.candidates(None, &job("build")).await.unwrap().len(), 16);
    assert_eq!(store.candidates(None, &job("test")).await.unwrap().len(), 8);
}
