//! The secrets of an installation, by name.

use std::collections::BTreeMap;

use async_trait::async_trait;
use mayfly_core::error::PortError;
use mayfly_core::ids::SecretName;
use mayfly_core::ports::SecretStore;
use secrecy::SecretString;

/// Secrets that came with the settings.
#[derive(Debug, Clone, Default)]
pub(crate) struct SettingsSecrets(pub(crate) BTreeMap<SecretName, SecretString>);

#[async_trait]
impl SecretStore for SettingsSecrets {
    async fn get(&self, name: &SecretName) -> Result<Option<SecretString>, PortError> {
        Ok(self.0.get(name).cloned())
    }
}
