//! The secrets of an installation: parameters below one path.

use async_trait::async_trait;
use mayfly_core::error::PortError;
use mayfly_core::ids::SecretName;
use mayfly_core::ports::SecretStore;
use secrecy::SecretString;

use super::names::{ParameterName, ParameterPath};
use super::parameters::Parameters;

/// The parameters below one path, as the secrets they are.
pub struct ParameterStore {
    parameters: Parameters,
    path: ParameterPath,
}

impl ParameterStore {
    /// The parameters below `path`.
    pub fn new(parameters: Parameters, path: ParameterPath) -> Self {
        Self { parameters, path }
    }

    /// Reads these in one call, if there are no more than ten, so that each is there when it is asked for.
    pub async fn prefetch(&self, names: &[SecretName]) -> Result<(), PortError> {
        let names = names.iter().map(|name| self.name_of(name)).collect::<Result<Vec<_>, _>>()?;
        self.parameters.get_many(&names).await.map(|_| ())
    }

    fn name_of(&self, name: &SecretName) -> Result<ParameterName, PortError> {
        let operation = || format!("Parameter Store: get {name} below {}", self.path);
        self.path.name_of(name).map_err(|error| PortError::never(operation(), error))
    }
}

#[async_trait]
impl SecretStore for ParameterStore {
    async fn get(&self, name: &SecretName) -> Result<Option<SecretString>, PortError> {
        self.parameters.get(&self.name_of(name)?).await
    }
}
