//! Reads items attribute by attribute, so that an error names the one that is wrong.

use std::collections::HashMap;
use std::error::Error;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::DeserializeOwned;

/// An item as the SDK gives and takes it.
pub(super) type Item = HashMap<String, AttributeValue>;

/// An attribute that is not what it should be. Values are not shown: one may be a secret in the wrong place.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidAttribute {
    #[error("attribute `{0}` is missing")]
    Missing(&'static str),
    #[error("attribute `{attribute}` cannot be read")]
    Unreadable {
        attribute: &'static str,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl InvalidAttribute {
    pub(super) fn unreadable(
        attribute: &'static str,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Unreadable { attribute, source: source.into() }
    }
}

/// Takes an attribute out of the item; none, or a NULL, is an error.
pub(super) fn required<T: DeserializeOwned>(
    item: &mut Item,
    attribute: &'static str,
) -> Result<T, InvalidAttribute> {
    optional(item, attribute)?.ok_or(InvalidAttribute::Missing(attribute))
}

/// Takes an attribute out of the item, if it is there and not NULL.
pub(super) fn optional<T: DeserializeOwned>(
    item: &mut Item,
    attribute: &'static str,
) -> Result<Option<T>, InvalidAttribute> {
    match item.remove(attribute) {
        None | Some(AttributeValue::Null(_)) => Ok(None),
        Some(value) => serde_dynamo::aws_sdk_dynamodb_1::from_attribute_value(value)
            .map(Some)
            .map_err(|error| InvalidAttribute::unreadable(attribute, error)),
    }
}

/// A text attribute.
pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}
