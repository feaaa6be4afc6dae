//! Codes of errors that mean the same at all services.

/// HTTP's status for a limit of rate, whatever the code beside it is.
pub(crate) const TOO_MANY_REQUESTS: u16 = 429;

/// Codes that come with a 4xx and pass by themselves. Everything with a 5xx passes as well.
const PASSING_CODES: [&str; 22] = [
    // The next environment of the function has new credentials.
    "ExpiredToken",
    "ExpiredTokenException",
    "InternalError",
    "InternalException",
    "InternalFailure",
    "InternalServerError",
    "KmsThrottled",
    "LimitExceededException",
    "OverLimit",
    "ProvisionedThroughputExceededException",
    "ReplicatedWriteConflictException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionConflictException",
];

/// True for a code of an answer that may be another one at the next call.
pub(crate) fn is_passing_code(code: &str) -> bool {
    PASSING_CODES.contains(&code)
}
