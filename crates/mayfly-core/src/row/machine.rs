//! The attributes that a mapping to `EC2` may have besides those of all mappings.

use std::collections::BTreeMap;

use super::{Attribute, Attributes, as_number, as_text, as_texts, read};
use crate::machine::{Architecture, MachineSpec, Purchase};

/// The sizes of a `gp3` volume in GiB (EC2 API reference, `FleetEbsBlockDeviceRequest`).
const VOLUME_SIZES: std::ops::RangeInclusive<u32> = 1..=65_536;

/// How many tags a mapping may give its machines. EC2 allows 50 on each, and Mayfly's own are up to 35.
const MOST_TAGS: usize = 15;
/// The longest name and value of a tag in characters (EC2 User Guide, "Tag restrictions").
const LONGEST_TAG_NAME: usize = 128;
const LONGEST_TAG_VALUE: usize = 256;
/// What the names of tags that are not a mapping's to set begin with: Mayfly's own, and AWS's.
const TAKEN_PREFIXES: [&str; 2] = ["mayfly:", "aws:"];
/// The tag that Mayfly names its machines with.
const NAME_TAG: &str = "Name";

const TAGS: &str = "a map of at most 15 texts, with names of 1 to 128 characters that do not begin with `mayfly:` or `aws:` \
                    and are not `Name`, and values of at most 256";

/// Reads what a mapping asks of its machines. Values are not shown in reasons.
pub(super) fn read_spec(attributes: &Attributes) -> Result<MachineSpec, String> {
    Ok(MachineSpec {
        purchase: read(attributes, "purchase", "`spot`, `on-demand` or `spot-first`", |value| {
            Purchase::parse(as_text(value)?)
        })?
        .unwrap_or_default(),
        architecture: read(attributes, "architecture", "`arm64` or `x86_64`", |value| {
            Architecture::parse(as_text(value)?)
        })?,
        instance_types: read(
            attributes,
            "instance_types",
            "a set or list of instance types such as `m7g.large`",
            as_ids,
        )?
        .unwrap_or_default(),
        image: read(
            attributes,
            "image",
            "an image (`ami-…`, or the name of a parameter that begins with `/`)",
            as_id,
        )?,
        root_volume_gib: read(
            attributes,
            "root_volume_gib",
            "a whole number of GiB from 1 to 65536",
            |value| as_number(value).filter(|size| VOLUME_SIZES.contains(size)),
        )?,
        subnets: read(attributes, "subnets", "a set or list of subnet ids such as `subnet-0a1b2c`", as_ids)?
            .unwrap_or_default(),
        instance_tags: read(attributes, "instance_tags", TAGS, as_tags)?.unwrap_or_default(),
        job_role_arn: read(
            attributes,
            "job_role_arn",
            "the ARN of a role (`arn:aws:iam::123456789012:role/…`)",
            as_id,
        )?,
    })
}

/// The attributes that say it. What is left to the stack is left out.
pub(super) fn attributes_of(spec: &MachineSpec) -> Vec<(&'static str, Attribute)> {
    let mut attributes = Vec::new();
    if spec.purchase != Purchase::default() {
        attributes.push(("purchase", Attribute::text(spec.purchase.as_str())));
    }
    attributes.extend(
        spec.architecture.map(|architecture| ("architecture", Attribute::text(architecture.as_str()))),
    );
    if !spec.instance_types.is_empty() {
        attributes.push(("instance_types", list(&spec.instance_types)));
    }
    attributes.extend(spec.image.as_ref().map(|image| ("image", Attribute::text(image.as_str()))));
    attributes
        .extend(spec.root_volume_gib.map(|size| ("root_volume_gib", Attribute::Number(size.to_string()))));
    if !spec.subnets.is_empty() {
        attributes.push(("subnets", list(&spec.subnets)));
    }
    if !spec.instance_tags.is_empty() {
        let tags = spec.instance_tags.iter().map(|(name, value)| (name.clone(), Attribute::text(value)));
        attributes.push(("instance_tags", Attribute::Map(tags.collect())));
    }
    attributes
        .extend(spec.job_role_arn.as_ref().map(|role| ("job_role_arn", Attribute::text(role.as_str()))));
    attributes
}

/// A list and not a set: it keeps the order.
fn list<T: ToString>(ids: &[T]) -> Attribute {
    Attribute::List(ids.iter().map(|id| Attribute::text(id.to_string())).collect())
}

fn as_id<T: std::str::FromStr>(value: &Attribute) -> Option<T> {
    as_text(value)?.parse().ok()
}

fn as_ids<T: std::str::FromStr>(value: &Attribute) -> Option<Vec<T>> {
    as_texts(value)?.iter().map(|text| text.parse().ok()).collect()
}

fn as_tags(value: &Attribute) -> Option<BTreeMap<String, String>> {
    let Attribute::Map(tags) = value else { return None };
    let tags: BTreeMap<String, String> = tags
        .iter()
        .map(|(name, value)| Some((name.clone(), as_text(value)?.to_owned())))
        .collect::<Option<_>>()?;
    (tags.len() <= MOST_TAGS && tags.iter().all(|(name, value)| is_tag(name, value))).then_some(tags)
}

fn is_tag(name: &str, value: &str) -> bool {
    let lower = name.to_lowercase();
    (1..=LONGEST_TAG_NAME).contains(&name.chars().count())
        && value.chars().count() <= LONGEST_TAG_VALUE
        && name != NAME_TAG
        && !TAKEN_PREFIXES.iter().any(|prefix| lower.starts_with(prefix))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use tests::full_machine_spec;
