//! Reads parameters by their full names and keeps them for a while.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_ssm::Client;
use jiff::Timestamp;
use mayfly_core::clock::Clock;
use mayfly_core::error::{Chain, PortError};
use secrecy::SecretString;
use tokio::sync::Mutex;

use super::cache::{Cache, Outcome};
use super::names::ParameterName;
use crate::sdk_error::port_error;
use crate::shared_error::told_again;

/// The most names in one call (Systems Manager API reference, `GetParameters`).
const NAMES_A_CALL: usize = 10;

/// Parameters by their full names, decrypted and kept for a while.
///
/// Names that are due are read in one call, ten at a time, and a call takes along whatever else it was given before and is
/// due as well. One call is under way at a time; who needs another waits for it first. If a call fails, the value read
/// before is used on, however old, and the failure is logged. That a parameter is not there is kept for a minute at most.
pub struct Parameters {
    client: Client,
    clock: Arc<dyn Clock>,
    cache: StdMutex<Cache>,
    /// Held by the one who calls.
    turn: Mutex<()>,
}

impl Parameters {
    /// Reads with this client, and keeps what it read for `keep_for`.
    pub fn new(client: Client, keep_for: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { client, clock, cache: StdMutex::new(Cache::new(keep_for)), turn: Mutex::new(()) }
    }

    /// The value; `None` if there is no such parameter. An error means that it could not be read and was not before.
    pub async fn get(&self, name: &ParameterName) -> Result<Option<SecretString>, PortError> {
        self.read_due(std::slice::from_ref(name)).await;
        self.known(name)
    }

    /// The values in the order of the names. One that can be had in no way is an error for all; [`get`](Self::get) then
    /// has the others without another call.
    pub async fn get_many(&self, names: &[ParameterName]) -> Result<Vec<Option<SecretString>>, PortError> {
        self.read_due(names).await;
        names.iter().map(|name| self.known(name)).collect()
    }

    /// Reads all again that was ever asked for, also what has just failed: for a value that turns out to be wrong and may
    /// have been changed. An error says what could not be read; the values of before stay in use. The caller bounds how
    /// often that makes calls.
    pub async fn refresh(&self) -> Result<(), PortError> {
        let _turn = self.turn.lock().await;
        let names = self.cache().names();
        self.read(&names).await;
        let failure = names.iter().find_map(|name| self.cache().failure(name));
        failure.map_or(Ok(()), |error| Err(told_again(&error)))
    }

    fn known(&self, name: &ParameterName) -> Result<Option<SecretString>, PortError> {
        match self.cache().known(name) {
            Some(outcome) => outcome.map_err(|error| told_again(&error)),
            // Every name is read before it is looked up.
            None => Err(PortError::later(operation(std::slice::from_ref(name)), "it was not asked for")),
        }
    }

    async fn read_due(&self, names: &[ParameterName]) {
        if self.cache().due(names, self.clock.now()).is_empty() {
            return;
        }
        let _turn = self.turn.lock().await;
        // The one before may have read them.
        let now = self.clock.now();
        let mut due = self.cache().due(names, now);
        if !due.is_empty() {
            let room = due.len().next_multiple_of(NAMES_A_CALL) - due.len();
            let companions = self.cache().companions(&due, room, now);
            due.extend(companions);
            self.read(&due).await;
        }
    }

    async fn read(&self, names: &[ParameterName]) {
        for names in names.chunks(NAMES_A_CALL) {
            let asked_at = self.clock.now();
            match self.call(names).await {
                Ok(values) => self.write_values(names, asked_at, values),
                // One name that is denied fails the call for all. Each alone, and the others can be had.
                Err(error) if names.len() > 1 && !error.is_transient() => self.read_singly(names).await,
                Err(error) => self.write_failure(names, &Arc::new(error)),
            }
        }
    }

    async fn read_singly(&self, names: &[ParameterName]) {
        for name in names {
            let name = std::slice::from_ref(name);
            let asked_at = self.clock.now();
            match self.call(name).await {
                Ok(values) => self.write_values(name, asked_at, values),
                Err(error) => self.write_failure(name, &Arc::new(error)),
            }
        }
    }

    /// The values of those that are there, and an entry without a value for those that are not.
    async fn call(
        &self,
        names: &[ParameterName],
    ) -> Result<BTreeMap<String, Option<SecretString>>, PortError> {
        let request = self.client.get_parameters().with_decryption(true);
        let asked = names.iter().map(ToString::to_string).collect();
        let answer = request.set_names(Some(asked)).send().await;
        let answer = answer.map_err(|error| port_error(operation(names), error, |_| None))?;
        let absent = answer.invalid_parameters.unwrap_or_default().into_iter().map(|name| (name, None));
        let found = answer.parameters.unwrap_or_default().into_iter();
        let found = found.filter_map(|found| Some((found.name?, Some(found.value?.into()))));
        Ok(absent.chain(found).collect())
    }

    fn write_values(
        &self,
        names: &[ParameterName],
        asked_at: Timestamp,
        mut values: BTreeMap<String, Option<SecretString>>,
    ) {
        for name in names {
            if let Some(value) = values.remove(name.as_str()) {
                self.write(name, asked_at, Ok(value));
            } else {
                let name = std::slice::from_ref(name);
                let error = PortError::later(operation(name), "the answer does not mention it");
                self.write_failure(name, &Arc::new(error));
            }
        }
    }

    fn write_failure(&self, names: &[ParameterName], error: &Arc<PortError>) {
        // The time of the failure and not of the question: whoever waited meanwhile must find it fresh.
        let now = self.clock.now();
        for name in names {
            self.write(name, now, Err(Arc::clone(error)));
        }
    }

    fn write(&self, name: &ParameterName, at: Timestamp, outcome: Outcome) {
        let failure = outcome.as_ref().err().cloned();
        let is_used_on = self.cache().write(name.clone(), at, outcome);
        let Some(failure) = failure.filter(|_| is_used_on) else { return };
        let error = Chain(&*failure);
        if failure.is_transient() {
            tracing::warn!(parameter = %name, %error, "The value of parameter {name} read before is used on");
        } else {
            tracing::error!(parameter = %name, %error, "The value of parameter {name} read before is used on");
        }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        // Nothing in the guarded sections can panic half-way.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn operation(names: &[ParameterName]) -> String {
    let names: Vec<&str> = names.iter().map(ParameterName::as_str).collect();
    format!("Parameter Store: get {}", names.join(", "))
}
