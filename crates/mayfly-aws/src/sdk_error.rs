//! What an error of the SDK means for the caller: later or never, and why. One place for all services.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use mayfly_core::error::{PortError, Retry};

use crate::error_codes::{TOO_MANY_REQUESTS, is_passing_code};

/// Codes of requests that the caller has no right to make.
const DENYING_CODES: [&str; 9] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "NotAuthorized",
    "UnrecognizedClientException",
];

/// What to check then.
const DENIED: &str = "access is denied, check the rights of the role";

/// What a service answered, in its own words.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{code}: {message}")]
    Plain { code: String, message: String },
    #[error("{hint} ({code}: {message})")]
    Hinted { hint: String, code: String, message: String },
}

impl Refusal {
    /// A refusal with what to check, where the words of the service do not say it.
    pub(crate) fn new(hint: Option<String>, code: impl Into<String>, message: impl Into<String>) -> Self {
        let (code, message) = (code.into(), message.into());
        match hint {
            Some(hint) => Self::Hinted { hint, code, message },
            None => Self::Plain { code, message },
        }
    }
}

/// The error of a call. `operation` names the service, the call and the thing, such as `DynamoDB: put item job#…`; `hint`
/// says for the code of an answer what to check.
pub(crate) fn port_error<E>(
    operation: impl Into<String>,
    error: SdkError<E, HttpResponse>,
    hint: impl FnOnce(&str) -> Option<String>,
) -> PortError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let retry = if is_passing(&error) { Retry::Later(None) } else { Retry::Never };
    // What an SdkError displays is one fixed word; code and message of an answer are in its metadata only.
    let source: Box<dyn Error + Send + Sync> = match error.code() {
        Some(code) => {
            let hint = hint(code).or_else(|| DENYING_CODES.contains(&code).then(|| DENIED.to_owned()));
            Box::new(Refusal::new(hint, code, error.message().unwrap_or("no message")))
        }
        None => Box::new(error),
    };
    PortError { operation: operation.into(), retry, source }
}

/// The code of the service's answer, such as `AccessDeniedException`; `None` if there was no answer.
pub fn answer_code(error: &PortError) -> Option<&str> {
    match error.source.downcast_ref::<Refusal>()? {
        Refusal::Plain { code, .. } | Refusal::Hinted { code, .. } => Some(code),
    }
}

fn is_passing<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    match error {
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => true,
        SdkError::DispatchFailure(failure) => !failure.is_user(),
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status();
            // A success that is an error: something on the way answered in the service's place.
            status.is_success()
                || status.is_server_error()
                || status.as_u16() == TOO_MANY_REQUESTS
                || answer.err().code().is_some_and(is_passing_code)
        }
        // A request that could not even be made, and kinds of errors younger than this code.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;
    use mayfly_core::error::Chain;

    use super::*;

    fn answer(status: u16, code: &str, message: &str) -> SdkError<ErrorMetadata, HttpResponse> {
        let metadata = ErrorMetadata::builder().code(code).message(message).build();
        SdkError::service_error(metadata, HttpResponse::new(status.try_into().unwrap(), SdkBody::empty()))
    }

    fn check(error: SdkError<ErrorMetadata, HttpResponse>, is_transient: bool, text: &str) {
        let error = port_error("Service: get item x", error, |code| {
            (code == "NotFound").then(|| "there is no x".to_owned())
        });
        assert_eq!(error.is_transient(), is_transient, "{text}");
        assert_eq!(Chain(&error).to_string(), text);
    }

    #[test]
    fn answers_say_later_or_never_and_carry_the_message_of_the_service() {
        for (status, code, is_transient) in [
            (400, "ThrottlingException", true),
            (400, "ProvisionedThroughputExceededException", true),
            (400, "RequestLimitExceeded", true),
            (429, "SomethingNew", true),
            (500, "InternalServerError", true),
            (503, "SlowDown", true),
            (200, "Unreadable", true),
            (400, "ValidationException", false),
        ] {
            let text = format!("Service: get item x failed: {code}: words of the service");
            check(answer(status, code, "words of the service"), is_transient, &text);
        }
    }

    #[test]
    fn hints_and_denials_say_what_to_check() {
        check(
            answer(400, "NotFound", "no"),
            false,
            "Service: get item x failed: there is no x (NotFound: no)",
        );
        check(
            answer(400, "AccessDeniedException", "User is not authorized"),
            false,
            "Service: get item x failed: access is denied, check the rights of the role (AccessDeniedException: User \
             is not authorized)",
        );
    }

    #[test]
    fn no_answer_means_later_and_says_why() {
        check(
            SdkError::timeout_error("3 s are over"),
            true,
            "Service: get item x failed: request has timed out: 3 s are over",
        );
        check(
            SdkError::dispatch_failure(ConnectorError::io("connection refused".into())),
            true,
            "Service: get item x failed: dispatch failure: io error: connection refused",
        );
    }

    #[test]
    fn a_request_that_cannot_be_made_means_never() {
        check(
            SdkError::construction_failure("no table name"),
            false,
            "Service: get item x failed: failed to construct request: no table name",
        );
    }
}
