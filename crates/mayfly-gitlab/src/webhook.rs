//! GitLab's job webhook: who sent it, and what it says.
//!
//! First authenticate the raw body ([`WebhookSecrets`]), then [`read()`] it. Nothing here does I/O or reads a clock.

mod authenticate;
mod payload;
mod read;
mod secrets;

pub use authenticate::{BodyCheck, Unauthentic};
pub use read::{Ignored, IgnoredKind, Received, read};
pub use secrets::{InvalidSecrets, SecretKind, SignaturePolicy, WebhookSecrets};
