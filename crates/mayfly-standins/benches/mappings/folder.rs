//! The data folder of a `mayfly local`, and a document with many mappings.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, anyhow, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// How many mappings there are.
pub(crate) const ROWS: usize = 10_000;

/// The folder, and the same mappings as JSON and as YAML.
pub(crate) struct DataFolder {
    folder: TempDir,
    json: String,
    yaml: String,
}

impl DataFolder {
    /// A folder with empty tables, as a `mayfly local` makes them.
    pub(crate) async fn make() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        make_tables(&folder.path().join("mayfly.db")).await?;
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (json, yaml) = (path("mappings.json"), path("mappings.yaml"));
        std::fs::write(&json, as_json())?;
        std::fs::write(&yaml, as_yaml())?;
        Ok(Self { folder, json, yaml })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn json(&self) -> &str {
        &self.json
    }

    pub(crate) fn yaml(&self) -> &str {
        &self.yaml
    }
}

fn job(number: usize) -> String {
    format!("build-{number}")
}

fn project(number: usize) -> String {
    format!("group-{}/app-{}", number % 7, number % 400)
}

const TAGS: [&str; 2] = ["docker", "linux"];
const ARN: &str = "arn:aws:lambda:eu-central-1:123456789012:function:mayfly-shell-runner";

fn as_json() -> String {
    let mappings: Vec<Value> = (0..ROWS)
        .map(|number| {
            json!({
                "job": job(number), "project": project(number), "tags": TAGS, "type": "LAMBDA", "arn": ARN,
                "max_life_seconds": 600 + number % 300, "owner": format!("team {}", number % 50),
            })
        })
        .collect();
    json!({ "version": 1, "mappings": mappings }).to_string()
}

fn as_yaml() -> String {
    (0..ROWS).fold("version: 1\nmappings:\n".to_owned(), |mut text, number| {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "  - job: {}\n    project: {}\n    tags: [{}]\n    type: LAMBDA\n    arn: {ARN}\n    max_life_seconds: {}\n    owner: team {}\n",
            job(number),
            project(number),
            TAGS.join(", "),
            600 + number % 300,
            number % 50
        );
        text
    })
}

const AUTHORIZATION: &str =
    "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0";

/// Every table has the keys `pk` and `sk`, but for the ledger's, which nobody asks here.
async fn make_tables(file: &Path) -> anyhow::Result<()> {
    let path = file.to_str().context("a path in UTF-8")?;
    let database = dynoxide::Database::new(path).map_err(|error| anyhow!("{error}"))?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = format!("http://{}", listener.local_addr()?);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async {
        // Ends when the sender is dropped.
        let _ = stopped.await;
    };
    let server = tokio::spawn(dynoxide::server::serve_with_shutdown(listener, database, shutdown));
    // An error says that it was installed before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().build()?;
    for table in ["mayfly-mappings", "mayfly-mapping-history"] {
        let attribute = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
        let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
        let body = json!({
            "TableName": table, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [attribute("pk"), attribute("sk")],
            "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
        });
        let request = client.post(&address).header("x-amz-target", "DynamoDB_20120810.CreateTable");
        let answer = request
            .header("content-type", "application/x-amz-json-1.0")
            // Looked at, and not checked.
            .header("authorization", AUTHORIZATION)
            .header("x-amz-date", "20260101T000000Z")
            .body(body.to_string())
            .send()
            .await?;
        ensure!(answer.status().is_success(), "cannot make {table}: {}", answer.text().await?);
    }
    drop(stop);
    server.await?.map_err(|error| anyhow!("{error}"))
}
