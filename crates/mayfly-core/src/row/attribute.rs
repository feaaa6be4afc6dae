//! Values of attributes: everything that DynamoDB can store.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attribute {
    /// `S`.
    Text(String),
    /// `N`, in the form of [`normal_number`] wherever it comes from a table or a document.
    Number(String),
    /// `BOOL`.
    Bool(bool),
    /// `NULL`.
    Null,
    /// `B`.
    Binary(Vec<u8>),
    /// `L`.
    List(Vec<Attribute>),
    /// `M`.
    Map(BTreeMap<String, Attribute>),
    /// `SS`.
    TextSet(BTreeSet<String>),
    /// `NS`.
    NumberSet(BTreeSet<String>),
    /// `BS`.
    BinarySet(BTreeSet<Vec<u8>>),
}

impl Attribute {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// About how many bytes it takes in DynamoDB, its name not counted (DynamoDB Developer Guide, "item sizes").
    pub fn size(&self) -> usize {
        match self {
            Self::Text(text) | Self::Number(text) => text.len(),
            Self::Bool(_) | Self::Null => 1,
            Self::Binary(bytes) => bytes.len(),
            Self::List(values) => 3 + values.iter().map(|value| 1 + value.size()).sum::<usize>(),
            Self::Map(values) => {
                3 + values.iter().map(|(name, value)| 1 + name.len() + value.size()).sum::<usize>()
            }
            Self::TextSet(texts) | Self::NumberSet(texts) => texts.iter().map(String::len).sum(),
            Self::BinarySet(values) => values.iter().map(Vec::len).sum(),
        }
    }
}

/// The most significant digits of a number (DynamoDB Developer Guide, "data types").
const MOST_DIGITS: usize = 38;
/// The powers of ten that the first digit of a number may have: up to 9.9…E+125 and from 1E-130 (same place).
const MAGNITUDES: std::ops::RangeInclusive<i64> = -130..=125;

/// The one form of a number: no sign but `-`, no exponent, no zeros before or after. Two numbers are the same if and only if
/// these are. `None` for what DynamoDB cannot store.
pub fn normal_number(text: &str) -> Option<String> {
    let (is_negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let leading = digits.len() - digits.trim_start_matches('0').len();
    let significant = digits.trim_matches('0');
    if significant.is_empty() {
        return Some("0".to_owned());
    }
    // The power of ten of the first significant digit.
    let places = i64::try_from(whole.len()).ok()? - i64::try_from(leading).ok()? - 1;
    let magnitude = exponent.checked_add(places)?;
    if significant.len() > MOST_DIGITS || !MAGNITUDES.contains(&magnitude) {
        return None;
    }
    Some(plain(is_negative, significant, magnitude))
}

/// The digits with their point where it belongs.
fn plain(is_negative: bool, digits: &str, magnitude: i64) -> String {
    let mut written = if is_negative { "-".to_owned() } else { String::new() };
    let before = usize::try_from(magnitude + 1).unwrap_or(0);
    let zeros = usize::try_from(-(magnitude + 1)).unwrap_or(0);
    // Writing to a String cannot fail.
    let _ = match (before, digits.split_at_checked(before)) {
        (0, _) => write!(written, "0.{}{digits}", "0".repeat(zeros)),
        (_, Some((whole, ""))) => write!(written, "{whole}"),
        (_, Some((whole, fraction))) => write!(written, "{whole}.{fraction}"),
        (_, None) => write!(written, "{digits}{}", "0".repeat(before - digits.len())),
    };
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_has_one_form() {
        for (text, normal) in [
            ("0", Some("0")),
            ("-0.00e7", Some("0")),
            ("007", Some("7")),
            ("+12.50", Some("12.5")),
            ("1e3", Some("1000")),
            ("1.5E-3", Some("0.0015")),
            ("-.5", Some("-0.5")),
            ("5.", Some("5")),
            ("120", Some("120")),
            ("12345678901234567890123456789012345678", Some("12345678901234567890123456789012345678")),
            ("123456789012345678901234567890123456789", None),
            ("1e125", Some(&*format!("1{}", "0".repeat(125)))),
            ("1e126", None),
            ("1e-130", Some(&*format!("0.{}1", "0".repeat(129)))),
            ("1e-131", None),
            ("1e99999999999999999999", None),
            ("", None),
            (".", None),
            ("-", None),
            ("1,5", None),
            ("0x10", None),
            ("1_000", None),
            ("NaN", None),
            (" 1", None),
        ] {
            assert_eq!(normal_number(text).as_deref(), normal, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_normal_form_is_its_own(text in "-?[0-9]{1,20}(\\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?") {
            if let Some(normal) = normal_number(&text) {
                prop_assert_eq!(normal_number(&normal), Some(normal.clone()));
                let (expected, read): (f64, f64) = (text.parse().unwrap(), normal.parse().unwrap());
                prop_assert!((expected - read).abs() <= expected.abs() * 1e-12, "{} {}", text, normal);
            }
        }
    }
}
