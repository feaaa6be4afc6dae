//! The body of a job event as GitLab writes it, read in one pass and borrowed where possible.
//!
//! Reading never fails because of a type: a value of the wrong type is remembered as such, so that the field can be named
//! once it is known that the body is a job event at all. Fields that are not listed here are skipped unread.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The fields Mayfly looks at.
#[derive(serde::Deserialize)]
pub(super) struct Payload<'a> {
    #[serde(borrow, default)]
    pub(super) object_kind: Scalar<'a>,
    #[serde(borrow, default)]
    pub(super) build_id: Scalar<'a>,
    #[serde(borrow, default)]
    pub(super) build_name: Scalar<'a>,
    #[serde(borrow, default)]
    pub(super) build_status: Scalar<'a>,
    #[serde(borrow, default)]
    pub(super) build_queued_duration: Scalar<'a>,
    #[serde(borrow, default)]
    pub(super) build_failure_reason: Scalar<'a>,
    #[serde(borrow, default)]
    pub(super) pipeline_id: Scalar<'a>,
    #[serde(borrow, default)]
    pub(super) project_id: Scalar<'a>,
    #[serde(borrow, default)]
    pub(super) runner: Nested<Runner<'a>>,
    #[serde(borrow, default)]
    pub(super) project: Nested<Project<'a>>,
    #[serde(borrow, default)]
    pub(super) repository: Nested<Repository<'a>>,
}

#[derive(Default, serde::Deserialize)]
pub(super) struct Runner<'a> {
    #[serde(borrow, default)]
    pub(super) id: Scalar<'a>,
    #[serde(borrow, default)]
    pub(super) description: Scalar<'a>,
}

#[derive(Default, serde::Deserialize)]
pub(super) struct Project<'a> {
    #[serde(borrow, default)]
    pub(super) web_url: Scalar<'a>,
    #[serde(borrow, default)]
    pub(super) path_with_namespace: Scalar<'a>,
}

#[derive(Default, serde::Deserialize)]
pub(super) struct Repository<'a> {
    #[serde(borrow, default)]
    pub(super) homepage: Scalar<'a>,
}

/// A value that should be a text or a number, whatever it is.
#[derive(Debug, Default, PartialEq)]
pub(super) enum Scalar<'a> {
    #[default]
    Absent,
    Null,
    Text(Cow<'a, str>),
    Whole(u64),
    Number(f64),
    /// Something else, in words.
    Other(&'static str),
}

/// A value that should be an object, whatever it is.
#[derive(Debug, Default, PartialEq)]
pub(super) enum Nested<T> {
    #[default]
    Absent,
    Object(T),
    /// Something else, in words.
    Other(&'static str),
}

/// Why a body has no payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPayload {
    /// Not UTF-8, or not JSON.
    NotJson,
    /// JSON, but not an object.
    NotAnObject,
    /// A field is there twice, so that nobody knows which value counts.
    RepeatedField,
}

/// Reads a body.
pub(super) fn parse(body: &[u8]) -> Result<Payload<'_>, NoPayload> {
    // Checked as a whole, because skipped texts are not checked one by one.
    let text = std::str::from_utf8(body).map_err(|_| NoPayload::NotJson)?;
    match serde_json::from_str(text) {
        Ok(Nested::Object(payload)) => Ok(payload),
        Ok(Nested::Absent | Nested::Other(_)) => Err(NoPayload::NotAnObject),
        // Types never fail, so what is wrong with the data can only be a repeated field.
        Err(error) if error.is_data() => Err(NoPayload::RepeatedField),
        Err(_) => Err(NoPayload::NotJson),
    }
}

impl Scalar<'_> {
    /// The text; `None` if there is none. The error says what was found in its place.
    pub(super) fn text(&self) -> Result<Option<&str>, &'static str> {
        match self {
            Self::Absent | Self::Null => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            Self::Whole(_) | Self::Number(_) => Err("a number"),
            Self::Other(found) => Err(found),
        }
    }

    /// The whole number, also one in quotes, as custom webhook templates write them.
    pub(super) fn whole(&self) -> Result<Option<u64>, &'static str> {
        match self {
            Self::Absent | Self::Null => Ok(None),
            Self::Text(text) if is_templated_null(text) => Ok(None),
            Self::Text(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().map(Some).map_err(|_| "a number that is too large")
            }
            Self::Text(_) => Err("a text"),
            Self::Whole(number) => Ok(Some(*number)),
            Self::Number(_) => Err("a number that is negative, broken or too large"),
            Self::Other(found) => Err(found),
        }
    }

    /// The number, also one in quotes.
    pub(super) fn number(&self) -> Result<Option<f64>, &'static str> {
        match self {
            Self::Absent | Self::Null => Ok(None),
            Self::Text(text) if is_templated_null(text) => Ok(None),
            Self::Text(text) => {
                let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
                number.map(Some).ok_or("a text")
            }
            #[expect(clippy::cast_precision_loss, reason = "a duration of 2^53 s needs no last second")]
            Self::Whole(number) => Ok(Some(*number as f64)),
            Self::Number(number) => Ok(Some(*number)),
            Self::Other(found) => Err(found),
        }
    }
}

/// What a custom webhook template makes of a null between quotes.
fn is_templated_null(text: &str) -> bool {
    text.is_empty() || text == "null"
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Null)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Whole(number))
    }

    #[expect(clippy::cast_precision_loss, reason = "only negative numbers come here: no id is one")]
    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Other("true or false"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        skip_list(list).map(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other("an object"))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Nested<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NestedVisitor(PhantomData))
    }
}

/// Unlike the visitors that `derive` writes, it does not take a list for an object with its fields in order.
struct NestedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for NestedVisitor<T> {
    type Value = Nested<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Nested::Absent)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Nested::Other("a text"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Nested::Other("a number"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Nested::Other("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Nested::Other("a number"))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Nested::Other("true or false"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        skip_list(list).map(Nested::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(Nested::Object)
    }
}

fn skip_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<&'static str, A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok("a list")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_texts_are_borrowed_and_escaped_ones_are_not() {
        let payload = parse(br#"{"object_kind": "build", "build_name": "a\nb", "unknown": [{}]}"#).unwrap();
        assert!(matches!(payload.object_kind, Scalar::Text(Cow::Borrowed("build"))));
        assert!(matches!(payload.build_name, Scalar::Text(Cow::Owned(ref name)) if name == "a\nb"));
    }

    #[test]
    fn what_is_no_object_has_no_payload() {
        let check = |body: &[u8], why| assert_eq!(parse(body).err(), Some(why), "{body:?}");
        for body in
            [&b""[..], b"{", b"{}x", b"{\"a\": \"\xff\"}", b"build_id=1", b"\xef\xbb\xbf{}", b"{'a': 1}"]
        {
            check(body, NoPayload::NotJson);
        }
        for body in [&b"null"[..], b"1", b"-1", b"1.5", b"\"build\"", b"true", br#"["build", 1, "test"]"#] {
            check(body, NoPayload::NotAnObject);
        }
        check(br#"{"build_id": 1, "build_id": 2}"#, NoPayload::RepeatedField);
        check(br#"{"runner": {"id": 1, "id": 1}}"#, NoPayload::RepeatedField);
        assert!(parse(br#"{"user": {"id": 1, "id": 1}, "ref": 1, "ref": 2}"#).is_ok());
    }

    #[test]
    fn a_number_is_read_with_and_without_quotes() {
        let check = |value: &str, expected: Result<Option<u64>, &str>| {
            let body = format!(r#"{{"build_id": {value}}}"#);
            assert_eq!(parse(body.as_bytes()).unwrap().build_id.whole(), expected, "{value}");
        };
        check("1977", Ok(Some(1977)));
        check("\"1977\"", Ok(Some(1977)));
        check("18446744073709551615", Ok(Some(u64::MAX)));
        check("null", Ok(None));
        check("\"\"", Ok(None));
        check("\"null\"", Ok(None));
        check("\"18446744073709551616\"", Err("a number that is too large"));
        check("18446744073709551616", Err("a number that is negative, broken or too large"));
        check("-1", Err("a number that is negative, broken or too large"));
        check("1.0", Err("a number that is negative, broken or too large"));
        check("\"+1\"", Err("a text"));
        check("\" 1\"", Err("a text"));
        check("\"one\"", Err("a text"));
        check("true", Err("true or false"));
        check("[1]", Err("a list"));
        check("{\"id\": 1}", Err("an object"));
    }

    #[test]
    fn a_duration_is_a_finite_number() {
        let check = |value: &str, expected: Result<Option<f64>, &str>| {
            let body = format!(r#"{{"build_queued_duration": {value}}}"#);
            assert_eq!(parse(body.as_bytes()).unwrap().build_queued_duration.number(), expected, "{value}");
        };
        check("0.41", Ok(Some(0.41)));
        check("5", Ok(Some(5.0)));
        check("-1", Ok(Some(-1.0)));
        check("\"0.41\"", Ok(Some(0.41)));
        check("\"\"", Ok(None));
        check("\"NaN\"", Err("a text"));
        check("\"inf\"", Err("a text"));
        check("{}", Err("an object"));
    }
}
