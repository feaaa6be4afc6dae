//! Names of parameters.

use std::fmt;
use std::str::FromStr;

use mayfly_core::ids::{InvalidId, SecretName};

/// The longest name (Systems Manager API reference, `PutParameter`).
const LONGEST_NAME: usize = 1011;

/// The full name of a parameter, such as `/mayfly/WebhookSecret`. Neither an ARN nor one version of a parameter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParameterName(String);

impl ParameterName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ParameterName {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let is_valid = match text.strip_prefix('/') {
            Some(rest) => rest.split('/').all(is_part),
            None => is_part(text),
        };
        if is_valid && text.len() <= LONGEST_NAME {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidId { text: text.to_owned(), expected: "the name of a parameter such as `/mayfly/Url`" })
    }
}

impl fmt::Display for ParameterName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Where the parameters of an installation are, such as `/mayfly`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterPath {
    /// Without a `/` at its end: empty for the root.
    text: String,
}

impl ParameterPath {
    /// The full name of a secret below this path.
    pub fn name_of(&self, secret: &SecretName) -> Result<ParameterName, InvalidId> {
        format!("{}/{secret}", self.text).parse()
    }
}

impl FromStr for ParameterPath {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let path = text.strip_suffix('/').unwrap_or(text);
        let is_valid = match path.strip_prefix('/') {
            Some(rest) => rest.split('/').all(is_part),
            None => text == "/",
        };
        if is_valid {
            return Ok(Self { text: path.to_owned() });
        }
        Err(InvalidId { text: text.to_owned(), expected: "a path of parameters such as `/mayfly`" })
    }
}

impl fmt::Display for ParameterPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.text.is_empty() { "/" } else { &self.text })
    }
}

fn is_part(part: &str) -> bool {
    !part.is_empty()
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_told_from_other_texts() {
        for name in ["Url", "/Url", "/mayfly/Url", "/may-fly/team_a/Token.1"] {
            assert_eq!(name.parse::<ParameterName>().unwrap().as_str(), name);
        }
        let arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/mayfly/Url";
        let long = format!("/{}", "a".repeat(LONGEST_NAME));
        for text in
            ["", "/", "mayfly/Url", "/mayfly/", "/mayfly//Url", "/mayfly/a b", "/mayfly/Url:3", arn, &long]
        {
            assert!(text.parse::<ParameterName>().is_err(), "{text}");
        }
    }

    #[test]
    fn names_below_a_path_are_pinned() {
        for (path, shown, secret, name) in [
            ("/mayfly", "/mayfly", "Url", "/mayfly/Url"),
            ("/mayfly/", "/mayfly", "team/Token", "/mayfly/team/Token"),
            ("/a/b", "/a/b", "Url", "/a/b/Url"),
            ("/", "/", "Url", "/Url"),
        ] {
            let path: ParameterPath = path.parse().unwrap();
            assert_eq!(path.to_string(), shown);
            assert_eq!(path.name_of(&secret.parse().unwrap()).unwrap().as_str(), name);
        }
        for text in ["", "mayfly", "//", "/mayfly//", "/may fly"] {
            assert!(text.parse::<ParameterPath>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_below_a_path_stays_below_it(secret in "[a-z./_-]{1,12}") {
            let path: ParameterPath = "/mayfly".parse().unwrap();
            if let Ok(name) = path.name_of(&secret.parse().unwrap()) {
                prop_assert!(name.as_str().starts_with("/mayfly/"));
                prop_assert_eq!(name.as_str().parse::<ParameterName>().unwrap(), name);
            }
        }
    }
}
