#![doc = include_str!("../README.md")]

mod answer;
mod pass;
mod request;
mod settings;

use std::sync::Arc;

use anyhow::Context;
use lambda_runtime::{LambdaEvent, service_fn};
use mayfly_aws::function::{Connection, environment, init_logging};
use mayfly_core::clock::{Clock, SystemClock};

use crate::pass::Passes;
use crate::request::Request;
use crate::settings::Settings;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    init_logging(&[])?;
    let settings = Settings::read(&environment())?;
    let connection = Connection::from_environment()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let passes = Arc::new(Passes::new(&settings, &connection, &clock));

    // Runs beside the first question for an event: what it fetches is there, or on its way, when the event comes.
    let warming = Arc::clone(&passes);
    tokio::spawn(async move {
        connection.prepare().await;
        warming.warm().await;
    });

    let handler = service_fn(|event: LambdaEvent<Request>| {
        let passes = Arc::clone(&passes);
        async move { passes.answer(event.payload).await }
    });
    lambda_runtime::run(handler)
        .await
        .map_err(|error| anyhow::anyhow!(error))
        .context("the Lambda runtime ended")
}
