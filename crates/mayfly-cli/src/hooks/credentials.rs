//! The secret and the signing token that a webhook is given.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use crate::gitlab_access::LazyAccount;
use crate::secret;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Secret")]
pub(super) struct CredentialFlags {
    /// A file with the webhook's secret, unless it is in `MAYFLY_WEBHOOK_SECRET`.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// A file with the webhook's signing token (GitLab 19 and later), unless it is in `MAYFLY_SIGNING_TOKEN`.
    #[arg(long, value_name = "FILE")]
    signing_token_file: Option<PathBuf>,
}

/// What proves to us that an event is GitLab's. At least one of both, once they are looked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Credentials {
    pub(super) secret: Option<SecretString>,
    pub(super) signing_token: Option<SecretString>,
}

impl Credentials {
    fn is_empty(&self) -> bool {
        self.secret.is_none() && self.signing_token.is_none()
    }
}

impl CredentialFlags {
    /// From the environment or files; else from the stack's parameters; else from the person at the terminal.
    pub(super) async fn find(&self, account: &mut LazyAccount, stack: &str) -> anyhow::Result<Credentials> {
        let given = Credentials {
            secret: given("MAYFLY_WEBHOOK_SECRET", self.secret_file.as_ref())?,
            signing_token: given("MAYFLY_SIGNING_TOKEN", self.signing_token_file.as_ref())?,
        };
        let found = if given.is_empty() { stored(account, stack).await } else { Ok(given) };
        let why = match found {
            Ok(found) if !found.is_empty() => return checked(found),
            Ok(_) => format!("the stack {stack} names no parameter with it that is there"),
            Err(error) => format!("{error:#}"),
        };
        match secret::from_prompt("Secret of the webhook")? {
            Some(secret) => checked(Credentials { secret: Some(secret), signing_token: None }),
            None => bail!(
                "no secret for the webhook is known ({why}): give it in MAYFLY_WEBHOOK_SECRET or with --secret-file"
            ),
        }
    }
}

fn given(variable: &str, file: Option<&PathBuf>) -> anyhow::Result<Option<SecretString>> {
    match file {
        Some(file) => secret::from_file(file).map(Some),
        None => secret::from_environment(variable),
    }
}

/// The names of the parameters with secret and signing token, by the parameters of the stack of this name. Values given to the
/// stack itself lie in parameters that it made.
pub(crate) fn parameter_names(stack: &str, parameters: &BTreeMap<String, String>) -> [String; 2] {
    let named = |parameter: &str, made: &str| {
        let named = parameters.get(parameter).filter(|name| !name.is_empty());
        named.map_or_else(|| format!("/{stack}/webhook/{made}"), Clone::clone)
    };
    [named("WebhookSecretParameter", "Secret"), named("SigningTokenParameter", "SigningToken")]
}

async fn stored(account: &mut LazyAccount, stack: &str) -> anyhow::Result<Credentials> {
    let account = account.get().await?;
    let names = parameter_names(stack, account.stack(stack).await?.parameters());
    let mut found = account.parameters(&names).await?;
    let [secret, signing_token] = names.map(|name| found.remove(&name).map(|found| found.value));
    Ok(Credentials { secret, signing_token })
}

/// A signing token that GitLab would not take is refused before anything is done.
fn checked(credentials: Credentials) -> anyhow::Result<Credentials> {
    let is_strange = |token: &SecretString| !token.expose_secret().starts_with("whsec_");
    if credentials.signing_token.as_ref().is_some_and(is_strange) {
        bail!("the signing token does not begin with whsec_: copy it from GitLab as it is");
    }
    Ok(credentials)
}
