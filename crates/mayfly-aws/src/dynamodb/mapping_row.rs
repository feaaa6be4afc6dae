//! Rows of the mapping table as DynamoDB's items.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use mayfly_core::ids::{JobName, ProjectPath};
use mayfly_core::mapping::StoredMapping;
use mayfly_core::row::{Attribute, MappingRow, normal_number};

use super::attributes::{Item, text};
use super::{PARTITION_KEY, SORT_KEY};

/// Reads an item. What is wrong with it is said in the row and is no error: it must not hide the others.
pub(super) fn read_row(item: Item) -> StoredMapping {
    row_of(item).read()
}

/// The row of an item. Keys that are no texts, which DynamoDB's schema of the table does not let in, are empty.
pub(super) fn row_of(mut item: Item) -> MappingRow {
    let mut key = |attribute| match item.remove(attribute) {
        Some(AttributeValue::S(text)) => text,
        _ => String::new(),
    };
    let (partition_key, sort_key) = (key(PARTITION_KEY), key(SORT_KEY));
    let attributes = item.into_iter().map(|(name, value)| (name, from_value(value))).collect();
    MappingRow { partition_key, sort_key, attributes }
}

/// The item of a row. No attribute takes the place of a key.
pub(super) fn item_of(row: &MappingRow) -> Item {
    let mut item: Item = row.attributes.iter().map(|(name, value)| (name.clone(), to_value(value))).collect();
    item.extend(row_key(row));
    item
}

/// The primary key of a row.
pub(super) fn row_key(row: &MappingRow) -> Item {
    key_item(&row.partition_key, &row.sort_key)
}

pub(super) fn key_item(partition_key: &str, sort_key: &str) -> Item {
    Item::from([(PARTITION_KEY.to_owned(), text(partition_key)), (SORT_KEY.to_owned(), text(sort_key))])
}

/// False only if the row's key says that it is not for this job.
pub(super) fn may_be_for(row: &StoredMapping, project: Option<&ProjectPath>, job: &JobName) -> bool {
    let key = match row {
        StoredMapping::Readable(mapping) => Some(&mapping.key),
        StoredMapping::Unreadable { key, .. } => key.as_ref(),
        StoredMapping::Pause { .. } => None,
    };
    key.is_none_or(|key| {
        key.pattern.matches(job) && key.project.as_ref().is_none_or(|path| Some(path) == project)
    })
}

pub(super) fn from_value(value: AttributeValue) -> Attribute {
    // A store may keep numbers as they were typed.
    let number = |digits: String| normal_number(&digits).unwrap_or(digits);
    match value {
        AttributeValue::S(text) => Attribute::Text(text),
        AttributeValue::N(digits) => Attribute::Number(number(digits)),
        AttributeValue::Bool(value) => Attribute::Bool(value),
        AttributeValue::B(bytes) => Attribute::Binary(bytes.into_inner()),
        AttributeValue::L(values) => Attribute::List(values.into_iter().map(from_value).collect()),
        AttributeValue::M(values) => Attribute::Map(map_of(values)),
        AttributeValue::Ss(texts) => Attribute::TextSet(texts.into_iter().collect()),
        AttributeValue::Ns(numbers) => Attribute::NumberSet(numbers.into_iter().map(number).collect()),
        AttributeValue::Bs(values) => {
            Attribute::BinarySet(values.into_iter().map(Blob::into_inner).collect())
        }
        AttributeValue::Null(_) => Attribute::Null,
        // A kind of value younger than this code: no attribute that Mayfly knows may have one, and none may be a binary value.
        _ => Attribute::Binary(Vec::new()),
    }
}

pub(super) fn map_of(values: Item) -> BTreeMap<String, Attribute> {
    values.into_iter().map(|(name, value)| (name, from_value(value))).collect()
}

pub(super) fn to_value(attribute: &Attribute) -> AttributeValue {
    match attribute {
        Attribute::Text(text) => AttributeValue::S(text.clone()),
        Attribute::Number(digits) => AttributeValue::N(digits.clone()),
        Attribute::Bool(value) => AttributeValue::Bool(*value),
        Attribute::Null => AttributeValue::Null(true),
        Attribute::Binary(bytes) => AttributeValue::B(Blob::new(bytes.clone())),
        Attribute::List(values) => AttributeValue::L(values.iter().map(to_value).collect()),
        Attribute::Map(values) => {
            AttributeValue::M(values.iter().map(|(name, value)| (name.clone(), to_value(value))).collect())
        }
        Attribute::TextSet(texts) => AttributeValue::Ss(texts.iter().cloned().collect()),
        Attribute::NumberSet(numbers) => AttributeValue::Ns(numbers.iter().cloned().collect()),
        Attribute::BinarySet(values) => {
            AttributeValue::Bs(values.iter().map(|bytes| Blob::new(bytes.clone())).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use mayfly_standins::contracts::mapping_rows;

    use super::*;

    #[test]
    fn any_mapping_is_read_back() {
        for mapping in mapping_rows() {
            let read = read_row(item_of(&MappingRow::from(&mapping)));
            assert_eq!(read, StoredMapping::Readable(mapping));
        }
    }

    #[test]
    fn an_attribute_is_never_the_key() {
        let mut row = MappingRow::from(&mapping_rows()[0]);
        let expected = item_of(&row);
        row.attributes.insert(PARTITION_KEY.to_owned(), Attribute::text("job#victim"));
        row.attributes.insert(SORT_KEY.to_owned(), Attribute::text("tags#victim"));
        assert_eq!(item_of(&row), expected);
    }

    #[test]
    fn every_kind_of_value_is_read_back() {
        let values = [
            Attribute::text(""),
            Attribute::Number("-12.5".to_owned()),
            Attribute::Bool(false),
            Attribute::Null,
            Attribute::Binary(vec![0, 255]),
            Attribute::TextSet(["a".to_owned(), "b".to_owned()].into()),
            Attribute::NumberSet(["1".to_owned(), "0.5".to_owned()].into()),
            Attribute::BinarySet([vec![], vec![1]].into()),
        ];
        let nested = Attribute::Map([("list".to_owned(), Attribute::List(values.to_vec()))].into());
        assert_eq!(from_value(to_value(&nested)), nested);
        let typed = AttributeValue::Ns(vec!["1.0".to_owned(), "1e2".to_owned()]);
        assert_eq!(from_value(typed), Attribute::NumberSet(["1".to_owned(), "100".to_owned()].into()));
    }

    #[test]
    fn a_row_without_a_readable_key_may_be_for_any_job() {
        let job = "build".parse().unwrap();
        let row = |partition_key: &str, sort_key: &str| read_row(key_item(partition_key, sort_key));
        assert!(may_be_for(&row("job#b*", "tags#"), None, &job));
        assert!(!may_be_for(&row("job#c*", "tags#"), None, &job));
        assert!(!may_be_for(&row("project#g/a#job#b*", "tags#"), None, &job));
        assert!(may_be_for(&row("project#g/a#job#b*", "tags#"), Some(&"g/a".parse().unwrap()), &job));
        assert!(may_be_for(&row("jobs/b*", "tags#"), None, &job));
    }
}
