//! What only a process of its own can show: it starts itself as a function would be, with an environment made for it.
#![expect(clippy::expect_used, clippy::print_stdout, clippy::unwrap_used, reason = "all of this is tests")]

mod function;
mod tls;

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use tls::{Authority, TlsServer};

/// Nothing here takes a second; this ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(function::ARGUMENT) {
        return function::main();
    }
    let trials = vec![
        trial("nothing_is_read_before_the_first_call_and_then_the_certificates_of_the_system", || {
            in_time(certificates_are_read_at_the_first_call());
        }),
        trial("a_server_with_a_certificate_of_somebody_else_gets_nothing", || {
            in_time(a_foreign_certificate_is_refused());
        }),
        trial("logs_and_metrics_are_lines_of_json_on_the_standard_output", || in_time(lines_are_json())),
        trial("a_missing_variable_is_named", || in_time(a_missing_variable_is_named())),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(name: &str, test: fn()) -> Trial {
    Trial::test(name, move || {
        test();
        Ok::<(), Failed>(())
    })
}

fn in_time(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let ended = runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await });
    // A thread may still wait for a process that does not do what the test is about.
    runtime.shutdown_background();
    ended.expect("the test ends in time");
}

/// A process that behaves as a function.
struct Function {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Function {
    fn start(variables: &[(&str, &str)]) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .arg(function::ARGUMENT)
            .env_clear()
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    async fn line(&mut self) -> String {
        self.lines.next_line().await.unwrap().expect("another line")
    }

    /// The lines that are left, once the process has ended well.
    async fn rest(mut self) -> Vec<String> {
        let mut rest = Vec::new();
        while let Some(line) = self.lines.next_line().await.unwrap() {
            rest.push(line);
        }
        assert!(self.process.wait().await.unwrap().success(), "{rest:?}");
        rest
    }
}

fn variables<'a>(endpoint: &'a str, certificates: &'a Path) -> Vec<(&'static str, &'a str)> {
    vec![
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_ENDPOINT_URL", endpoint),
        ("SSL_CERT_FILE", certificates.to_str().unwrap()),
    ]
}

/// The file of certificates is a pipe: whoever opens it waits until the test writes.
async fn certificates_are_read_at_the_first_call() {
    let authority = Authority::new();
    let server = TlsServer::start(&authority).await;
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("certificates.pem");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();

    let mut function = Function::start(&variables(&server.url(), &pipe));
    assert_eq!(function.line().await, function::BUILT);
    let pem = authority.pem();
    tokio::task::spawn_blocking(move || {
        use std::io::Write;
        let mut pipe = std::fs::OpenOptions::new().write(true).mode(0o600).open(pipe).unwrap();
        pipe.write_all(pem.as_bytes()).unwrap();
    })
    .await
    .unwrap();
    assert_eq!(function.rest().await, ["published"]);
    assert_eq!(server.asked(), ["AWSEvents.PutEvents"]);
}

async fn a_foreign_certificate_is_refused() {
    let server = TlsServer::start(&Authority::new()).await;
    let folder = tempfile::tempdir().unwrap();
    let certificates = folder.path().join("certificates.pem");
    std::fs::write(&certificates, Authority::new().pem()).unwrap();

    let mut function = Function::start(&variables(&server.url(), &certificates));
    assert_eq!(function.line().await, function::BUILT);
    let rest = function.rest().await;
    assert!(
        rest[0].starts_with("later: EventBridge: put event ") && rest[0].contains("certificate"),
        "{rest:?}"
    );
    assert_eq!(server.asked(), [""; 0]);
}

async fn lines_are_json() {
    let function = Function::start(&[("MAYFLY_LOG", "debug"), ("MAYFLY_TEST", "logs")]);
    let lines = function.rest().await;
    let lines: Vec<serde_json::Value> =
        lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!((&lines[0]["level"], &lines[0]["message"]), (&"DEBUG".into(), &"details".into()));
    assert_eq!((&lines[1]["level"], &lines[1]["job.key"]), (&"WARN".into(), &"gitlab.com/1/2".into()));
    assert_eq!((&lines[2]["Stack"], &lines[2]["JobsParked"]), (&"autoscaler".into(), &1.into()));
}

async fn a_missing_variable_is_named() {
    for (variables, expected) in [
        (
            &[][..],
            "environment variable AWS_REGION is not set: it must be an AWS region such as `eu-central-1`",
        ),
        (
            &[("MAYFLY_LOG", "loud")],
            "environment variable MAYFLY_LOG is not `error`, `warn`, `info`, `debug` or `trace`",
        ),
    ] {
        assert_eq!(Function::start(variables).rest().await, [expected]);
    }
}
