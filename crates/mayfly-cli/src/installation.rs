//! Where the installation is that a command is about, and its ledger.

pub(crate) mod aws;
pub(crate) mod mappings;
pub(crate) mod parameters;
mod place;
pub(crate) mod stack;
pub(crate) mod table;

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use mayfly_aws::dynamodb::DynamoLedger;
use mayfly_core::clock::{Clock, SystemClock};
use mayfly_core::ids::JobKey;
use mayfly_core::ledger::LedgerRecord;
use mayfly_core::ports::{Ledger, Sweep};
use mayfly_local::ledger::EmbeddedLedger;

use self::aws::{Account, AwsFlags};
use self::place::Place;
use self::stack::Stack;

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

/// An installation that was found. Its account and its stack are asked for once, whatever is opened in it.
pub(crate) struct Installation {
    place: Place,
    /// Not asked for, if all that is needed of it is named.
    stack: Option<Stack>,
}

/// The ledger of an installation. It answers as long as this value lives.
pub(crate) struct OpenedLedger {
    store: LedgerStore,
    place: Place,
}

enum LedgerStore {
    Embedded(EmbeddedLedger),
    Table(DynamoLedger),
}

impl Installation {
    /// The one in the data folder, or else the one of the stack, if that must be asked, in the account of the flags.
    pub(crate) async fn find(
        data_dir: Option<&Path>,
        stack: Option<&str>,
        aws: &AwsFlags,
    ) -> anyhow::Result<Self> {
        if let Some(folder) = data_dir {
            return Ok(Self { place: Place::DataFolder(folder.to_owned()), stack: None });
        }
        let account = Account::connect(aws).await?;
        let stack = match stack {
            Some(name) => Some(account.stack(name).await?),
            None => None,
        };
        Ok(Self { place: Place::Account(Box::new(account)), stack })
    }

    /// Its account, if it has one.
    pub(crate) fn account(&self) -> Option<&Account> {
        match &self.place {
            Place::Account(account) => Some(account),
            Place::DataFolder(_) => None,
        }
    }

    /// Its stack, if that was asked.
    fn stack(&self) -> Option<&Stack> {
        self.stack.as_ref()
    }

    /// What is named, or the stack's output.
    fn output(&self, named: Option<&str>, output: &str) -> anyhow::Result<String> {
        match (named, &self.stack) {
            (Some(name), _) => Ok(name.to_owned()),
            (None, Some(stack)) => Ok(stack.output(output)?.to_owned()),
            (None, None) => bail!("the installation's {output} is not known: give --stack"),
        }
    }

    fn ledger(&self, table: Option<&str>) -> anyhow::Result<OpenedLedger> {
        let store = match &self.place {
            Place::DataFolder(folder) => LedgerStore::Embedded(EmbeddedLedger::open(folder)?),
            Place::Account(account) => {
                LedgerStore::Table(DynamoLedger::new(account.dynamodb(), self.output(table, "LedgerTable")?))
            }
        };
        Ok(OpenedLedger { store, place: self.place.clone() })
    }
}

impl InstallationFlags {
    /// Finds the installation and opens its ledger. Only reads are made with it.
    pub(crate) async fn ledger(&self) -> anyhow::Result<OpenedLedger> {
        self.find(self.table.is_none()).await?.ledger(self.table.as_deref())
    }

    async fn find(&self, is_stack_needed: bool) -> anyhow::Result<Installation> {
        let stack = is_stack_needed.then_some(self.stack.as_str());
        Installation::find(self.data_dir.as_deref(), stack, &self.aws).await
    }
}

impl OpenedLedger {
    /// The record of a job.
    pub(crate) async fn record(&self, key: &JobKey) -> anyhow::Result<Option<LedgerRecord>> {
        let record = self.get().get(key, SystemClock.now()).await;
        record.map_err(|error| self.place.explain("read the ledger", &error))
    }

    /// All records that are not done with.
    pub(crate) async fn open(&self) -> anyhow::Result<Sweep> {
        self.get().open().await.map_err(|error| self.place.explain("read the ledger", &error))
    }

    fn get(&self) -> &DynamoLedger {
        match &self.store {
            LedgerStore::Embedded(embedded) => embedded.ledger(),
            LedgerStore::Table(ledger) => ledger,
        }
    }
}
