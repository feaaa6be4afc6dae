//! What is asked for the tables of an installation, and what to do when that fails.

use std::path::PathBuf;

use anyhow::anyhow;
use mayfly_aws::answer_code;
use mayfly_core::error::{Chain, PortError};

use super::aws::Account;

/// Where the tables of an installation are.
#[derive(Clone)]
pub(crate) enum Place {
    /// The data folder of a `mayfly local`.
    DataFolder(PathBuf),
    Account(Box<Account>),
}

impl Place {
    /// What failed, and what to do.
    pub(crate) fn explain(&self, what: &str, error: &PortError) -> anyhow::Error {
        let chain = Chain(error);
        match self {
            Self::Account(account) => {
                let code = match answer_code(error) {
                    // In the reasons of a transaction the same things have other names.
                    Some("ThrottlingError" | "ProvisionedThroughputExceeded") => Some("ThrottlingException"),
                    Some("ResourceNotFoundException") => {
                        return anyhow!(
                            "cannot {what} in {}: {chain}; check the stack or the table's name, --profile and --region",
                            account.region()
                        );
                    }
                    code => code,
                };
                account.explain(what, code, &chain)
            }
            Self::DataFolder(_) if error.is_transient() => {
                anyhow!("cannot {what}: {chain}; try again: the store is in use")
            }
            Self::DataFolder(_) => anyhow!("cannot {what}: {chain}"),
        }
    }
}
