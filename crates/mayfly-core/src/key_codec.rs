//! Escapes the separators of table keys inside the parts of a key.
//!
//! Parts stay readable: spaces, slashes, colons, umlauts and emoji are kept. Only `%`, `#`, `*` and ASCII control characters
//! are written as `%XX`. Reading is lenient: a `%` that begins no escape stands for itself, so that rows typed by hand work.

use std::fmt::Write;

use percent_encoding::percent_decode_str;

pub(crate) fn escape(part: &str) -> String {
    let mut written = String::with_capacity(part.len());
    for character in part.chars() {
        if matches!(character, '%' | '#' | '*') || character.is_ascii_control() {
            // Writing to a String cannot fail.
            let _ = write!(written, "%{:02X}", u32::from(character));
        } else {
            written.push(character);
        }
    }
    written
}

/// `None` if the escapes do not give valid UTF-8.
pub(crate) fn unescape(part: &str) -> Option<String> {
    percent_decode_str(part).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_stay_readable_and_separators_do_not_survive() {
        for (part, written) in [
            ("build: [linux, 1.0]", "build: [linux, 1.0]"),
            ("c# tests", "c%23 tests"),
            ("50% done", "50%25 done"),
            ("deploy-*", "deploy-%2A"),
            ("🚀 größer", "🚀 größer"),
            ("tab\there", "tab%09here"),
        ] {
            assert_eq!(escape(part), written);
            assert_eq!(unescape(written).as_deref(), Some(part));
        }
    }

    #[test]
    fn a_percent_sign_typed_by_hand_stands_for_itself() {
        assert_eq!(unescape("50% done").as_deref(), Some("50% done"));
        assert_eq!(unescape("%ff"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_and_has_no_separator(part in ".*") {
            let written = escape(&part);
            prop_assert!(!written.contains(['#', '*']));
            prop_assert_eq!(unescape(&written), Some(part));
        }
    }
}
