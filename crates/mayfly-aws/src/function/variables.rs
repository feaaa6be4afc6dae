//! Reads settings from variables. Whoever reads them says what they must be.

use std::fmt;
use std::str::FromStr;

/// The variables of the process's environment.
pub fn environment() -> Variables<impl Fn(&str) -> Option<String>> {
    #[expect(clippy::disallowed_methods, reason = "the edge: everything else is given what is read here")]
    Variables::new(|name| std::env::var(name).ok())
}

/// Named variables: those of the environment, or in tests a map. An empty one counts as missing, because a template can
/// leave a variable empty but not out.
#[derive(Debug, Clone, Copy)]
pub struct Variables<F> {
    read: F,
}

/// A variable that is missing, or not what it must be. The value is not shown: it may be a secret in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidVariable {
    /// The variable.
    pub name: &'static str,
    /// What it must be.
    pub expected: &'static str,
    /// True if there is none.
    pub is_missing: bool,
}

impl fmt::Display for InvalidVariable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, expected, is_missing } = self;
        if *is_missing {
            write!(formatter, "environment variable {name} is not set: it must be {expected}")
        } else {
            write!(formatter, "environment variable {name} is not {expected}")
        }
    }
}

impl std::error::Error for InvalidVariable {}

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    /// What `read` finds.
    pub fn new(read: F) -> Self {
        Self { read }
    }

    /// A variable that must be there. `expected` says what it must be, such as "the name of an event bus".
    pub fn required<T: FromStr>(
        &self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<T, InvalidVariable> {
        self.optional(name, expected)?.ok_or(InvalidVariable { name, expected, is_missing: true })
    }

    /// A variable that may be missing.
    pub fn optional<T: FromStr>(
        &self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, InvalidVariable> {
        self.text(name).map(|text| parse(&text, name, expected)).transpose()
    }

    /// A variable with several values between commas. Spaces around them, and values that are empty, are passed over; none
    /// at all is an empty list.
    pub fn list<T: FromStr>(
        &self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<Vec<T>, InvalidVariable> {
        let text = self.text(name).unwrap_or_default();
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| parse(part, name, expected)).collect()
    }

    /// A variable that is `true` or `false`.
    pub fn switch(&self, name: &'static str, default: bool) -> Result<bool, InvalidVariable> {
        Ok(self.optional(name, "`true` or `false`")?.unwrap_or(default))
    }

    fn text(&self, name: &str) -> Option<String> {
        let text = (self.read)(name)?.trim().to_owned();
        Some(text).filter(|text| !text.is_empty())
    }
}

fn parse<T: FromStr>(text: &str, name: &'static str, expected: &'static str) -> Result<T, InvalidVariable> {
    text.parse().map_err(|_| InvalidVariable { name, expected, is_missing: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One variable, `X`, with this value.
    fn x(value: Option<&str>) -> Variables<impl Fn(&str) -> Option<String>> {
        Variables::new(move |name| value.filter(|_| name == "X").map(str::to_owned))
    }

    #[test]
    fn a_required_variable_is_named_with_what_it_must_be() {
        let read =
            |value| x(value).required::<u8>("X", "a number below 256").map_err(|error| error.to_string());
        assert_eq!(read(Some(" 7\n")), Ok(7));
        for missing in [None, Some(""), Some("  ")] {
            let text = "environment variable X is not set: it must be a number below 256";
            assert_eq!(read(missing), Err(text.to_owned()));
        }
        assert_eq!(read(Some("secret")), Err("environment variable X is not a number below 256".to_owned()));
    }

    #[test]
    fn an_optional_variable_may_be_missing_but_not_wrong() {
        let read = |value| x(value).optional::<u8>("X", "a number below 256");
        assert_eq!(read(Some("7")), Ok(Some(7)));
        assert_eq!(read(None), Ok(None));
        assert_eq!(read(Some("")), Ok(None));
        assert!(!read(Some("256")).unwrap_err().is_missing);
    }

    #[test]
    fn a_list_is_read_with_and_without_spaces() {
        let read = |value| x(value).list::<u8>("X", "numbers below 256");
        for (value, expected) in [
            (None, &[][..]),
            (Some(""), &[]),
            (Some(","), &[]),
            (Some("1"), &[1]),
            (Some("1,2"), &[1, 2]),
            (Some(" 1 , 2 ,"), &[1, 2]),
        ] {
            assert_eq!(read(value).unwrap(), expected, "{value:?}");
        }
        assert_eq!(read(Some("1,two")).unwrap_err().name, "X");
    }

    #[test]
    fn a_switch_is_true_or_false() {
        for (value, default, expected) in [
            (Some("true"), false, Some(true)),
            (Some("false"), true, Some(false)),
            (None, true, Some(true)),
            (Some(""), false, Some(false)),
            (Some("yes"), false, None),
            (Some("True"), false, None),
        ] {
            assert_eq!(x(value).switch("X", default).ok(), expected, "{value:?}");
        }
    }
}
