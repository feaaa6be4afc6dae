mod cases;
mod properties;

use std::collections::BTreeMap;

use super::*;
use crate::mapping::{Mapping, RunnerSettings, Target};

pub(super) const ARN: &str = "arn:aws:lambda:eu-central-1:123456789012:function:mayfly-shell-runner";

/// A row typed with these keys, with a function of its own as target.
pub(super) fn row(keys: &str) -> TableRow {
    with(keys, |mapping| mapping.target = Target::Lambda { arn: format!("{ARN}-{}", keys.len()) })
}

/// A row typed with these keys.
pub(super) fn with(keys: &str, change: impl FnOnce(&mut Mapping)) -> TableRow {
    let (pk, sk) = keys.split_once(" tags#").unwrap();
    let sk = format!("tags#{sk}");
    let mapping = match MappingKey::parse(pk, &sk) {
        Ok(key) => {
            let mut mapping = Mapping {
                key,
                target: Target::Lambda { arn: ARN.to_owned() },
                settings: RunnerSettings::default(),
                paused: None,
            };
            change(&mut mapping);
            StoredMapping::Readable(mapping)
        }
        Err(error) => {
            StoredMapping::Unreadable { key: None, row: keys.to_owned(), reason: error.to_string() }
        }
    };
    TableRow { partition_key: pk.to_owned(), sort_key: sk, mapping }
}

pub(super) fn installation() -> InstallationFacts {
    InstallationFacts {
        site: Site::Aws,
        default: DefaultFact::Known(None),
        job_tags: JobTags::Asked,
        has_machines: Some(true),
        invocable: None,
    }
}

pub(super) fn lint_rows(rows: &[TableRow], installation: &InstallationFacts) -> Vec<Finding> {
    lint(&LintInput { rows, installation, functions: &BTreeMap::new(), ci: None })
}
