//! One row's write, with the condition that the row is what was read.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem, Update};
use mayfly_core::mapping_edit::{RowChange, differences};
use mayfly_core::row::{Attribute, KNOWN_ATTRIBUTES, MappingRow};

use super::super::mapping_row::{item_of, row_key, to_value};
use super::super::{PARTITION_KEY, attributes::Item};

/// The write of a change. An attribute that somebody adds meanwhile and that Mayfly does not know survives a change, because
/// only what differs is written.
pub(super) fn action(table: &str, change: &RowChange) -> Result<TransactWriteItem, BuildError> {
    let action = TransactWriteItem::builder();
    Ok(match change {
        RowChange::Add(row) => {
            let put = Put::builder().table_name(table).set_item(Some(item_of(row)));
            action.put(put.condition_expression(format!("attribute_not_exists({PARTITION_KEY})")).build()?)
        }
        RowChange::Change { before, after } => {
            let mut words = Words::default();
            let condition = words.is_still(before);
            let update = Update::builder()
                .table_name(table)
                .set_key(Some(row_key(before)))
                .update_expression(words.update(before, after))
                .condition_expression(condition);
            let update = update.set_expression_attribute_names(Some(words.names));
            action.update(update.set_expression_attribute_values(words.values.into_some()).build()?)
        }
        RowChange::Remove(row) => {
            let mut words = Words::default();
            let condition = words.is_still(row);
            let delete = Delete::builder().table_name(table).set_key(Some(row_key(row)));
            let delete =
                delete.condition_expression(condition).set_expression_attribute_names(Some(words.names));
            action.delete(delete.set_expression_attribute_values(words.values.into_some()).build()?)
        }
    }
    .build())
}

/// Names and values that an expression uses by placeholders: an attribute may have any name.
#[derive(Default)]
struct Words {
    names: HashMap<String, String>,
    values: Item,
}

impl Words {
    fn name(&mut self, attribute: &str) -> String {
        let placeholder = format!("#a{}", self.names.len());
        self.names.insert(placeholder.clone(), attribute.to_owned());
        placeholder
    }

    fn value(&mut self, value: &Attribute) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), to_value(value));
        placeholder
    }

    /// That the row is there, has every attribute that it had, and none that Mayfly reads and it had not.
    fn is_still(&mut self, row: &MappingRow) -> String {
        let key = self.name(PARTITION_KEY);
        let mut parts = vec![format!("attribute_exists({key})")];
        for (attribute, value) in &row.attributes {
            parts.push(format!("{} = {}", self.name(attribute), self.value(value)));
        }
        for attribute in KNOWN_ATTRIBUTES {
            if !row.attributes.contains_key(attribute) {
                parts.push(format!("attribute_not_exists({})", self.name(attribute)));
            }
        }
        parts.join(" AND ")
    }

    fn update(&mut self, before: &MappingRow, after: &MappingRow) -> String {
        let (mut set, mut remove) = (Vec::new(), Vec::new());
        for difference in differences(&before.attributes, &after.attributes) {
            let name = self.name(difference.attribute);
            match difference.after {
                Some(value) => set.push(format!("{name} = {}", self.value(value))),
                None => remove.push(name),
            }
        }
        let clause = |word: &str, parts: &[String]| match parts {
            [] => String::new(),
            parts => format!("{word} {} ", parts.join(", ")),
        };
        clause("SET", &set) + &clause("REMOVE", &remove)
    }
}

trait IntoSome {
    fn into_some(self) -> Option<HashMap<String, AttributeValue>>;
}

impl IntoSome for Item {
    /// DynamoDB refuses values that are given and are none.
    fn into_some(self) -> Option<HashMap<String, AttributeValue>> {
        (!self.is_empty()).then_some(self)
    }
}
