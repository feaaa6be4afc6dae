//! The emulator of AWS: `ministack`, with our extensions, as one process group that ends with us.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cargo_metadata::camino::Utf8PathBuf;

use super::place::Place;
use super::steps::end_of;
use crate::process::announce;
use crate::python::Venv;

/// Where everything is deployed.
pub(super) const REGION: &str = "eu-central-1";

/// The account that the emulator gives its root.
pub(super) const ACCOUNT: &str = "000000000000";

/// The credentials of the account's root. They open nothing but an emulator that listens on loopback while it runs.
pub(super) const ACCESS_KEY_ID: &str = "mayflyroot";
pub(super) const SECRET_ACCESS_KEY: &str = "mayflyrootsecret";

/// How long it may take until the emulator answers.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running emulator.
pub(super) struct Emulator {
    /// Keeps the emulator and all below it. It ends them when its standard input closes, which it does when we are gone, however.
    leash: Child,
    port: u16,
    /// Where tests and the emulator's EC2 speak of machines.
    machines_port: u16,
    pub(super) log: Utf8PathBuf,
}

impl Emulator {
    /// Starts the emulator with empty state, and waits until it answers.
    pub(super) fn start(place: &Place, venv: &Venv) -> Result<Self> {
        let [port, machines_port] = free_ports()?;
        let log = place.log("emulator");
        let file = File::create(&log).with_context(|| format!("cannot make {log}"))?;
        let mut command = Command::new(venv.program("python"));
        command.arg(place.root.join("xtask/e2e/emulator/leash.py"));
        configure(&mut command, place, port, machines_port);
        // A group of its own: an interrupt from the terminal is for us, and we end it.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        let shown = announce(&command);
        let leash = command.spawn().with_context(|| format!("{shown}: cannot be started"))?;
        let mut emulator = Self { leash, port, machines_port, log };
        emulator.wait_until_ready()?;
        println!("AWS is at {}, its log in {}", emulator.endpoint(), emulator.log);
        Ok(emulator)
    }

    /// Where it answers.
    pub(super) fn endpoint(&self) -> String {
        endpoint(self.port)
    }

    /// Where tests say what becomes of machines, and hear of them.
    pub(super) fn machines(&self) -> String {
        endpoint(self.machines_port)
    }

    /// Makes a command a client of the emulator, with the rights of the account's root.
    pub(super) fn as_client<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        without_own_aws(command)
            .env("AWS_ENDPOINT_URL", self.endpoint())
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
            .env("AWS_REGION", REGION)
            .env("AWS_DEFAULT_REGION", REGION)
            .env("NO_PROXY", "127.0.0.1,localhost")
    }

    /// Ends it, and waits until everything below it is gone too.
    pub(super) fn end(mut self) -> Result<()> {
        // Waiting closes its standard input first.
        let status = self.leash.wait().context("cannot wait for the emulator")?;
        if !status.success() {
            bail!("the emulator failed: {status}\n{}", end_of(&self.log));
        }
        Ok(())
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let output = self.leash.stdout.take().context("the emulator has no output")?;
        match first_line(output, PATIENCE) {
            Some(line) if line == "ready" => Ok(()),
            Some(_) => bail!("the emulator ended before it was ready\n{}", end_of(&self.log)),
            None => bail!("the emulator did not answer within {PATIENCE:?}\n{}", end_of(&self.log)),
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // Closes its standard input, and is done at once if it has ended already.
        if let Err(error) = self.leash.wait() {
            eprintln!("cannot wait for the emulator: {error}");
        }
    }
}

/// Takes from a command whatever leads it to an AWS of the user's own.
fn without_own_aws(command: &mut Command) -> &mut Command {
    for name in
        ["AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_ROLE_ARN"]
    {
        command.env_remove(name);
    }
    command
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
}

fn configure(command: &mut Command, place: &Place, port: u16, machines_port: u16) {
    without_own_aws(command)
        .env("AUTH", "true")
        .env("BIND_HOST", "127.0.0.1")
        .env("MINISTACK_HOST", "127.0.0.1")
        .env("GATEWAY_PORT", port.to_string())
        // Functions get this address from the emulator's own environment.
        .env("AWS_ENDPOINT_URL", endpoint(port))
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
        .env("AWS_DEFAULT_REGION", REGION)
        .env("MINISTACK_REGION", REGION)
        .env("MINISTACK_ACCOUNT_ID", ACCOUNT)
        .env("STATE_DIR", place.state())
        .env("S3_DATA_DIR", place.state().join("s3"))
        .env("TMPDIR", place.temporary())
        .env("MAYFLY_FOLDERS", place.function_folders())
        .env("MAYFLY_FUNCTION_LOGS", place.function_logs())
        .env("MAYFLY_MACHINES_PORT", machines_port.to_string())
        // Neither Docker nor the listeners of services that we do not use.
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .env("SFTP_ENABLED", "0")
        .env("IOT_MTLS_ENABLED", "0")
        // Nothing is written beside the sources.
        .env("PYTHONDONTWRITEBYTECODE", "1");
}

fn endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn free_ports<const N: usize>() -> Result<[u16; N]> {
    // All are held until all are known, so that they differ.
    let listeners = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(listeners) {
        let address = listener.and_then(|listener| listener.local_addr());
        *port = address.context("cannot find a free port")?.port();
    }
    Ok(ports)
}

/// The first line of the output, empty if the output ends without one; `None` if there is none for so long.
fn first_line(output: ChildStdout, patience: Duration) -> Option<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        // What cannot be read is no line.
        let _ = BufReader::new(output).read_line(&mut line);
        let _ = sender.send(line.trim_end().to_owned());
    });
    receiver.recv_timeout(patience).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_line_of(script: &str, patience: Duration) -> Option<String> {
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let line = first_line(child.stdout.take().unwrap(), patience);
        assert!(child.wait().unwrap().success());
        line
    }

    #[test]
    fn the_first_line_is_waited_for_but_not_for_ever() {
        assert_eq!(first_line_of(r"printf 'ready\nmore\n'", PATIENCE).as_deref(), Some("ready"));
        assert_eq!(first_line_of("exit 0", PATIENCE).as_deref(), Some(""));
        assert_eq!(first_line_of("read never; exit 0 || true", Duration::from_millis(20)), None);
    }
}
