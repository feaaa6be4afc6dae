//! `mayfly mappings put`.

use std::process::ExitCode;

use anyhow::{anyhow, bail};
use clap::Args;
use mayfly_core::mapping::{StoredMapping, TargetType};
use mayfly_core::mapping_edit::RowChange;
use mayfly_core::row::{Attribute, Attributes, MappingRow};

use super::WRITE_CODES;
use super::change::EditFlags;
use super::document::read_value;
use super::file;
use super::key::{Asked, KeyFlags};
use super::look::read_type;

/// Add a mapping, or change the one that is there.
///
/// Attributes that are not named stay as they are.
#[derive(Debug, Args)]
#[command(after_help = WRITE_CODES, after_long_help = WRITE_CODES)]
pub(super) struct PutCommand {
    #[command(flatten)]
    key: KeyFlags,
    #[command(flatten)]
    attributes: AttributeFlags,
    #[command(flatten)]
    edit: EditFlags,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Attributes")]
struct AttributeFlags {
    /// Where its runners start: `LAMBDA`, `EC2` or `LOCAL`.
    #[arg(long = "type", value_name = "TYPE", value_parser = read_type)]
    target: Option<TargetType>,
    /// The function of a `LAMBDA` mapping.
    #[arg(long, value_name = "ARN")]
    arn: Option<String>,
    /// `shell` or `docker`.
    #[arg(long, value_name = "EXECUTOR")]
    executor: Option<String>,
    /// How long a runner may live, in seconds.
    #[arg(long, value_name = "SECONDS")]
    max_life_seconds: Option<u32>,
    /// How long a runner waits for its job, in seconds.
    #[arg(long, value_name = "SECONDS")]
    wait_timeout_seconds: Option<u32>,
    /// `spot`, `on-demand` or `spot-first`.
    #[arg(long, value_name = "MARKET")]
    purchase: Option<String>,
    /// `arm64` or `x86_64`.
    #[arg(long, value_name = "PROCESSOR")]
    architecture: Option<String>,
    /// The instance types that will do, with commas between them.
    #[arg(long, value_name = "TYPE,…", value_delimiter = ',')]
    instance_types: Vec<String>,
    /// What instances start from.
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Any attribute, its value as it would stand in a YAML document, such as `pass_env=[LANG, TZ]` or `owner=the build team`.
    #[arg(long, value_name = "NAME=VALUE", value_parser = read_setting)]
    set: Vec<(String, Attribute)>,
    /// An attribute to take away.
    #[arg(long, value_name = "NAME")]
    unset: Vec<String>,
    /// A file with attributes, as they stand below a mapping in a document; `-` is standard input. A flag says more than the file.
    #[arg(long, value_name = "FILE")]
    file: Option<String>,
}

fn read_setting(text: &str) -> Result<(String, Attribute), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    if matches!(name, "" | "pk" | "sk") {
        return Err("this is no name of an attribute".to_owned());
    }
    let value = read_value(value).map_err(|complaints| complaints.told(name).to_string())?;
    Ok((name.to_owned(), value))
}

impl AttributeFlags {
    /// Changes what is named.
    fn put_into(&self, attributes: &mut Attributes) -> anyhow::Result<()> {
        if let Some(name) = &self.file {
            attributes.extend(file::read_row_file(name)?);
        }
        let number = |number: u32| Attribute::Number(number.to_string());
        let list = |texts: &[String]| Attribute::List(texts.iter().map(Attribute::text).collect());
        let text = |text: &Option<String>| text.as_ref().map(Attribute::text);
        let named = [
            ("type", self.target.map(|target| Attribute::text(target.as_str()))),
            ("arn", text(&self.arn)),
            ("executor", text(&self.executor)),
            ("max_life_seconds", self.max_life_seconds.map(number)),
            ("wait_timeout_seconds", self.wait_timeout_seconds.map(number)),
            ("purchase", text(&self.purchase)),
            ("architecture", text(&self.architecture)),
            ("instance_types", (!self.instance_types.is_empty()).then(|| list(&self.instance_types))),
            ("image", text(&self.image)),
        ];
        attributes.extend(named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        attributes.extend(self.set.iter().cloned());
        for name in &self.unset {
            attributes.remove(name);
        }
        Ok(())
    }
}

pub(super) async fn run(command: PutCommand) -> anyhow::Result<ExitCode> {
    let table = command.edit.open().await?;
    let Asked { id: (partition_key, sort_key), row: before, typed } = command.key.ask(&table).await?;
    if let Some(next_step) = typed {
        bail!("there is a row for these jobs and tags already, and nothing is written: {next_step}");
    }
    let mut after =
        before.clone().unwrap_or(MappingRow { partition_key, sort_key, attributes: Attributes::new() });
    command.attributes.put_into(&mut after.attributes)?;
    if let StoredMapping::Unreadable { reason, .. } = after.read() {
        let next = match reason.as_str() {
            "attribute `type` is missing" => "; give --type",
            reason if reason.starts_with("attribute `arn` is missing") => "; give --arn",
            _ => "",
        };
        bail!(anyhow!("this would be no mapping, and nothing is written: {reason}{next}"));
    }
    let changes: Vec<RowChange> = RowChange::between(before, Some(after)).into_iter().collect();
    command.edit.make("mappings put", &table, &changes).await
}
