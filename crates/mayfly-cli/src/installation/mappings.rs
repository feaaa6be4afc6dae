//! The mapping table of an installation, and what else decides where jobs go.

use std::str::FromStr;

use clap::Args;
use mayfly_core::lint::{DefaultFact, InstallationFacts, Invocable, JobTags, Site, TableRow};
use mayfly_core::mapping::{RunnerSettings, Target};
use mayfly_core::resolve::{DefaultSetting, DefaultTarget};
use mayfly_core::row::MappingRow;

use super::aws::Account;
use super::stack::Stack;
use super::table::OpenedTable;
use super::{Installation, InstallationFlags, OpenedLedger};

/// The default target as a person gives it.
#[derive(Debug, Clone)]
pub(crate) struct DefaultFlag(Option<DefaultTarget>);

impl FromStr for DefaultFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("local") {
            return Ok(Self(Some(local())));
        }
        match text.parse() {
            Ok(DefaultSetting(target)) => Ok(Self(target)),
            Err(_) => Err("write `none`, `local`, `EC2`, or the ARN of a Lambda function".to_owned()),
        }
    }
}

/// The default target of a `mayfly local` that was told nothing else.
fn local() -> DefaultTarget {
    DefaultTarget { target: Target::Local, settings: RunnerSettings::default() }
}

/// The mappings of an installation. They can be read as long as this value lives.
pub(crate) struct OpenedMappings {
    table: OpenedTable,
    /// What is known of the installation.
    pub(crate) facts: InstallationFacts,
    /// Its account, if it has one.
    pub(crate) account: Option<Account>,
    /// True if the default target is what such an installation has if nobody says otherwise.
    pub(crate) default_is_assumed: bool,
}

impl OpenedMappings {
    /// All rows, in the order of their keys as they are written.
    pub(crate) async fn rows(&self) -> anyhow::Result<Vec<TableRow>> {
        Ok(self.table.rows().await?.iter().map(table_row).collect())
    }

    /// The default target, if it is known and there is one.
    pub(crate) fn default_target(&self) -> Option<&DefaultTarget> {
        match &self.facts.default {
            DefaultFact::Known(default) => default.as_ref(),
            DefaultFact::NotKnown => None,
        }
    }
}

/// A row as lint looks at it.
pub(crate) fn table_row(row: &MappingRow) -> TableRow {
    let (partition_key, sort_key) = (row.partition_key.clone(), row.sort_key.clone());
    TableRow { partition_key, sort_key, mapping: row.read() }
}

/// Where an installation is whose mappings are looked at.
#[derive(Debug, Clone, Args)]
pub(crate) struct MappingFlags {
    #[command(flatten)]
    installation: InstallationFlags,
    /// The mapping table. Without it, the stack's outputs tell. What the stack's parameters say, such as the default target, is
    /// then not known.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["stack", "data_dir"], help_heading = "Installation")]
    mapping_table: Option<String>,
}

impl MappingFlags {
    /// True if one of the tables is named and the other is not: the other would be that of any stack.
    pub(crate) fn names_one_table(&self) -> bool {
        self.installation.table.is_some() != self.mapping_table.is_some()
    }

    /// Finds the installation.
    pub(crate) async fn find(&self) -> anyhow::Result<Installation> {
        self.installation.find(self.mapping_table.is_none()).await
    }

    /// Opens the ledger of the installation. Only reads are made with it.
    pub(crate) fn ledger(&self, installation: &Installation) -> anyhow::Result<OpenedLedger> {
        installation.ledger(self.installation.table.as_deref())
    }

    /// Opens the mapping table of the installation. Only reads are made with it.
    pub(crate) async fn mappings(
        &self,
        installation: &Installation,
        default: Option<&DefaultFlag>,
    ) -> anyhow::Result<OpenedMappings> {
        let table = OpenedTable::new(installation, self.mapping_table.as_deref(), String::new()).await?;
        let account = installation.account().cloned();
        let facts = match (&account, installation.stack()) {
            (None, _) => facts(Site::DataFolder, DefaultFact::Known(Some(local())), default),
            (Some(_), Some(stack)) => of_stack(stack, default),
            (Some(_), None) => facts(Site::Aws, DefaultFact::NotKnown, default),
        };
        let default_is_assumed = account.is_none() && default.is_none();
        Ok(OpenedMappings { table, facts, account, default_is_assumed })
    }
}

/// What is known of an installation that is not asked.
pub(crate) fn facts_offline(default: Option<&DefaultFlag>) -> InstallationFacts {
    facts(Site::Aws, DefaultFact::NotKnown, default)
}

fn facts(site: Site, usual: DefaultFact, default: Option<&DefaultFlag>) -> InstallationFacts {
    let default = default.map_or(usual, |DefaultFlag(default)| DefaultFact::Known(default.clone()));
    InstallationFacts { site, default, job_tags: JobTags::Asked, has_machines: None, invocable: None }
}

/// What the stack's parameters tell the dispatcher.
fn of_stack(stack: &Stack, default: Option<&DefaultFlag>) -> InstallationFacts {
    let usual = stack.parameter("DefaultTarget").and_then(|text| text.parse().ok());
    let usual = usual.map_or(DefaultFact::NotKnown, |DefaultSetting(target)| DefaultFact::Known(target));
    let others = stack.parameter("OtherShellRunnerArns").unwrap_or_default().split(',');
    let others = others.map(str::trim).filter(|arn| !arn.is_empty()).map(str::to_owned);
    let invocable = stack
        .parameter("ShellRunnerFunctions")
        .map(|names| Invocable { names: names.to_owned(), arns: others.collect() });
    InstallationFacts {
        has_machines: stack.parameter("RunnerSubnetIds").map(|subnets| !subnets.is_empty()),
        invocable,
        ..facts(Site::Aws, usual, default)
    }
}
