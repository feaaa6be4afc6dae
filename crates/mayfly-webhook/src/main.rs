#![doc = include_str!("../README.md")]

mod request;
mod secrets;
mod settings;
mod webhook;

use std::sync::Arc;

use anyhow::Context;
use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_runtime::{LambdaEvent, service_fn};
use mayfly_aws::eventbridge::EventBridgeBus;
use mayfly_aws::function::{Connection, environment, init_logging};
use mayfly_aws::ssm::Parameters;
use mayfly_core::clock::SystemClock;

use crate::secrets::{KEEP_SECRETS_FOR, Secrets};
use crate::settings::Settings;
use crate::webhook::Webhook;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    init_logging(&[])?;
    let settings = Settings::read(&environment())?;
    let connection = Connection::from_environment()?;
    let clock = Arc::new(SystemClock);
    let parameters = Parameters::new(connection.ssm(), KEEP_SECRETS_FOR, clock.clone());
    let secrets = Secrets::new(&settings, parameters, clock.clone());
    let bus = EventBridgeBus::new(connection.eventbridge(), &settings.event_bus);
    let webhook = Arc::new(Webhook::new(secrets, settings.allowed_sources, Arc::new(bus), clock));

    // Runs beside the first question for an event: what it fetches is there, or on its way, when the event comes.
    let warming = Arc::clone(&webhook);
    tokio::spawn(async move {
        connection.prepare().await;
        warming.warm().await;
    });

    let handler = service_fn(|event: LambdaEvent<ApiGatewayV2httpRequest>| {
        let webhook = Arc::clone(&webhook);
        async move { Ok::<_, lambda_runtime::Error>(webhook.answer(event).await) }
    });
    lambda_runtime::run(handler)
        .await
        .map_err(|error| anyhow::anyhow!(error))
        .context("the Lambda runtime ended")
}
