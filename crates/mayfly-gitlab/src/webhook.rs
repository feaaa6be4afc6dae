//! GitLab's job webhook: who sent it, and what it says.
//!
//! First authenticate the raw body ([`WebhookSecrets`]), then [`read()`] it. Nothing here does I/O or reads a clock.

mod authenticate;
mod payload;
mod read;
mod secrets;

/// How large a job event may be, in bytes. The largest part of one is the commit's message; a body beyond this is checked
/// for authenticity and passed over.
pub const MAX_EVENT_BYTES: usize = 4 * 1024 * 1024;

pub use authenticate::{BodyCheck, Unauthentic};
pub use read::{Ignored, IgnoredKind, Received, read, read_body};
pub use secrets::{InvalidSecrets, SecretKind, SignaturePolicy, WebhookSecrets};
