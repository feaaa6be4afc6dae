//! An installation whose tables are in an embedded store: on AWS behind a stand-in, and as the data folder of a `mayfly local`.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use mayfly_aws::dynamodb::{create_tables, embedded_client};
use mayfly_standins::aws::StandinAws;
use mayfly_standins::tables::EmbeddedTables;
use serde_json::Value;
use tempfile::TempDir;

use crate::command;

/// As `mayfly local` calls them.
const MAPPINGS: &str = "mayfly-mappings";
pub(crate) const LEDGER: &str = "mayfly-ledger";

pub(crate) const ARN: &str = "arn:aws:lambda:eu-central-1:123456789012:function:mayfly-shell-runner";

pub(crate) struct World {
    pub(crate) aws: StandinAws,
    pub(crate) store: Client,
    folder: TempDir,
    _tables: EmbeddedTables,
}

impl World {
    /// With a stack `mayfly-autoscaler`, whose default target is none.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mayfly.db");
        Self::with(EmbeddedTables::in_file(&file).await.unwrap(), folder).await
    }

    /// The same without a data folder: what is written need not get to a disk.
    pub(crate) async fn in_memory() -> Self {
        Self::with(EmbeddedTables::in_memory().await.unwrap(), tempfile::tempdir().unwrap()).await
    }

    async fn with(tables: EmbeddedTables, folder: TempDir) -> Self {
        let store = embedded_client(tables.url().as_str());
        create_tables(&store, MAPPINGS, LEDGER).await.unwrap();
        let aws = StandinAws::start(Some(tables.url().clone())).await.unwrap();
        aws.put_stack("mayfly-autoscaler", &[("LedgerTable", LEDGER), ("MappingTable", MAPPINGS)]);
        let world = Self { aws, store, folder, _tables: tables };
        world.set_parameters(&[]);
        world
    }

    /// Gives the stack parameters besides those that it always has.
    pub(crate) fn set_parameters(&self, further: &[(&str, &str)]) {
        let usual = [
            ("ShellRunnerFunctions", "mayfly-shell-runner*"),
            ("OtherShellRunnerArns", ""),
            ("RunnerSubnetIds", "subnet-1"),
        ];
        let default = ("DefaultTarget", "none");
        let all: Vec<(&str, &str)> =
            [default].into_iter().chain(usual).chain(further.iter().copied()).collect();
        self.aws.put_stack_parameters("mayfly-autoscaler", &all);
    }

    /// Writes rows as somebody types them: keys and type, and further attributes as `name=value`.
    pub(crate) async fn put(&self, rows: &[&str]) {
        let items: Vec<Item> = rows.iter().map(|row| item(row)).collect();
        for some in items.chunks(25) {
            let request = |item: &Item| {
                let put = PutRequest::builder().set_item(Some(item.clone())).build().unwrap();
                WriteRequest::builder().put_request(put).build()
            };
            let requests = some.iter().map(request).collect();
            self.store.batch_write_item().request_items(MAPPINGS, requests).send().await.unwrap();
        }
    }

    pub(crate) fn data_dir(&self) -> String {
        self.folder.path().display().to_string()
    }

    pub(crate) fn write_file(&self, name: &str, text: &str) -> String {
        let path: PathBuf = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Runs the command at AWS.
    pub(crate) async fn mayfly(&self, arguments: &[&str]) -> Run {
        run(arguments, &self.aws.variables(), "").await
    }

    /// Runs the command with the data folder.
    pub(crate) async fn local(&self, arguments: &[&str]) -> Run {
        let folder = self.data_dir();
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--data-dir", &folder]).collect();
        run(&arguments, &[], "").await
    }

    /// How often the mapping table or the ledger was asked.
    pub(crate) fn calls_of_tables(&self) -> usize {
        let is_of_table =
            |call: &&String| ["Scan", "Query", "GetItem", "BatchGetItem"].contains(&call.as_str());
        self.aws.calls().iter().filter(is_of_table).count()
    }
}

type Item = std::collections::HashMap<String, AttributeValue>;

/// `job#build tags#linux LAMBDA name=value …`
fn item(row: &str) -> Item {
    let mut words = row.split(' ');
    let [pk, sk, kind] = [(); 3].map(|()| words.next().unwrap());
    let mut item = Item::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))]);
    if kind != "-" {
        item.insert("type".to_owned(), text(kind));
    }
    if kind == "LAMBDA" {
        item.insert("arn".to_owned(), text(ARN));
    }
    for attribute in words {
        let (name, value) = attribute.split_once('=').unwrap();
        item.insert(name.to_owned(), text(value));
    }
    item
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Checks the exit code.
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// Checks that all of these are in what it printed.
    pub(crate) fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.out.contains(part), "`{part}` is not in:\n{}", self.out);
        }
        self
    }

    /// Checks that all of these are in what it complained of, and that it printed nothing.
    pub(crate) fn complains(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.err.contains(part), "`{part}` is not in:\n{}", self.err);
        }
        assert!(self.out.is_empty(), "{self:#?}");
        self
    }
}

/// Runs `mayfly` with just these variables.
pub(crate) async fn run(arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Run {
    Run::of(&command::run(arguments, variables, input).await)
}
