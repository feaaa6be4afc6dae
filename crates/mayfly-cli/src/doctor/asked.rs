//! One question, and what came of it. Each is asked on its own: what one cannot tell does not keep the others from telling.

use std::error::Error;

use aws_sdk_ssm::config::http::HttpResponse;
use aws_sdk_ssm::error::{ProvideErrorMetadata, SdkError};
use mayfly_core::error::{Chain, PortError};

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked<T> {
    Known(T),
    /// The credentials may not ask. The right, such as `ssm:GetParameters`, and the answer.
    Denied {
        right: &'static str,
        why: String,
    },
    /// Nobody here knows the question, such as an emulator of AWS.
    NotOffered {
        why: String,
    },
    /// No answer, or one that is no use.
    Failed {
        why: String,
    },
    /// Not asked, because what it needs to know is not known; another line says so.
    Skipped,
}

impl<T> Asked<T> {
    /// The answer, if there is one.
    pub(super) fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            _ => None,
        }
    }

    pub(super) fn map<R>(self, change: impl FnOnce(T) -> R) -> Asked<R> {
        match self {
            Self::Known(value) => Asked::Known(change(value)),
            Self::Denied { right, why } => Asked::Denied { right, why },
            Self::NotOffered { why } => Asked::NotOffered { why },
            Self::Failed { why } => Asked::Failed { why },
            Self::Skipped => Asked::Skipped,
        }
    }

    /// What AWS answered to a call that takes this right.
    pub(super) fn of<E>(right: &'static str, result: Result<T, SdkError<E, HttpResponse>>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match result {
            Ok(value) => Self::Known(value),
            Err(error) => {
                let status = error.raw_response().map(|answer| answer.status().as_u16());
                let why = match (error.code(), error.message()) {
                    (Some(code), Some(message)) => format!("{code}: {message}"),
                    _ => Chain(&error).to_string(),
                };
                Self::refused(right, error.code(), status, why)
            }
        }
    }

    /// What a port answered that makes such calls. It keeps the code in its words.
    pub(super) fn of_port(right: &'static str, result: Result<T, PortError>) -> Self {
        match result {
            Ok(value) => Self::Known(value),
            Err(error) => {
                let why = Chain(&error).to_string();
                let code = DENIALS.iter().chain(&UNKNOWN).find(|code| why.contains(**code)).copied();
                Self::refused(right, code, None, why)
            }
        }
    }

    fn refused(right: &'static str, code: Option<&str>, status: Option<u16>, why: String) -> Self {
        match (code.unwrap_or_default(), status) {
            (code, _) if DENIALS.contains(&code) => Self::Denied { right, why },
            (code, _) if UNKNOWN.contains(&code) => Self::NotOffered { why },
            (_, Some(501)) | ("", Some(404 | 405)) => Self::NotOffered { why },
            _ => Self::Failed { why },
        }
    }
}

/// How services say that a right is missing.
const DENIALS: [&str; 5] =
    ["AccessDeniedException", "AccessDenied", "UnauthorizedOperation", "AuthorizationError", "NotAuthorized"];

/// How services and emulators say that they do not know a call.
const UNKNOWN: [&str; 8] = [
    "UnknownOperationException",
    "UnknownOperation",
    "UnknownAction",
    "InvalidAction",
    "NotImplemented",
    "NotImplementedException",
    "UnsupportedOperation",
    "UnsupportedOperationException",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_sorted_by_its_code_and_status() {
        let check = |code: Option<&str>, status: Option<u16>, expected: &str| {
            let asked = Asked::<()>::refused("x:Y", code, status, "why".to_owned());
            assert!(format!("{asked:?}").starts_with(expected), "{code:?} {status:?} {asked:?}");
        };
        check(Some("AccessDeniedException"), Some(400), "Denied");
        check(Some("UnauthorizedOperation"), Some(403), "Denied");
        check(Some("UnknownOperationException"), Some(404), "NotOffered");
        check(Some("InvalidAction"), Some(400), "NotOffered");
        check(None, Some(501), "NotOffered");
        check(None, Some(404), "NotOffered");
        check(Some("ResourceNotFoundException"), Some(404), "Failed");
        check(Some("ExpiredToken"), Some(403), "Failed");
        check(None, None, "Failed");
    }

    #[test]
    fn a_port_tells_the_code_in_its_words() {
        let error = PortError::never("DynamoDB: scan table m", "AccessDeniedException: no such right");
        assert!(matches!(Asked::<()>::of_port("dynamodb:Scan", Err(error)), Asked::Denied { .. }));
        let error = PortError::later("DynamoDB: scan table m", "connection refused");
        assert!(matches!(Asked::<()>::of_port("dynamodb:Scan", Err(error)), Asked::Failed { .. }));
    }
}
