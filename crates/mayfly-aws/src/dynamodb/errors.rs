//! What an error of the SDK means for the caller: later or never, and why.

use std::error::Error;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use mayfly_core::error::{PortError, Retry};

/// Codes that come with a 400 and pass by themselves. Everything with a 5xx passes as well.
const PASSING_CODES: [&str; 8] = [
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "ReplicatedWriteConflictException",
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
    "TransactionConflictException",
];

/// What DynamoDB answered.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(
        "there is no table or index as asked for in table `{table}` ({message}): check the table's name in the settings, \
         the account and the region, and that the stack with the tables is deployed"
    )]
    NoTable { table: String, message: String },
    #[error("{code}: {message}")]
    Other { code: String, message: String },
}

/// The error of a call about this table. `operation` names the call and the thing, such as `put item job#…`.
pub(super) fn port_error<E>(operation: &str, table: &str, error: SdkError<E, HttpResponse>) -> PortError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let retry = if is_passing(&error) { Retry::Later(None) } else { Retry::Never };
    // What an SdkError displays is one fixed word; code and message of an answer are in its metadata only.
    let source: Box<dyn Error + Send + Sync> = match error.code() {
        Some(code) => {
            let message = error.message().unwrap_or("no message").to_owned();
            Box::new(match code {
                "ResourceNotFoundException" => Refusal::NoTable { table: table.to_owned(), message },
                _ => Refusal::Other { code: code.to_owned(), message },
            })
        }
        None => Box::new(error),
    };
    PortError { operation: format!("DynamoDB: {operation}"), retry, source }
}

/// The error of something in our own code or in the item, which no repetition mends.
pub(super) fn never(operation: &str, cause: impl Into<Box<dyn Error + Send + Sync>>) -> PortError {
    PortError::never(format!("DynamoDB: {operation}"), cause)
}

fn is_passing<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    match error {
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => true,
        SdkError::DispatchFailure(failure) => !failure.is_user(),
        SdkError::ServiceError(answer) => {
            answer.raw().status().is_server_error()
                || answer.err().code().is_some_and(|code| PASSING_CODES.contains(&code))
        }
        // A request that could not even be made, and kinds of errors younger than this code.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::config::http::HttpResponse;
    use aws_sdk_dynamodb::error::{ConnectorError, ErrorMetadata};
    use aws_sdk_dynamodb::operation::get_item::GetItemError;
    use aws_smithy_types::body::SdkBody;
    use mayfly_core::error::Chain;

    use super::*;

    fn answer(status: u16, code: &str, message: &str) -> SdkError<GetItemError, HttpResponse> {
        let metadata = ErrorMetadata::builder().code(code).message(message).build();
        let response = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
        SdkError::service_error(GetItemError::generic(metadata), response)
    }

    fn check(error: SdkError<GetItemError, HttpResponse>, is_transient: bool, text: &str) {
        let error = port_error("get item job#x", "ledger", error);
        assert_eq!(error.is_transient(), is_transient, "{text}");
        assert_eq!(Chain(&error).to_string(), text);
    }

    #[test]
    fn answers_say_later_or_never_and_carry_the_message_of_the_service() {
        for (status, code, is_transient) in [
            (400, "ThrottlingException", true),
            (400, "ProvisionedThroughputExceededException", true),
            (400, "RequestLimitExceeded", true),
            (500, "InternalServerError", true),
            (503, "SlowDown", true),
            (400, "ValidationException", false),
            (400, "AccessDeniedException", false),
            (400, "UnrecognizedClientException", false),
        ] {
            let text = format!("DynamoDB: get item job#x failed: {code}: words of the service");
            check(answer(status, code, "words of the service"), is_transient, &text);
        }
    }

    #[test]
    fn a_missing_table_is_named_with_what_to_check() {
        check(
            answer(400, "ResourceNotFoundException", "Requested resource not found"),
            false,
            "DynamoDB: get item job#x failed: there is no table or index as asked for in table `ledger` (Requested \
             resource not found): check the table's name in the settings, the account and the region, and that the \
             stack with the tables is deployed",
        );
    }

    #[test]
    fn no_answer_means_later_and_says_why() {
        check(
            SdkError::timeout_error("3 s are over"),
            true,
            "DynamoDB: get item job#x failed: request has timed out: 3 s are over",
        );
        check(
            SdkError::dispatch_failure(ConnectorError::io("connection refused".into())),
            true,
            "DynamoDB: get item job#x failed: dispatch failure: io error: connection refused",
        );
    }

    #[test]
    fn a_request_that_cannot_be_made_means_never() {
        check(
            SdkError::construction_failure("no table name"),
            false,
            "DynamoDB: get item job#x failed: failed to construct request: no table name",
        );
    }
}
