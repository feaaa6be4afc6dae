//! The table with the assignments, as an instance may use it: it takes its own, once.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use mayfly_core::error::PortError;
use secrecy::SecretString;

use crate::sdk_error::port_error;

/// The attribute with the assignment.
const ASSIGNMENT: &str = "assignment";
const KEY: &str = "pk";
const OPERATION: &str = "DynamoDB: delete item";

/// Where the assignment of one instance appears. The instance's role may do no more than this: delete the item whose key is its
/// own `aws:userid`, and hear what was in it.
#[derive(Debug, Clone)]
pub struct AssignmentTable {
    client: Client,
    table: String,
    key: String,
}

impl AssignmentTable {
    pub(super) fn new(client: Client, table: String, key: String) -> Self {
        Self { client, table, key }
    }

    /// Takes the assignment, as JSON, if it is there: nobody can read it again. An error that passes by itself may have taken it
    /// as well, if only its answer was lost.
    pub async fn take(&self) -> Result<Option<SecretString>, PortError> {
        let call = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key(KEY, AttributeValue::S(self.key.clone()))
            .return_values(ReturnValue::AllOld);
        let answer = call.send().await.map_err(|error| {
            let operation = format!("{OPERATION} {} of table `{}`", self.key, self.table);
            port_error(operation, error, |_| None)
        })?;
        answer.attributes.map(assignment_of).transpose()
    }
}

/// The value is never shown: it is a secret.
fn assignment_of(mut item: HashMap<String, AttributeValue>) -> Result<SecretString, PortError> {
    match item.remove(ASSIGNMENT) {
        Some(AttributeValue::S(json)) => Ok(json.into()),
        _ => Err(PortError::never(OPERATION, format!("the item has no text `{ASSIGNMENT}`"))),
    }
}
