//! Where the installation is that a command is about, and its ledger.

pub(crate) mod aws;
pub(crate) mod mappings;
pub(crate) mod parameters;
pub(crate) mod stack;

use std::path::PathBuf;

use clap::Args;
use mayfly_aws::dynamodb::DynamoLedger;
use mayfly_local::ledger::EmbeddedLedger;

use self::aws::{Account, AwsFlags};

/// The name that `autoscaler/samconfig.toml` gives the stack.
pub(crate) const DEFAULT_STACK: &str = "mayfly-autoscaler";

/// The name that `infrastructure/samconfig.toml` gives the stack.
pub(crate) const DEFAULT_INFRASTRUCTURE_STACK: &str = "mayfly-infrastructure";

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Installation")]
pub(crate) struct InstallationFlags {
    /// The data folder of a `mayfly local` on this machine, whether or not that runs.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["stack", "table", "profile", "region"])]
    data_dir: Option<PathBuf>,
    /// The name of the autoscaler's stack, as its `samconfig.toml` has it.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_STACK)]
    stack: String,
    /// The ledger's DynamoDB table. Without it, the stack's outputs tell, which takes the right
    /// `cloudformation:DescribeStacks`.
    #[arg(long, value_name = "NAME", conflicts_with = "stack")]
    table: Option<String>,
    #[command(flatten)]
    aws: AwsFlags,
}

/// The ledger of an installation. It answers as long as this value lives.
pub(crate) enum OpenedLedger {
    Embedded(EmbeddedLedger),
    Table(DynamoLedger),
}

impl InstallationFlags {
    /// Finds the installation and opens its ledger. Only reads are made with it.
    pub(crate) async fn ledger(&self) -> anyhow::Result<OpenedLedger> {
        if let Some(data_dir) = &self.data_dir {
            return Ok(OpenedLedger::Embedded(EmbeddedLedger::open(data_dir)?));
        }
        let account = Account::connect(&self.aws).await?;
        let table = match &self.table {
            Some(table) => table.clone(),
            None => account.stack(&self.stack).await?.output("LedgerTable")?.to_owned(),
        };
        Ok(OpenedLedger::Table(DynamoLedger::new(account.dynamodb(), table)))
    }
}

impl OpenedLedger {
    pub(crate) fn get(&self) -> &DynamoLedger {
        match self {
            Self::Embedded(embedded) => embedded.ledger(),
            Self::Table(ledger) => ledger,
        }
    }
}
