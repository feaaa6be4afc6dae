//! An installation: its tables in an embedded DynamoDB, and AWS in front of it.

use std::path::PathBuf;
use std::process::Output;

use mayfly_aws::dynamodb::{create_history_table, create_tables, embedded_client};
use mayfly_standins::aws::StandinAws;
use mayfly_standins::tables::EmbeddedTables;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::command::run;

pub(crate) const TABLE: &str = "mayfly-autoscaler-MappingTable-1A2B";
pub(crate) const HISTORY: &str = "mayfly-autoscaler-MappingHistoryTable-3C4D";
pub(crate) const ARN: &str = "arn:aws:lambda:eu-central-1:123456789012:function:shell";

pub(crate) struct World {
    pub(crate) aws: StandinAws,
    tables: EmbeddedTables,
    folder: TempDir,
}

/// What a command answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    /// Asserts that the command went well.
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.ok()).unwrap()
    }

    /// Asserts that the command failed and said this, and gives all that it said.
    pub(crate) fn fails(self, code: i32, said: &str) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stderr.contains(said), "{said} is not in: {}", self.stderr);
        self.stderr
    }
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs `mayfly` with just these variables.
pub(crate) async fn mayfly(arguments: &[&str], variables: &[(&str, &str)]) -> Answer {
    run(arguments, variables, "").await.into()
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tables = EmbeddedTables::in_memory().await.unwrap();
        let client = embedded_client(tables.url().as_str());
        create_tables(&client, TABLE, "ledger").await.unwrap();
        create_history_table(&client, HISTORY).await.unwrap();
        let aws = StandinAws::start(Some(tables.url().clone())).await.unwrap();
        aws.put_stack("mayfly-autoscaler", &[("MappingTable", TABLE), ("MappingHistoryTable", HISTORY)]);
        Self { aws, tables, folder }
    }

    /// Runs `mayfly mappings` with the credentials of the account.
    pub(crate) async fn mappings(&self, arguments: &[&str]) -> Answer {
        self.mayfly(&[&["mappings"], arguments].concat()).await
    }

    /// Runs `mayfly` with the credentials of the account.
    pub(crate) async fn mayfly(&self, arguments: &[&str]) -> Answer {
        mayfly(arguments, &self.aws.variables()).await
    }

    /// Writes a file, and gives its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a call as somebody does who has never heard of Mayfly.
    pub(crate) async fn foreign(&self, operation: &str, body: &Value) -> Value {
        let client = reqwest::Client::builder().build().unwrap();
        let authorization = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0";
        let request = client
            .post(self.tables.url().clone())
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header("x-amz-date", "20260101T000000Z")
            .header("authorization", authorization)
            .body(body.to_string());
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{operation}: {}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }

    /// Writes an item by hand.
    pub(crate) async fn put(&self, item: Value) {
        self.foreign("PutItem", &json!({ "TableName": TABLE, "Item": item })).await;
    }

    /// All items, in the order of their keys.
    pub(crate) async fn items(&self) -> Vec<Value> {
        let answer = self.foreign("Scan", &json!({ "TableName": TABLE })).await;
        let mut items = answer["Items"].as_array().unwrap().clone();
        items.sort_by_key(|item| format!("{} {}", item["pk"], item["sk"]));
        items
    }

    /// How many transactions were asked for.
    pub(crate) fn writes(&self) -> usize {
        self.aws.calls().iter().filter(|call| *call == "TransactWriteItems").count()
    }
}

/// A document with these entries.
pub(crate) fn document(entries: &[Value]) -> String {
    json!({ "version": 1, "mappings": entries }).to_string()
}

pub(crate) fn lambda(job: &str) -> Value {
    json!({ "job": job, "type": "LAMBDA", "arn": ARN })
}
