//! Where the mapping table is, and who edits it.

use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use aws_sdk_sts::error::ProvideErrorMetadata;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use mayfly_aws::answer_code;
use mayfly_aws::dynamodb::MappingTable;
use mayfly_core::error::{Chain, PortError};
use mayfly_core::row::MappingRow;
use mayfly_local::mappings::EmbeddedMappings;

use crate::installation::DEFAULT_STACK;
use crate::installation::aws::{Account, AwsFlags};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Installation")]
pub(super) struct TableFlags {
    /// The data folder of a `mayfly local` on this machine, whether or not that runs. If its settings file has mappings, they
    /// replace the table's at each start.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["stack", "mapping_table", "history_table", "profile", "region"])]
    data_dir: Option<PathBuf>,
    /// The name of the autoscaler's stack, as its `samconfig.toml` has it.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_STACK)]
    stack: String,
    /// The DynamoDB table of the mappings. Without it, the stack's outputs tell, which takes the right
    /// `cloudformation:DescribeStacks`.
    #[arg(long, value_name = "NAME", conflicts_with = "stack")]
    mapping_table: Option<String>,
    /// The DynamoDB table of their history, for commands that change something or look at what was changed.
    #[arg(long, value_name = "NAME", requires = "mapping_table")]
    history_table: Option<String>,
    #[command(flatten)]
    aws: AwsFlags,
}

/// What a command does with the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Mappings,
    History,
}

/// The table of an installation. It answers as long as this value lives.
pub(super) struct OpenedTable {
    kind: Kind,
}

enum Kind {
    Embedded(EmbeddedMappings),
    Deployed { table: MappingTable, account: Box<Account> },
}

impl TableFlags {
    pub(super) async fn open(&self, need: Need) -> anyhow::Result<OpenedTable> {
        if let Some(data_dir) = &self.data_dir {
            return Ok(OpenedTable { kind: Kind::Embedded(EmbeddedMappings::open(data_dir).await?) });
        }
        let account = Account::connect(&self.aws).await?;
        let (table, history) = if let Some(table) = &self.mapping_table {
            (table.clone(), self.history_table.clone())
        } else {
            let stack = account.stack(&self.stack).await?;
            let history =
                if need == Need::History { Some(stack.output("MappingHistoryTable")?) } else { None };
            (stack.output("MappingTable")?.to_owned(), history.map(str::to_owned))
        };
        if need == Need::History && history.is_none() {
            bail!(
                "the table of the history is not known: give --history-table beside --mapping-table, or --stack"
            );
        }
        let table = MappingTable::new(account.dynamodb(), table, history.unwrap_or_default());
        Ok(OpenedTable { kind: Kind::Deployed { table, account: Box::new(account) } })
    }
}

impl OpenedTable {
    pub(super) fn get(&self) -> &MappingTable {
        match &self.kind {
            Kind::Embedded(embedded) => embedded.table(),
            Kind::Deployed { table, .. } => table,
        }
    }

    /// All rows in the order of their keys.
    pub(super) async fn rows(&self) -> anyhow::Result<Vec<MappingRow>> {
        let progress = spinner();
        let rows = self.get().rows(|read| progress.set_message(format!("{read} mappings read"))).await;
        progress.finish_and_clear();
        rows.map_err(|error| self.explain("read the mappings", &error))
    }

    pub(super) async fn row(
        &self,
        (partition_key, sort_key): &(String, String),
    ) -> anyhow::Result<Option<MappingRow>> {
        let row = self.get().row(partition_key, sort_key).await;
        row.map_err(|error| self.explain("read the mapping", &error))
    }

    /// What failed, and what to do.
    pub(super) fn explain(&self, what: &str, error: &PortError) -> anyhow::Error {
        let chain = Chain(error);
        match &self.kind {
            Kind::Deployed { account, .. } => {
                // In the reasons of a transaction the same things have other names.
                let code = match answer_code(error) {
                    Some("ThrottlingError" | "ProvisionedThroughputExceeded") => Some("ThrottlingException"),
                    code => code,
                };
                account.explain(what, code, &chain)
            }
            Kind::Embedded(_) if error.is_transient() => {
                anyhow!("cannot {what}: {chain}; try again: the store is in use")
            }
            Kind::Embedded(_) => anyhow!("cannot {what}: {chain}"),
        }
    }

    /// Who makes a change: the ARN of the AWS identity, or the user of this machine.
    pub(super) async fn who(&self) -> anyhow::Result<String> {
        let account = match &self.kind {
            Kind::Embedded(_) => return Ok(local_user()),
            Kind::Deployed { account, .. } => account,
        };
        let answer = aws_sdk_sts::Client::new(account.config()).get_caller_identity().send().await;
        let answer = answer.map_err(|error| {
            account.explain("ask AWS whose credentials these are", error.code(), &Chain(&error))
        })?;
        answer.arn.context("AWS does not say whose credentials these are")
    }
}

/// As the shell knows them: it is a note and no proof.
#[expect(clippy::disallowed_methods, reason = "read here and used at once")]
fn local_user() -> String {
    let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    let user = variable("USER").or_else(|| variable("LOGNAME")).unwrap_or_else(|| "somebody".to_owned());
    let file = || std::fs::read_to_string("/etc/hostname").ok().map(|name| name.trim().to_owned());
    let host = variable("HOSTNAME").or_else(file).unwrap_or_else(|| "this machine".to_owned());
    format!("{user}@{host}")
}

/// Says on a terminal that something is under way.
fn spinner() -> ProgressBar {
    ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
    )
}
