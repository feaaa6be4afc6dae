//! A stand-in for the part of AWS Lambda that a function's process sees: an environment, and the Runtime API.
//!
//! It runs the real binary of a function, hands it events, and takes its answers. The environment variables are those that
//! Lambda sets and nothing else; in particular `PATH` is Lambda's. When an invocation is past its time, the whole environment
//! is killed, as Lambda does. It does not freeze a process between two invocations, and `/init/error` is only noted.
//!
//! ```no_run
//! use std::time::Duration;
//! use mayfly_standins::lambda_runtime::{Answer, Function};
//!
//! # async fn example() -> Result<(), mayfly_standins::lambda_runtime::RuntimeError> {
//! let function = Function::new("target/release/mayfly-webhook").env("MAYFLY_EVENT_BUS", "mayfly");
//! let mut environment = function.start().await?;
//! let cold = environment.ready(Duration::from_secs(10)).await?;
//! let invocation = environment.invoke(r#"{"rawPath":"/"}"#).await?;
//! assert!(matches!(invocation.answer, Answer::Response(_)));
//! println!("ready after {cold:?}, answered after {:?}", invocation.took);
//! # Ok(())
//! # }
//! ```

mod api;
mod process;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mayfly_core::clock::{Clock, SystemClock};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;

use self::api::{Event, Shared};
use self::process::FunctionProcess;
use crate::random;

/// The name every function here has.
const FUNCTION_NAME: &str = "standin-function";

/// What the stand-in could not do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// The Runtime API could not be offered.
    #[error("the stand-in Runtime API cannot listen")]
    Listen(#[source] io::Error),
    /// The function's program could not be started.
    #[error("`{}` cannot be started", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What was waited for did not happen in time.
    #[error("waited too long for {what}; the function's log: {log:#?}")]
    TimedOut {
        /// What was waited for.
        what: &'static str,
        /// What the function has written so far.
        log: Vec<String>,
    },
    /// The function ended before it asked for an event.
    #[error("the function ended ({status}); its log: {log:#?}")]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// What it has written.
        log: Vec<String>,
    },
}

/// A function that can be started, any number of times.
#[derive(Debug, Clone)]
pub struct Function {
    program: PathBuf,
    environment: BTreeMap<OsString, OsString>,
    timeout: Duration,
}

/// One execution environment: a process of the function, and the Runtime API it talks to. Dropping it kills every process in it.
#[derive(Debug)]
pub struct Environment {
    shared: Arc<Shared>,
    process: FunctionProcess,
    timeout: Duration,
    /// Dropping it stops the server.
    _stop: oneshot::Sender<()>,
}

/// One finished invocation.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// The request's id, which the function's log has.
    pub request_id: String,
    /// What came back.
    pub answer: Answer,
    /// From the event's being there for the function to its answer.
    pub took: Duration,
}

/// What an invocation came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The function's response.
    Response(Vec<u8>),
    /// The function reported an error.
    Error(FunctionError),
    /// The process ended instead.
    Exited(ExitStatus),
    /// The time was over. The environment is dead now.
    TimedOut,
}

/// An error as a function reports it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FunctionError {
    /// What kind of error, such as `Later`.
    pub error_type: String,
    /// What is wrong.
    pub error_message: String,
}

impl Function {
    /// A function with 900 s for each invocation, 2048 MB, and the variables that Lambda sets.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        let program = program.into();
        let task_root = program.parent().map(Into::into).unwrap_or_default();
        let mut environment: BTreeMap<OsString, OsString> = [
            ("AWS_ACCESS_KEY_ID", "ASIASTANDIN"),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "2048"),
            ("AWS_LAMBDA_FUNCTION_NAME", FUNCTION_NAME),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/standin-function"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/08/01/[$LATEST]0123456789abcdef"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_SECRET_ACCESS_KEY", "standin-secret-access-key"),
            ("AWS_SESSION_TOKEN", "standin-session-token"),
            ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
            ("LANG", "en_US.UTF-8"),
            ("LD_LIBRARY_PATH", "/var/task:/var/task/lib:/opt/lib"),
            ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin"),
            ("TZ", ":UTC"),
            ("_HANDLER", "bootstrap"),
        ]
        .map(|(name, value)| (name.into(), value.into()))
        .into();
        environment.insert("LAMBDA_TASK_ROOT".into(), task_root);
        Self { program, environment, timeout: Duration::from_mins(15) }
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// How long one invocation may take. Lambda has no longer ones than 900 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Starts an execution environment, on the present runtime.
    pub async fn start(&self) -> Result<Environment, RuntimeError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(RuntimeError::Listen)?;
        let address = listener.local_addr().map_err(RuntimeError::Listen)?;
        let shared = Arc::new(Shared::new());
        let (stop, stopped) = oneshot::channel::<()>();
        let server = axum::serve(listener, api::router(Arc::clone(&shared)));
        tokio::spawn(async move {
            tokio::select! {
                // Ends when the sender is dropped.
                _ = stopped => {}
                ended = server => if let Err(error) = ended {
                    tracing::error!(%error, "the stand-in Runtime API ended");
                },
            }
        });
        let mut variables = self.environment.clone();
        variables.insert("AWS_LAMBDA_RUNTIME_API".into(), address.to_string().into());
        let process = FunctionProcess::start(&self.program, &variables, &shared)
            .map_err(|source| RuntimeError::Start { program: self.program.clone(), source })?;
        Ok(Environment { shared, process, timeout: self.timeout, _stop: stop })
    }
}

impl Environment {
    /// Waits until the function asks for its first event, and tells how long that took from the start of its process.
    pub async fn ready(&mut self, patience: Duration) -> Result<Duration, RuntimeError> {
        let mut first_next = self.shared.first_next();
        let waited = timeout(patience, async {
            tokio::select! {
                biased;
                asked = first_next.wait_for(Option::is_some) => asked.ok().and_then(|asked| *asked).ok_or(None),
                status = self.process.ended() => Err(Some(status)),
            }
        });
        match waited.await {
            Ok(Ok(asked)) => Ok(self.shared.since_start(asked)),
            Ok(Err(Some(status))) => Err(RuntimeError::Ended { status, log: self.log() }),
            Ok(Err(None)) | Err(_) => Err(self.timed_out("the first request for an event")),
        }
    }

    /// Hands the function an event and waits for its answer; events wait for a function that is not ready. Events are JSON
    /// with Lambda, but nobody looks here.
    pub async fn invoke(&mut self, event: impl Into<Vec<u8>>) -> Result<Invocation, RuntimeError> {
        let request_id = random::uuid();
        let (answer, answered) = oneshot::channel();
        let started = tokio::time::Instant::now();
        self.shared.hand_over(Event {
            request_id: request_id.clone(),
            deadline: deadline(SystemClock.now(), self.timeout),
            body: event.into(),
            answer,
        });
        let answer = tokio::select! {
            biased;
            Ok(answer) = answered => answer,
            status = self.process.ended() => Answer::Exited(status),
            () = tokio::time::sleep(self.timeout) => Answer::TimedOut,
        };
        if answer == Answer::TimedOut {
            self.process.kill();
        }
        Ok(Invocation { request_id, answer, took: started.elapsed() })
    }

    /// What the function has written to its standard output and error so far, line by line.
    pub fn log(&self) -> Vec<String> {
        self.shared.log()
    }

    /// Waits until the function has written a line with this text, and returns the line.
    pub async fn log_line(&self, text: &str, patience: Duration) -> Result<String, RuntimeError> {
        let found = timeout(patience, self.shared.wait_for_line(|line| line.contains(text))).await;
        found.map_err(|_| self.timed_out("a line in the log"))
    }

    /// Waits until the function's process has ended.
    pub async fn ended(&mut self, patience: Duration) -> Result<ExitStatus, RuntimeError> {
        let ended = timeout(patience, self.process.ended()).await;
        ended.map_err(|_| self.timed_out("the end of the process"))
    }

    /// The id of the function's process.
    pub fn process_id(&self) -> i32 {
        self.process.id().as_raw()
    }

    fn timed_out(&self, what: &'static str) -> RuntimeError {
        RuntimeError::TimedOut { what, log: self.log() }
    }
}

fn deadline(now: Timestamp, timeout: Duration) -> Timestamp {
    let timeout = SignedDuration::try_from(timeout).unwrap_or(SignedDuration::MAX);
    now.checked_add(timeout).unwrap_or(Timestamp::MAX)
}
