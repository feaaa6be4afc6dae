//! The one place where this crate makes up ids and tokens.

use uuid::Uuid;

/// A fresh identifier with dashes.
pub(crate) fn uuid() -> String {
    #[expect(clippy::disallowed_methods, reason = "ids of a stand-in need no reproducible randomness")]
    Uuid::new_v4().to_string()
}

/// Twenty fresh letters and digits, as many as GitLab's tokens have.
pub(crate) fn token_text() -> String {
    let mut text = uuid().replace('-', "");
    text.truncate(20);
    text
}
