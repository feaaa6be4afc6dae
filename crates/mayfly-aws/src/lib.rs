#![doc = include_str!("../README.md")]

#[cfg(feature = "function")]
pub mod function;

#[cfg(feature = "dynamodb")]
pub mod dynamodb;
#[cfg(feature = "eventbridge")]
pub mod eventbridge;
#[cfg(feature = "lambda")]
pub mod lambda;
#[cfg(feature = "sqs")]
pub mod sqs;
#[cfg(feature = "ssm")]
pub mod ssm;

#[cfg(feature = "sqs")]
pub mod dispatch_request;

#[cfg(any(
    feature = "dynamodb",
    feature = "eventbridge",
    feature = "lambda",
    feature = "sqs",
    feature = "ssm"
))]
mod error_codes;
#[cfg(any(feature = "dynamodb", feature = "eventbridge", feature = "sqs", feature = "ssm"))]
mod sdk_error;
#[cfg(any(feature = "dynamodb", feature = "ssm"))]
mod shared_error;
