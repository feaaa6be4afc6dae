//! The webhook's secrets, from Parameter Store. They are read once an environment, and again when a request does not match,
//! so that a rotation needs no deployment.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mayfly_aws::ssm::{ParameterName, Parameters};
use mayfly_core::clock::Clock;
use mayfly_core::error::Chain;
use mayfly_gitlab::webhook::{InvalidSecrets, SignaturePolicy, WebhookSecrets};
use secrecy::SecretString;
use tracing::{error, warn};

use crate::settings::Settings;

/// How long a secret is kept. One that was taken back goes on to be accepted for as long.
pub(crate) const KEEP_SECRETS_FOR: Duration = Duration::from_mins(5);

/// How often a request that does not match may have the secrets read again. Parameter Store answers 40 questions a second
/// for the whole account (AWS docs, Systems Manager quotas), and anybody can send such requests.
const MISMATCH_PAUSE: SignedDuration = SignedDuration::from_secs(10);

/// The secrets, as far as they are known now.
pub(crate) struct Secrets {
    tokens: Vec<ParameterName>,
    signing: Vec<ParameterName>,
    policy: SignaturePolicy,
    parameters: Parameters,
    clock: Arc<dyn Clock>,
    /// When a request that did not match last had them read again.
    read_again_at: Mutex<Option<Timestamp>>,
}

/// No request can be held against anything.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoSecrets {
    /// No parameter can be used; the log says why, one by one.
    #[error("the webhook's secrets cannot be read from Parameter Store")]
    NoneUsable,
    /// They do not fit together.
    #[error("the webhook's secrets cannot be used together")]
    Invalid(#[source] InvalidSecrets),
}

impl Secrets {
    pub(crate) fn new(settings: &Settings, parameters: Parameters, clock: Arc<dyn Clock>) -> Self {
        Self {
            tokens: settings.secret_tokens.clone(),
            signing: settings.signing_tokens.clone(),
            policy: settings.policy,
            parameters,
            clock,
            read_again_at: Mutex::new(None),
        }
    }

    /// The secrets as they are kept, or read now. If they cannot be had, they are asked for once more at once: what failed may
    /// have been a call of long ago, before the environment was frozen.
    pub(crate) async fn current(&self) -> Result<WebhookSecrets, NoSecrets> {
        match self.fetch().await {
            Err(NoSecrets::NoneUsable) => {
                // What fails again is said, name by name, below.
                let _ = self.parameters.refresh().await;
                self.fetch().await
            }
            known => known,
        }
    }

    /// The secrets as they are kept, or read now.
    pub(crate) async fn fetch(&self) -> Result<WebhookSecrets, NoSecrets> {
        let names: Vec<ParameterName> = self.tokens.iter().chain(&self.signing).cloned().collect();
        // One question for all of them. If one fails, each is asked for below, and the others still count.
        let _ = self.parameters.get_many(&names).await;
        let (mut tokens, mut signing) = (Vec::new(), Vec::new());
        for name in &self.tokens {
            tokens.extend(self.usable(name, |token| (vec![token], Vec::new())).await);
        }
        for name in &self.signing {
            signing.extend(self.usable(name, |token| (Vec::new(), vec![token])).await);
        }
        // Where a signature is required, a secret token must not take its place because the signing token is gone.
        let lacks_required =
            self.policy == SignaturePolicy::Required && !self.signing.is_empty() && signing.is_empty();
        if lacks_required || (tokens.is_empty() && signing.is_empty()) {
            return Err(NoSecrets::NoneUsable);
        }
        WebhookSecrets::new(tokens, signing, self.policy).map_err(NoSecrets::Invalid)
    }

    /// Reads the secrets again because a request did not match, unless that was done a moment ago. True if they were read.
    pub(crate) async fn read_again(&self) -> bool {
        if !self.may_read_again() {
            return false;
        }
        match self.parameters.refresh().await {
            Ok(()) => true,
            Err(failed) => {
                warn!(error = %Chain(&failed), "The webhook's secrets could not be read again");
                false
            }
        }
    }

    fn may_read_again(&self) -> bool {
        let now = self.clock.now();
        // One timestamp is always whole.
        let mut read_again_at = self.read_again_at.lock().unwrap_or_else(PoisonError::into_inner);
        if read_again_at.is_some_and(|at| now.duration_since(at) < MISMATCH_PAUSE) {
            return false;
        }
        *read_again_at = Some(now);
        true
    }

    /// The secret in this parameter. One that is missing or malformed is said and left out: the other may be the right one.
    async fn usable(
        &self,
        name: &ParameterName,
        as_lists: impl Fn(SecretString) -> (Vec<SecretString>, Vec<SecretString>),
    ) -> Option<SecretString> {
        let secret = match self.parameters.get(name).await {
            Ok(Some(secret)) => secret,
            Ok(None) => {
                error!(parameter = %name, "There is no parameter {name}, which should hold a secret of the webhook");
                return None;
            }
            Err(failed) => {
                error!(parameter = %name, error = %Chain(&failed), "A secret of the webhook cannot be read");
                return None;
            }
        };
        let (tokens, signing) = as_lists(secret.clone());
        match WebhookSecrets::new(tokens, signing, self.policy) {
            Ok(_) => Some(secret),
            Err(invalid) => {
                error!(parameter = %name, error = %invalid, "Parameter {name} holds no usable secret");
                None
            }
        }
    }
}
