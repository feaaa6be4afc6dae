//! A scripted runner, a small GitLab that notes what it is asked, and a clock that can be moved.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use jiff::{SignedDuration, Timestamp};
use mayfly_agent::{AgentConfig, AgentTimings};
use mayfly_core::assignment::{Assignment, RegistrationEnd};
use mayfly_core::clock::{Clock, SystemClock};
use mayfly_core::mapping::RunnerSettings;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

/// The runner's token in all tests.
pub(crate) const TOKEN: &str = "glrt-very-secret-token";

/// Longer than anything here may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What every scripted runner can do. `meet` waits until the test has noticed.
const PRELUDE: &str = r#"
while [ $# -gt 0 ]; do case $1 in -c) config=$2; shift;; esac; shift; done
log() { printf '{"level":"info","msg":"%s"}\n' "$1" >&2; }
started() { log "Starting runner for https://gitlab.example.com with token abcdefghi ..."; }
received() { printf '{"level":"info","job":%s,"msg":"Checking for jobs... received"}\n' "$1" >&2; }
meet() { exec 9<>"/dev/tcp/127.0.0.1/$port"; read -r _ <&9; exec 9>&-; }
wait_for_signals() { while :; do sleep 1000 & wait; done; }
"#;

type Asked = Arc<Mutex<Vec<String>>>;

/// One test's world.
pub(crate) struct World {
    root: tempfile::TempDir,
    meeting: TcpListener,
    asked: Asked,
    pub(crate) assignment: Assignment,
    pub(crate) config: AgentConfig,
}

impl World {
    /// A world whose runner is this bash script, and whose GitLab answers every question about a token like this.
    pub(crate) async fn new(script: &str, verify: StatusCode) -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["work", "observed"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        let meeting = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (gitlab, asked) = serve_gitlab(verify).await;
        let config = AgentConfig {
            runner_command: write_script(root.path(), script, meeting.local_addr().unwrap().port()),
            work_dir: root.path().join("work"),
            environment: machine_environment(),
            timings: AgentTimings {
                kill_after_term: Duration::from_millis(100),
                quit_grace: Duration::from_millis(100),
                ..AgentTimings::default()
            },
            time_limit: None,
        };
        let assignment = Assignment {
            runner: "mayfly-local-0a1b".parse().unwrap(),
            gitlab_url: format!("http://{gitlab}/").parse().unwrap(),
            ca_file: None,
            token: TOKEN.into(),
            at_end: RegistrationEnd::DeleteRunner,
            settings: RunnerSettings::default(),
            deadline: SystemClock.now() + SignedDuration::from_hours(1),
            job_credentials: None,
        };
        Self { root, meeting, asked, assignment, config }
    }

    /// Waits for the script's `meet`, does this, and lets the script go on.
    pub(crate) async fn meet(&self, act: impl FnOnce()) {
        let (mut script, _) = self.meeting.accept().await.unwrap();
        act();
        script.write_all(b"\n").await.unwrap();
    }

    /// What the script wrote to `$observed/<name>`.
    pub(crate) fn observed(&self, name: &str) -> String {
        fs::read_to_string(self.root.path().join("observed").join(name)).unwrap()
    }

    /// True if the process whose id the script wrote to `$observed/<name>` is there, dead or alive.
    pub(crate) fn process_is_there(&self, name: &str) -> bool {
        Path::new("/proc").join(self.observed(name).trim()).exists()
    }

    /// What GitLab was asked: method, path and body.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// A file beside the work folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    #[track_caller]
    pub(crate) fn assert_nothing_is_left(&self) {
        let left: Vec<_> =
            fs::read_dir(&self.config.work_dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(left, Vec::<PathBuf>::new());
    }
}

/// The system's clock, moved ahead when the test says so.
#[derive(Default)]
pub(crate) struct MovedClock {
    seconds: AtomicI64,
}

impl MovedClock {
    pub(crate) fn move_by(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now() + SignedDuration::from_secs(self.seconds.load(Ordering::SeqCst))
    }
}

fn write_script(root: &Path, script: &str, port: u16) -> Vec<OsString> {
    let path = root.join("runner.sh");
    let observed = root.join("observed");
    fs::write(&path, format!("port={port}\nobserved={}\n{PRELUDE}\n{script}\n", observed.display())).unwrap();
    vec!["bash".into(), path.into()]
}

fn machine_environment() -> BTreeMap<OsString, OsString> {
    [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("LANG", "C.UTF-8"),
        ("FEATURE", "on"),
        ("MAYFLY_SETTING", "ours"),
        ("AWS_SECRET_ACCESS_KEY", "aws-secret"),
        ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"),
        ("CI_SERVER_TOKEN", "other-secret"),
    ]
    .map(|(name, value)| (name.into(), value.into()))
    .into()
}

async fn serve_gitlab(verify: StatusCode) -> (SocketAddr, Asked) {
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    let answer = move |method: Method, uri: Uri, body: String| async move {
        noted.lock().unwrap().push(format!("{method} {} {body}", uri.path()));
        match (method, verify) {
            (Method::DELETE, _) => (StatusCode::NO_CONTENT, String::new()),
            (_, StatusCode::OK) => (StatusCode::OK, r#"{"id":1,"token":"t"}"#.to_owned()),
            (_, other) => (other, "{}".to_owned()),
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    (address, asked)
}
