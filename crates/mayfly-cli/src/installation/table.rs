//! Where the mapping table is, and who edits it.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use mayfly_aws::dynamodb::MappingTable;
use mayfly_core::error::PortError;
use mayfly_core::row::MappingRow;
use mayfly_local::mappings::EmbeddedMappings;

use super::aws::AwsFlags;
use super::place::Place;
use super::{DEFAULT_STACK, Installation};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Installation")]
pub(crate) struct TableFlags {
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
pub(crate) enum Need {
    Mappings,
    History,
}

/// The table of an installation. It answers as long as this value lives.
pub(crate) struct OpenedTable {
    store: Store,
    place: Place,
}

enum Store {
    Embedded(EmbeddedMappings),
    Deployed(MappingTable),
}

impl TableFlags {
    pub(crate) async fn open(&self, need: Need) -> anyhow::Result<OpenedTable> {
        let stack = self.mapping_table.is_none().then_some(self.stack.as_str());
        let installation = Installation::find(self.data_dir.as_deref(), stack, &self.aws).await?;
        let is_deployed = installation.account().is_some();
        if is_deployed
            && need == Need::History
            && self.mapping_table.is_some()
            && self.history_table.is_none()
        {
            bail!(
                "the table of the history is not known: give --history-table beside --mapping-table, or --stack"
            );
        }
        let history = match need {
            Need::History if is_deployed => {
                installation.output(self.history_table.as_deref(), "MappingHistoryTable")?
            }
            _ => String::new(),
        };
        OpenedTable::new(&installation, self.mapping_table.as_deref(), history).await
    }
}

impl OpenedTable {
    /// The table of an installation: that of this name, or the one that its stack tells. A deployed one is only read if its
    /// history is not named.
    pub(crate) async fn new(
        installation: &Installation,
        table: Option<&str>,
        history: String,
    ) -> anyhow::Result<Self> {
        let place = installation.place.clone();
        let store = match &place {
            Place::DataFolder(folder) => Store::Embedded(EmbeddedMappings::open(folder).await?),
            Place::Account(account) => {
                let table = installation.output(table, "MappingTable")?;
                Store::Deployed(MappingTable::new(account.dynamodb(), table, history))
            }
        };
        Ok(Self { store, place })
    }

    pub(crate) fn get(&self) -> &MappingTable {
        match &self.store {
            Store::Embedded(embedded) => embedded.table(),
            Store::Deployed(table) => table,
        }
    }

    /// All rows in the order of their keys as they are written. The dispatcher reads the same way: one scan, which is one call for
    /// each MB, some thousands of rows. Keys typed by hand cannot be asked for one by one, nor can all beginnings of a name.
    pub(crate) async fn rows(&self) -> anyhow::Result<Vec<MappingRow>> {
        let progress = spinner();
        let rows = self.get().rows(|read| progress.set_message(format!("{read} mappings read"))).await;
        progress.finish_and_clear();
        rows.map_err(|error| self.explain("read the mappings", &error))
    }

    pub(crate) async fn row(
        &self,
        (partition_key, sort_key): &(String, String),
    ) -> anyhow::Result<Option<MappingRow>> {
        let row = self.get().row(partition_key, sort_key).await;
        row.map_err(|error| self.explain("read the mapping", &error))
    }

    /// What failed, and what to do.
    pub(crate) fn explain(&self, what: &str, error: &PortError) -> anyhow::Error {
        self.place.explain(what, error)
    }

    /// Who makes a change: the ARN of the AWS identity, or the user of this machine.
    pub(crate) async fn who(&self) -> anyhow::Result<String> {
        match &self.place {
            Place::DataFolder(_) => Ok(local_user()),
            Place::Account(account) => account.caller().await,
        }
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
