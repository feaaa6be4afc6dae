//! What an installation keeps in Parameter Store.

use std::collections::BTreeMap;

use aws_sdk_ssm::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ssm::operation::get_parameters::GetParametersError;
use aws_sdk_ssm::types::ParameterType;
use mayfly_core::error::Chain;
use secrecy::SecretString;

use super::aws::Account;

/// One call takes so many names at most (AWS docs, `GetParameters`).
const MOST_NAMES: usize = 10;

/// A parameter that is there.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    /// Its value. A list of words is one text, with commas.
    pub(crate) value: SecretString,
    /// True for a `SecureString`.
    pub(crate) is_encrypted: bool,
}

impl Account {
    /// Those of the parameters that are there, by their name. Takes the right `ssm:GetParameters`, and `kms:Decrypt` for those that
    /// are encrypted with a key of your own.
    pub(crate) async fn ask_for_parameters(
        &self,
        names: &[String],
    ) -> Result<BTreeMap<String, Parameter>, SdkError<GetParametersError>> {
        let client = aws_sdk_ssm::Client::new(self.config());
        let mut found = BTreeMap::new();
        for names in names.chunks(MOST_NAMES) {
            let request = client.get_parameters().set_names(Some(names.to_vec())).with_decryption(true);
            for parameter in request.send().await?.parameters.unwrap_or_default() {
                let is_encrypted = parameter.r#type == Some(ParameterType::SecureString);
                if let (Some(name), Some(value)) = (parameter.name, parameter.value) {
                    found.insert(name, Parameter { value: value.into(), is_encrypted });
                }
            }
        }
        Ok(found)
    }

    /// As [`Self::ask_for_parameters`], for a command that cannot do without.
    pub(crate) async fn parameters(&self, names: &[String]) -> anyhow::Result<BTreeMap<String, Parameter>> {
        self.ask_for_parameters(names).await.map_err(|error| {
            let what = format!("read the parameters {}", names.join(", "));
            self.explain(&what, error.code(), &Chain(&error))
        })
    }
}
