//! The state machines that handle events, asked to handle one more.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::anyhow;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_sfn::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sfn::error::{BoxError, ProvideErrorMetadata};
use aws_sdk_sfn::operation::start_sync_execution::StartSyncExecutionOutput;
use aws_sdk_sfn::types::SyncExecutionStatus;
use aws_smithy_types::timeout::TimeoutConfig;
use mayfly_core::error::Chain;
use mayfly_core::event::JobEvent;
use serde::Serialize;
use serde_json::Value;

use super::choose::Machine;
use crate::installation::aws::Account;
use crate::installation::stack::Stack;

/// An Express execution ends after five minutes (Step Functions quotas).
const EXECUTION_TIMEOUT: Duration = Duration::from_secs(5 * 60 + 20);

/// What a state machine's catch says when it has put the event into the dead-letter queue.
const DEAD_LETTER: &str = "DeadLetter";

/// The state machines of an autoscaler's stack.
pub(super) struct Machines {
    client: Client,
    start: String,
    finish: String,
}

/// What came of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) what: What,
    /// In words.
    pub(super) said: String,
}

impl Outcome {
    pub(super) fn failed(error: &anyhow::Error) -> Self {
        Self { what: What::Failed, said: format!("{error:#}") }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum What {
    /// The dispatcher has handled it.
    Done,
    /// Its job waits for capacity, or for a time.
    Later,
    /// Its job is given up.
    Parked,
    /// It is in a queue, and is handled in its turn.
    Queued,
    /// It would be handled.
    Planned,
    /// Nobody listens to it.
    #[serde(rename = "for-nobody")]
    Nobodys,
    /// It failed, and is a dead letter anew.
    DeadLetter,
    /// It could not be handled.
    Failed,
}

impl What {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Later => "later",
            Self::Parked => "parked",
            Self::Queued => "queued",
            Self::Planned => "planned",
            Self::Nobodys => "for nobody",
            Self::DeadLetter => "dead letter",
            Self::Failed => "failed",
        }
    }

    pub(super) fn has_failed(self) -> bool {
        matches!(self, Self::Failed | Self::DeadLetter)
    }

    /// True if the message that held the event may go: it is handled, or another message holds it.
    pub(super) fn is_settled(self) -> bool {
        self != Self::Failed
    }
}

impl Machines {
    pub(super) fn of(account: &Account, stack: &Stack) -> anyhow::Result<Self> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(EXECUTION_TIMEOUT)
            .operation_attempt_timeout(EXECUTION_TIMEOUT)
            .build();
        let config = aws_sdk_sfn::config::Builder::from(account.config())
            .timeout_config(timeouts)
            .interceptor(PlainLoopback)
            .build();
        let (start, finish) =
            (stack.output("StartRunnerArn")?.to_owned(), stack.output("FinishRunnerArn")?.to_owned());
        Ok(Self { client: Client::from_conf(config), start, finish })
    }

    /// Has the event handled, and waits for what comes of it.
    pub(super) async fn run(
        &self,
        account: &Account,
        machine: Machine,
        event: &JobEvent,
    ) -> anyhow::Result<Outcome> {
        let arn = match machine {
            Machine::Start => &self.start,
            Machine::Finish => &self.finish,
        };
        let input = serde_json::to_string(event)?;
        let answer = self.client.start_sync_execution().state_machine_arn(arn).input(input).send().await;
        match answer {
            Ok(answer) => Ok(read_answer(&answer)),
            Err(error) => {
                let what = format!("execute the state machine {arn}");
                Err(anyhow!("{:#}", account.explain(&what, error.code(), &Chain(&error))))
            }
        }
    }
}

/// What the end of an execution means for its event.
fn read_answer(answer: &StartSyncExecutionOutput) -> Outcome {
    let (error, cause) =
        (answer.error.as_deref().unwrap_or_default(), answer.cause.as_deref().unwrap_or_default());
    match &answer.status {
        SyncExecutionStatus::Succeeded => read_output(answer.output.as_deref().unwrap_or_default()),
        SyncExecutionStatus::TimedOut => {
            let said = "it was cut off after five minutes; what it has begun is done, and may be repeated"
                .to_owned();
            Outcome { what: What::Failed, said }
        }
        _ if error == DEAD_LETTER => Outcome { what: What::DeadLetter, said: format!("{error}: {cause}") },
        status => {
            let words = [status.as_str(), error, cause].into_iter().filter(|word| !word.is_empty());
            Outcome { what: What::Failed, said: words.collect::<Vec<_>>().join(": ") }
        }
    }
}

/// The dispatcher's answer, as the state machines pass it on.
fn read_output(output: &str) -> Outcome {
    let answer: Value = serde_json::from_str(output).unwrap_or_default();
    let word = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
    let what = match word("outcome").as_deref() {
        Some("done") => What::Done,
        Some("later") => What::Later,
        Some("parked") => What::Parked,
        _ => {
            let said = format!("the state machine's answer is not understood: {output}");
            return Outcome { what: What::Failed, said };
        }
    };
    Outcome { what, said: word("summary").unwrap_or_default() }
}

/// `StartSyncExecution` goes to an address of its own, `sync-` and the usual one. A loopback address has no such names beside it.
#[derive(Debug)]
struct PlainLoopback;

impl Intercept for PlainLoopback {
    fn name(&self) -> &'static str {
        "PlainLoopback"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        if let Some(uri) = plain_loopback(request.uri()) {
            request.set_uri(uri)?;
        }
        Ok(())
    }
}

/// The address without the prefix, if it is one on this machine.
fn plain_loopback(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once("://sync-")?;
    let authority = rest.split('/').next()?;
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_local = host == "localhost" || host.parse::<IpAddr>().is_ok();
    is_local.then(|| format!("{scheme}://{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: &str, output: Option<&str>, error: Option<&str>, expected: (What, &str)) {
        let answer = StartSyncExecutionOutput::builder()
            .execution_arn("arn")
            .start_date(aws_sdk_sfn::primitives::DateTime::from_secs(0))
            .stop_date(aws_sdk_sfn::primitives::DateTime::from_secs(1))
            .status(status.into())
            .set_output(output.map(str::to_owned))
            .set_error(error.map(str::to_owned))
            .set_cause(error.map(|_| "because".to_owned()))
            .build()
            .unwrap();
        let outcome = read_answer(&answer);
        assert_eq!((outcome.what, outcome.said.as_str()), expected);
    }

    #[test]
    fn every_end_of_an_execution_is_told() {
        let answer = |outcome: &str| format!(r#"{{"outcome":"{outcome}","summary":"words"}}"#);
        check("SUCCEEDED", Some(&answer("done")), None, (What::Done, "words"));
        check("SUCCEEDED", Some(&answer("later")), None, (What::Later, "words"));
        check("SUCCEEDED", Some(&answer("parked")), None, (What::Parked, "words"));
        check(
            "SUCCEEDED",
            Some("{}"),
            None,
            (What::Failed, "the state machine's answer is not understood: {}"),
        );
        check("FAILED", None, Some("DeadLetter"), (What::DeadLetter, "DeadLetter: because"));
        check("FAILED", None, Some("UnknownAnswer"), (What::Failed, "FAILED: UnknownAnswer: because"));
        let cut_off = "it was cut off after five minutes; what it has begun is done, and may be repeated";
        check("TIMED_OUT", None, None, (What::Failed, cut_off));
    }

    #[test]
    fn only_addresses_of_this_machine_lose_the_prefix() {
        for (uri, expected) in [
            ("http://sync-127.0.0.1:4566/", Some("http://127.0.0.1:4566/")),
            ("http://sync-localhost:4566/", Some("http://localhost:4566/")),
            ("https://sync-states.eu-central-1.amazonaws.com/", None),
            ("http://127.0.0.1:4566/", None),
        ] {
            assert_eq!(plain_loopback(uri).as_deref(), expected, "{uri}");
        }
    }
}
