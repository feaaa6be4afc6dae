//! Errors of calls about a table.

use std::error::Error;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use mayfly_core::error::PortError;

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
