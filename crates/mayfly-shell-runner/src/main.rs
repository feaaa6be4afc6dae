#![doc = include_str!("../README.md")]

mod assignment;
mod budget;
mod invocation;
mod settings;
mod shell;
mod wipe;

use std::process::ExitCode;
use std::sync::Arc;

use lambda_runtime::tower::util::MapFutureLayer;
use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
use mayfly_aws::function::init_logging;
use mayfly_core::error::Chain;

use crate::invocation::ShellRunner;
use crate::settings::Settings;

fn main() -> ExitCode {
    if shell::is_called() {
        return shell::become_bash();
    }
    if let Err(error) = init_logging(&["gitlab_runner"]) {
        return failed(&error);
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let ended = runtime.block_on(serve());
    // What still removes files is not waited for.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(error.as_ref()),
    }
}

async fn serve() -> Result<(), Error> {
    let runner = Arc::new(ShellRunner::new(Settings::from_process()?));
    let handler = service_fn(|event: LambdaEvent<serde_json::Value>| runner.handle(event));
    // A layer runs around the answer, too: it has been given when this function ends its process.
    let checked = MapFutureLayer::new(|answered| {
        let runner = Arc::clone(&runner);
        async move {
            let () = Box::pin(answered).await?;
            runner.fit_for_more().map_err(Error::from)
        }
    });
    Runtime::new(handler).layer(checked).run().await
}

fn failed(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    tracing::error!(error = %Chain(error), "the function ends");
    ExitCode::FAILURE
}
