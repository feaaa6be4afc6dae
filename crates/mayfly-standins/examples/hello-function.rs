//! The smallest Lambda function, built like ours: what `cargo xtask bench cold-start` holds them against.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let handler = service_fn(async |_: LambdaEvent<Value>| Ok::<_, Error>(json!({ "message": "hello" })));
    lambda_runtime::run(handler).await
}
