//! The machine backend over a stand-in EC2, with its assignments in the embedded store.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ReturnValue,
    ScalarAttributeType,
};
use mayfly_aws::ec2::Ec2Backend;
use mayfly_aws::function::{Connection, Variables};
use mayfly_core::assignment::Assignment;
use mayfly_core::error::Chain;
use mayfly_core::ids::ResourceId;
use mayfly_core::ports::{HandOver, MachineBackend};
use mayfly_standins::contracts;
use mayfly_standins::ec2::{Ec2Server, SharedEc2};
use secrecy::ExposeSecret;

use crate::server::Server;

const TABLE: &str = "assignments";
const ROLE_ID: &str = "AROAEXAMPLE";
const STACK: &str = "mayfly-autoscaler";

struct World {
    ec2: Ec2Server,
    store: Server,
    backend: Ec2Backend,
}

impl World {
    async fn start() -> Self {
        let store = Server::in_memory().await;
        create_table(&store.client()).await;
        let ec2 = Ec2Server::start(SharedEc2::default()).await.unwrap();
        let backend = backend_of(&ec2, &store, TABLE);
        Self { ec2, store, backend }
    }

    /// Reads as a machine does, whose rights are for its own item only.
    async fn take(&self, machine: &ResourceId) -> Option<HashMap<String, AttributeValue>> {
        let request = self.store.client().delete_item().table_name(TABLE).return_values(ReturnValue::AllOld);
        let key = AttributeValue::S(format!("{ROLE_ID}:{machine}"));
        request.key("pk", key).send().await.unwrap().attributes
    }

    async fn read(&self, machine: &ResourceId) -> Option<Assignment> {
        let item = self.take(machine).await?;
        Some(Assignment::from_json(item["assignment"].as_s().unwrap().as_bytes()).unwrap())
    }
}

fn backend_of(ec2: &Ec2Server, store: &Server, table: &str) -> Ec2Backend {
    let endpoint = ec2.url().to_string();
    let variables = Variables::new(move |name| match name {
        "AWS_REGION" => Some("eu-central-1".to_owned()),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("example".to_owned()),
        "AWS_ENDPOINT_URL" => Some(endpoint.clone()),
        _ => None,
    });
    let client = Connection::read(&variables).unwrap().ec2();
    Ec2Backend::new(client, store.client(), table, ROLE_ID, STACK)
}

async fn create_table(client: &Client) {
    let attribute =
        AttributeDefinition::builder().attribute_name("pk").attribute_type(ScalarAttributeType::S);
    let key = KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash);
    client
        .create_table()
        .table_name(TABLE)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute.build().unwrap())
        .key_schema(key.build().unwrap())
        .send()
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_machine_backend_keeps_the_contract() {
    let world = World::start().await;
    let read = async |machine: &_| world.read(machine).await;
    contracts::machine_backend(&world.backend, world.ec2.ec2(), read).await;
}

#[tokio::test]
async fn the_item_of_an_assignment_is_pinned() {
    let world = World::start().await;
    let machine: ResourceId = "i-0123456789abcdef0".parse().unwrap();
    let assignment = contracts::machine_assignment(&machine, "glrt-secret");
    let job = "gitlab.example.com/380/1977".parse().unwrap();
    assert_eq!(world.backend.hand_over(&machine, &job, &assignment).await.unwrap(), HandOver::Waits);
    let text = |words: &str| AttributeValue::S(words.to_owned());
    let expected = [
        ("pk", text("AROAEXAMPLE:i-0123456789abcdef0")),
        ("assignment", text(assignment.to_secret_json().expose_secret())),
        ("job", text("gitlab.example.com/380/1977")),
        ("expires_at", AttributeValue::N("4102445400".to_owned())),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value)).into();
    assert_eq!(world.take(&machine).await.unwrap(), expected);
}

#[tokio::test]
async fn of_two_who_hand_over_at_once_one_hears_that_it_is_taken() {
    let world = World::start().await;
    let machine: ResourceId = "i-0123456789abcdef0".parse().unwrap();
    let assignment = contracts::machine_assignment(&machine, "glrt-secret");
    let jobs = [1, 2].map(|job| format!("gitlab.example.com/380/{job}").parse().unwrap());
    let [first, second] = &jobs;
    let (first, second) = tokio::join!(
        world.backend.hand_over(&machine, first, &assignment),
        world.backend.hand_over(&machine, second, &assignment)
    );
    let mut answers = [first.unwrap(), second.unwrap()];
    answers.sort_by_key(|answer| *answer == HandOver::Taken);
    assert_eq!(answers, [HandOver::Waits, HandOver::Taken]);
}

#[tokio::test]
async fn a_table_that_is_not_there_is_named_and_no_assignment_is_shown() {
    let world = World::start().await;
    let backend = backend_of(&world.ec2, &world.store, "no-table");
    let machine: ResourceId = "i-0123456789abcdef0".parse().unwrap();
    let assignment = contracts::machine_assignment(&machine, "glrt-secret");
    let job = "gitlab.example.com/380/1977".parse().unwrap();
    let error = backend.hand_over(&machine, &job, &assignment).await.unwrap_err();
    let text = Chain(&error).to_string();
    assert!(!error.is_transient() && text.contains("put assignment of i-0123456789abcdef0"), "{text}");
    assert!(text.contains("`no-table`") && !text.contains("glrt-"), "{text}");
}
