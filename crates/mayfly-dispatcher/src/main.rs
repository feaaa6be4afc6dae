#![doc = include_str!("../README.md")]

mod answer;
mod assignment_reads;
mod dispatch;
mod request;

use std::sync::Arc;

use anyhow::Context;
use lambda_runtime::{LambdaEvent, service_fn};
use mayfly_aws::function::{Connection, environment, init_logging};
use mayfly_core::clock::{Clock, SystemClock};
use mayfly_wiring::Settings;

use crate::dispatch::Dispatch;
use crate::request::Request;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    init_logging(&[])?;
    let settings = Settings::read(&environment())?;
    let connection = Connection::from_environment()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let dispatch = Arc::new(Dispatch::new(&settings, &connection, &clock));

    // Runs beside the first question for an event: what it fetches is there, or on its way, when the event comes.
    let warming = Arc::clone(&dispatch);
    tokio::spawn(async move {
        connection.prepare().await;
        warming.warm().await;
    });

    let handler = service_fn(|event: LambdaEvent<Request>| {
        let dispatch = Arc::clone(&dispatch);
        async move { dispatch.answer(event.payload).await }
    });
    lambda_runtime::run(handler)
        .await
        .map_err(|error| anyhow::anyhow!(error))
        .context("the Lambda runtime ended")
}
