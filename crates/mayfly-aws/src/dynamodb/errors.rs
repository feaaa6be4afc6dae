//! Errors of calls about a table.

use std::error::Error;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use mayfly_core::error::PortError;

use super::attributes::InvalidAttribute;
use crate::sdk_error;

/// The error of a call about this table. `operation` names the call and the thing, such as `put item job#…`.
pub(super) fn port_error<E>(operation: &str, table: &str, error: SdkError<E, HttpResponse>) -> PortError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    sdk_error::port_error(format!("DynamoDB: {operation}"), error, |code| {
        (code == "ResourceNotFoundException").then(|| {
            format!(
                "there is no table or index as asked for in table `{table}`: check the table's name in the settings, the \
                 account and the region, and that the stack with the tables is deployed"
            )
        })
    })
}

/// The error of something in our own code or in the item, which no repetition mends.
pub(super) fn never(operation: &str, cause: impl Into<Box<dyn Error + Send + Sync>>) -> PortError {
    PortError::never(format!("DynamoDB: {operation}"), cause)
}

/// What is stored is not what we would have written.
#[derive(Debug, thiserror::Error)]
#[error(
    "the item cannot be read: the reconciler replaces it as long as its job is open, and until then nothing is done for the \
     job; to forget the job, delete the item"
)]
struct UnreadableItem(#[source] InvalidAttribute);

/// The error of a record that cannot be read, which stays until somebody replaces or deletes its item.
pub(super) fn unreadable(operation: &str, cause: InvalidAttribute) -> PortError {
    never(operation, UnreadableItem(cause))
}
