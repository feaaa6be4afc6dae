//! What an error of `Invoke` says about the runner: refused, impossible, or nobody knows.

use std::error::Error;

use aws_sdk_lambda::config::http::HttpResponse;
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::operation::invoke::InvokeError;
use aws_sdk_lambda::types::ThrottleReason;
use aws_smithy_runtime_api::client::result::ConnectorError;
use mayfly_core::error::Chain;
use mayfly_core::ports::LaunchOutcome;

use crate::error_codes::{TOO_MANY_REQUESTS, is_passing_code};

/// What a code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// Nothing was started, and another time it may be.
    Refused,
    /// Nothing was started, and nothing will be until a person mends something.
    Impossible,
}

/// The errors that `Invoke` names (Lambda API reference). All say that the function was not invoked, but for
/// `ServiceException`, which is not here.
const MEANINGS: [(&str, Meaning); 43] = {
    use Meaning::{Impossible, Refused};
    [
        ("CodeArtifactUserDeletedException", Impossible),
        ("CodeArtifactUserFailedException", Impossible),
        ("CodeArtifactUserPendingException", Refused),
        ("DurableExecutionAlreadyStartedException", Impossible),
        ("EC2AccessDeniedException", Impossible),
        ("EC2ThrottledException", Refused),
        ("EC2UnexpectedException", Refused),
        ("EFSIOException", Refused),
        ("EFSMountConnectivityException", Refused),
        ("EFSMountFailureException", Impossible),
        ("EFSMountTimeoutException", Refused),
        ("ENILimitReachedException", Refused),
        ("ENINotReadyException", Refused),
        ("InvalidParameterValueException", Impossible),
        ("InvalidRequestContentException", Impossible),
        ("InvalidRuntimeException", Impossible),
        ("InvalidSecurityGroupIDException", Impossible),
        ("InvalidSubnetIDException", Impossible),
        ("InvalidZipFileException", Impossible),
        ("KMSAccessDeniedException", Impossible),
        ("KMSDisabledException", Impossible),
        ("KMSInvalidStateException", Impossible),
        ("KMSNotFoundException", Impossible),
        ("ModeNotSupportedException", Impossible),
        ("NoPublishedVersionException", Impossible),
        ("RecursiveInvocationException", Impossible),
        ("RequestTooLargeException", Impossible),
        // A function that is being changed, made or woken up.
        ("ResourceConflictException", Refused),
        ("ResourceNotFoundException", Impossible),
        ("ResourceNotReadyException", Refused),
        ("S3FilesMountConnectivityException", Refused),
        ("S3FilesMountFailureException", Impossible),
        ("S3FilesMountTimeoutException", Refused),
        ("SerializedRequestEntityTooLargeException", Impossible),
        ("ServiceQuotaExceededException", Refused),
        ("SnapStartException", Refused),
        ("SnapStartNotReadyException", Refused),
        ("SnapStartRegenerationFailureException", Refused),
        ("SnapStartTimeoutException", Refused),
        ("SubnetIPAddressLimitReachedException", Refused),
        ("TooManyRequestsException", Refused),
        ("UnsupportedMediaTypeException", Impossible),
        ("ValidationException", Impossible),
    ]
};

/// What became of a launch whose `Invoke` did not succeed.
pub(super) fn outcome_of(arn: &str, error: &SdkError<InvokeError, HttpResponse>) -> LaunchOutcome {
    let reason = |why: String| format!("Lambda: invoke {arn}: {why}");
    match error {
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            let why = reason(said(answer.err(), status));
            match meaning(answer.err().code(), status) {
                Some(Meaning::Refused) => LaunchOutcome::Refused { reason: why },
                Some(Meaning::Impossible) => LaunchOutcome::Impossible { reason: why },
                None => LaunchOutcome::Unknown { reason: why },
            }
        }
        SdkError::ConstructionFailure(_) => LaunchOutcome::Impossible { reason: reason(chain(error)) },
        SdkError::DispatchFailure(failure)
            if failure.as_connector_error().is_some_and(is_never_connected) =>
        {
            LaunchOutcome::Refused { reason: reason(format!("no connection: {}", chain(error))) }
        }
        // Timeouts, lost connections, answers that cannot be read, and kinds of errors younger than this code.
        _ => LaunchOutcome::Unknown { reason: reason(chain(error)) },
    }
}

/// `None` if the answer does not say whether the function is invoked.
fn meaning(code: Option<&str>, status: u16) -> Option<Meaning> {
    let named = MEANINGS.into_iter().find(|(named, _)| Some(*named) == code);
    if let Some((_, meaning)) = named {
        return Some(meaning);
    }
    match status {
        TOO_MANY_REQUESTS => Some(Meaning::Refused),
        400..=499 if code.is_some_and(is_passing_code) => Some(Meaning::Refused),
        400..=499 => Some(Meaning::Impossible),
        _ => None,
    }
}

/// The words of the service. Not where it could not read the payload: it may show what it could not read.
fn said(error: &InvokeError, status: u16) -> String {
    let code = error.code().map_or_else(|| format!("status {status}"), str::to_owned);
    let limit = match error {
        InvokeError::TooManyRequestsException(error) => error.reason().map(ThrottleReason::as_str),
        _ => None,
    };
    let limit = limit.map(|limit| format!(" ({limit})")).unwrap_or_default();
    match error.message() {
        Some(message) if !error.is_invalid_request_content_exception() => {
            format!("{code}{limit}: {message}")
        }
        _ => format!("{code}{limit}"),
    }
}

fn chain(error: &(dyn Error + 'static)) -> String {
    Chain(error).to_string()
}

/// True if not even a connection was made, so that nothing was sent.
fn is_never_connected(error: &ConnectorError) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
            return error.is_connect();
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_once_and_in_order() {
        assert!(MEANINGS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn what_is_not_named_is_judged_by_its_status() {
        for (code, status, expected) in [
            (Some("TooManyRequestsException"), 429, Some(Meaning::Refused)),
            (Some("SomethingNew"), 429, Some(Meaning::Refused)),
            (None, 429, Some(Meaning::Refused)),
            (Some("ThrottlingException"), 400, Some(Meaning::Refused)),
            (Some("ExpiredTokenException"), 403, Some(Meaning::Refused)),
            (Some("AccessDeniedException"), 403, Some(Meaning::Impossible)),
            (Some("UnrecognizedClientException"), 403, Some(Meaning::Impossible)),
            (Some("SomethingNew"), 400, Some(Meaning::Impossible)),
            (Some("EC2ThrottledException"), 502, Some(Meaning::Refused)),
            (Some("KMSDisabledException"), 502, Some(Meaning::Impossible)),
            (Some("ServiceException"), 500, None),
            (Some("SomethingNew"), 502, None),
            (None, 503, None),
        ] {
            assert_eq!(meaning(code, status), expected, "{code:?} {status}");
        }
    }
}
