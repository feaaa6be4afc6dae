#![doc = include_str!("../README.md")]

#[cfg(feature = "function")]
pub mod function;

#[cfg(feature = "dynamodb")]
pub mod dynamodb;
#[cfg(feature = "ec2")]
pub mod ec2;
#[cfg(feature = "eventbridge")]
pub mod eventbridge;
#[cfg(feature = "lambda")]
pub mod lambda;
#[cfg(feature = "machine")]
pub mod machine;
#[cfg(feature = "sqs")]
pub mod sqs;
#[cfg(feature = "ssm")]
pub mod ssm;
#[cfg(feature = "sts")]
pub mod sts;

#[cfg(feature = "sqs")]
pub mod dispatch_request;

#[cfg(any(
    feature = "dynamodb",
    feature = "eventbridge",
    feature = "lambda",
    feature = "machine",
    feature = "sqs",
    feature = "ssm",
    feature = "sts"
))]
mod error_codes;
#[cfg(any(
    feature = "dynamodb",
    feature = "eventbridge",
    feature = "machine",
    feature = "sqs",
    feature = "ssm",
    feature = "sts"
))]
mod sdk_error;
#[cfg(any(feature = "dynamodb", feature = "ssm"))]
mod shared_error;

#[cfg(feature = "dynamodb")]
pub use sdk_error::answer_code;
