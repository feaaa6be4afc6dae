//! The secrets a webhook may be authenticated with. They are checked when they are configured, not when they are needed.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// Two of a kind: the present one, and the one before or after it while they are rotated.
const MOST_OF_A_KIND: usize = 2;

const SIGNING_TOKEN_PREFIX: &str = "whsec_";

/// GitLab accepts signing tokens of exactly this many bytes (GitLab docs, project webhooks API).
const SIGNING_KEY_BYTES: usize = 32;

pub(super) type HmacSha256 = Hmac<Sha256>;

/// What counts as authentic where a signing token is configured. Without one the secret token decides, whatever the policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SignaturePolicy {
    /// Only a valid signature counts; the secret token is not looked at.
    #[default]
    Required,
    /// A valid secret token counts as well: for the time in which signing is introduced.
    Optional,
}

/// The secrets of the webhook: up to two secret tokens and up to two signing tokens.
///
/// Secret tokens are kept as digests and signing tokens as prepared keys; neither is shown by `Debug`.
#[derive(Clone)]
pub struct WebhookSecrets {
    pub(super) token_digests: Vec<[u8; 32]>,
    pub(super) signing_keys: Vec<HmacSha256>,
    pub(super) policy: SignaturePolicy,
}

/// The two kinds of secrets GitLab knows for a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    /// Sent with every delivery as `X-Gitlab-Token`.
    SecretToken,
    /// Never sent; signs the body (GitLab 19.0 and later).
    SigningToken,
}

/// Secrets that authenticate nothing, or would refuse every delivery.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecrets {
    /// Without a secret everybody could start runners.
    #[error("no webhook secret is configured: a secret token or a signing token is needed")]
    NoSecret,
    /// An empty secret is one that everybody knows.
    #[error("{kind} {position} of the webhook is empty")]
    Empty {
        /// What is empty.
        kind: SecretKind,
        /// Which one, counted from 1.
        position: usize,
    },
    /// More than a rotation needs.
    #[error("the webhook has {count} secrets of the kind {kind}, but at most {MOST_OF_A_KIND} are accepted")]
    TooMany {
        /// Of what.
        kind: SecretKind,
        /// How many there are.
        count: usize,
    },
    /// No HTTP header can carry it unchanged, so that it would match no delivery.
    #[error(
        "secret token {position} of the webhook begins or ends with white space, or has a line break in it"
    )]
    NotAHeader {
        /// Which one, counted from 1.
        position: usize,
    },
    /// GitLab makes signing tokens in one form only.
    #[error(
        "signing token {position} of the webhook is not `{SIGNING_TOKEN_PREFIX}` followed by the base64 of \
         {SIGNING_KEY_BYTES} bytes"
    )]
    MalformedSigningToken {
        /// Which one, counted from 1.
        position: usize,
    },
}

impl WebhookSecrets {
    /// Takes the secrets if every one of them can authenticate a delivery, and if there is at least one.
    pub fn new(
        tokens: Vec<SecretString>,
        signing: Vec<SecretString>,
        policy: SignaturePolicy,
    ) -> Result<Self, InvalidSecrets> {
        if tokens.is_empty() && signing.is_empty() {
            return Err(InvalidSecrets::NoSecret);
        }
        check_count(SecretKind::SecretToken, tokens.len())?;
        check_count(SecretKind::SigningToken, signing.len())?;
        Ok(Self {
            token_digests: (1..).zip(tokens).map(token_digest).collect::<Result<_, _>>()?,
            signing_keys: (1..).zip(signing).map(signing_key).collect::<Result<_, _>>()?,
            policy,
        })
    }
}

impl fmt::Debug for WebhookSecrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WebhookSecrets")
            .field("tokens", &self.token_digests.len())
            .field("signing", &self.signing_keys.len())
            .field("policy", &self.policy)
            .finish()
    }
}

impl fmt::Display for SecretKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::SecretToken => "secret token",
            Self::SigningToken => "signing token",
        })
    }
}

fn check_count(kind: SecretKind, count: usize) -> Result<(), InvalidSecrets> {
    if count > MOST_OF_A_KIND { Err(InvalidSecrets::TooMany { kind, count }) } else { Ok(()) }
}

fn token_digest((position, token): (usize, SecretString)) -> Result<[u8; 32], InvalidSecrets> {
    let token = token.expose_secret();
    if token.is_empty() {
        return Err(InvalidSecrets::Empty { kind: SecretKind::SecretToken, position });
    }
    if token.trim() != token || token.chars().any(char::is_control) {
        return Err(InvalidSecrets::NotAHeader { position });
    }
    Ok(Sha256::digest(token).into())
}

fn signing_key((position, token): (usize, SecretString)) -> Result<HmacSha256, InvalidSecrets> {
    let token = token.expose_secret();
    if token.is_empty() {
        return Err(InvalidSecrets::Empty { kind: SecretKind::SigningToken, position });
    }
    let malformed = || InvalidSecrets::MalformedSigningToken { position };
    let encoded = token.strip_prefix(SIGNING_TOKEN_PREFIX).ok_or_else(malformed)?;
    let key = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| malformed())?);
    if key.len() != SIGNING_KEY_BYTES {
        return Err(malformed());
    }
    HmacSha256::new_from_slice(&key).map_err(|_| malformed())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNING: &str = "whsec_dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q=";

    fn secrets(tokens: &[&str], signing: &[&str]) -> Result<WebhookSecrets, InvalidSecrets> {
        let all = |texts: &[&str]| texts.iter().map(|text| SecretString::from(*text)).collect();
        WebhookSecrets::new(all(tokens), all(signing), SignaturePolicy::Required)
    }

    #[test]
    fn secrets_that_cannot_work_are_refused_with_a_reason() {
        let check = |tokens: &[&str], signing: &[&str], reason: &str| {
            assert_eq!(secrets(tokens, signing).unwrap_err().to_string(), reason);
        };
        check(&[], &[], "no webhook secret is configured: a secret token or a signing token is needed");
        check(&[""], &[], "secret token 1 of the webhook is empty");
        check(&["good", ""], &[], "secret token 2 of the webhook is empty");
        check(&["good"], &[""], "signing token 1 of the webhook is empty");
        check(
            &["a", "b", "c"],
            &[],
            "the webhook has 3 secrets of the kind secret token, but at most 2 are accepted",
        );
        check(
            &[],
            &[SIGNING; 3],
            "the webhook has 3 secrets of the kind signing token, but at most 2 are accepted",
        );
        for token in ["from a file\n", " padded", "two\nlines"] {
            check(
                &[token],
                &[],
                "secret token 1 of the webhook begins or ends with white space, or has a line break in it",
            );
        }
    }

    #[test]
    fn a_signing_token_is_whsec_and_the_base64_of_32_bytes() {
        assert!(secrets(&[], &[SIGNING, SIGNING]).is_ok());
        for token in [
            "dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q=",
            "whsec_",
            "whsec_dGVzdA==",
            "whsec_dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q",
            "whsec_dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3R0",
            "whsec_!!!!dHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q=",
        ] {
            assert_eq!(
                secrets(&[], &[SIGNING, token]).unwrap_err(),
                InvalidSecrets::MalformedSigningToken { position: 2 },
                "{token}"
            );
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", secrets(&["hunter2"], &[SIGNING]).unwrap());
        assert_eq!(shown, "WebhookSecrets { tokens: 1, signing: 1, policy: Required }");
    }
}
